"""Matches detections with marked faces, and the metrics that follow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from emotion_core.detection.boxes import iou_matrix
from emotion_core.training.detector.samples import short_sides

if TYPE_CHECKING:
    from collections.abc import Sequence

    from emotion_core.types import Faces, FloatArray

MATCH = 0.5
"""Minimum intersection over union of a detection and its face."""

_SLACK = 0.8
_NEUTRAL_OVERLAP = 0.3

SizeRange = tuple[float, float]
"""Range of shorter sides in pixels, excluding the second."""

EVERY_SIZE: SizeRange = (0, float("inf"))


@dataclass(frozen=True, eq=False, slots=True)
class GroundTruth:
    """The faces of one image.

    Attributes:
        boxes: ``(G, 4)``.
        is_target: ``(G,)`` whether a face should be found; the others are neutral.
        neutral: ``(M, 4)`` boxes that are neither right nor wrong to find.
    """

    boxes: FloatArray
    is_target: npt.NDArray[np.bool_]
    neutral: FloatArray


@dataclass(frozen=True, eq=False, slots=True)
class DetectionMatches:
    """The detections that count, in one image or in many.

    Attributes:
        scores: ``(D,)``, descending.
        right: ``(D,)`` whether it fits a target that no better detection fits.
        n_faces: Number of targets.
    """

    scores: FloatArray
    right: npt.NDArray[np.bool_]
    n_faces: int


def match_detections(
    found: Faces, truth: GroundTruth, sizes: SizeRange = EVERY_SIZE
) -> DetectionMatches:
    """Matches the detections in one image with its faces.

    Args:
        found: In any order.
        truth: The faces.
        sizes: Other faces are neutral, and so are detections without a match whose shorter side is
            below 0.8 of the range or above 1.25 of it.
    """
    low, high = sizes
    faces = short_sides(truth.boxes)
    is_target = truth.is_target & (faces >= low) & (faces < high)
    order = np.argsort(-found.scores, kind="stable")
    boxes = found.boxes[order]
    own = short_sides(boxes)
    beside = iou_matrix(boxes, truth.neutral).max(axis=1, initial=0)
    outside = (own < _SLACK * low) | (own >= high / _SLACK) | (beside >= _NEUTRAL_OVERLAP)
    free = np.ones(len(faces), bool)
    right, counts = np.zeros(len(boxes), bool), np.zeros(len(boxes), bool)
    for i, row in enumerate(iou_matrix(boxes, truth.boxes)):
        row = np.where(free, row, 0)
        if row.max(initial=0) >= MATCH:
            j = int(row.argmax())
            free[j] = False
            right[i] = counts[i] = is_target[j]
        else:
            counts[i] = not outside[i]
    return DetectionMatches(found.scores[order][counts], right[counts], int(is_target.sum()))


def pool(groups: Sequence[DetectionMatches]) -> DetectionMatches:
    """Joins the matches of several images."""
    scores = np.concatenate([np.zeros(0, np.float32), *(j.scores for j in groups)])
    right = np.concatenate([np.zeros(0, bool), *(j.right for j in groups)])
    order = np.argsort(-scores, kind="stable")
    return DetectionMatches(scores[order], right[order], sum(j.n_faces for j in groups))


def average_precision(matches: DetectionMatches) -> float | None:
    """Area under the precision-recall curve, precision made monotone; ``None`` without a face.

    Source: M. Everingham et al., "The PASCAL Visual Object Classes Challenge", as of 2010.
    """
    if not matches.n_faces:
        return None
    precision, _ = precision_recall(matches)
    best = np.maximum.accumulate(precision[::-1])[::-1]
    return float(best[matches.right].sum() / matches.n_faces)


def precision_recall(
    matches: DetectionMatches,
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """``(D,)`` precision and recall if the score of each detection were the threshold."""
    right = np.cumsum(matches.right)
    return right / np.arange(1, len(right) + 1), right / max(matches.n_faces, 1)


def at_threshold(matches: DetectionMatches, threshold: float) -> tuple[float | None, float | None]:
    """Precision and recall; ``None`` where nothing was found, or there is no target."""
    sure = matches.scores >= threshold
    right = int(matches.right[sure].sum())
    precision = right / int(sure.sum()) if sure.any() else None
    return precision, right / matches.n_faces if matches.n_faces else None


def recall_at_false_alarms(matches: DetectionMatches, n_allowed: float) -> float | None:
    """Recall at the lowest threshold with at most ``n_allowed`` false alarms."""
    if not matches.n_faces:
        return None
    few = np.cumsum(~matches.right) <= n_allowed
    return float(matches.right[few].sum() / matches.n_faces)


def threshold_for(matches: DetectionMatches, precision: float) -> float | None:
    """The lowest score from which on the precision is reached; ``None`` if it never is."""
    reached = np.flatnonzero(precision_recall(matches)[0] >= precision)
    return float(matches.scores[reached[-1]]) if len(reached) else None
