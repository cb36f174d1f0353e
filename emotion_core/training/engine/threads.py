"""Measuring on fewer cores than the machine has."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

import cv2
import torch

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def limited_cores(n: int) -> Iterator[None]:
    """Limit this process to ``n`` CPU cores, whichever library computes.

    Where the system cannot limit cores, only the threads of torch and OpenCV are limited.
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
