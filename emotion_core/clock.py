"""Times as people write them."""

from __future__ import annotations

import re
from datetime import UTC
from typing import TYPE_CHECKING

from emotion_core.errors import EmotionError

if TYPE_CHECKING:
    from datetime import datetime


def parse_time(text: str) -> float:
    """Seconds from ``90``, ``1:30`` or ``0:01:30.5``.

    Raises:
        EmotionError: The text is no such time.
    """
    parts = text.strip().replace(",", ".").split(":")
    if len(parts) > 3 or not all(re.fullmatch(r"\d+(\.\d+)?", part) for part in parts):
        raise EmotionError(f"{text} is no time, such as 90, 1:30 or 0:01:30.5")
    seconds = 0.0
    for part in parts:
        seconds = 60 * seconds + float(part)
    return seconds


def format_duration(time_s: float, *, decimals: int = 1) -> str:
    """Formats a time in a video: ``1:02.4`` or ``1:00:02.4``.

    Args:
        time_s: Seconds, not negative.
        decimals: Number of decimals of the seconds.
    """
    units = 10**decimals
    seconds, fraction = divmod(round(time_s * units), units)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    start = f"{hours}:{minutes:02d}" if hours else f"{minutes}"
    return f"{start}:{seconds:02d}" + (f".{fraction:0{decimals}d}" if decimals else "")


def wall_clock(when: datetime) -> str:
    """Formats a point in time in UTC: ``2026-11-22 12:57:03.250 UTC``."""
    return f"{when.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}"[:-3] + " UTC"
