"""Types of video analysis."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from emotion_core.errors import EmotionError
from emotion_core.types import (
    DEFAULT_MIN_FACE_PX,
    DEFAULT_MIN_SCORE,
    DEFAULT_MIN_SEEN_S,
    AnalyzeOptions,
)

if TYPE_CHECKING:
    from datetime import datetime

    import pandas as pd

    from emotion_core.types import FloatArray, Image, Region


@dataclass(frozen=True, slots=True)
class VideoInfo:
    """Header of a video; it may be wrong about rate and length.

    Attributes:
        size_wh: Width and height in pixels, upright.
        fps: Mean frame rate; 0 if unknown.
        duration_s: ``None`` if unknown.
        n_frames: Number of frames; ``None`` if unknown. For progress only.
        codec: Short name of the video codec.
        audio_codec: Short name of the audio codec; empty without audio.
        warnings: One sentence each on oddities, e.g. that a second video track is ignored.
    """

    size_wh: tuple[int, int]
    fps: float
    duration_s: float | None
    n_frames: int | None
    codec: str
    audio_codec: str
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False, slots=True)
class VideoFrame:
    """One decoded frame.

    Attributes:
        index: From 0, in display order; skipped frames are counted.
        time_s: Seconds after the start of the video, as a player shows it (``VideoReader``).
        pts: Its time stamp in the time base of its track.
        image: RGB ``(H, W, 3)``, 0-255, upright; all frames of a video have the same size.
    """

    index: int
    time_s: float
    pts: int
    image: Image


@dataclass(frozen=True, slots=True)
class VideoSettings:
    """Settings of a video analysis.

    Attributes:
        every: Every nth frame is analysed, from 1; unused if ``hz`` is given.
        hz: Frames analysed per second of video; ``None`` to use ``every``.
        min_score: Minimum confidence of the detector, 0-1.
        min_face_px: Minimum of a face's shorter side in pixels of the video.
        blur: Whether faces are made unrecognisable in the video and in all images.
        smoothing_s: Time constant for smoothing drawings and charts, in seconds; 0 for none. Tables
            of frames are never smoothed.
        min_seen_s: Minimum time in seconds for which a face must be seen to count as a person; the
            rows of others are marked as brief.
        longest_s: Maximum number of seconds to read; ``None`` for all of the video.
        region: Part of the frames to search, see ``AnalyzeOptions``; ``None`` for all.
        largest_only: Whether only the largest face of each frame counts.
        from_s: Where the part of the video to analyse begins, in seconds after its start.
        to_s: Where that part ends; ``None`` for the end of the video.
        all_faces: Whether unusable faces count in means, charts and drawings, too.
        actions: Whether the table of frames gets action features, if the model has them.

    Raises:
        EmotionError: A value is out of its range.
    """

    every: int = 1
    hz: float | None = None
    min_score: float = DEFAULT_MIN_SCORE
    min_face_px: float = DEFAULT_MIN_FACE_PX
    blur: bool = False
    smoothing_s: float = 0.3
    min_seen_s: float = DEFAULT_MIN_SEEN_S
    longest_s: float | None = None
    region: Region | None = None
    largest_only: bool = False
    from_s: float = 0.0
    to_s: float | None = None
    all_faces: bool = False
    actions: bool = False

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

    def __post_init__(self) -> None:
        if self.every < 1:
            raise EmotionError(f"The frame interval must be at least 1, not {self.every}.")
        if self.hz is not None and not 0 < self.hz <= 1000:
            raise EmotionError(f"Frames a second must be above 0, up to 1000, not {self.hz}.")
        if not 0 <= self.smoothing_s <= 60:
            raise EmotionError(f"Smoothing must be from 0 to 60 seconds, not {self.smoothing_s}.")
        if not 0 <= self.min_seen_s <= 60:
            raise EmotionError(
                f"The minimum time of a person must be from 0 to 60 seconds, not {self.min_seen_s}."
            )
        if self.from_s < 0 or (self.to_s is not None and self.to_s <= self.from_s):
            raise EmotionError("The part of a video to analyse must end after it begins.")


class HighlightKind(StrEnum):
    """Kind of a highlight."""

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
        kind: Why it stands out.
        frame: Index of the frame.
        time_s: Seconds after the start of the video.
        emotion: The most probable emotion.
        valence: Smoothed, [-1, 1].
        arousal: Smoothed, [-1, 1].
        jpeg: Image of the face, 128 by 128 pixels, blurred if faces are to be blurred.
    """

    track: int
    kind: HighlightKind
    frame: int
    time_s: float
    emotion: str
    valence: float
    arousal: float
    jpeg: bytes


@dataclass(frozen=True, slots=True)
class VideoProgress:
    """Progress of a video analysis.

    Attributes:
        frames: Frames finished.
        n_frames: Total according to the header, which may be wrong; ``None`` if unknown.
        time_s: Position in the video.
        fps: Frames finished per second, over the last few seconds.
        left_s: Estimated seconds left; ``None`` if unknown.
        is_writing: Whether all frames are analysed and the annotated video is being written, for
            which the counts begin anew.
    """

    frames: int
    n_frames: int | None
    time_s: float
    fps: float
    left_s: float | None
    is_writing: bool = False


@dataclass(frozen=True, eq=False, slots=True)
class VideoResult:
    """The results of a video.

    Attributes:
        info: Its header.
        settings: How it was analysed.
        model: Name of the emotion network.
        detector: Name of the face detector.
        frames: Raw, one row per analysed frame and face, see ``frame_table`` and
            ``tables.mark_brief``.
        people: One row per person, see ``tables.people_table``.
        highlights: The strongest expressions, by person and kind.
        n_frames: Frames decoded.
        n_analyzed: Frames analysed.
        elapsed_s: Processing time.
        fault: One sentence if the video is truncated or damaged, else empty.
        started_at: When the first frame of a webcam arrived; ``None`` for a video.
        landmarks: ``(N, 5, 2)`` of the rows of ``frames``, NaN if unknown; ``None`` if not kept.
    """

    info: VideoInfo
    settings: VideoSettings
    model: str
    detector: str
    frames: pd.DataFrame
    people: pd.DataFrame
    highlights: tuple[Highlight, ...]
    n_frames: int
    n_analyzed: int
    elapsed_s: float
    fault: str
    started_at: datetime | None = None
    landmarks: FloatArray | None = None
