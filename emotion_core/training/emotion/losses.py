"""The loss: cross-entropy, and the lack of concordance of valence and arousal."""

from __future__ import annotations

import torch
from torch.nn import functional


def to_loss(
    outputs: tuple[torch.Tensor, ...],
    targets: torch.Tensor,
    va: torch.Tensor,
    va_weight: float,
    class_weights: torch.Tensor | None = None,
) -> torch.Tensor:
    """Cross-entropy with the shares of the emotions, plus the concordance loss.

    Args:
        outputs: Of the network: ``(N, C)`` logits and, if it has the head, ``(N, 2)``.
        targets: ``(N, C)`` shares; rows of zeros do not count.
        va: ``(N, 2)``, without NaN.
        va_weight: Of the concordance loss.
        class_weights: ``(C,)`` of the cross-entropy; 1 by default.
    """
    loss = functional.cross_entropy(outputs[0].float(), targets, weight=class_weights)
    if len(outputs) == 1:
        return loss
    return loss + va_weight * (1 - concordance(outputs[1].float(), va)).mean()


def concordance(predicted: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """Concordance correlation of each column of two ``(N, K)``; 1 is perfect.

    Source: L. Lin, "A Concordance Correlation Coefficient to Evaluate Reproducibility", Biometrics
    45, 1989.
    """
    gap = predicted.mean(0) - truth.mean(0)
    covariance = ((predicted - predicted.mean(0)) * (truth - truth.mean(0))).mean(0)
    spread = predicted.var(0, correction=0) + truth.var(0, correction=0)
    return 2 * covariance / (spread + gap.square() + 1e-6)
