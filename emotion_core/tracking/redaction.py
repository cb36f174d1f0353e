"""Blurring hides more faces than are reported: unsure ones, small ones, those missed for a moment.

Whoever asks for few faces in the tables by a high threshold still wants none to be seen.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from emotion_core.tracking.tracker import FaceTracker

if TYPE_CHECKING:
    import numpy.typing as npt

    from emotion_core.types import Analysis, AnalyzeOptions, FloatArray, Image

COVER_S = 1.0
"""So long after it was last found, a face is taken to be still there."""

_SURPRISE = 1.0
"""Face widths a second by which a cover grows in any case: faces that stood still set off."""

_SCORE, _FACE_PX = 0.45, 8.0
"""Faces from here on are hidden, whatever is asked for. At a lower score more is hidden that is no
face, and quick looks at videos, which must find all of them, are of less use."""


def widen_for_redaction(options: AnalyzeOptions, *, blur: bool) -> AnalyzeOptions:
    """What to search for: where faces are to be blurred, more of them than are asked for."""
    if not blur:
        return options
    return replace(
        options,
        min_score=min(options.min_score, _SCORE),
        min_face_px=min(options.min_face_px, _FACE_PX),
    )


@dataclass(frozen=True, eq=False, slots=True)
class RedactionMask:
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


class RedactionMemory:
    """Remembers each face of one stream or video for ``COVER_S`` after it was last found.

    A face that the detector misses for a moment is still there.
    """

    def __init__(self) -> None:
        self._seen: dict[int, tuple[FloatArray, float, float]] = {}  # box, when, speed

    def update(self, analysis: Analysis, frame_s: float) -> RedactionMask:
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
        return RedactionMask(
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


class FaceRedactor:
    """Remembers where the faces of one stream or video are, also those that are not reported."""

    def __init__(self) -> None:
        self._tracker, self._keeper = FaceTracker(), RedactionMemory()

    def update(self, analysis: Analysis, time_s: float, image: Image) -> RedactionMask:
        """Take in the next picture.

        Args:
            analysis: Of the widened search, not tracked.
            time_s: Of the picture, by the clock of the pictures.
            image: RGB ``(H, W, 3)``, 0-255.
        """
        tracked = self._tracker.update(analysis.faces, time_s, image)
        return self._keeper.update(replace(analysis, faces=tracked), time_s)
