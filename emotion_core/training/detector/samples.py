"""What is known about an image from which a face detector learns or on which it is measured."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from emotion_core.training.detector.image_archive import ImageFile
    from emotion_core.types import FloatArray


class SampleKind(StrEnum):
    """Where an image comes from."""

    BOXES = "boxes"
    """Faces were marked by hand."""

    PORTRAITS = "portraits"
    """A teacher marked the faces of a portrait."""

    SCENES = "scenes"
    """There is no face in it."""


def _none(columns: int) -> FloatArray:
    return np.zeros((0, columns), np.float32)


@dataclass(frozen=True, eq=False, slots=True)
class DetectionSample:
    """An image and what is known about its faces.

    Attributes:
        file: The image's file.
        kind: Where it comes from.
        held_out: Kept for measuring, never learnt from.
        boxes: ``(N, 4)`` x1, y1, x2, y2 in pixels.
        landmarks: ``(N, 10)`` x, y in pixels; NaN where they are not known.
        ignored: ``(M, 4)`` boxes that may or may not be faces: neither rewarded nor punished.
    """

    file: ImageFile
    kind: SampleKind
    held_out: bool
    boxes: FloatArray = field(default_factory=lambda: _none(4))
    landmarks: FloatArray = field(default_factory=lambda: _none(10))
    ignored: FloatArray = field(default_factory=lambda: _none(4))


def is_held_out(key: str) -> bool:
    """Whether a person or a file belongs to the fifth that is never trained on."""
    return int(hashlib.sha256(key.encode()).hexdigest(), 16) % 5 == 0


def short_sides(boxes: FloatArray) -> FloatArray:
    """``(N,)`` the shorter side of each box, in pixels."""
    return np.asarray((boxes[:, 2:] - boxes[:, :2]).min(axis=1, initial=np.inf), np.float32)
