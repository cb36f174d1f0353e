"""Batches of composed images, prepared by other processes."""

from __future__ import annotations

import math
import signal
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from emotion_core.errors import EmotionError
from emotion_core.training.detector.loss import Targets
from emotion_core.training.detector.mosaic import MosaicSampler

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import TracebackType

    from emotion_core.training.detector.config import DetectorTrainConfig
    from emotion_core.training.detector.mosaic import Mosaic
    from emotion_core.training.detector.samples import DetectionSample
    from emotion_core.types import Device

Batch = tuple[torch.Tensor, Targets]
"""Images ``(B, 3, S, S)`` uint8 RGB, and their labels."""

_AHEAD = 4
_FOREVER = 2**31
_START = "spawn"  # OpenCV hangs in a fork of a process that has used its threads


class _Batches(Dataset[Any]):
    """The batch of each step, which depends only on the step's number and the seed."""

    def __init__(self, samples: Sequence[DetectionSample], config: DetectorTrainConfig) -> None:
        self._composer = MosaicSampler(samples, config.size_px)
        self._seed, self._size = config.seed, config.batch_size

    def __getitem__(self, step: int) -> Batch | EmotionError:
        try:
            return collate(self.compose(step))
        except EmotionError as error:
            return error  # raised in the worker, it would reach the user with a traceback

    def compose(self, step: int) -> list[Mosaic]:
        rngs = (np.random.default_rng([self._seed, step, i]) for i in range(self._size))
        return [self._composer.compose(rng) for rng in rngs]


def compose_step(
    samples: Sequence[DetectionSample], config: DetectorTrainConfig, step: int
) -> list[Mosaic]:
    """The images of one step, counted from 0."""
    return _Batches(samples, config).compose(step)


def iter_detector_batches(
    samples: Sequence[DetectionSample],
    config: DetectorTrainConfig,
    start: int,
    *,
    device: Device,
    n_workers: int,
) -> Iterator[Batch]:
    """Yields the batches of a run.

    Args:
        samples: To learn from.
        config: Has the number of batches and their content.
        start: Steps done before.
        device: Where the batches go.
        n_workers: Processes that make them; 0 makes them in this one, on demand.

    Raises:
        DatasetError: An image cannot be read.
    """
    loader = DataLoader(
        _Batches(samples, config),
        batch_size=None,
        sampler=range(start, config.n_steps or _FOREVER),
        num_workers=n_workers,
        prefetch_factor=_AHEAD if n_workers else None,
        pin_memory=device == "cuda",
        worker_init_fn=_prepare_worker,
        multiprocessing_context=_START if n_workers else None,
    )
    batches = iter(loader)
    try:
        for batch in batches:
            if isinstance(batch, EmotionError):
                raise batch
            images, targets = batch
            yield images.to(device, non_blocking=True), targets.to(device)
    finally:
        _end_workers(batches)


def _end_workers(batches: object) -> None:
    """Ends the processes; left to itself torch prints a traceback if one of them crashes then."""
    if end := getattr(batches, "_shutdown_workers", None):
        with suppress(RuntimeError):
            end()


def _prepare_worker(_: int) -> None:
    """Uses one thread per process; leaves Ctrl-C to the main process, which ends the workers."""
    cv2.setNumThreads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.excepthook = _print_unless_orphaned


def _print_unless_orphaned(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    """Prints an error, unless the main process ended while a batch was handed over to it."""
    if not issubclass(kind, ConnectionError):  # of which a broken pipe is one
        sys.__excepthook__(kind, error, trace)


def collate(mosaics: Sequence[Mosaic]) -> Batch:
    """Stacks images, and pads their labels to equal counts."""
    images = np.stack([s.image for s in mosaics])
    faces = max(1, *(len(s.boxes) for s in mosaics))
    ignored = max(1, *(len(s.ignored) for s in mosaics))
    b = len(mosaics)
    targets = Targets(
        torch.zeros(b, faces, 4),
        torch.full((b, faces, 10), math.nan),
        torch.zeros(b, faces, dtype=torch.bool),
        torch.zeros(b, ignored, 4),
    )
    for i, mosaic in enumerate(mosaics):
        n = len(mosaic.boxes)
        targets.boxes[i, :n] = torch.from_numpy(mosaic.boxes)
        targets.landmarks[i, :n] = torch.from_numpy(mosaic.landmarks)
        targets.is_face[i, :n] = True
        targets.ignored[i, : len(mosaic.ignored)] = torch.from_numpy(mosaic.ignored)
    return torch.from_numpy(images).permute(0, 3, 1, 2), targets
