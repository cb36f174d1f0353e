"""What a study shows, in sentences, and what is missing in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from emotion_core.face import format_signed
from emotion_core.study.readings import PLANE

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

    from emotion_core.study.tables import StudyTables

CAUTION = (
    "Frames are not independent: a minute of one face is one case. Means, bands and intervals are "
    "over participants (95%, from drawing whole participants anew)."
)
"""Stands where curves and means are shown."""

EXPLORATORY = (
    "Exploratory: t tests over participants, paired where the same people were compared; p_fdr is "
    "corrected for all rows of the table. A planned analysis needs a model of its own."
)
"""Stands where comparisons are shown."""

_MAX_TOLD = 3
_MEAN = "mean_"


def study_findings(tables: StudyTables) -> list[str]:
    """Tells what differs between stimuli and conditions in valence and arousal.

    Differences whose 95% interval leaves out 0 are told first, the largest effects before others;
    if there is nothing to compare, the means of each stimulus and condition are told.
    """
    plane = [f"{_MEAN}{name}" for name in PLANE]
    compared = tables.comparisons[tables.comparisons["measure"].isin(plane)].dropna(subset=["low"])
    if compared.empty:
        summary = tables.group_summary
        means = summary[summary["measure"].isin(plane) & (summary["n"] > 0)]
        return [_tell_mean(row) for row in means.to_dict("records")[: 2 * _MAX_TOLD]]
    is_clear = (compared["low"] > 0) | (compared["high"] < 0)
    clear = compared[is_clear]
    order = clear["effect_size"].abs().sort_values(ascending=False, kind="stable").index
    told = [_tell_difference(row) for row in clear.loc[order].head(_MAX_TOLD).to_dict("records")]
    n_other = int((~is_clear).sum())
    if n_other and not told:
        return [
            "No difference in mean valence or arousal is told apart from 0: each interval has it "
            f"inside (comparisons: {n_other})."
        ]
    if len(clear) > len(told) or n_other:
        rest = f"{len(clear) - len(told)} more differ" if len(clear) > len(told) else ""
        same = f"in {n_other} the interval has 0 inside" if n_other else ""
        words = "; ".join(filter(None, (rest, same)))
        told.append(f"Of {len(compared)} comparisons of mean valence and arousal, {words}.")
    return told


def describe_missing(tables: StudyTables) -> str:
    """Tells how many videos there are, which of them have no values, and how much was usable."""
    videos, people = tables.all_videos, tables.participants
    n_failed = int((videos["error"] != "").sum())
    n_excluded = int((videos["is_excluded"] & (videos["error"] == "")).sum())
    n_absent = int((people["note"] == "no video").sum())
    n_unread = int(people["note"].isin(["no usable reading", "participant not seen"]).sum())
    parts = [
        f"{n_failed} failed" if n_failed else "",
        f"{n_excluded} excluded" if n_excluded else "",
        f"{n_unread} without a usable reading" if n_unread else "",
        f"{n_absent} not recorded" if n_absent else "",
    ]
    missing = ", ".join(filter(None, parts)) or "none is missing"
    words = f"Videos: {len(videos)}, of {people['participant'].nunique()} participants; {missing}."
    share = people["share_counted"].mean()
    if not pd.isna(share):
        words += f" Of their frames, {share:.0%} had a usable reading (mean over videos)."
    return words


def usable_grid(tables: StudyTables) -> pd.DataFrame:
    """What there is of each participant: a row each, and a column per stimulus and condition.

    Returns:
        Cells are the share of frames with usable readings, such as ``93%``, or why there is none;
        empty where nothing was to be expected.
    """
    people = tables.participants
    places = [
        f"{stimulus}, {condition}" if condition else stimulus
        for stimulus, condition in people[["stimulus", "condition"]].itertuples(index=False)
    ]
    shares = [
        note.partition(":")[0] if pd.isna(share) or share == 0 else f"{share:.0%}"
        for share, note in zip(people["share_counted"], people["note"], strict=True)
    ]
    cells = people[["participant"]].assign(place=places, cell=shares)
    wide = cells.pivot(index="participant", columns="place", values="cell").fillna("")
    return wide.reindex(
        index=list(dict.fromkeys(cells["participant"])), columns=list(dict.fromkeys(places))
    )


def format_p(value: float) -> str:
    """A p value with three decimals; missing is a dash."""
    if pd.isna(value):
        return "\u2013"
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def _tell_difference(row: Mapping[Hashable, Any]) -> str:
    """A comparison, such as "Valence was 0.41 higher in joy than in calm (95% interval ...)"."""
    measure = row["measure"].removeprefix(_MEAN).capitalize()
    n, ends = f"{row['n_a']} and {row['n_b']}", sorted((abs(row["low"]), abs(row["high"])))
    if row["kind"] == "paired":
        n = f"the same {row['n_a']}"
    more, less = (row["a"], row["b"]) if row["difference"] > 0 else (row["b"], row["a"])
    within = f" ({row['within']})" if row["within"] else ""
    return (
        f"{measure} was {abs(row['difference']):.2f} higher in {more} than in {less}{within}: 95% "
        f"interval {ends[0]:.2f} to {ends[1]:.2f}, {n} participants, {row['effect']} "
        f"{abs(row['effect_size']):.1f}."
    )


def _tell_mean(row: Mapping[Hashable, Any]) -> str:
    measure = row["measure"].removeprefix(_MEAN).capitalize()
    where = f"{row['stimulus']}, {row['condition']}" if row["condition"] else row["stimulus"]
    interval = ""
    if not pd.isna(row["low"]):
        interval = f" (95% interval {format_signed(row['low'])} to {format_signed(row['high'])})"
    return (
        f"{measure} in {where} was {format_signed(row['mean'])} on average{interval}; "
        f"{row['n']} of {row['participants']} participants."
    )
