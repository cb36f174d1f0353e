"""What kind of photos and videos are read, and how that shifts a network's logits."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal, get_args

from emotion_core.labels import Emotion

if TYPE_CHECKING:
    from collections.abc import Sequence

    from emotion_core.labels import LabelSet

Material = Literal["everyday", "posed"]
"""Everyday: most faces are neutral or happy, as in training. Posed: all emotions are about as
frequent."""

MATERIALS: tuple[Material, ...] = get_args(Material)

POSED_STRENGTH = 0.5
"""How far posed material shifts logits towards equally frequent emotions: 0 not at all, 1 by all of
the logarithm of their shares. Measured in ``docs/labels.md``: 1 reads neutral faces as expressions
too often where emotions are not quite equally frequent."""


def to_logit_shift(labels: LabelSet, shares: Sequence[float]) -> tuple[float, ...]:
    """What posed material adds to calibrated logits, one number per label.

    It is ``-POSED_STRENGTH * log(share)``, with a mean of 0 over the emotions, so that "uncertain"
    keeps its place.

    Args:
        labels: Of the network.
        shares: Mean probability of each label on everyday faces, above 0.

    Source: M. Saerens et al., "Adjusting the Outputs of a Classifier to New a Priori
    Probabilities", Neural Computation 14, 2002, equation 2.4, with a strength.
    """
    logs = {
        label: -POSED_STRENGTH * math.log(share)
        for label, share in zip(labels, shares, strict=True)
        if label is not Emotion.UNCERTAIN
    }
    mean = sum(logs.values()) / len(logs)
    return tuple(logs[label] - mean if label in logs else 0.0 for label in labels)
