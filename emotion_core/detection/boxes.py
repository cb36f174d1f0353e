"""Faces as sets of boxes: chosen, moved, joined, rid of doubles. Pure functions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from emotion_core.types import Faces

if TYPE_CHECKING:
    import numpy.typing as npt

    from emotion_core.types import FloatArray

MAX_CANDIDATES = 5000
"""Places of one picture that are looked at more closely, the best ones; bounds the time of one that
has no faces and a threshold of 0, or is full of them."""


class NmsThresholds(NamedTuple):
    """Two boxes that share more than this are one face.

    Attributes:
        union: Of both together, 0-1.
        smaller: Of the smaller one alone, 0-1; at 1 it says nothing.
    """

    union: float
    smaller: float


SAME_FACE = NmsThresholds(0.45, 0.7)
"""Parts of a face that fills the picture look like faces too, hence the second bound."""

YUNET_OVERLAP = NmsThresholds(0.3, 1.0)
"""OpenCV's default for YuNet."""


def sides(faces: Faces) -> FloatArray:
    """``(N, 2)`` width and height."""
    return np.asarray(faces.boxes[:, 2:] - faces.boxes[:, :2], np.float32)


def centres(faces: Faces) -> FloatArray:
    """``(N, 2)`` x, y."""
    return np.asarray((faces.boxes[:, :2] + faces.boxes[:, 2:]) / 2, np.float32)


def largest(boxes: FloatArray) -> int:
    """Which of boxes ``(N, 4)`` has the largest area, the first of equals; N at least 1."""
    return int((boxes[:, 2:] - boxes[:, :2]).prod(axis=1).argmax())


def concat(*several: Faces) -> Faces:
    """One after another; with landmarks if all that have faces have them."""
    sets = [faces for faces in several if len(faces)]
    if not sets:
        return Faces.empty()
    points = [faces.landmarks for faces in sets if faces.landmarks is not None]
    return Faces(
        np.concatenate([faces.boxes for faces in sets]),
        np.concatenate([faces.scores for faces in sets]),
        np.concatenate(points) if len(points) == len(sets) else None,
    )


def sort_by_score(faces: Faces) -> Faces:
    """The same, by falling score."""
    return faces[np.argsort(-faces.scores, kind="stable")]


def nms_faces(faces: Faces, overlap: NmsThresholds = SAME_FACE) -> Faces:
    """Of faces that overlap, keep the first; see ``batched_nms``."""
    return faces[batched_nms(faces.boxes, np.zeros(len(faces), np.intp), overlap)]


def batched_nms(
    boxes: FloatArray, pictures: npt.NDArray[np.intp], overlap: NmsThresholds
) -> npt.NDArray[np.intp]:
    """Of boxes in the same picture that overlap, the first.

    The best box of every picture takes away those that are the same face, then the best of what is
    left, and so on: for all pictures at once.

    Args:
        boxes: ``(N, 4)`` xyxy, in order of preference.
        pictures: ``(N,)`` in which picture each is, from 0.
        overlap: From where on two boxes are one face.

    Returns:
        Indices, rising.
    """
    x1, y1, x2, y2 = boxes.T
    area = (x2 - x1) * (y2 - y1)
    left = np.arange(len(boxes))
    firsts = np.zeros(pictures.max(initial=-1) + 1, np.intp)
    kept = [left[:0]]
    while len(left):
        best: Any = left[0]
        if len(firsts) > 1:
            firsts[pictures[left[::-1]]] = left[::-1]  # of several the last one is assigned
            best = firsts[pictures[left]]
        wide = np.minimum(x2[best], x2[left]) - np.maximum(x1[best], x1[left])
        high = np.minimum(y2[best], y2[left]) - np.maximum(y1[best], y1[left])
        both = np.maximum(wide, 0) * np.maximum(high, 0)
        union = area[best] + area[left] - both
        smaller = np.minimum(area[best], area[left])
        is_best = left == best
        kept.append(left[is_best])
        is_other = (both <= overlap.union * union) & (both <= overlap.smaller * smaller)
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
    """Bring faces of a scaled part of a picture into the picture's pixels.

    Args:
        faces: In pixels of the part.
        scale: Pixels of the part per pixel of the picture.
        origin: x, y of the part's upper left corner in the picture; negative for a border.
    """
    if scale == 1 and origin == (0, 0):
        return faces
    factor, corner = np.float32(scale), np.array(origin, np.float32)
    points = None if faces.landmarks is None else faces.landmarks / factor + corner
    return Faces(faces.boxes / factor + np.tile(corner, 2), faces.scores, points)
