"""Types of live streams."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from emotion_core.errors import EmotionError
from emotion_core.types import DEFAULT_MIN_FACE_PX, DEFAULT_MIN_SCORE, AnalyzeOptions

if TYPE_CHECKING:
    from emotion_core.tracking.redaction import RedactionMask
    from emotion_core.types import Analysis, Image

MAX_RESULT_AGE_S = 1.0
"""Seconds after which a result is too old for the current frame: its boxes are not drawn, and with
blurring the whole frame is blurred."""


@dataclass(frozen=True, slots=True)
class LiveSettings:
    """Settings of a stream; may be replaced while it runs.

    Attributes:
        min_score: Minimum confidence of the detector, 0-1.
        min_face_px: Minimum of a face's shorter side in pixels of the frame.
        blur: Whether faces are made unrecognisable.
        smoothing_s: Time constant for smoothing drawings and charts, in seconds; 0 for none. The
            table of frames is never smoothed.
        mirror: Whether frames are shown like in a mirror. What is read from them, and where faces
            are, is of the frames as they came.

    Raises:
        EmotionError: A value is out of its range.
    """

    min_score: float = DEFAULT_MIN_SCORE
    min_face_px: float = DEFAULT_MIN_FACE_PX
    blur: bool = False
    smoothing_s: float = 0.3
    mirror: bool = False

    @property
    def analyze_options(self) -> AnalyzeOptions:
        """Which faces count."""
        return AnalyzeOptions(self.min_score, self.min_face_px)

    def __post_init__(self) -> None:
        if not 0 <= self.min_score <= 1:
            raise EmotionError(f"The minimum score must be from 0 to 1, not {self.min_score}.")
        if not 0 <= self.smoothing_s <= 60:
            raise EmotionError(f"Smoothing must be from 0 to 60 seconds, not {self.smoothing_s}.")


@dataclass(frozen=True, eq=False, slots=True)
class LiveFrame:
    """A frame of a stream.

    Attributes:
        index: Number of the frame among all that arrived, from 0.
        arrived_s: Time of arrival, by the stream's clock.
        time_s: Seconds after the first frame of the stream.
        image: RGB ``(H, W, 3)``, 0-255; never changed.
    """

    index: int
    arrived_s: float
    time_s: float
    image: Image


@dataclass(frozen=True, eq=False, slots=True)
class LiveResult:
    """The result for one frame of a stream.

    Attributes:
        frame: The frame.
        analysis: Raw, with track ids.
        smoothed: The faces of people, which were seen for ``DEFAULT_MIN_SEEN_S``, with smoothed
            predictions, for drawing and charts.
        mask: Faces to blur: these, those that are not reported, and those recently lost; ``None``
            if faces are not blurred.
    """

    frame: LiveFrame
    analysis: Analysis
    smoothed: Analysis
    mask: RedactionMask | None


@dataclass(frozen=True, slots=True)
class LiveStatus:
    """Counts and rates of a stream; rates and times are of the last few seconds.

    Attributes:
        frames: Frames that arrived.
        analyzed: Frames analysed.
        replaced: Frames skipped because a newer one arrived.
        dark: Black frames, as from a camera that is switched off; not analysed.
        failed: Frames whose analysis failed.
        frames_per_s: Frames that arrived per second.
        analyses_per_s: Finished analyses per second.
        analysis_ms: Median time of an analysis, including waiting for other streams; 0 if none.
        delay_ms: Median time from a frame's arrival to its finished analysis; 0 if none.
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
