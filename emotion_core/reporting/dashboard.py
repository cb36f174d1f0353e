"""All charts of a video in one: a span of time brushed in the first filters the others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import altair as alt
import pandas as pd

from emotion_core.reporting.chart_base import plane_layers
from emotion_core.reporting.timeline import emotion_seconds, person_name, timeline_rows
from emotion_core.reporting.timeline_layers import (
    ROOM_PX,
    SPAN,
    probability_layers,
    timeline_layers,
)
from emotion_core.reporting.video_charts import names_of, share_bars, time_range, trajectory_layers

if TYPE_CHECKING:
    from altair.typing import ChartType

PLANE_PX, PLANE_ROOM_PX = 230, 70
"""Side of a valence-arousal plane, and the space for the axis beside it."""

_WIDTH_PX = 900  # of the dashboard; a page draws it at its own width


def dashboard_chart(frames: pd.DataFrame, *, smoothing_s: float = 0.0) -> alt.VConcatChart:
    """Timeline, probabilities, shares of time and trajectories, below each other.

    The browser does all the filtering: it sums the shares of a brushed span from the seconds of
    each emotion, which are as fine as the timeline.

    Args:
        frames: As ``FrameTableBuilder.table`` makes it, raw or smoothed; readable for up to six
            people. Long videos are downsampled.
        smoothing_s: Time constant in seconds with which the frames were smoothed, stated above
            the charts unless it is 0.
    """
    rows, seconds = timeline_rows(frames), emotion_seconds(frames)
    names, span = names_of(rows), time_range(frames, rows)
    seconds = seconds.assign(person=[person_name(track) for track in seconds["track"]])
    tables = {"course": rows, "seconds": seconds[["time_s", "person", "emotion", "seconds"]]}
    chart = csv_chart("course", rows)
    brushed = chart.transform_filter({"param": SPAN})
    guides = plane_layers()
    shares = (
        csv_chart("seconds", seconds)
        .transform_filter({"param": SPAN})
        .transform_aggregate(seconds="sum(seconds)", groupby=["person", "emotion"])
        .transform_joinaggregate(total="sum(seconds)", groupby=["person"])
        .transform_calculate(share="datum.total > 0 ? datum.seconds / datum.total : 0")
    )
    plot_px = _WIDTH_PX - ROOM_PX
    planes = [
        alt.layer(
            *guides,
            *trajectory_layers(brushed, row),
            width=PLANE_PX,
            height=PLANE_PX,
            title=name,
            resolve=_independent("size"),
        )
        for row, name in enumerate(names)
    ]
    parts: list[ChartType] = [
        timeline_layers(chart, names, span).properties(width=plot_px),
        probability_layers(brushed, names, span).properties(width=plot_px),
        share_bars(shares, names, has_legend=False).properties(width=plot_px),
    ]
    if planes:
        parts.append(alt.concat(*planes, columns=_WIDTH_PX // (PLANE_PX + PLANE_ROOM_PX)))
    # as text, since Altair copies and checks every value of a table many times
    texts = {name: table.to_csv(index=False) for name, table in tables.items()}
    charts = alt.vconcat(*parts, spacing=28, resolve=_independent("color", "shape"), datasets=texts)
    if not smoothing_s:
        return charts
    words = f"Smoothed with a time constant of {smoothing_s:g} s"
    note = alt.TitleParams(words, anchor="start", fontSize=12, fontWeight="normal", offset=12)
    return charts.properties(title=note)


def _independent(*channels: str) -> alt.Resolve:
    scales: dict[str, Any] = dict.fromkeys(channels, "independent")
    return alt.Resolve(scale=alt.ScaleResolveMap(**scales))


def csv_chart(name: str, table: pd.DataFrame) -> alt.Chart:
    """A chart of a table that is among the data sets of the specification, as CSV."""
    parse = {
        str(column): "number" if pd.api.types.is_numeric_dtype(table[column]) else "string"
        for column in table.columns
    }
    return alt.Chart(alt.NamedData(name, format=alt.CsvDataFormat(type="csv", parse=parse)))
