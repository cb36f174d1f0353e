"""What to blur in each frame of a file, where it is known which faces will appear."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from emotion_core.tracking.redaction import RedactionMask
    from emotion_core.types import FloatArray

LOOK_BACK_S = 0.3
"""Seconds for which a face is assumed to have been there before it was first found."""


class BlurBoxes:
    """Collects what to blur; a face is hidden a little before it is first found, too.

    Attributes:
        boxes: By index of the frame: ``(N, 4)`` x1, y1, x2, y2 in pixels.
    """

    def __init__(self) -> None:
        self.boxes: dict[int, FloatArray] = {}
        self._recent: deque[tuple[int, float]] = deque()  # indices and times

    def add(self, index: int, time_s: float, mask: RedactionMask, size_wh: tuple[int, int]) -> None:
        """Adds the next frame.

        Args:
            index: Of the frame.
            time_s: Of the frame.
            mask: Faces to be blurred.
            size_wh: Of the frame.
        """
        while self._recent and time_s - self._recent[0][1] > LOOK_BACK_S:
            self._recent.popleft()
        new = mask[mask.is_new]
        if len(new.boxes):
            for earlier, then_s in self._recent:
                parts = (self.boxes[earlier], new.at(then_s, size_wh))
                self.boxes[earlier] = np.concatenate(parts)
        self.boxes[index] = mask.at(time_s, size_wh)
        self._recent.append((index, time_s))
