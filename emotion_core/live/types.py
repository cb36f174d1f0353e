"""The values that the parts of a live stream hand to each other and to the page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from emotion_core.errors import EmotionError
from emotion_core.types import DEFAULT_MIN_FACE_PX, DEFAULT_MIN_SCORE, AnalyzeOptions

if TYPE_CHECKING:
    from emotion_core.tracking.redaction import RedactionMask
    from emotion_core.types import Analysis, Image

FRESH_S = 1.0
"""Seconds after which a reading says nothing about the picture of now: its boxes are not drawn,
and where faces are to be blurred the whole picture is."""


@dataclass(frozen=True, slots=True)
class LiveSettings:
    """How a stream is read; may be exchanged while it runs.

    Attributes:
        min_score: Faces that the detector is less sure of, 0-1, are left out.
        min_face_px: Faces whose shorter side is less, in pixels of the frame, are left out.
        blur: Whether faces are made unrecognisable.
        smoothing_s: Time constant of the smoothing of what is drawn and charted, in seconds; 0 for
            none. The table of frames is never smoothed.

    Raises:
        EmotionError: A value is out of its range.
    """

    min_score: float = DEFAULT_MIN_SCORE
    min_face_px: float = DEFAULT_MIN_FACE_PX
    blur: bool = False
    smoothing_s: float = 0.3

    @property
    def analyze_options(self) -> AnalyzeOptions:
        """Which faces count."""
        return AnalyzeOptions(self.min_score, self.min_face_px)

    def __post_init__(self) -> None:
        if not 0 <= self.min_score <= 1:
            raise EmotionError(f"The least score must be from 0 to 1, not {self.min_score}.")
        if not 0 <= self.smoothing_s <= 60:
            raise EmotionError(f"Smoothing must be from 0 to 60 seconds, not {self.smoothing_s}.")


@dataclass(frozen=True, eq=False, slots=True)
class LiveResult:
    """The analysis of one frame of a stream.

    Attributes:
        index: Number of the frame among all that came in, from 0.
        time_s: Seconds after the first frame of the stream.
        frame_s: When the frame came in, by the stream's clock.
        analysis: Raw, with track ids.
        smoothed: The same faces with smoothed readings: what is drawn and charted.
        cover: What is to be blurred: these faces, those that are not reported, and those lost
            lately; ``None`` if the frame was not analysed for that.
        image: The frame itself, RGB ``(H, W, 3)``.
    """

    index: int
    time_s: float
    frame_s: float
    analysis: Analysis
    smoothed: Analysis
    cover: RedactionMask | None
    image: Image


@dataclass(frozen=True, slots=True)
class LiveStatus:
    """How a stream is doing.

    Attributes:
        frames: Frames that came in.
        analyzed: Of these, analysed.
        replaced: Not analysed because a newer one came before their turn.
        dark: Black ones, as a camera sends that is switched off; not analysed.
        failed: Frames whose analysis failed.
        frames_per_s: Of the last few seconds, as all that follows.
        analyses_per_s: Finished analyses.
        analysis_ms: Median time of an analysis, with waiting for other streams; 0 without one.
        delay_ms: Median time from a frame's arrival to its finished analysis; 0 without one.
        is_dark: Whether the newest frame is black.
        error: One sentence if the newest analysis failed, else empty.
        is_log_full: Whether the session has become too long for its table.
    """

    frames: int
    analyzed: int
    replaced: int
    dark: int
    failed: int
    frames_per_s: float
    analyses_per_s: float
    analysis_ms: float
    delay_ms: float
    is_dark: bool
    error: str
    is_log_full: bool
