"""Charts of a video with one cursor: over time, in the plane, and the probabilities at the cursor.

A page draws all of them, sets their parameter ``CURSOR`` together, and gives them their rows as the
data set ``COURSE``, which is sent once.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import altair as alt
import pandas as pd

from emotion_core.imaging.palette import GREY
from emotion_core.labels import ALL_EMOTIONS
from emotion_core.reporting.chart_base import (
    FIT_WIDTH,
    confidence_words,
    emotion_colour,
    emotion_shape,
    plane_axis,
    plane_chart,
)
from emotion_core.reporting.dashboard import csv_chart
from emotion_core.reporting.timeline import timeline_rows
from emotion_core.reporting.timeline_layers import CURSOR, FROM, UNTIL, at_cursor, cursor_layers
from emotion_core.reporting.video_charts import names_of, time_range

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from altair.typing import ChartType

COURSE = "course"
"""Name of the data set of the charts."""

TAIL_S = 2.0
"""For how long the plane shows where a face came from."""

_PLANE_PX = 260
_BAR_PX = 24


@dataclass(frozen=True, eq=False, slots=True)
class CursorCharts:
    """Charts with one cursor.

    Attributes:
        specs: Vega-Lite specifications by name: timeline, probabilities, plane, bars. Made once,
            since Altair takes a tenth of a second for them.
        rows: Their data set as CSV.
        span_s: Start and end of their time axis in seconds.
    """

    specs: Mapping[str, dict[str, Any]]
    rows: str
    span_s: tuple[float, float]


def cursor_charts(frames: pd.DataFrame, marks_s: Sequence[float] = ()) -> CursorCharts:
    """Makes the charts of a video.

    Args:
        frames: As ``FrameTableBuilder.table`` makes it, raw or smoothed; readable for up to six
            people. Long videos are downsampled.
        marks_s: Times that are marked by dashed lines.
    """
    rows = timeline_rows(frames)
    names, chart = names_of(rows), csv_chart(COURSE, rows)
    span_s = time_range(frames, rows)
    within = [time_s for time_s in marks_s if span_s[0] <= time_s <= span_s[1]]
    timeline, probabilities = cursor_layers(chart, names, span_s, within)
    fitted = {"timeline": timeline, "probabilities": probabilities}
    fitted["bars"] = _bars(chart) if len(names) < 2 else _stacked_bars(chart, names)
    charts = {name: one.properties(autosize=FIT_WIDTH) for name, one in fitted.items()}
    charts["plane"] = _plane(chart, is_alone=len(names) < 2)
    params = [alt.param(name=name, value=0) for name in (CURSOR, FROM, UNTIL)]
    specs = {name: one.add_params(*params).to_dict(validate=False) for name, one in charts.items()}
    return CursorCharts(specs, rows.to_csv(index=False), span_s)


def _plane(rows: alt.Chart, *, is_alone: bool) -> ChartType:
    """A dot per person with a tail; the whole path of a person who is alone."""
    where = {"x": plane_axis("valence"), "y": plane_axis("arousal")}
    path = rows.mark_line(color=GREY, strokeWidth=1, opacity=0.45).encode(
        **where, order="time_s:Q", detail="run:N"
    )
    tail = (
        rows.transform_filter(f"datum.time_s <= {CURSOR} && datum.time_s > {CURSOR} - {TAIL_S}")
        .transform_calculate(age=f"({CURSOR} - datum.time_s) / {TAIL_S}")
        .mark_trail(color=GREY, opacity=0.6)
        .encode(
            **where,
            order="time_s:Q",
            detail="run:N",
            size=alt.Size("age:Q", scale=alt.Scale(domain=[0, 1], range=[3, 0.2]), legend=None),
        )
    )
    dots = (
        at_cursor(rows)
        .mark_point(filled=True, size=220, opacity=1, stroke=GREY, strokeWidth=1.5)
        .encode(**where, color=emotion_colour(legend=False), shape=emotion_shape().legend(None))
    )
    layers = [path, tail, dots] if is_alone else [tail, dots]
    if not is_alone:
        named = at_cursor(rows).mark_text(dy=-15, fontWeight="bold")
        layers.append(named.encode(**where, text="track:N"))
    chart: ChartType = plane_chart(layers, _PLANE_PX)
    return chart


def _folded(rows: alt.Chart) -> alt.Chart:
    """A row per person at the cursor and emotion that the model knows."""
    columns: list[str | alt.FieldName] = [f"p_{emotion}" for emotion in ALL_EMOTIONS]
    folded: alt.Chart = (
        at_cursor(rows)
        .transform_fold(columns, as_=["column", "probability"])
        .transform_filter("isValid(datum.probability)")
        .transform_calculate(
            emotion="substring(datum.column, 2)",
            rank=f"indexof({json.dumps(columns)}, datum.column)",
        )
    )
    return folded


def _bars(rows: alt.Chart) -> ChartType:
    """A bar per emotion of one person, with its value."""
    folded = _folded(rows).encode(
        x=alt.X("probability:Q", title=None, axis=None, scale=alt.Scale(domain=[0, 1.16])),
        y=alt.Y(
            "emotion:N",
            title=None,
            scale=alt.Scale(domain=[str(emotion) for emotion in ALL_EMOTIONS]),
            axis=alt.Axis(ticks=False, domain=False, labelFontSize=12, labelPadding=6),
        ),
    )
    bars = folded.mark_bar(stroke=GREY, strokeWidth=0.8, cornerRadiusEnd=2)
    worded = folded.transform_calculate(words=confidence_words("probability"))
    values = worded.mark_text(align="left", dx=5, fontSize=12)
    chart: ChartType = alt.layer(
        bars.encode(color=emotion_colour(legend=False)),
        values.encode(text="words:N"),
    ).properties(height=_BAR_PX * len(ALL_EMOTIONS), view=alt.ViewBackground(stroke=None))
    return chart


def _stacked_bars(rows: alt.Chart, names: list[str]) -> ChartType:
    """A stacked bar per person below the name and the most probable emotion."""
    y = alt.Y("person:N", title=None, axis=None, scale=alt.Scale(domain=names))
    bars = (
        _folded(rows)
        .mark_bar(stroke=GREY, strokeWidth=0.8, size=10, yOffset=8)
        .encode(
            x=alt.X("probability:Q", title=None, axis=None, scale=alt.Scale(domain=[0, 1])),
            y=y,
            color=emotion_colour(legend=False),
            order="rank:O",
        )
    )
    everybody = alt.Chart(pd.DataFrame({"person": names}))
    who = everybody.mark_text(align="left", dy=-7, fontSize=12, fontWeight="bold").encode(
        x=alt.value(0), y=y, text="person:N"
    )
    words = at_cursor(rows).transform_calculate(
        words=f"datum.emotion + ' ' + ({confidence_words('confidence')})"
    )
    what = words.mark_text(align="right", dy=-7, fontSize=12).encode(
        x=alt.value("width"), y=y, text="words:N"
    )
    chart: ChartType = alt.layer(bars, who, what).properties(
        height=38 * len(names), view=alt.ViewBackground(stroke=None)
    )
    return chart
