"""The loss: cross-entropy, and the differences of valence, arousal, actions and pose."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from emotion_core.actions import ACTIONS, POSE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from emotion_core.training.emotion.config import TrainConfig
    from emotion_core.training.emotion.mixup import Batch

_TURN_DEG = 30.0
"""A difference of pose that counts 1."""


def to_loss(
    outputs: Mapping[str, torch.Tensor],
    batch: Batch,
    config: TrainConfig,
    class_weights: torch.Tensor | None = None,
) -> torch.Tensor:
    """Cross-entropy with the shares of the emotions, plus the losses of the other heads.

    Args:
        outputs: Of the network, by their names in ``EmotionNet.output_names``.
        batch: The truth. Targets that are zero, and NaN in ``va`` and ``actions``, do not count.
        config: Has the weights of the losses.
        class_weights: ``(C,)`` of the cross-entropy; 1 by default.
    """
    logits = outputs["logits"].float()
    loss = functional.cross_entropy(logits, batch.targets, weight=class_weights)
    if "va" in outputs:
        loss = loss + _va_loss(outputs["va"].float(), batch.va, config)
    if "actions" in outputs:
        actions, pose = torch.split(batch.actions, [len(ACTIONS), len(POSE)], 1)
        gaps = _squares(outputs["actions"].float(), actions)
        turns = _squares(outputs["pose"].float() / _TURN_DEG, pose / _TURN_DEG)
        loss = loss + config.action_weight * gaps.mean() + config.pose_weight * turns.mean()
    return loss


def _va_loss(predicted: torch.Tensor, va: torch.Tensor, config: TrainConfig) -> torch.Tensor:
    rated = ~va.isnan().any(1, keepdim=True)  # (N, 1)
    apart = 1 - concordance(predicted, torch.where(rated, va, 0.0), rated)
    gaps = _squares(predicted, va)
    return (config.va_weight * apart + config.va_square_weight * gaps).mean()


def _squares(predicted: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """Mean squared difference of each column of two ``(N, K)``, without rows that have NaN."""
    known = ~truth.isnan().any(1, keepdim=True)
    squares = torch.where(known, predicted - truth.nan_to_num(), 0.0).square()
    return squares.sum(0) / known.sum().clamp(min=1)


def concordance(
    predicted: torch.Tensor, truth: torch.Tensor, counts: torch.Tensor | None = None
) -> torch.Tensor:
    """Concordance correlation of each column of two ``(N, K)``; 1 is perfect.

    Args:
        predicted: Finite numbers.
        truth: Finite numbers.
        counts: ``(N, 1)`` which rows count; all by default. Without any, it is 0.

    Source: L. Lin, "A Concordance Correlation Coefficient to Evaluate Reproducibility", Biometrics
    45, 1989.
    """
    weights = torch.ones_like(predicted[:, :1]) if counts is None else counts.float()
    weights = weights / weights.sum().clamp(min=1)

    def mean(values: torch.Tensor) -> torch.Tensor:
        return (weights * values).sum(0)

    x, y = predicted - mean(predicted), truth - mean(truth)
    gap = mean(predicted) - mean(truth)
    return 2 * mean(x * y) / (mean(x.square()) + mean(y.square()) + gap.square() + 1e-6)
