"""The values that the parts of video analysis hand to each other."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from emotion_core.errors import EmotionError
from emotion_core.types import DEFAULT_MIN_FACE_PX, DEFAULT_MIN_SCORE, AnalyzeOptions

if TYPE_CHECKING:
    from datetime import datetime

    import pandas as pd

    from emotion_core.types import Image


@dataclass(frozen=True, slots=True)
class VideoInfo:
    """What a video's header says; it may be wrong about rate and length.

    Attributes:
        size_wh: Width and height in pixels, upright.
        fps: Mean pictures a second; 0 where it is not known.
        duration_s: ``None`` where it is not known.
        n_frames: Number of pictures; ``None`` where it is not known. For progress only.
        codec: Short name of the picture's codec.
        audio_codec: Short name of the sound's codec; empty without sound.
        warnings: One sentence each on what is odd, e.g. that a second picture track is left out.
    """

    size_wh: tuple[int, int]
    fps: float
    duration_s: float | None
    n_frames: int | None
    codec: str
    audio_codec: str
    warnings: tuple[str, ...] = ()

    def reaching(self, last_index: int, last_s: float) -> VideoInfo:
        """The same, or one with longer length where the header says too little.

        Args:
            last_index: Of the last picture, from 0.
            last_s: Its time, in seconds after the first picture.
        """
        if self.duration_s is None or last_s <= self.duration_s:
            return self
        return replace(self, duration_s=last_s, fps=last_index / last_s, n_frames=last_index + 1)


@dataclass(frozen=True, eq=False, slots=True)
class VideoFrame:
    """One decoded picture.

    Attributes:
        index: From 0, in the order in which pictures are shown; none is left out in counting.
        time_s: Seconds after the first picture of the video.
        pts: Its time stamp in the time base of its track.
        image: RGB ``(H, W, 3)``, 0-255, upright; every picture of a video has the same size.
    """

    index: int
    time_s: float
    pts: int
    image: Image


@dataclass(frozen=True, slots=True)
class VideoSettings:
    """How a video is analysed.

    Attributes:
        every: Every so manieth picture is analysed, from 1; not used where ``hz`` is given.
        hz: Pictures analysed per second of video; ``None`` to go by ``every``.
        min_score: Faces that the detector is less sure of, 0-1, are left out.
        min_face_px: Faces whose shorter side is less, in pixels of the video, are left out.
        blur: Whether faces are made unrecognisable in the video and in all pictures.
        smoothing_s: Time constant of the smoothing of what is drawn and charted, in seconds; 0 for
            none. Tables of frames are never smoothed.
        longest_s: Seconds of the video that are read at most; ``None`` for all of it.

    Raises:
        EmotionError: A value is out of its range.
    """

    every: int = 1
    hz: float | None = None
    min_score: float = DEFAULT_MIN_SCORE
    min_face_px: float = DEFAULT_MIN_FACE_PX
    blur: bool = False
    smoothing_s: float = 0.3
    longest_s: float | None = None

    @property
    def analyze_options(self) -> AnalyzeOptions:
        """Which faces count."""
        return AnalyzeOptions(self.min_score, self.min_face_px)

    def __post_init__(self) -> None:
        if self.every < 1:
            raise EmotionError(f"Every how many pictures must be at least 1, not {self.every}.")
        if self.hz is not None and not 0 < self.hz <= 1000:
            raise EmotionError(f"Pictures a second must be above 0, up to 1000, not {self.hz}.")
        if not 0 <= self.smoothing_s <= 60:
            raise EmotionError(f"Smoothing must be from 0 to 60 seconds, not {self.smoothing_s}.")


class HighlightKind(StrEnum):
    """Why a moment stands out."""

    POSITIVE = "positive"
    """Highest valence of the person."""

    NEGATIVE = "negative"
    """Lowest valence of the person."""

    INTENSE = "intense"
    """Farthest from the origin of the valence-arousal plane."""


@dataclass(frozen=True, slots=True)
class Highlight:
    """The strongest expression of one kind of one person.

    Attributes:
        track: Id of the person in the video.
        kind: What it is the strongest of.
        frame: Index of the picture.
        time_s: Seconds after the first picture.
        emotion: The most probable emotion there.
        valence: Smoothed, [-1, 1].
        arousal: Smoothed, [-1, 1].
        picture: JPEG of the face, 128 by 128 pixels, blurred if faces are to be blurred.
    """

    track: int
    kind: HighlightKind
    frame: int
    time_s: float
    emotion: str
    valence: float
    arousal: float
    picture: bytes


@dataclass(frozen=True, slots=True)
class VideoProgress:
    """How far the analysis of a video is.

    Attributes:
        frames: Pictures finished.
        n_frames: Of so many, by the header, which may be wrong; ``None`` where it is not known.
        time_s: Place in the video.
        fps: Pictures finished a second, of the last few seconds.
        left_s: Seconds still needed at that speed; ``None`` where it cannot be told.
    """

    frames: int
    n_frames: int | None
    time_s: float
    fps: float
    left_s: float | None


@dataclass(frozen=True, eq=False, slots=True)
class VideoResult:
    """All that was learned from a video.

    Attributes:
        info: Its header.
        settings: How it was analysed.
        model: Name of the emotion network.
        detector: Name of the face detector.
        frames: Raw, one row per analysed picture and face, see ``tables.FrameTableBuilder.table``.
        people: One row a person, see ``tables.people_table``.
        moments: The strongest expressions, by person and kind.
        n_frames: Pictures decoded.
        n_analyzed: Pictures analysed.
        elapsed_s: Time that it took.
        fault: One sentence where the video broke off; empty if it was read to its end.
        began: When the first picture of a webcam came in; ``None`` for a video.
    """

    info: VideoInfo
    settings: VideoSettings
    model: str
    detector: str
    frames: pd.DataFrame
    people: pd.DataFrame
    moments: tuple[Highlight, ...]
    n_frames: int
    n_analyzed: int
    elapsed_s: float
    fault: str
    began: datetime | None = None
