"""What a video's header says of rate and length, where that can be believed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import av

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.stream import VideoStream

_LONGEST_S = 1e6
"""A header that promises more (11 days) is broken."""

_STATE_LENGTH = ("mp4", "matroska", "avi", "flv")
"""Formats whose header states the length; that of others is a guess from the size."""

_LOWEST_FPS, _HIGHEST_FPS = 1 / 60, 1000
"""Other rates are broken headers."""

_TOLERATED_RATE = 1.5
"""A header whose rate differs by more from that of the time stamps is not believed."""


def mean_fps(
    container: InputContainer, stream: VideoStream, measured: float
) -> tuple[float, list[str]]:
    """Pictures a second (0 if not known) and what is odd about it.

    An MP4's is counted from its table of pictures; that of others is a claim of the header, which
    some programs write wrongly.
    """
    stated = _plausible(float(stream.average_rate or 0))
    measured = _plausible(measured)
    if "mp4" in container.format.name or not measured:
        return stated, []
    if not stated or 1 / _TOLERATED_RATE < stated / measured < _TOLERATED_RATE:
        return stated or measured, []
    return measured, [
        f"The header says {stated:.4g} pictures a second; by their time stamps it is about "
        f"{measured:.4g}."
    ]


def _plausible(fps: float) -> float:
    return fps if _LOWEST_FPS <= fps <= _HIGHEST_FPS else 0.0


def stated_duration(container: InputContainer, stream: VideoStream) -> float | None:
    """Seconds; ``None`` where the header says nothing sensible."""
    if stream.duration and stream.time_base:
        length_s = float(stream.duration * stream.time_base)
    else:
        length_s = (container.duration or 0) / av.time_base
    return length_s if 0 < length_s <= _LONGEST_S else None


def promised_length(container: InputContainer) -> float:
    """Seconds by the header; 0 where it says nothing sensible."""
    length_s = (container.duration or 0) / av.time_base
    states = any(name in container.format.name for name in _STATE_LENGTH)
    return length_s if states and length_s <= _LONGEST_S else 0.0
