"""The curves of a study: each participant a thin line, groups a mean line with its band."""

from __future__ import annotations

from typing import TYPE_CHECKING

import altair as alt

from emotion_core.reporting.chart_base import SIGNED

if TYPE_CHECKING:
    import pandas as pd
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
    means = _named(curves[curves["measure"] == measure])
    columns = ["participant", "stimulus", "condition", "time_s", measure]
    own = _named(participants[columns].rename(columns={measure: "value"}))
    groups = list(dict.fromkeys(means["group"]))
    plots = [
        _plot(means[means["stimulus"] == name], own[own["stimulus"] == name], groups, measure)
        .properties(title=str(name), width=_WIDTH_PX, height=_HEIGHT_PX)
        for name in dict.fromkeys(means["stimulus"])
    ]  # fmt: skip
    chart: ChartType = alt.hconcat(*plots).resolve_scale(y="shared", x="shared")
    return chart


def _named(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(group=table["condition"].where(table["condition"] != "", _EVERYBODY))


def _plot(means: pd.DataFrame, own: pd.DataFrame, groups: list[str], measure: str) -> ChartType:
    legend = alt.Legend(title="Condition", orient="bottom") if groups != [_EVERYBODY] else None
    palette = [_COLOURS[i % len(_COLOURS)] for i in range(len(groups))]
    colour = alt.Color("group:N", scale=alt.Scale(domain=groups, range=palette), legend=legend)
    time = alt.X("time_s:Q", title="Time (s)", axis=alt.Axis(grid=False))
    title = measure.removeprefix("p_").replace("_", " ").capitalize()
    tooltip = [
        alt.Tooltip("group:N", title="Condition"),
        alt.Tooltip("time_s:Q", title="Time (s)"),
        alt.Tooltip("mean:Q", title="Mean", format="+.2f"),
        alt.Tooltip("low:Q", title="95 % from", format="+.2f"),
        alt.Tooltip("high:Q", title="95 % to", format="+.2f"),
        alt.Tooltip("n:Q", title="Participants"),
    ]
    axis = alt.Axis(labelExpr=SIGNED) if not measure.startswith("p_") else alt.Axis()
    group, person = alt.Chart(means), alt.Chart(own)
    thin = person.mark_line(strokeWidth=0.8, opacity=0.35).encode(
        x=time,
        y=alt.Y("value:Q", title=title, axis=axis),
        color=colour,
        detail=["participant:N"],
        tooltip=["participant:N", "time_s:Q", alt.Tooltip("value:Q", format="+.2f")],
    )
    band = group.mark_area(opacity=0.22).encode(x=time, y="low:Q", y2="high:Q", color=colour)
    mean = group.mark_line(strokeWidth=2.4, point=alt.OverlayMarkDef(size=14)).encode(
        x=time, y="mean:Q", color=colour, tooltip=tooltip
    )
    return alt.layer(thin, band, mean)
