"""Redaction: blurs more faces than are reported, including unsure, small and briefly missed ones.

A user who asks for few faces in the tables by a high threshold still wants none to be seen.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from emotion_core.detection.paired import MIN_HIDDEN_SCORE
from emotion_core.tracking.tracker import FaceTracker

if TYPE_CHECKING:
    import numpy.typing as npt

    from emotion_core.types import Analysis, AnalyzeOptions, FloatArray, Image

MEMORY_S = 1.0
"""Seconds for which a face is assumed to be still there after it was last found."""

_MIN_GROWTH = 1.0
"""Minimum growth of a blurred box in face widths a second: faces that stood still may start."""

_FACE_PX = 8.0
"""Faces from this size on are blurred, whatever the options."""


def widen_for_redaction(options: AnalyzeOptions, *, blur: bool) -> AnalyzeOptions:
    """Lowers the minima of a search, everywhere, if faces are to be blurred.

    Two detectors then search, where there are two; see ``docs/redaction.md``.
    """
    if not blur:
        return options
    return replace(
        options,
        min_score=min(options.min_score, MIN_HIDDEN_SCORE),
        min_face_px=min(options.min_face_px, _FACE_PX),
        region=None,
        largest_only=False,
        for_redaction=True,
    )


@dataclass(frozen=True, eq=False, slots=True)
class RedactionMask:
    """Faces to be blurred, in fractions of the frame, so that frames may change their size.

    Attributes:
        boxes: ``(N, 4)`` x1, y1, x2, y2, 0-1.
        seen_s: ``(N,)`` when each was seen, by the clock of the frames.
        speeds: ``(N,)`` speed of its fastest edge, in fractions of the frame a second.
        is_new: ``(N,)`` whether it was not seen before.
    """

    boxes: FloatArray
    seen_s: npt.NDArray[np.float64]
    speeds: FloatArray
    is_new: npt.NDArray[np.bool_]

    def __getitem__(self, chosen: npt.NDArray[np.bool_]) -> RedactionMask:
        """Selects faces by a mask."""
        return RedactionMask(*(getattr(self, name)[chosen] for name in self.__slots__))

    def at(self, now_s: float, size_wh: tuple[int, int]) -> FloatArray:
        """Boxes in pixels that contain the faces even if they have moved.

        Args:
            now_s: By the clock of the frames; may be before the faces were seen.
            size_wh: Of the current frame.

        Returns:
            ``(N, 4)`` x1, y1, x2, y2; may reach beyond the frame.
        """
        age_s = abs(now_s - self.seen_s)
        widths = self.boxes[:, 2] - self.boxes[:, 0]
        margin = ((self.speeds + _MIN_GROWTH * widths) * age_s * max(size_wh))[:, None]
        boxes = self.boxes * np.array(size_wh * 2)
        return np.asarray(np.hstack([boxes[:, :2] - margin, boxes[:, 2:] + margin]), np.float32)


class FaceRedactor:
    """Tracks all faces of one stream or video, each for ``MEMORY_S`` after it was last found."""

    def __init__(self) -> None:
        self._tracker = FaceTracker()
        self._seen: dict[int, tuple[FloatArray, float, float]] = {}  # box, time, speed

    def update(self, analysis: Analysis, time_s: float, image: Image) -> RedactionMask:
        """Tracks the faces of the next frame.

        Args:
            analysis: Result of the widened search, not tracked.
            time_s: Of the frame.
            image: RGB ``(H, W, 3)``, 0-255.
        """
        tracked = self._tracker.update(analysis.faces, time_s, image)
        return self.remember(replace(analysis, faces=tracked), time_s)

    def remember(self, analysis: Analysis, time_s: float) -> RedactionMask:
        """Adds the tracked faces of a frame to those of earlier frames."""
        boxes = analysis.faces.boxes / np.array(analysis.size_wh * 2, np.float32)
        tracks = analysis.faces.track_ids
        seen = {t: s for t, s in self._seen.items() if time_s - s[1] <= MEMORY_S}
        known = set(seen)
        for track, box in zip([] if tracks is None else tracks.tolist(), boxes, strict=True):
            speed = float(box[2] - box[0])  # of a new face
            if track in seen and time_s > seen[track][1]:
                old_box, old_s, old_speed = seen[track]
                edges_speed = float(np.abs(box - old_box).max()) / (time_s - old_s)
                speed = max(edges_speed, old_speed / 2)  # at most halves from frame to frame
            seen[track] = (box, time_s, speed)
        self._seen = seen
        return RedactionMask(
            np.array([box for box, _, _ in seen.values()], np.float32).reshape(-1, 4),
            np.array([at_s for _, at_s, _ in seen.values()], np.float64),
            np.array([speed for _, _, speed in seen.values()], np.float32),
            np.array([track not in known for track in seen], bool),
        )
