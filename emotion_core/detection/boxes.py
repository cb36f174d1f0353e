"""Operations on boxes of faces: size, overlap, scaling, and non-maximum suppression."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from emotion_core.types import Faces

if TYPE_CHECKING:
    import numpy.typing as npt

    from emotion_core.types import FloatArray

MAX_CANDIDATES = 5000
"""Candidates per image that are examined, best first; bounds the time for an image without faces
searched at a threshold of 0, or for one full of faces."""


class NmsThresholds(NamedTuple):
    """Two boxes that share more than this are the same face.

    Attributes:
        union: Shared area as a fraction of the union, 0-1.
        smaller: Shared area as a fraction of the smaller box, 0-1; 1 disables this test.
    """

    union: float
    smaller: float


SAME_FACE = NmsThresholds(0.45, 0.7)
"""Parts of a face that fills the image look like faces too, hence the second threshold."""

ACROSS_PASSES = NmsThresholds(0.25, 0.5)
"""The same between passes or detectors, whose boxes vary more than those of one pass."""

YUNET_OVERLAP = NmsThresholds(0.3, 1.0)
"""OpenCV's default for YuNet."""


def sides(faces: Faces) -> FloatArray:
    """``(N, 2)`` width and height."""
    return np.asarray(faces.boxes[:, 2:] - faces.boxes[:, :2], np.float32)


def centres(faces: Faces) -> FloatArray:
    """``(N, 2)`` x, y."""
    return np.asarray((faces.boxes[:, :2] + faces.boxes[:, 2:]) / 2, np.float32)


def largest(boxes: FloatArray) -> int:
    """Index of the first of the largest boxes, ``(N, 4)`` with N at least 1."""
    return int((boxes[:, 2:] - boxes[:, :2]).prod(axis=1).argmax())


def concat(*parts: Faces) -> Faces:
    """Concatenates faces; keeps landmarks only if every non-empty part has them."""
    parts = tuple(faces for faces in parts if len(faces))
    if not parts:
        return Faces.empty()
    landmarks = [faces.landmarks for faces in parts if faces.landmarks is not None]
    return Faces(
        np.concatenate([faces.boxes for faces in parts]),
        np.concatenate([faces.scores for faces in parts]),
        np.concatenate(landmarks) if len(landmarks) == len(parts) else None,
    )


def sort_by_score(faces: Faces) -> Faces:
    """Sorts faces by descending score."""
    return faces[np.argsort(-faces.scores, kind="stable")]


def nms_faces(faces: Faces, thresholds: NmsThresholds = SAME_FACE) -> Faces:
    """Keeps the first of each group of overlapping faces; see ``batched_nms``."""
    return faces[batched_nms(faces.boxes, np.zeros(len(faces), np.intp), thresholds)]


def batched_nms(
    boxes: FloatArray, images: npt.NDArray[np.intp], thresholds: NmsThresholds
) -> npt.NDArray[np.intp]:
    """Suppresses boxes that overlap a better box of the same image.

    The best box of every image removes its duplicates, then the best of the remaining ones, and so
    on, for all images at once.

    Args:
        boxes: ``(N, 4)`` xyxy, in order of preference.
        images: ``(N,)`` index of the image of each box, from 0.
        thresholds: When two boxes are the same face.

    Returns:
        Indices of the boxes to keep, ascending.
    """
    x1, y1, x2, y2 = boxes.T
    area = (x2 - x1) * (y2 - y1)
    left = np.arange(len(boxes))
    firsts = np.zeros(images.max(initial=-1) + 1, np.intp)
    kept = [left[:0]]
    while len(left):
        best: Any = left[0]
        if len(firsts) > 1:
            firsts[images[left[::-1]]] = left[::-1]  # the last assignment to an index wins
            best = firsts[images[left]]
        width = np.minimum(x2[best], x2[left]) - np.maximum(x1[best], x1[left])
        height = np.minimum(y2[best], y2[left]) - np.maximum(y1[best], y1[left])
        shared = np.maximum(width, 0) * np.maximum(height, 0)
        union = area[best] + area[left] - shared
        smaller = np.minimum(area[best], area[left])
        is_best = left == best
        kept.append(left[is_best])
        is_other = (shared <= thresholds.union * union) & (shared <= thresholds.smaller * smaller)
        left = left[is_other & ~is_best]
    return np.sort(np.concatenate(kept))


def iou_matrix(a: FloatArray, b: FloatArray) -> FloatArray:
    """Intersection over union of each box of ``a (N, 4)`` with each of ``b (M, 4)``: ``(N, M)``."""
    low = np.maximum(a[:, None, :2], b[:, :2])
    shared = np.maximum(np.minimum(a[:, None, 2:], b[:, 2:]) - low, 0)
    both = shared[..., 0] * shared[..., 1]
    area_a, area_b = ((c[:, 2] - c[:, 0]) * (c[:, 3] - c[:, 1]) for c in (a, b))
    return np.asarray(both / np.maximum(area_a[:, None] + area_b - both, 1e-6), np.float32)


def rescale(faces: Faces, scale: float, origin: tuple[float, float] = (0, 0)) -> Faces:
    """Maps faces from a scaled part of an image to pixels of the image.

    Args:
        faces: In pixels of the part.
        scale: Pixels of the part per pixel of the image.
        origin: x, y of the part's upper left corner in the image; negative for a border.
    """
    if scale == 1 and origin == (0, 0):
        return faces
    factor, corner = np.float32(scale), np.array(origin, np.float32)
    points = None if faces.landmarks is None else faces.landmarks / factor + corner
    return replace(faces, boxes=faces.boxes / factor + np.tile(corner, 2), landmarks=points)
