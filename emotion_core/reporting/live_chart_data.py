"""Rows for the charts of a running stream: few rows of the last minute, made many times."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from emotion_core.reporting.timeline import person_name

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_CHARTED_PEOPLE = 3
"""People drawn at once; more could not be told apart."""

TRAIL_S = 8.0
"""Length of the trail in the valence-arousal plane."""

MINUTE_S = 60.0
"""Length of the chart over time."""

_NOW_S = 0.4  # people seen within this time are present; a detector may miss a frame
_GAP_S = 1.0  # a line breaks where a person is not seen for longer
_MINUTE_STEP_S, _TRAIL_STEP_S = 0.5, 0.25
_BAR = 0.7  # share of a person's column; the rest is for the number beside the bar
_MEANS = ["time_s", "age_s", "valence", "arousal"]


def people_now(history: pd.DataFrame) -> list[int]:
    """Tracks of the people present now in a ``SessionLog.history``, in order of arrival."""
    there = history[history["age_s"] <= _NOW_S]
    return sorted(int(track) for track in there["track"].unique())


def bar_rows(history: pd.DataFrame, words: tuple[str, ...]) -> pd.DataFrame:
    """A row per person and emotion, and one per person with an empty word and the name."""
    people = people_now(history)[:MAX_CHARTED_PEOPLE]
    rows: list[dict[str, object]] = []
    for i, track in enumerate(people):
        newest = history[history["track"] == track].iloc[-1]
        start, name = i / len(people), person_name(track)
        rows.append({"start": start, "end": start, "word": "", "person": name, "probability": 0.0})
        for word in words:
            share = float(newest[f"p_{word}"])
            end = start + _BAR * share / len(people)
            row = {"start": start, "end": end, "word": word, "person": name, "probability": share}
            rows.append(row)
    return pd.DataFrame(rows, columns=["start", "end", "word", "person", "probability"])


def trail_rows(history: pd.DataFrame) -> pd.DataFrame:
    """A row per person and quarter of a second, and the newest prediction."""
    recent = history[
        (history["age_s"] <= TRAIL_S)
        & history["track"].isin(people_now(history)[:MAX_CHARTED_PEOPLE])
    ]
    newest = recent[~recent["track"].duplicated(keep="last")]
    thinned = _mean_per_span(recent, _TRAIL_STEP_S)
    rows = pd.concat(
        [thinned.assign(is_newest=False), newest[thinned.columns].assign(is_newest=True)]
    )
    rows["freshness"] = 1 - rows["age_s"] / TRAIL_S
    rows["person"] = [person_name(track) for track in rows["track"]]
    return rows.reset_index(drop=True)


def minute_rows(history: pd.DataFrame, marks_s: Sequence[float] = ()) -> pd.DataFrame:
    """A row per half second of the people seen last, with the number of its unbroken stretch.

    If several people are there now, the last row of each has the person's name. Moments that were
    marked are rows with is_mark.
    """
    there = people_now(history)
    latest = history.groupby("track")["time_s"].max().nlargest(MAX_CHARTED_PEOPLE).index
    shown = history[history["track"].isin(latest)]
    rows = _mean_per_span(shown, _MINUTE_STEP_S).sort_values(["track", "time_s"], ignore_index=True)
    starts = (rows["time_s"].diff() > _GAP_S + _MINUTE_STEP_S) | (rows["track"].diff() != 0)
    rows["run"] = starts.cumsum()
    rows["ago_s"] = -rows["age_s"]
    rows["style"] = rows["track"].rank(method="dense").astype("int64") - 1
    is_named = ~rows["track"].duplicated(keep="last") & rows["track"].isin(there)
    names = [person_name(track) for track in rows["track"]]
    rows["name"] = pd.Series(names, dtype="str").where(is_named & (len(there) > 1), "")
    rows["is_mark"] = False
    now_s = float((history["time_s"] + history["age_s"]).max()) if len(history) else math.inf
    ago_s = [mark_s - now_s for mark_s in marks_s if now_s - MINUTE_S <= mark_s <= now_s]
    shown = rows[["run", "style", "name", "ago_s", "valence", "arousal", "is_mark"]]
    if not ago_s:
        return shown
    return pd.concat([shown, pd.DataFrame({"ago_s": ago_s, "is_mark": True, "name": ""})])


def _mean_per_span(history: pd.DataFrame, step_s: float) -> pd.DataFrame:
    """Means over fixed spans of time, with the last emotion of each span.

    Uses NumPy: a page does this several times a second, and pandas takes ten times as long.
    """
    tracks = history["track"].to_numpy(np.int64)
    bins = np.floor(history["time_s"].to_numpy() / step_s)
    order = np.lexsort((bins, tracks))  # stable: times ascend within a span
    tracks, bins = tracks[order], bins[order]
    is_first = (np.diff(tracks, prepend=-1) != 0) | (np.diff(bins, prepend=-1) != 0)
    starts = np.flatnonzero(is_first)
    ends = np.append(starts[1:], len(order)) - 1 if len(starts) else starts
    values = history[_MEANS].to_numpy(np.float64)[order]
    sums = np.add.reduceat(values, starts, axis=0) if len(starts) else values
    thinned = pd.DataFrame(sums / (ends - starts + 1)[:, None], columns=_MEANS)
    thinned["track"] = tracks[ends]
    thinned["emotion"] = history["emotion"].to_numpy()[order][ends]
    return thinned
