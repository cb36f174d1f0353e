"""One row for each participant and stimulus, and what groups have in common."""

from __future__ import annotations

from collections import defaultdict
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from emotion_core.study.curves import mean_with_interval
from emotion_core.study.kept import KeptParts
from emotion_core.study.readings import measures_of, weighted_mean

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from emotion_core.study.assignment import StudyVideo
    from emotion_core.study.settings import StudySettings

SHARE = "share_"


def reading_summary(readings: pd.DataFrame, curve: pd.DataFrame) -> dict[str, float]:
    """What a participant's readings of one video come to.

    Args:
        readings: As ``participant_readings`` makes them.
        curve: The same on the common clock, as ``to_clock`` makes it.

    Returns:
        frames (analysed in the part that counts), frames_seen, frames_counted, share_counted (of
        the frames), counted_s (seconds with readings); for each measure ``mean_``, ``sd_`` (over
        time, not over people), ``peak_`` (highest value of the curve) and ``peak_..._s`` (when, in
        seconds on the clock), ``area_`` (sum of value times seconds). Valence also has ``trough_``,
        the lowest value. All missing if no reading counts.
    """
    n = len(readings)
    counted = readings[readings["is_counted"]]
    weights = counted["weight_s"].to_numpy(float)
    row: dict[str, float] = {
        "frames": n,
        "frames_seen": int(readings["is_seen"].sum()),
        "frames_counted": len(counted),
        "share_counted": len(counted) / n if n else np.nan,
        "counted_s": float(weights.sum()),
    }
    for name in measures_of(readings):
        values = counted[name].to_numpy(float)
        mean = weighted_mean(values, weights)
        row[f"mean_{name}"] = mean
        row[f"sd_{name}"] = float(np.sqrt(weighted_mean((values - mean) ** 2, weights)))
        row[f"peak_{name}"], row[f"peak_{name}_s"] = _extreme(curve, name, 1)
        if name.endswith("valence"):
            row[f"trough_{name}"], row[f"trough_{name}_s"] = _extreme(curve, name, -1)
        known = ~np.isnan(values)
        area = float((values[known] * weights[known]).sum())
        row[f"area_{name}"] = area if known.any() else np.nan
    return row


def group_summary(
    participants: pd.DataFrame,
    members: Mapping[tuple[str, str], list[str]],
    settings: StudySettings,
    kept: KeptParts | None = None,
) -> pd.DataFrame:
    """Means over participants, for each stimulus, condition and measure.

    Args:
        participants: One row per participant, stimulus and condition.
        members: The participants of each stimulus and condition, with and without readings.
        settings: Of the study.
        kept: Means that were made before.

    Returns:
        Columns stimulus, condition, measure, participants (in the group), n (of these with a
        value), mean, sd (over participants), low and high (95% interval of the mean, see
        ``curves``).
    """
    kept = KeptParts() if kept is None else kept
    measures = summed_up(participants)
    parts = []
    for (stimulus, condition), people in members.items():
        is_here = (participants["stimulus"] == stimulus) & (participants["condition"] == condition)
        values = participants.loc[is_here, measures].to_numpy(float)
        means = kept.get(
            ("means", stimulus, condition),
            (values.tobytes(), values.shape, settings.draws, settings.seed),
            partial(mean_with_interval, values, settings),
        )
        part = pd.DataFrame({"measure": measures, **means})
        spread = pd.DataFrame(values, columns=measures).std(ddof=1)
        keys = {"stimulus": stimulus, "condition": condition}
        parts.append(part.assign(**keys, participants=len(people), sd=spread.to_numpy(float)))
    names = ["stimulus", "condition", "measure", "participants", "n", "mean", "sd", "low", "high"]
    return pd.concat(parts, ignore_index=True)[names]


def with_missing(participants: pd.DataFrame, videos: Sequence[StudyVideo]) -> pd.DataFrame:
    """Adds a row for each participant without a video that others have.

    These are videos of the conditions in which the participant, or somebody who shares one of the
    participant's conditions, was recorded: all conditions if people go through all of them, and the
    participant's own if groups are compared.
    """
    conditions = defaultdict(set)
    for video in videos:
        conditions[video.participant].add(video.condition)
    there = {(video.participant, video.stimulus, video.condition) for video in videos}
    wanted = dict.fromkeys((video.stimulus, video.condition) for video in videos)
    missing = [
        {"participant": person, "stimulus": stimulus, "condition": condition, "note": "no video"}
        for person, own in conditions.items()
        for stimulus, condition in wanted
        if (person, stimulus, condition) not in there
        and any(condition in others for others in conditions.values() if own & others)
    ]
    table = pd.concat([participants, pd.DataFrame(missing)]) if missing else participants
    counts = [name for name in ("frames", "frames_seen", "frames_counted") if name in table]
    filled = table.assign(**{name: table[name].fillna(0).astype("int64") for name in counts})
    columns = [name for name in filled.columns if name != "note"]
    return filled[[*columns, "note"]].reset_index(drop=True)


def summed_up(participants: pd.DataFrame) -> list[str]:
    """The columns of the table of participants that are averaged over participants."""
    starts = ("mean_", "sd_", "peak_", "trough_", "area_", SHARE, "switches", "baseline_")
    return [name for name in participants.columns if name.startswith(starts)]


def _extreme(curve: pd.DataFrame, name: str, sign: int) -> tuple[float, float]:
    """The highest (1) or lowest (-1) value of a curve, and its time."""
    values = curve[name].to_numpy(float) * sign
    if np.isnan(values).all():
        return np.nan, np.nan
    place = int(np.nanargmax(values))
    return float(values[place] * sign), float(curve["time_s"].iloc[place])
