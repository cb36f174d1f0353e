"""A bulk run: from sources to a folder of tables, by a pool of actors on Ray Data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from emotion_core.batch.job import ChunkProgress
from emotion_core.batch.plan import BatchPlan
from emotion_core.batch.sources import MediaKind, list_inputs
from emotion_core.errors import EmotionError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from emotion_core.batch.job import Job

_LOST_CHUNKS = 10
"""Chunks whose process ended under them may be so many before the whole run ends."""

_PART_INPUTS = 20_000
"""Inputs in one file of the plan: read by one task, in pieces of one chunk."""


@dataclass(frozen=True, slots=True)
class WorkerConfig:
    """Who does the work.

    Attributes:
        actors: Processes that each hold the networks.
        cpus: Cores of each.
        gpus: Of each; may be a part of one.
        device: Where the emotion network runs: ``"auto"``, ``"cpu"`` or ``"cuda"``.
    """

    actors: int
    cpus: float
    gpus: float
    device: str


@dataclass(frozen=True, slots=True)
class WorkSummary:
    """How much there is to do.

    Attributes:
        inputs: All that the sources mean, each once.
        finished: So many of them by earlier runs.
        failed: So many of those failed.
        parts: Of the plan.
    """

    inputs: int
    finished: int
    failed: int
    parts: int


def make_plan(job: Job, sources: Iterable[str], *, retry_failed: bool = False) -> WorkSummary:
    """List all inputs, leave out what is finished, and write the rest into the folder, in chunks.

    Args:
        job: Its folder is prepared.
        sources: Paths and URLs, see ``list_inputs``.
        retry_failed: Do inputs again that failed in an earlier run.

    Raises:
        EmotionError: Sources cannot be read, or the folder cannot be written.
    """
    with BatchPlan() as plan:
        plan.add(list_inputs(sources))
        n_inputs = len(plan)
        failed = 0
        for kind in MediaKind:
            for finished in job.folder.finished(kind):
                again = plan.held(kind, finished.failed) if retry_failed else set()
                if again:
                    job.folder.forget(kind, finished.chunk, again)
                failed += plan.discard(kind, set(finished.failed) - again)
                plan.discard(kind, finished.analyzed)
        left = len(plan)
        parts = job.folder.write_plan(plan.chunks(job.chunk_photos), _PART_INPUTS)
    return WorkSummary(n_inputs, n_inputs - left, failed, parts)


def fit_workforce(ray: Any, wanted: WorkerConfig) -> WorkerConfig:
    """Fill in what was left open, by what Ray has.

    Where there are GPUs and none are ruled out, there is an actor for each; else one for two
    cores. Cores are shared out evenly.

    Args:
        ray: The module, connected.
        wanted: What was asked for; 0 actors or cores and negative GPUs are left open.

    Raises:
        EmotionError: No machine has what an actor needs.
    """
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    cpus = sum(node.get("CPU", 0) for node in nodes)
    gpus = sum(node.get("GPU", 0) for node in nodes) if wanted.device != "cpu" else 0
    actors = wanted.actors or int(gpus) or max(1, int(cpus // 2))
    largest = max(node.get("CPU", 0) for node in nodes)
    each = wanted.cpus or max(1, min(cpus // actors, largest))
    of_gpu = wanted.gpus if wanted.gpus >= 0 else min(1.0, gpus / actors)
    if not any(n.get("CPU", 0) >= each and n.get("GPU", 0) >= of_gpu for n in nodes):
        raise EmotionError(
            f"No machine has the {each:g} cores and {of_gpu:g} GPUs that an actor was given; "
            "ask for less with --cpus-per-actor and --gpus-per-actor."
        )
    return WorkerConfig(actors, each, of_gpu, wanted.device if of_gpu else "cpu")


def iter_steps(ray: Any, job: Job, workforce: WorkerConfig, parts: int) -> Iterator[ChunkProgress]:
    """Do what the plan says; results are written as they come.

    A process that dies is started anew, and its chunk is tried again (``ResultFolder.begin``).

    Args:
        ray: The module, connected.
        job: What is done.
        workforce: Who does it.
        parts: Of the plan.

    Yields:
        Progress, in the order in which it is made.

    Raises:
        EmotionError: Too many chunks failed as a whole; those that are finished stay.
    """
    from emotion_core.batch.plan_source import PlanSource
    from emotion_core.batch.worker import ChunkWorker

    _set_up(ray)
    steps = ray.data.read_datasource(PlanSource(job.folder, parts), num_cpus=0).map_batches(
        ChunkWorker,
        fn_constructor_args=(job, workforce.device, max(1, int(workforce.cpus))),
        batch_size=1,
        compute=ray.data.ActorPoolStrategy(size=workforce.actors, max_tasks_in_flight_per_actor=2),
        num_cpus=workforce.cpus,
        num_gpus=workforce.gpus,
    )
    try:
        for batch in steps.iter_batches(batch_size=None, prefetch_batches=0):
            yield ChunkProgress(int(batch["inputs"].sum()), int(batch["failed"].sum()))
    except ray.exceptions.RayError as error:
        raise EmotionError(
            f"The run ended early: {_reason(error)}. What is finished stays; the same command goes "
            "on."
        ) from error


def _reason(error: BaseException) -> str:
    """The last line of what went wrong in an actor; the kind of error where it says nothing."""
    cause: BaseException = getattr(error, "cause", None) or error
    lines = str(cause).strip().splitlines()
    return lines[-1] if lines else type(cause).__name__


def _set_up(ray: Any) -> None:
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    context.target_max_block_size = 1  # bytes: each chunk, and each step, travels on its own
    context.max_errored_blocks = _LOST_CHUNKS
