"""The results of a session in the form of a video's, so that its downloads are the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emotion_core.tracking.smoothing import smooth_frames
from emotion_core.video.tables import mark_brief, people_table, with_moments
from emotion_core.video.types import VideoInfo, VideoResult, VideoSettings

if TYPE_CHECKING:
    from emotion_core.live.stream import LiveStream


def session_result(stream: LiveStream) -> VideoResult:
    """The results of a running or closed stream up to now."""
    status, log, settings = stream.status(), stream.log, stream.settings
    frames = mark_brief(log.table())
    smooth = smooth_frames(frames, settings.smoothing_s, is_causal=True)
    people = people_table(frames, smoothed=smooth)
    shown = set(people["track"])
    highlights = tuple(moment for moment in log.highlights() if moment.track in shown)
    length_s = log.length_s
    info = VideoInfo(
        size_wh=stream.size_wh or (0, 0),
        fps=status.frames / length_s if length_s else 0.0,
        duration_s=length_s,
        n_frames=status.frames,
        codec="webcam",
        audio_codec="",
    )
    full = f"The session became too long for its table; it ends after {length_s / 60:.0f} minutes."
    return VideoResult(
        info=info,
        settings=VideoSettings(
            min_score=settings.min_score,
            min_face_px=settings.min_face_px,
            blur=settings.blur,
            smoothing_s=settings.smoothing_s,
        ),
        model=stream.info.emotion.title,
        detector=stream.info.detector.name,
        frames=frames,
        people=with_moments(people, highlights),
        highlights=highlights,
        n_frames=status.frames,
        n_analyzed=status.analyzed,
        elapsed_s=length_s,
        fault=full if status.is_log_full else "",
        started_at=stream.started_at,
    )
