"""What a visitor has chosen in the sidebar of all pages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from emotion_core.types import AnalyzeOptions

if TYPE_CHECKING:
    from emotion_core.models.material import Material
    from emotion_core.types import Region


@dataclass(frozen=True, slots=True)
class VisitorOptions:
    """Options from the sidebar.

    Attributes:
        emotion: Name of the emotion model; empty for the default.
        detector: Name of the face detector; empty for the default.
        min_score: Minimum detection score, 0-1.
        min_face_px: Minimum length of a face's shorter side in pixels of the photo.
        blur: Whether faces are made unrecognisable.
        largest_only: Whether only the largest face of each image counts.
        region: Part of the image to search; ``None`` for all.
        actions: Whether action features are shown and in tables.
        material: What is read, see ``ModelCard.logit_shift``.
    """

    emotion: str
    detector: str
    min_score: float
    min_face_px: int
    blur: bool
    largest_only: bool = False
    region: Region | None = None
    actions: bool = False
    material: Material = "everyday"

    @property
    def analyze_options(self) -> AnalyzeOptions:
        """Which faces count."""
        return AnalyzeOptions(
            self.min_score,
            self.min_face_px,
            region=self.region,
            largest_only=self.largest_only,
            actions=self.actions,
        )
