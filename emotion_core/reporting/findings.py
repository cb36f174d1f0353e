"""What a video shows of each person, in one sentence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from emotion_core.clock import format_duration
from emotion_core.face import format_signed
from emotion_core.quality import usable_faces
from emotion_core.video.tables import seen_seconds

if TYPE_CHECKING:
    import pandas as pd

MIN_STRETCH_S, _MIN_STRETCH = 0.8, 0.2
"""Shorter stretches of an emotion are not told, in seconds and as a share of the visible time,
whichever is less."""

MAX_STRETCHES = 3
"""Stretches that are told, in order of time; of more, the longest."""

_MIN_SHARE = 0.6
"""Share of the visible time that the told stretches must cover."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """A time in which one emotion stays the most probable.

    Attributes:
        emotion: The emotion.
        start_s: When it begins, in seconds.
        seen_s: Visible time in it, in seconds.
    """

    emotion: str
    start_s: float
    seen_s: float


def describe_course(frames: pd.DataFrame, track: int) -> str:
    """Tells how the emotions of a person follow each other, and the range of valence.

    For example ``sadness, then happiness at 0:09; valence -0.8 to +1.0``. Of a person whose
    emotions change too often, it tells the most frequent ones. Unusable faces do not count.

    Args:
        frames: As ``FrameTableBuilder.table`` makes it, smoothed.
        track: The person, who is in the table.
    """
    seconds = seen_seconds(frames)
    rows = usable_faces(frames.assign(seen_s=seconds if seconds.any() else 1.0))
    rows = rows[rows["track"] == track].sort_values("time_s", kind="stable")
    if rows.empty:
        return "too hard to read"
    low, high = (format_signed(value, 1) for value in rows["valence"].agg(["min", "max"]))
    valence = f"valence {low}" if low == high else f"valence {low} to {high}"
    return f"{_tell(rows)}; {valence}"


def find_stretches(rows: pd.DataFrame) -> list[Stretch]:
    """Stretches of the same most probable emotion, without short ones between longer ones.

    Args:
        rows: Of one person by time, with columns time_s, emotion and seen_s.
    """
    runs = (rows["emotion"] != rows["emotion"].shift()).cumsum()
    found = [
        Stretch(str(run["emotion"].iloc[0]), float(run["time_s"].iloc[0]), run["seen_s"].sum())
        for _, run in rows.groupby(runs)
    ]
    shortest_s = min(MIN_STRETCH_S, _MIN_STRETCH * rows["seen_s"].sum()) - 1e-6
    return _merge([one for one in found if one.seen_s >= shortest_s]) or found[:1]


def _tell(rows: pd.DataFrame) -> str:
    total_s = rows["seen_s"].sum()
    found = find_stretches(rows)
    told = sorted(found, key=lambda one: -one.seen_s)[:MAX_STRETCHES]
    told = _merge(sorted(told, key=lambda one: one.start_s))
    shares = rows.groupby("emotion")["seen_s"].sum().sort_values(ascending=False) / total_s
    if sum(one.seen_s for one in told) < _MIN_SHARE * total_s or len(told) < len(found) / 2:
        often = " and ".join(f"{name} ({share:.0%})" for name, share in shares.head(2).items())
        return f"mostly {often}"
    first, *others = told
    if not others:
        return f"{'' if shares.iloc[0] > 0.995 else 'mostly '}{first.emotion}"
    times = [f"{one.emotion} at {format_duration(one.start_s, decimals=0)}" for one in others]
    return f"{first.emotion}, then {' and '.join(times)}"


def _merge(stretches: list[Stretch]) -> list[Stretch]:
    """Joins neighbours with the same emotion."""
    joined: list[Stretch] = []
    for one in stretches:
        if joined and joined[-1].emotion == one.emotion:
            last = joined.pop()
            one = Stretch(one.emotion, last.start_s, last.seen_s + one.seen_s)
        joined.append(one)
    return joined
