"""What must be blurred now, known from faces that were found a moment ago."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from emotion_core.types import Analysis, FloatArray

COVER_S = 1.0
"""So long after it was last found, a face is taken to be still there."""

_SURPRISE = 1.0
"""Face widths a second by which a cover grows in any case: faces that stood still set off."""


@dataclass(frozen=True, eq=False, slots=True)
class Cover:
    """Faces to be blurred, in fractions of the frame, so that frames may change their size.

    Attributes:
        boxes: ``(N, 4)`` x1, y1, x2, y2, 0-1.
        seen_s: ``(N,)`` when each was seen, by the clock of the pictures.
        speeds: ``(N,)`` how fast its fastest edge moved, in fractions of the frame a second.
    """

    boxes: FloatArray
    seen_s: npt.NDArray[np.float64]
    speeds: FloatArray

    def at(self, now_s: float, size_wh: tuple[int, int]) -> FloatArray:
        """Boxes in pixels that hold the faces even if they have moved on.

        Args:
            now_s: By the clock of the pictures.
            size_wh: Of the frame of now.

        Returns:
            ``(N, 4)`` x1, y1, x2, y2; may reach beyond the frame.
        """
        age_s = np.clip(now_s - self.seen_s, 0, None)
        widths = self.boxes[:, 2] - self.boxes[:, 0]
        margin = ((self.speeds + _SURPRISE * widths) * age_s * max(size_wh))[:, None]
        boxes = self.boxes * np.array(size_wh * 2)
        return np.asarray(np.hstack([boxes[:, :2] - margin, boxes[:, 2:] + margin]), np.float32)


class CoverKeeper:
    """Remembers each face of one stream or video for ``COVER_S`` after it was last found.

    A face that the detector misses for a moment is still there.
    """

    def __init__(self) -> None:
        self._seen: dict[int, tuple[FloatArray, float, float]] = {}  # box, when, speed

    def update(self, analysis: Analysis, frame_s: float) -> Cover:
        """Take in the tracked faces of a frame.

        Args:
            analysis: With track ids where there are faces.
            frame_s: When the frame came in, by the clock of the pictures.
        """
        boxes = analysis.faces.boxes / np.array(analysis.size_wh * 2, np.float32)
        tracks = analysis.faces.track_ids
        seen = {t: s for t, s in self._seen.items() if frame_s - s[1] <= COVER_S}
        for track, box in zip([] if tracks is None else tracks.tolist(), boxes, strict=True):
            seen[track] = (box, frame_s, _speed(seen.get(track), box, frame_s))
        self._seen = seen
        rows = list(seen.values())
        return Cover(
            np.array([box for box, _, _ in rows], np.float32).reshape(-1, 4),
            np.array([at for _, at, _ in rows], np.float64),
            np.array([speed for _, _, speed in rows], np.float32),
        )


def _speed(
    before: tuple[FloatArray, float, float] | None, box: FloatArray, frame_s: float
) -> float:
    """Speed of the fastest edge; falls by half at most from one frame to the next."""
    if before is None or frame_s <= before[1]:
        return float(box[2] - box[0])
    now = float(np.abs(box - before[0]).max()) / (frame_s - before[1])
    return max(now, before[2] / 2)
