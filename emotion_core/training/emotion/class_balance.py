"""Rare classes: how often faces are shown, and how much they weigh."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from emotion_core.training.datasets.face_set import Indices
    from emotion_core.types import FloatArray

Weights = npt.NDArray[np.float64]


def to_class_shares(targets: FloatArray) -> Weights:
    """Share of each class in soft targets ``(N, C)``: ``(C,)``, sums to 1."""
    counts = targets.sum(axis=0, dtype=np.float64)
    return np.asarray(counts / max(counts.sum(), 1e-12))


def to_face_weights(targets: FloatArray) -> Weights:
    """Probability of drawing each face so that all classes occur equally often.

    Args:
        targets: ``(N, C)`` soft targets; a row of zeros gets the mean weight.

    Returns:
        ``(N,)``, sums to 1: inverse frequency of the classes, averaged over a face's shares.
    """
    counts = targets.sum(axis=0, dtype=np.float64)
    inverse = np.divide(1.0, counts, out=np.zeros_like(counts), where=counts > 0)
    weights = targets @ inverse
    labelled = targets.any(axis=1)
    weights[~labelled] = weights[labelled].mean() if labelled.any() else 1.0
    return np.asarray(weights / weights.sum())


def draw_balanced(targets: FloatArray, generator: np.random.Generator) -> Indices:
    """Draws N faces with replacement, all classes equally often: ``(N,)``."""
    n = len(targets)
    return np.asarray(generator.choice(n, size=n, p=to_face_weights(targets)), np.int64)


def to_class_weights(targets: FloatArray, beta: float) -> FloatArray:
    """Weight of each class in the class-balanced loss.

    Args:
        targets: ``(N, C)`` soft targets of the whole training set.
        beta: 0 weighs all alike, near 1 by inverse frequency.

    Returns:
        ``(C,)``, 0 for a class without a face. Scaled so that a face weighs 1 on average (in the
        paper the weights sum to C), which keeps the loss comparable with that of valence and
        arousal.

    Source: Y. Cui et al., "Class-Balanced Loss Based on Effective Number of Samples", CVPR 2019,
    equation 5.
    """
    counts = targets.sum(axis=0, dtype=np.float64)
    effective = (1 - beta**counts) / (1 - beta)
    weights = np.divide(1.0, effective, out=np.zeros_like(counts), where=counts > 0)
    total = float((weights * counts).sum())
    return np.asarray(weights * counts.sum() / max(total, 1e-12), np.float32)
