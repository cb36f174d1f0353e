"""Calibration: whether predictions are right as often as their confidence says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from emotion_core.training.datasets.face_set import Indices
    from emotion_core.types import FloatArray

BINS = 15
"""Number of equal bins of confidence."""


@dataclass(frozen=True, slots=True)
class CalibrationBin:
    """Faces of similar confidence.

    Attributes:
        low: Lower bound of the confidence, 0-1.
        high: Upper bound.
        n: Number of faces.
        confidence: Their mean confidence; ``None`` without a face.
        accuracy: Share of them that is right; ``None`` without a face.
    """

    low: float
    high: float
    n: int
    confidence: float | None
    accuracy: float | None


def to_calibration(probabilities: FloatArray, truth: Indices) -> tuple[CalibrationBin, ...]:
    """Sorts faces into equal bins of confidence.

    Args:
        probabilities: ``(N, C)``, rows sum to 1.
        truth: ``(N,)`` true classes.
    """
    confidence = probabilities.max(axis=1).astype(np.float64)
    correct = probabilities.argmax(axis=1) == truth
    members = np.minimum((confidence * BINS).astype(int), BINS - 1)
    return tuple(_to_bin(i, confidence[members == i], correct[members == i]) for i in range(BINS))


def expected_calibration_error(bins: tuple[CalibrationBin, ...]) -> float | None:
    """Mean gap between confidence and accuracy, bins weighted by their faces.

    Source: C. Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, equation 3.
    """
    total = sum(b.n for b in bins)
    gaps = [
        b.n * abs(b.accuracy - b.confidence)
        for b in bins
        if b.accuracy is not None and b.confidence is not None
    ]
    return sum(gaps) / total if total else None


def confidence_gaps(probabilities: FloatArray, truth: Indices) -> npt.NDArray[np.float64]:
    """Confidence minus 1 of faces that were read right, minus 0 of the others: ``(N,)``.

    Their mean is the overconfidence: how much surer a network is than it is right. Unlike the
    expected calibration error, which is a mean of absolute values and grows when faces are drawn
    anew, it has an interval by bootstrap.

    Source: S. Lichtenstein, B. Fischhoff and L. Phillips, "Calibration of Probabilities: The State
    of the Art to 1980", in D. Kahneman et al., "Judgment under Uncertainty", 1982
    (over/underconfidence); A. Kumar, P. Liang and T. Ma, "Verified Uncertainty Calibration",
    NeurIPS 2019 (bias of the calibration error of a sample).
    """
    correct = probabilities.argmax(axis=1) == truth
    return np.asarray(probabilities.max(axis=1).astype(np.float64) - correct, np.float64)


def _to_bin(
    i: int, confidence: npt.NDArray[np.float64], correct: npt.NDArray[np.bool_]
) -> CalibrationBin:
    n = len(confidence)
    means = (float(confidence.mean()), float(correct.mean())) if n else (None, None)
    return CalibrationBin(i / BINS, (i + 1) / BINS, n, *means)
