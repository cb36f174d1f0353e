"""``python -m emotion_core batch``: any number of photos and videos in, Parquet tables out."""

from __future__ import annotations

import argparse
import logging
import signal
import sys
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
    add_faces,
    add_networks,
    add_video_settings,
    count,
    eprint,
    float_in_range,
    show_download,
    to_video_settings,
)
from emotion_core.errors import MissingExtraError
from emotion_core.files.ray_session import prepare_environment, ray_session
from emotion_core.local_analyzer import fetch_first
from emotion_core.models.card import Task
from emotion_core.models.hub import resolve_models
from emotion_core.models.runtime import DEVICES, usable_cores
from emotion_core.photos.tables import readable_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from emotion_core.batch.bulk_run import WorkSummary
    from emotion_core.batch.job import Job
    from emotion_core.models.card import ModelCard

DEFAULT_CHUNK = 256
_SHOWN_FAILURES = 5


def add_batch(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``batch`` and what it runs."""
    parser.description = (
        "Analyse any number of photos and videos by several processes on Ray Data. SOURCE is a "
        "folder, a file, or a text file (.txt, .list) with one path or URL a line; all may be "
        "URLs for which fsspec has a driver. DIR gets Parquet tables: faces, photos, frames, "
        "people, videos, failed. A run that was stopped goes on when the same command is given "
        f"again. {TABLES_HELP}"
    )
    parser.add_argument("sources", nargs="+", metavar="SOURCE", help="paths and URLs")
    parser.add_argument(
        "--out", required=True, metavar="DIR", help="where results go; may be a URL"
    )
    parser.add_argument(
        "--retry-failed",
        action="store_true",
        help="try inputs again that failed in an earlier run",
    )
    _add_workforce(parser)
    _add_settings(parser)
    parser.set_defaults(run=run_batch)


def _add_workforce(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("who does the work")
    group.add_argument(
        "--actors",
        type=count,
        default=0,
        metavar="N",
        help="processes that each load the networks (default: one per GPU, else per two cores)",
    )
    group.add_argument("--cpus-per-actor", type=count, default=0, metavar="N", help="cores of each")
    group.add_argument(
        "--gpus-per-actor",
        type=float_in_range(lambda value: 0 <= value <= 64, "a number from 0 to 64"),
        default=-1.0,
        metavar="F",
        help="GPUs of each, e.g. 0.5 for two actors on one",
    )
    group.add_argument(
        "--address",
        metavar="A",
        help="Ray cluster that runs, e.g. auto; DIR must be reached from all its machines, and "
        "emoscope be installed on them (default: Ray is started here for this run)",
    )
    group.add_argument("--device", choices=DEVICES, default="auto")


def _add_settings(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("settings; those of a run that goes on must be the same")
    add_networks(group)
    add_faces(group, picture="picture")
    add_video_settings(group)
    group.add_argument(
        "--chunk",
        type=count,
        default=DEFAULT_CHUNK,
        metavar="N",
        help=f"photos in a Parquet file; a run that is killed redoes so many per actor "
        f"(default {DEFAULT_CHUNK})",
    )


def run_batch(chosen: argparse.Namespace) -> int:
    """Run a bulk analysis, or go on with one.

    Returns:
        0 all inputs are analysed, 1 some failed, 2 there is none.

    Raises:
        EmotionError: It cannot be begun as asked, or had to end early.
    """
    _check_installed()
    from emotion_core.batch.bulk_run import make_plan
    from emotion_core.batch.folder_lock import folder_lock

    job = _make_job(chosen)
    with _terminable(), folder_lock(job.folder.url):
        job.folder.prepare(job.to_settings())
        try:
            extent = make_plan(job, chosen.sources, retry_failed=chosen.retry_failed)
            if not extent.inputs:
                eprint("error: There is no photo or video among the sources given.")
                return WRONG_USE
            if extent.finished:
                eprint(f"{extent.finished} of {extent.inputs} inputs were finished before.")
            done = failed = 0
            if extent.parts:
                done, failed = _work(chosen, job, extent)
        finally:
            job.folder.clear()
    return _sum_up(job, extent, done, failed)


def _check_installed() -> None:
    """Say what is missing before anything else is done; Ray itself is imported later, set up."""
    if not all(find_spec(name) for name in ("ray", "fsspec", "pyarrow")):
        raise MissingExtraError(
            "A bulk run needs Ray Data; install it with: pip install -e '.[serve]'."
        )


def _make_job(chosen: argparse.Namespace) -> Job:
    from emotion_core.batch.job import Job
    from emotion_core.batch.results import ResultFolder

    emotion = _choose(chosen.model, Task.EMOTION)
    detector = _choose(chosen.detector, Task.DETECTION)
    eprint(f"{emotion.name}, faces by {detector.name}.")
    folder = ResultFolder(chosen.out, emotion.labels)
    return Job(folder, emotion, detector, to_video_settings(chosen), chosen.chunk)


def _choose(name: str | None, task: Task) -> ModelCard:
    """Choose a network that is to be had, before actors are started that would lack it."""
    found = fetch_first(resolve_models(name, task), "cpu", show_download)
    for notice in found.notices:
        eprint(f"note: {notice}")
    return found.card


def _work(chosen: argparse.Namespace, job: Job, extent: WorkSummary) -> tuple[int, int]:
    """Do what is left, with a bar on the terminal; tell how many inputs are done, and failed."""
    from emotion_core.batch.bulk_run import WorkerConfig, iter_steps, resolve_workers

    wanted = WorkerConfig(
        chosen.actors, chosen.cpus_per_actor, chosen.gpus_per_actor, chosen.device
    )
    cpus = max(usable_cores(), chosen.actors * max(1, chosen.cpus_per_actor))
    prepare_environment(is_local=chosen.address is None, RAY_BACKEND_LOG_LEVEL="fatal")
    done = failed = 0
    with (
        ray_session("ray.data", cpus=cpus, address=chosen.address) as ray,
        tqdm(total=extent.inputs, initial=extent.finished, unit="input", disable=None) as bar,
    ):
        for name in ("ray", "ray.data"):  # what goes wrong comes as an exception, and is told
            logging.getLogger(name).setLevel(logging.CRITICAL)
        for step in iter_steps(ray, job, resolve_workers(ray, wanted), extent.parts):
            done += step.inputs
            failed += step.failed
            bar.set_postfix(failed=extent.failed + failed, refresh=False)
            bar.update(step.inputs)
    return done, failed


def _sum_up(job: Job, extent: WorkSummary, done: int, failed: int) -> int:
    failed += extent.failed
    if failed:
        for url, error in islice(job.folder.failures(), _SHOWN_FAILURES):
            eprint(f"failed: {readable_name(url)}: {error}")
    if failed > _SHOWN_FAILURES:
        eprint("All that failed are in the table failed.")
    lost = extent.inputs - extent.finished - done
    analyzed = extent.finished + done - failed
    done_so_far = f"{analyzed} of {extent.inputs} inputs analysed, {failed} failed"
    eprint(f'{done_so_far}; results in "{job.folder.url}".')
    if lost > 0:
        eprint(
            f"{lost} were not finished: the processes at work on them ended. "
            "The same command tries them again."
        )
    return SOME_FAILED if failed or lost > 0 else OK


@contextmanager
def _terminable() -> Iterator[None]:
    """Let SIGTERM end the run as Ctrl-C does: everything that was started is ended."""

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    except KeyboardInterrupt:
        sys.stderr.write("\n")
        eprint("What is finished stays; the same command goes on.")
        raise
    finally:
        signal.signal(signal.SIGTERM, before)
