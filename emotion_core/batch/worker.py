"""The actor of a bulk run: loads the networks, processes chunks, reports progress."""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emotion_core.batch.job import do_chunk
from emotion_core.batch.plan import Chunk
from emotion_core.batch.sources import MediaKind
from emotion_core.local_analyzer import load_analyzer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from emotion_core.batch.job import Job


class ChunkWorker:
    """Processes rows of the plan for Ray Data; loads the networks once.

    Args:
        job: Models, settings and target folder.
        device: Where the emotion network runs.
        cores: Cores that this actor may use.
    """

    def __init__(self, job: Job, device: str, cores: int) -> None:
        import cv2

        self._job = job
        cv2.setNumThreads(cores)
        os.environ["OMP_NUM_THREADS"] = str(cores)
        with _few_cores(cores):
            self._analyzer = load_analyzer([job.emotion], [job.detector], device=device)

    def __call__(self, rows: Mapping[str, Any]) -> Iterator[dict[str, list[int]]]:
        """Processes chunks.

        Args:
            rows: Columns ``kind`` and ``urls``, see ``Chunk``.

        Yields:
            One row: inputs finished, and how many of them failed.
        """
        for kind, urls in zip(rows["kind"], rows["urls"], strict=True):
            chunk = Chunk(MediaKind(kind), tuple(map(str, urls)))
            self._job.folder.begin(chunk)
            for step in do_chunk(self._analyzer, self._job, chunk):
                yield {"inputs": [step.inputs], "failed": [step.failed]}


@contextmanager
def _few_cores(cores: int) -> Iterator[None]:
    """Limits the visible cores while networks are loaded: they start one thread per core.

    Afterwards all threads may run on any core.
    """
    if not hasattr(os, "sched_getaffinity"):
        yield
        return
    usable = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(usable)[:cores])
    try:
        yield
    finally:
        for thread in Path("/proc/self/task").iterdir():
            with suppress(ProcessLookupError):  # the thread has just ended
                os.sched_setaffinity(int(thread.name), usable)
