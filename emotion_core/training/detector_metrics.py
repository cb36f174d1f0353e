"""Judges detections: right, wrong or neither, and the average precision that follows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from emotion_core.training.detector_data import overlaps

if TYPE_CHECKING:
    from collections.abc import Sequence

    from emotion_core.types import FloatArray

MATCH = 0.5
"""Intersection over union from which a detection is the annotated face."""


@dataclass(frozen=True, slots=True)
class Match:
    """One detection against the annotation.

    Attributes:
        score: Of the detector.
        right: It fits an annotated face that counts and that no better detection fits.
        counts: It is to be judged at all.
    """

    score: float
    right: bool
    counts: bool


def match_faces(
    found: FloatArray, truth: FloatArray, neutral: FloatArray, least_px: float
) -> list[Match]:
    """Judge the detections in one picture.

    Args:
        found: ``(N, 15)``, best first.
        truth: ``(G, 4)`` annotated boxes.
        neutral: ``(M, 4)`` boxes that are neither right nor wrong to find.
        least_px: Annotated faces whose shorter side is less are neutral, as are detections smaller
            than 0.8 of it.
    """
    sides = (truth[:, 2:] - truth[:, :2]).min(axis=1, initial=np.inf)
    wanted = (truth[:, 2:] - truth[:, :2]).min(axis=1) >= least_px if len(truth) else sides > 0
    free = np.ones(len(truth), bool)
    shared = overlaps(found[:, :4], truth) if len(truth) else np.zeros((len(found), 0))
    beside = overlaps(found[:, :4], neutral).max(axis=1, initial=0)
    matches = []
    for i, row in enumerate(shared):
        score = float(found[i, 14])
        open_row = np.where(free, row, 0)
        if len(row) and open_row.max() >= MATCH:
            j = int(open_row.argmax())
            free[j] = False
            matches.append(Match(score, bool(wanted[j]), bool(wanted[j])))
            continue
        small = (found[i, 2:4] - found[i, :2]).min() < 0.8 * least_px
        matches.append(Match(score, right=False, counts=not (small or beside[i] >= 0.3)))
    return matches


def average_precision(matches: Sequence[Match], total: int) -> float:
    """Area under the precision-recall curve, precision made monotone (as PASCAL VOC since 2010)."""
    judged = sorted((m for m in matches if m.counts), key=lambda m: -m.score)
    right = np.cumsum([m.right for m in judged])
    precision = right / np.arange(1, len(judged) + 1)
    best = np.maximum.accumulate(precision[::-1])[::-1]
    return float((best * [m.right for m in judged]).sum() / max(total, 1))
