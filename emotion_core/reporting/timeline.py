"""Rows for the charts of a video: few enough to draw, and broken where nobody is seen."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from emotion_core.clock import format_duration
from emotion_core.quality import is_usable_row
from emotion_core.video.tables import (
    analysis_period,
    max_hold_s,
    seen_seconds,
    without_unusable,
)

LONGEST = 600
"""Maximum number of points in time in a chart; more do not fit a screen's pixels."""

_MISSES = 1
"""Consecutive analysed frames without a person that do not break the person's line."""

_LONE_S = 1.0
"""For how long the only frame of a table is drawn, so that it is visible."""

MAX_ROWS = 4500
"""Maximum number of points of all people in a chart; Altair rejects more than 5000."""


def downsample(frames: pd.DataFrame, longest: int = LONGEST) -> pd.DataFrame:
    """Reduces the rows for drawing to means over equal spans of time; gaps stay gaps.

    Args:
        frames: As ``tables.FrameTableBuilder.table`` makes it.
        longest: Maximum number of points in time.

    Returns:
        ``frames`` itself if it has few enough frames. Otherwise columns frame, time_s (of the
        first frame of the span), track, emotion, confidence, ``p_<label>``..., valence, arousal:
        one row per person seen in the span, or one with an empty track if there is none.
    """
    bins = _time_bins(frames, longest)
    if bins is None:
        return frames
    labels = [column for column in frames.columns if column.startswith("p_")]
    binned = frames.assign(bin=bins)
    starts = binned.groupby("bin", as_index=False)[["frame", "time_s"]].min()
    seen = binned[binned["track"].notna()]
    groups = seen.groupby(["bin", "track"], as_index=False)
    means = groups[[*labels, "valence", "arousal"]].mean()
    if len(means):
        best = means[labels].idxmax(axis=1)
        means["emotion"] = [str(column).removeprefix("p_") for column in best]
    else:
        means["emotion"] = pd.Series(dtype="str")
    means["confidence"] = means[labels].max(axis=1)
    thinned = starts.merge(means, on="bin", how="left").drop(columns="bin")
    thinned.attrs = frames.attrs
    return thinned[["frame", "time_s", "track", "emotion", "confidence", *means.columns[2:-2]]]


def timeline_rows(frames: pd.DataFrame) -> pd.DataFrame:
    """The rows that charts over time draw.

    Args:
        frames: As ``tables.FrameTableBuilder.table`` makes it, raw or smoothed. Unusable faces are
            not drawn, see ``tables.counted_frames``.

    Returns:
        In order of people and time: time_s, end_s (until when the row is drawn), clock (the time
        as text), track, row (of the person, from 0), person (name), run (number of an unbroken
        stretch), emotion, confidence, ``p_<label>``..., valence, arousal. Each stretch ends with a
        copy of its last row at the end time of that row, where time_s equals end_s.
    """
    thinned = downsample(without_unusable(frames), _max_times(frames))
    order = thinned["frame"].rank(method="dense")
    rows = thinned.assign(seen_s=_shown_seconds(thinned), order=order)
    rows = rows[rows["track"].notna()].sort_values(["track", "time_s"], kind="stable")
    rows = rows.astype({"track": "int64"}).reset_index(drop=True)
    starts = rows["order"].diff() > 1 + _MISSES
    starts |= rows["time_s"].diff() > max_hold_s(analysis_period(thinned)) + 1e-6
    starts |= rows["track"].diff() != 0
    rows["run"] = starts.cumsum().astype("int64")
    rows["end_s"] = rows["time_s"] + rows["seen_s"]
    last = rows[rows["run"] != rows["run"].shift(-1)]
    rows = pd.concat([rows, last.assign(time_s=last["end_s"])])
    rows = rows.sort_values(["run", "time_s"], kind="stable", ignore_index=True)
    rows["row"] = rows["track"].rank(method="dense").astype("int64") - 1
    rows["person"] = [person_name(track) for track in rows["track"]]
    rows["clock"] = [format_duration(time) for time in rows["time_s"]]
    columns = ["time_s", "end_s", "clock", "track", "row", "person", "run", "emotion", "confidence"]
    numbers = [c for c in rows.columns if c.startswith("p_")] + ["valence", "arousal"]
    rounded = {name: rows[name].astype("float64").round(3) for name in ["confidence", *numbers]}
    rounded |= {name: rows[name].round(6) for name in ("time_s", "end_s")}
    return rows.assign(**rounded)[[*columns, *numbers]]


def emotion_seconds(frames: pd.DataFrame, longest: int = LONGEST) -> pd.DataFrame:
    """Seconds for which each emotion was a person's most probable, in ``timeline_rows``' spans.

    Returns:
        Columns time_s, track, emotion, seconds, which sum to each person's visible time.
    """
    bins = _time_bins(frames, _max_times(frames, longest))
    rows = frames[["frame", "time_s", "track", "emotion"]].assign(seconds=_shown_seconds(frames))
    rows["bin"] = frames["frame"].to_numpy() if bins is None else bins
    rows["time_s"] = rows.groupby("bin")["time_s"].transform("min").round(6)
    rows = rows[rows["track"].notna().to_numpy() & is_usable_row(frames)]
    sums = rows.groupby(["time_s", "track", "emotion"], as_index=False)[["seconds"]].sum()
    return sums.astype({"track": "int64"}).round({"seconds": 4})


def person_name(track: int) -> str:
    """The name of a person: ``Person 3``."""
    return f"Person {track}"


def _shown_seconds(frames: pd.DataFrame) -> npt.NDArray[np.float64]:
    """For how many seconds each row is drawn: a lone frame for one, or until the video ends."""
    seconds = seen_seconds(frames)
    if not seconds.any():
        seconds = seen_seconds(frames, _LONE_S)
    return seconds if seconds.any() else np.full(len(frames), _LONE_S)


def _max_times(frames: pd.DataFrame, longest: int = LONGEST) -> int:
    return max(2, min(longest, MAX_ROWS // max(1, frames["track"].nunique())))


def _time_bins(frames: pd.DataFrame, longest: int) -> npt.NDArray[np.int64] | None:
    """The number of the span of time of each row; ``None`` if no downsampling is needed."""
    if frames["frame"].nunique() <= longest:
        return None
    times = frames["time_s"].to_numpy(float)
    start, length = times.min(), np.ptp(times)
    bins = (times - start) * (longest / max(length, 1e-9))
    return np.asarray(np.minimum(bins, longest - 1), np.int64)
