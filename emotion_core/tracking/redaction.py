"""Blurring hides more faces than are reported: unsure ones, small ones, those missed for a moment.

Whoever asks for few faces in the tables by a high threshold still wants none to be seen.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from emotion_core.cover import Cover, CoverKeeper
from emotion_core.detection.boxes import sides
from emotion_core.tracking.tracker import FaceTracker

if TYPE_CHECKING:
    from emotion_core.types import Analysis, Image

_SCORE, _FACE_PX = 0.45, 8.0
"""Faces from here on are hidden, whatever is asked for. At a lower score more is hidden that is no
face, and quick looks at videos, which must find all of them, are of less use."""


class FaceBounds(NamedTuple):
    """From where on a face counts.

    Attributes:
        min_score: Least confidence, 0-1.
        min_face_px: Least shorter side, in pixels of the picture.
    """

    min_score: float
    min_face_px: float

    def widened(self, *, blur: bool) -> FaceBounds:
        """What to search for: more where faces are to be blurred."""
        if not blur:
            return self
        return FaceBounds(min(self.min_score, _SCORE), min(self.min_face_px, _FACE_PX))

    def reported(self, analysis: Analysis) -> Analysis:
        """An analysis without the faces that do not count."""
        faces = analysis.faces
        is_large = (sides(faces) >= self.min_face_px).all(axis=1)
        kept = (faces.scores >= self.min_score) & is_large
        if kept.all():
            return analysis
        return replace(analysis, faces=faces[kept], predictions=analysis.predictions[kept])


class FaceCover:
    """Remembers where the faces of one stream or video are, also those that are not reported."""

    def __init__(self) -> None:
        self._tracker, self._keeper = FaceTracker(), CoverKeeper()

    def update(self, analysis: Analysis, time_s: float, image: Image) -> Cover:
        """Take in the next picture.

        Args:
            analysis: Of widened bounds, not tracked.
            time_s: Of the picture, by the clock of the pictures.
            image: RGB ``(H, W, 3)``, 0-255.
        """
        tracked = self._tracker.update(analysis.faces, time_s, image)
        return self._keeper.update(replace(analysis, faces=tracked), time_s)
