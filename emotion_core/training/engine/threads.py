"""Training and measuring on fewer cores than there are."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

import cv2
import torch

from emotion_core.errors import EmotionError

if TYPE_CHECKING:
    from collections.abc import Iterator


def set_threads(n: int | None) -> None:
    """Let torch have so many threads on the CPU from now on; ``None`` for as many as it likes.

    Raises:
        EmotionError: That is none.
    """
    if n is None:
        return
    if n < 1:
        raise EmotionError("--threads must be at least 1.")
    torch.set_num_threads(n)


@contextmanager
def limited_cores(n: int) -> Iterator[None]:
    """Let this process use so many cores only, whatever computes: torch, ONNX Runtime, OpenCV.

    Where the system cannot limit cores, torch and OpenCV are held to so many threads.

    Args:
        n: From 1 to ``runtime.usable_cores()``.
    """
    threads, opencv = torch.get_num_threads(), cv2.getNumThreads()
    cores = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()
    if cores:
        os.sched_setaffinity(0, sorted(cores)[:n])
    torch.set_num_threads(n)
    cv2.setNumThreads(n)
    try:
        yield
    finally:
        if cores:
            os.sched_setaffinity(0, cores)
        torch.set_num_threads(threads)
        cv2.setNumThreads(opencv)
