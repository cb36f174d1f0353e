"""Rate and length of a video by its header, if they are plausible."""

from __future__ import annotations

from typing import TYPE_CHECKING

import av

if TYPE_CHECKING:
    from fractions import Fraction

    from av.audio.stream import AudioStream
    from av.container import InputContainer
    from av.video.stream import VideoStream

    from emotion_core.video.io.decoder import VideoTrackDecoder

_MAX_S = 1e6
"""A header that claims more (11 days) is broken."""

_RELIABLE_LENGTH = ("mp4", "matroska", "avi", "flv")
"""Formats whose header contains the length; for others it is estimated from the file size."""

_WITHOUT_RATE = ("gif", "apng")
"""Formats that say how long each frame is shown; FFmpeg guesses a rate from the first ones."""

_AUDIO_FIRST_S, _MAX_LEAD_S = 0.05, 3600
"""A video starts with its audio if that is earlier than the first frame by more than the first, but
not by more than the second: less is rounding, more a broken time stamp."""

_MIN_FPS, _MAX_FPS = 1 / 60, 1000
"""Other rates are broken headers."""

_MISSING_S, _MISSING_FRACTION, _MISSING_FRAMES = 0.5, 0.02, 3
"""A video that ends earlier than its header says by more than each of these was cut off."""

_RATE_TOLERANCE = 1.5
"""A header whose rate differs by more from that of the time stamps is not trusted."""


def mean_fps(
    container: InputContainer, stream: VideoStream, measured: float
) -> tuple[float, list[str]]:
    """Mean frame rate (0 if unknown) and warnings about it.

    An MP4's is computed from its sample table; that of others is a claim of the header, which some
    programs write wrongly.
    """
    stated = _plausible(float(stream.average_rate or 0))
    measured = _plausible(measured)
    if "mp4" in container.format.name or not measured:
        return stated, []
    if not stated or container.format.name in _WITHOUT_RATE:
        return measured, []
    if 1 / _RATE_TOLERANCE < stated / measured < _RATE_TOLERANCE:
        return stated, []
    return measured, [
        f"The header says {stated:.4g} frames a second; by their time stamps it is about "
        f"{measured:.4g}."
    ]


def _plausible(fps: float) -> float:
    return fps if _MIN_FPS <= fps <= _MAX_FPS else 0.0


def find_origin(first_s: Fraction, audio: AudioStream | None) -> Fraction:
    """The time at which a video starts, in seconds of the file's own time.

    Args:
        first_s: Time of its first frame.
        audio: Its audio; if players hear that before they show the frame, the video starts with it.
    """
    if audio is None or audio.start_time is None or audio.time_base is None:
        return first_s
    audio_s = audio.start_time * audio.time_base
    return audio_s if _AUDIO_FIRST_S < first_s - audio_s <= _MAX_LEAD_S else first_s


def describe_part(from_s: float, to_s: float | None) -> str:
    """One sentence on the part of a video that is read."""
    end = "its end" if to_s is None else f"{to_s:g} s"
    note = f"Of the video, {from_s:g} s to {end} are analysed"
    if from_s:
        note += f"; times count from its start, but the annotated video begins at {from_s:g} s"
    return f"{note}."


def describe_limit(longest_s: float) -> str:
    """One sentence on a video of which only the first seconds are read."""
    length = f"{longest_s / 60:.3g} min"
    return f"Only the first {length} of the video were read; it is longer than the limit."


def describe_fault(
    container: InputContainer, track: VideoTrackDecoder, last_s: float, fps: float
) -> str:
    """One sentence on what is damaged or missing; empty if nothing is.

    Args:
        container: The file, read to its end.
        track: The track that was decoded.
        last_s: Time of the last frame.
        fps: Mean frame rate; 0 if unknown.
    """
    promised_s = promised_length(container)
    start_s = (container.start_time or 0) / av.time_base
    seen_s = track.end_s - start_s
    tolerance_s = max(_MISSING_S, _MISSING_FRACTION * promised_s, fps and _MISSING_FRAMES / fps)
    if promised_s - seen_s > tolerance_s:
        return (
            f"The video breaks off after {last_s:.1f} of {promised_s:.1f} seconds; "
            "what comes before was read."
        )
    if track.is_cut_off:
        return f"The video breaks off after {last_s:.1f} seconds; what comes before was read."
    if track.n_damaged:
        since_s = max(0.0, (track.damaged_s or start_s) - start_s)
        return (
            f"The video is damaged, first at about {since_s:.1f} seconds: frames are missing "
            "or wrong there."
        )
    return ""


def stated_duration(container: InputContainer, stream: VideoStream) -> float | None:
    """Seconds; ``None`` if the header has no plausible value."""
    if stream.duration and stream.time_base:
        length_s = float(stream.duration * stream.time_base)
    else:
        length_s = (container.duration or 0) / av.time_base
    return length_s if 0 < length_s <= _MAX_S else None


def promised_length(container: InputContainer) -> float:
    """Seconds by the header; 0 without a reliable value."""
    length_s = (container.duration or 0) / av.time_base
    is_reliable = any(name in container.format.name for name in _RELIABLE_LENGTH)
    return length_s if is_reliable and length_s <= _MAX_S else 0.0
