"""Roll: at which angles to search the next frames of a video or stream for turned faces."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from emotion_core.detection.turned_view import MIN_ROLL_DEG, estimate_rolls

if TYPE_CHECKING:
    from emotion_core.types import Faces

_STEP_DEG = 15
"""Angles are multiples of it: a face is found up to as far beside the angle of a search."""

_MAX_ROLLS = 2
"""Angles at a time. Each costs as much as the upright search of a frame."""

_MEMORY = 8
"""Searches for which an angle is kept after the last turned face."""


class RollFollower:
    """Follows the angles of turned faces, so that quick searches find them as well.

    Attributes:
        rolls_deg: For ``AnalyzeOptions``; empty while all faces are upright.
    """

    def __init__(self) -> None:
        self.rolls_deg: tuple[float, ...] = ()
        self._n_without = 0

    def update(self, faces: Faces) -> None:
        """Learns from the faces of the newest frame."""
        rolls = estimate_rolls(faces)
        turned = rolls[abs(rolls) > MIN_ROLL_DEG]
        if len(turned):
            steps = np.round(turned / _STEP_DEG) * _STEP_DEG % 360
            angles, counts = np.unique(steps, return_counts=True)
            chosen = angles[np.argsort(-counts, kind="stable")[:_MAX_ROLLS]]
            self.rolls_deg, self._n_without = tuple(chosen.tolist()), 0
        else:
            self._n_without += 1
            if self._n_without >= _MEMORY:
                self.rolls_deg = ()
