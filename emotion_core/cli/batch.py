"""``python -m emotion_core batch``: any number of photos and videos to Parquet tables."""

from __future__ import annotations

import argparse
import logging
import signal
import sys
from collections import Counter
from contextlib import contextmanager
from importlib.util import find_spec
from itertools import islice
from typing import TYPE_CHECKING

from tqdm import tqdm

from emotion_core.cli.arguments import (
    OK,
    SOME_FAILED,
    TABLES_HELP,
    WRONG_USE,
    add_material,
    add_networks,
    count,
    eprint,
    fetch_chosen,
    float_in_range,
    show_download,
)
from emotion_core.cli.media import (
    add_actions,
    add_faces,
    add_video_settings,
    print_skipped,
    to_video_settings,
)
from emotion_core.errors import MissingExtraError
from emotion_core.files.ray_session import prepare_environment, ray_session
from emotion_core.models.card import Task
from emotion_core.models.runtime import DEVICES, usable_cores
from emotion_core.photos.tables import readable_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from emotion_core.batch.bulk_run import WorkSummary
    from emotion_core.batch.job import Job

DEFAULT_CHUNK = 256
_SHOWN_FAILURES = 5


def add_batch(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of ``batch``; sets ``run``."""
    parser.description = (
        "Analyse any number of photos and videos with several processes on Ray Data. SOURCE is a "
        "folder, a file, a ZIP archive, or a text file (.txt, .list) with one path or URL per "
        "line; all may be URLs for which fsspec has a driver. DIR gets Parquet tables: faces, "
        "photos, frames, people, videos, failed. The same command resumes a run that was stopped. "
        f"{TABLES_HELP}"
    )
    parser.add_argument("sources", nargs="+", metavar="SOURCE", help="paths and URLs")
    parser.add_argument(
        "--out", required=True, metavar="DIR", help="where results go; may be a URL"
    )
    parser.add_argument(
        "--retry-failed",
        action="store_true",
        help="retry inputs that failed in an earlier run",
    )
    _add_workforce(parser)
    _add_settings(parser)
    parser.set_defaults(run=run_batch)


def _add_workforce(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("processes")
    group.add_argument(
        "--actors",
        type=count,
        default=0,
        metavar="N",
        help="processes, each with its own networks (default: one per GPU, else per two cores)",
    )
    group.add_argument(
        "--cpus-per-actor", type=count, default=0, metavar="N", help="cores per process"
    )
    group.add_argument(
        "--gpus-per-actor",
        type=float_in_range(lambda value: 0 <= value <= 64, "a number from 0 to 64"),
        default=-1.0,
        metavar="F",
        help="GPUs per process, e.g. 0.5 for two processes on one GPU",
    )
    group.add_argument(
        "--address",
        metavar="A",
        help="running Ray cluster, e.g. auto; all its machines must have access to DIR and have "
        "emoscope installed (default: Ray is started here for this run)",
    )
    group.add_argument("--device", choices=DEVICES, default="auto")


def _add_settings(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("settings; a resumed run needs the same ones")
    add_networks(group)
    add_material(group)
    add_faces(group, noun="image")
    add_actions(group)
    add_video_settings(group)
    group.add_argument(
        "--chunk",
        type=count,
        default=DEFAULT_CHUNK,
        metavar="N",
        help="photos per Parquet file; after an interruption, at most as many are repeated per "
        f"process (default {DEFAULT_CHUNK})",
    )


def run_batch(chosen: argparse.Namespace) -> int:
    """Runs or resumes a bulk analysis.

    Returns:
        0 if all inputs are analysed, 1 if some failed, 2 if there are none.

    Raises:
        EmotionError: The analysis cannot start as requested, or had to end early.
    """
    # Ray itself is imported only after its environment has been set up.
    if not all(find_spec(name) for name in ("ray", "fsspec", "pyarrow")):
        raise MissingExtraError(
            "A bulk run needs Ray Data; install it with: pip install -e '.[serve]'."
        )
    from emotion_core.batch.bulk_run import make_plan
    from emotion_core.batch.folder_lock import folder_lock

    job = _make_job(chosen)
    with _terminable(), folder_lock(job.folder.url):
        job.folder.prepare(job.to_settings())
        try:
            summary = make_plan(job, chosen.sources, retry_failed=chosen.retry_failed)
            print_skipped(Counter(summary.passed_over).elements())
            if not summary.inputs:
                eprint("error: There is no photo or video among the sources given.")
                return WRONG_USE
            if summary.finished:
                eprint(f"{summary.finished} of {summary.inputs} inputs were finished before.")
            done = failed = 0
            if summary.parts:
                done, failed = _work(chosen, job, summary)
        finally:
            job.folder.clear()
    return _sum_up(job, summary, done, failed)


def _make_job(chosen: argparse.Namespace) -> Job:
    from emotion_core.batch.job import Job
    from emotion_core.batch.results import ResultFolder

    # Before actors are started that would lack the files.
    emotion = fetch_chosen(chosen.model, Task.EMOTION, "cpu", show_download).card
    if chosen.material != "everyday":
        emotion = emotion.for_material(chosen.material)
    detector = fetch_chosen(chosen.detector, Task.DETECTION, "cpu", show_download).card
    eprint(f"{emotion.name}, faces by {detector.name}.")
    folder = ResultFolder(chosen.out, emotion.labels, actions=chosen.actions)
    return Job(folder, emotion, detector, to_video_settings(chosen), chosen.chunk)


def _work(chosen: argparse.Namespace, job: Job, summary: WorkSummary) -> tuple[int, int]:
    """Does the remaining work with a progress bar; returns how many inputs are done and failed."""
    from emotion_core.batch.bulk_run import WorkerConfig, iter_steps, resolve_workers

    config = WorkerConfig(
        chosen.actors, chosen.cpus_per_actor, chosen.gpus_per_actor, chosen.device
    )
    cpus = max(usable_cores(), chosen.actors * max(1, chosen.cpus_per_actor))
    prepare_environment(is_local=chosen.address is None, RAY_BACKEND_LOG_LEVEL="fatal")
    done = failed = 0
    with (
        ray_session("ray.data", cpus=cpus, address=chosen.address) as ray,
        tqdm(total=summary.inputs, initial=summary.finished, unit="input", disable=None) as bar,
    ):
        for name in ("ray", "ray.data"):  # their errors also come as exceptions
            logging.getLogger(name).setLevel(logging.CRITICAL)
        for step in iter_steps(ray, job, resolve_workers(ray, config), summary.parts):
            done += step.inputs
            failed += step.failed
            bar.set_postfix(failed=summary.failed + failed, refresh=False)
            bar.update(step.inputs)
    return done, failed


def _sum_up(job: Job, summary: WorkSummary, done: int, failed: int) -> int:
    failed += summary.failed
    if failed:
        for url, error in islice(job.folder.failures(), _SHOWN_FAILURES):
            eprint(f"failed: {readable_name(url)}: {error}")
    if failed > _SHOWN_FAILURES:
        eprint("The table failed lists all of them.")
    lost = summary.inputs - summary.finished - done
    analyzed = summary.finished + done - failed
    done_so_far = f"{analyzed} of {summary.inputs} inputs analysed, {failed} failed"
    eprint(f'{done_so_far}; results in "{job.folder.url}".')
    if lost > 0:
        eprint(
            f"{lost} were not finished because their processes ended. "
            "The same command tries them again."
        )
    return SOME_FAILED if failed or lost > 0 else OK


@contextmanager
def _terminable() -> Iterator[None]:
    """Lets SIGTERM end the run, with everything that it started, as Ctrl-C does."""

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    except KeyboardInterrupt:
        sys.stderr.write("\n")
        eprint("Finished results are kept; run the same command to resume.")
        raise
    finally:
        signal.signal(signal.SIGTERM, before)
