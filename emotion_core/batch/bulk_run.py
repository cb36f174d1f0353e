"""Bulk runs: from sources to a folder of tables, by a pool of actors on Ray Data."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from emotion_core.batch.job import ChunkProgress
from emotion_core.batch.listing import list_inputs
from emotion_core.batch.plan import BatchPlan
from emotion_core.batch.sources import MediaKind
from emotion_core.errors import EmotionError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from emotion_core.batch.job import Job

_LOST_CHUNKS = 10
"""Maximum number of chunks whose process died before the whole run ends."""

_PART_INPUTS = 20_000
"""Inputs in one file of the plan, which one task reads chunk by chunk."""


@dataclass(frozen=True, slots=True)
class WorkerConfig:
    """Resources of a bulk run.

    Attributes:
        actors: Processes, each with its own copy of the networks.
        cpus: Cores per actor.
        gpus: GPUs per actor; may be a fraction.
        device: Where the emotion network runs: ``"auto"``, ``"cpu"`` or ``"cuda"``.
    """

    actors: int
    cpus: float
    gpus: float
    device: str


@dataclass(frozen=True, slots=True)
class WorkSummary:
    """Amount of work of a bulk run.

    Attributes:
        inputs: All inputs, without duplicates.
        finished: How many of them earlier runs finished.
        failed: How many of those failed.
        parts: Parts of the plan.
        passed_over: Files in folders by suffix that are neither photo nor video.
    """

    inputs: int
    finished: int
    failed: int
    parts: int
    passed_over: Mapping[str, int]


def make_plan(job: Job, sources: Iterable[str], *, retry_failed: bool = False) -> WorkSummary:
    """Lists all inputs, omits finished ones, and writes the rest into the folder, in chunks.

    Args:
        job: Its folder is prepared.
        sources: Paths and URLs, see ``list_inputs``.
        retry_failed: Whether to repeat inputs that failed in an earlier run.

    Raises:
        EmotionError: Sources cannot be read, or the folder cannot be written.
    """
    passed_over = Counter[str]()
    with BatchPlan() as plan:
        plan.add(list_inputs(sources, lambda path: passed_over.update([path.suffix.lower()])))
        n_inputs = len(plan)
        failed = 0
        for kind in MediaKind:
            for finished in job.folder.finished(kind):
                again = plan.find_known(kind, finished.failed) if retry_failed else set()
                if again:
                    job.folder.forget(kind, finished.chunk, again)
                failed += plan.discard(kind, set(finished.failed) - again)
                plan.discard(kind, finished.analyzed)
        left = len(plan)
        parts = job.folder.write_plan(plan.chunks(job.chunk_photos), _PART_INPUTS)
    return WorkSummary(n_inputs, n_inputs - left, failed, parts, passed_over)


def resolve_workers(ray: Any, requested: WorkerConfig) -> WorkerConfig:
    """Fills in open values by the resources that Ray has.

    If there are GPUs and the device is not the CPU, there is one actor for each, else one for two
    cores. Cores are divided evenly.

    Args:
        ray: The module, connected.
        requested: 0 actors or cores and negative GPUs are open.

    Raises:
        EmotionError: No machine has what an actor needs.
    """
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    cpus = sum(node.get("CPU", 0) for node in nodes)
    gpus = sum(node.get("GPU", 0) for node in nodes) if requested.device != "cpu" else 0
    actors = requested.actors or int(gpus) or max(1, int(cpus // 2))
    largest = max(node.get("CPU", 0) for node in nodes)
    actor_cpus = requested.cpus or max(1, min(cpus // actors, largest))
    actor_gpus = requested.gpus if requested.gpus >= 0 else min(1.0, gpus / actors)
    if not any(n.get("CPU", 0) >= actor_cpus and n.get("GPU", 0) >= actor_gpus for n in nodes):
        raise EmotionError(
            f"No machine has the {actor_cpus:g} cores and {actor_gpus:g} GPUs that an actor needs; "
            "ask for less with --cpus-per-actor and --gpus-per-actor."
        )
    return WorkerConfig(actors, actor_cpus, actor_gpus, requested.device if actor_gpus else "cpu")


def iter_steps(ray: Any, job: Job, workers: WorkerConfig, parts: int) -> Iterator[ChunkProgress]:
    """Executes the plan; results are written as they come.

    A process that dies is restarted, and its chunk is tried again (``ResultFolder.begin``).

    Args:
        ray: The module, connected.
        job: Models, settings and target folder.
        workers: Without open values.
        parts: Of the plan.

    Yields:
        Progress, in the order in which it is made.

    Raises:
        EmotionError: Too many chunks failed as a whole; finished ones stay.
    """
    from emotion_core.batch.plan_source import PlanSource
    from emotion_core.batch.worker import ChunkWorker

    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    context.target_max_block_size = 1  # bytes: each chunk, and each step, travels separately
    context.max_errored_blocks = _LOST_CHUNKS
    steps = ray.data.read_datasource(PlanSource(job.folder, parts), num_cpus=0).map_batches(
        ChunkWorker,
        fn_constructor_args=(job, workers.device, max(1, int(workers.cpus))),
        batch_size=1,
        compute=ray.data.ActorPoolStrategy(size=workers.actors, max_tasks_in_flight_per_actor=2),
        num_cpus=workers.cpus,
        num_gpus=workers.gpus,
    )
    try:
        for batch in steps.iter_batches(batch_size=None, prefetch_batches=0):
            yield ChunkProgress(int(batch["inputs"].sum()), int(batch["failed"].sum()))
    except ray.exceptions.RayError as error:
        cause: BaseException = getattr(error, "cause", None) or error
        *_, reason = str(cause).strip().splitlines() or [type(cause).__name__]
        raise EmotionError(
            f"The run ended early: {reason}. "
            "Finished results are kept; run the same command to resume."
        ) from error
