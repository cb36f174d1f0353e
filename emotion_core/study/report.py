"""The HTML report of a study: findings, curves, tables and methods in one offline file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from emotion_core.face import format_signed
from emotion_core.reporting.group_chart import curves_chart
from emotion_core.reporting.html_page import render_page
from emotion_core.study.codebook import NOTES
from emotion_core.study.findings import (
    CAUTION,
    EXPLORATORY,
    describe_missing,
    format_p,
    study_findings,
    usable_grid,
)
from emotion_core.study.methods import methods_paragraph
from emotion_core.study.readings import PLANE
from emotion_core.study.synthetic import ABOUT_SYNTHETIC, is_synthetic

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

    from emotion_core.study.tables import Study, StudyTables

_MEANS = [f"mean_{name}" for name in PLANE]


def study_report(study: Study, tables: StudyTables) -> str:
    """The report of a study as a self-contained page; the same study gives the same page.

    Args:
        study: The study.
        tables: Made of it.
    """
    charts = None
    if tables.group_curves["mean"].notna().any():
        charts = curves_chart(tables.group_curves, tables.participant_curves, PLANE)
    grid = usable_grid(tables)
    compared = tables.comparisons[tables.comparisons["measure"].isin(_MEANS)]
    videos = tables.all_videos
    made = [ABOUT_SYNTHETIC] if is_synthetic(study.about) else []
    return render_page(
        "study_report.html",
        charts,
        title="Emotions in a study",
        findings=[*made, *study_findings(tables)],
        missing=describe_missing(tables),
        caution=CAUTION,
        exploratory=EXPLORATORY,
        summary=_summary(tables.group_summary),
        places=list(grid.columns),
        grid=[list(cells) for cells in grid.itertuples()],
        comparisons=[_comparison(row) for row in compared.to_dict("records")],
        events=_events(tables.event_windows),
        failed=videos.loc[videos["error"] != "", ["video", "error"]].to_dict("records"),
        methods=methods_paragraph(study, tables),
        notes=NOTES,
    )


def _summary(summary: pd.DataFrame) -> list[list[str]]:
    """Means of valence and arousal per stimulus and condition."""
    rows = summary[summary["measure"].isin(_MEANS)]
    return [
        [
            *_names(row),
            row["measure"].removeprefix("mean_"),
            f"{row['n']} of {row['participants']}",
            format_signed(row["mean"]),
            _interval(row, "low", "high"),
            "\u2013" if pd.isna(row["sd"]) else f"{row['sd']:.2f}",
        ]
        for row in rows.to_dict("records")
    ]


def _comparison(row: Mapping[Hashable, Any]) -> list[str]:
    n = f"{row['n_a']}" if row["kind"] == "paired" else f"{row['n_a']}, {row['n_b']}"
    return [
        f"{row['a']} \u2212 {row['b']}" + (f" ({row['within']})" if row["within"] else ""),
        row["measure"].removeprefix("mean_"),
        row["kind"],
        n,
        format_signed(row["difference"]),
        _interval(row, "low", "high"),
        format_signed(row["effect_size"]),
        _interval(row, "effect_low", "effect_high"),
        format_p(row["p"]),
        format_p(row["p_fdr"]),
    ]


def _events(windows: pd.DataFrame) -> list[list[str]]:
    """Means around events, over the videos in which there are readings."""
    if windows.empty:
        return []
    groups = windows.groupby(["stimulus", "condition", "event"], sort=False)
    return [
        [
            ", ".join(filter(None, map(str, (stimulus, condition)))),
            str(event),
            f"{int((rows['frames_counted'] > 0).sum())} of {len(rows)}",
            *(format_signed(rows[name].mean()) for name in _MEANS),
        ]
        for (stimulus, condition, event), rows in groups
    ]


def _names(row: Mapping[Hashable, Any]) -> list[str]:
    return [", ".join(filter(None, (row["stimulus"], row["condition"])))]


def _interval(row: Mapping[Hashable, Any], low: str, high: str) -> str:
    if pd.isna(row[low]):
        return "\u2013"
    return f"{format_signed(row[low])} to {format_signed(row[high])}"
