"""Smoothed targets, and faces blended with other faces of the batch."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch

from emotion_core.labels import VALENCE_AROUSAL
from emotion_core.training.datasets.face_set import LABELS

if TYPE_CHECKING:
    import numpy as np

    from emotion_core.training.emotion.config import TrainConfig


class Batch(NamedTuple):
    """The labelled faces of one step.

    Attributes:
        faces: ``(N, C, S, S)`` float, 0-255.
        targets: ``(N, 9)`` shares of the emotions of ``LABELS``; rows of zeros do not count.
        va: ``(N, 2)`` valence and arousal in [-1, 1]; NaN if unrated.
        actions: ``(N, 54)`` action features and pose, see ``FaceSet.actions``; NaN if unknown;
            ``(N, 0)`` if the network does not learn them.
    """

    faces: torch.Tensor
    targets: torch.Tensor
    va: torch.Tensor
    actions: torch.Tensor


def fill_va(va: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Replaces missing ratings by the expectation of ``VALENCE_AROUSAL`` under the targets.

    Args:
        va: ``(N, 2)`` ratings; NaN if missing.
        targets: ``(N, 9)`` shares.
    """
    coordinates = [VALENCE_AROUSAL[label] for label in LABELS]
    expected = targets @ torch.tensor(coordinates, device=targets.device)
    return torch.where(va.isnan(), expected, va)


def sharpen(targets: torch.Tensor, power: float) -> torch.Tensor:
    """Raises ``(N, 9)`` shares to a power, and scales each row to its sum; rows of zeros stay."""
    raised = targets**power
    return raised * (targets.sum(1, keepdim=True) / raised.sum(1, keepdim=True).clamp(min=1e-12))


def smooth(targets: torch.Tensor, share: float) -> torch.Tensor:
    """Spreads a share of every target evenly over all classes; rows of zeros stay.

    Source: C. Szegedy et al., "Rethinking the Inception Architecture", CVPR 2016, section 7.
    """
    totals = targets.sum(1, keepdim=True)
    return (1 - share) * targets + share * totals / targets.shape[1]


def mix(batch: Batch, config: TrainConfig, rng: np.random.Generator) -> Batch:
    """Blends every face with another of the batch by mixup or CutMix, at random if both are on.

    Args:
        batch: Faces; what is mixed with an unrated one is unrated.
        config: ``mixup`` and ``cutmix`` are the alphas; 0 is off.
        rng: Draws partners and shares.

    Source: H. Zhang et al., "mixup: Beyond Empirical Risk Minimization", ICLR 2018; S. Yun et al.,
    "CutMix", ICCV 2019.
    """
    alphas = [alpha for alpha in (config.mixup, config.cutmix) if alpha]
    if not alphas:
        return batch
    cut = config.cutmix > 0 and (not config.mixup or rng.random() < 0.5)
    alpha = config.cutmix if cut else config.mixup
    share = float(rng.beta(alpha, alpha))
    partners = torch.from_numpy(rng.permutation(len(batch.faces))).to(batch.faces.device)
    others = Batch(*(part[partners] for part in batch))
    if cut:
        faces, share = _cut_and_paste(batch.faces, others.faces, share, rng)
    else:
        faces = share * batch.faces + (1 - share) * others.faces
    return Batch(
        faces,
        share * batch.targets + (1 - share) * others.targets,
        share * batch.va + (1 - share) * others.va,
        share * batch.actions + (1 - share) * others.actions,
    )


def _cut_and_paste(
    faces: torch.Tensor, others: torch.Tensor, share: float, rng: np.random.Generator
) -> tuple[torch.Tensor, float]:
    """Pastes one rectangle of the others, of ``1 - share`` of the area if it is not cut off.

    Returns:
        The faces, and the share of their own pixels that is left.
    """
    side = faces.shape[2]
    half = side * (1 - share) ** 0.5 / 2
    centres = rng.random(2) * side
    (y1, x1), (y2, x2) = (
        [round(min(max(centre + step, 0.0), side)) for centre in centres] for step in (-half, half)
    )
    pasted = faces.clone()
    pasted[:, :, y1:y2, x1:x2] = others[:, :, y1:y2, x1:x2]
    return pasted, 1 - (y2 - y1) * (x2 - x1) / side**2
