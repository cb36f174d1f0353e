"""The curves of a study: each participant a thin line, groups a mean line with its band."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import altair as alt
import numpy as np
import pandas as pd

from emotion_core.reporting.chart_base import SIGNED
from emotion_core.reporting.dashboard import csv_chart
from emotion_core.reporting.timeline_layers import time_axis

if TYPE_CHECKING:
    from collections.abc import Sequence

    from altair.typing import ChartType

_WIDTH_PX, _HEIGHT_PX = 320, 220
_EVERYBODY = "all"  # stands in the legend for a study without conditions
_COLOURS = ("#1F7A74", "#C2571A", "#5B4FB3", "#8C6D1F", "#A33B6B", "#3D6FB0")
"""sRGB hex, one a condition, in the order of the tables."""


def group_chart(
    curves: pd.DataFrame, participants: pd.DataFrame, measure: str = "valence"
) -> ChartType:
    """The course of one measure, a plot per stimulus and a colour per condition.

    Lines are broken where nobody is seen.

    Args:
        curves: Mean curves: stimulus, condition, measure, time_s, n, mean, low, high.
        participants: Curves of each: participant, stimulus, condition, time_s and the measure.
        measure: A column of ``participants``.
    """
    plots = [
        plot.properties(title=name, width=_WIDTH_PX, height=_HEIGHT_PX)
        for name, plot in stimulus_charts(curves, participants, measure).items()
    ]
    chart: ChartType = alt.hconcat(*plots)
    return chart


def stimulus_charts(
    curves: pd.DataFrame, participants: pd.DataFrame, measure: str = "valence"
) -> dict[str, ChartType]:
    """The plots of ``group_chart`` by stimulus, all with the same axes."""
    means, own = _course(curves, participants, measure)
    axes = _Axes(means, own, measure)
    return {
        str(name): axes.plot(
            alt.Chart(means[means["stimulus"] == name]), alt.Chart(own[own["stimulus"] == name])
        )
        for name in dict.fromkeys(means["stimulus"])
    }


def curves_chart(
    curves: pd.DataFrame, participants: pd.DataFrame, measures: Sequence[str]
) -> alt.VConcatChart:
    """The plots of several measures below each other, for a report's page of any width.

    Args:
        curves: As for ``group_chart``.
        participants: As for ``group_chart``.
        measures: Columns of ``participants``.
    """
    courses = {measure: _course(curves, participants, measure) for measure in measures}
    plots: list[ChartType] = []
    for measure, (means, own) in courses.items():
        axes = _Axes(means, own, measure)
        for name in dict.fromkeys(means["stimulus"]):
            is_here = alt.FieldEqualPredicate(equal=str(name), field="stimulus")
            shown = [
                csv_chart(f"{kind} of {measure}", table).transform_filter(is_here)
                for kind, table in (("means", means), ("each", own))
            ]
            title = f"{name}: {_words(measure)}"
            plots.append(axes.plot(*shown).properties(title=title, height=_HEIGHT_PX))
    texts = {
        f"{kind} of {measure}": table.to_csv(index=False)
        for measure, tables in courses.items()
        for kind, table in zip(("means", "each"), tables, strict=True)
    }
    return alt.vconcat(*plots, spacing=28, datasets=texts)


def _course(
    curves: pd.DataFrame, participants: pd.DataFrame, measure: str
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What the plots of one measure are drawn from."""
    means = _named(curves[curves["measure"] == measure])
    columns = ["participant", "stimulus", "condition", "time_s", measure]
    return means, _named(participants[columns].rename(columns={measure: "value"}))


def _named(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(group=table["condition"].where(table["condition"] != "", _EVERYBODY))


def _words(measure: str) -> str:
    return measure.removeprefix("p_").replace("_", " ")


_MIN_SPAN = 0.2
"""Minimum span of values of an axis: less would blow noise up."""


class _Axes:
    """Axes, colours and tooltips that all plots of a measure share."""

    def __init__(self, means: pd.DataFrame, own: pd.DataFrame, measure: str) -> None:
        values = np.concatenate(
            [means[["low", "high", "mean"]].to_numpy(float).ravel(), own["value"].to_numpy(float)]
        )
        values = values[~np.isnan(values)]
        limits = [float(values.min()), float(values.max())] if len(values) else [-1.0, 1.0]
        if (missing := _MIN_SPAN - (limits[1] - limits[0])) > 0:
            limits = [limits[0] - missing / 2, limits[1] + missing / 2]
        times = pd.concat([means["time_s"], own["time_s"]])
        groups = list(dict.fromkeys(means["group"]))
        legend = alt.Legend(title="Condition", orient="bottom") if groups != [_EVERYBODY] else None
        palette = [_COLOURS[i % len(_COLOURS)] for i in range(len(groups))]
        self._colour = alt.Color(
            "group:N", scale=alt.Scale(domain=groups, range=palette), legend=legend
        )
        self._time = time_axis((0.0, float(times.max()) if len(times) else 1.0))
        self._value: dict[str, Any] = {
            "title": _words(measure).capitalize(),
            "axis": alt.Axis() if measure.startswith("p_") else alt.Axis(labelExpr=SIGNED),
            "scale": alt.Scale(domain=limits, nice=True, zero=False),
        }

    def plot(self, group: alt.Chart, person: alt.Chart) -> ChartType:
        """One stimulus: each participant thin, groups with bands.

        Args:
            group: A chart of mean curves.
            person: A chart of each participant's.
        """
        tooltip = [
            alt.Tooltip("group:N", title="Condition"),
            alt.Tooltip("time_s:Q", title="Time (s)"),
            alt.Tooltip("mean:Q", title="Mean", format="+.2f"),
            alt.Tooltip("low:Q", title="95% from", format="+.2f"),
            alt.Tooltip("high:Q", title="95% to", format="+.2f"),
            alt.Tooltip("n:Q", title="Participants"),
        ]
        x, colour = self._time, self._colour
        thin = person.mark_line(strokeWidth=0.8, opacity=0.35).encode(
            x=x,
            y=alt.Y("value:Q", **self._value),
            color=colour,
            detail=["participant:N"],
            tooltip=["participant:N", "time_s:Q", alt.Tooltip("value:Q", format="+.2f")],
        )
        band = group.mark_area(opacity=0.22).encode(
            x=x, y=alt.Y("low:Q", **self._value), y2="high:Q", color=colour
        )
        mean = group.mark_line(strokeWidth=2.4, point=alt.OverlayMarkDef(size=14)).encode(
            x=x, y=alt.Y("mean:Q", **self._value), color=colour, tooltip=tooltip
        )
        return alt.layer(thin, band, mean)
