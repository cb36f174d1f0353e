"""Charts of a running stream: their size and frame stay the same, only their rows change.

A page draws them twice a second for each visitor. Each function takes a table made by
``SessionLog.history`` and returns a Vega-Lite specification of which only the data set ``LIVE``
depends on that table. The rest is made once, since making it takes as long as some analyses; a
browser only replaces the rows, so that nothing flickers.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import altair as alt
import pandas as pd

from emotion_core.imaging.palette import GREY
from emotion_core.labels import ALL_EMOTIONS
from emotion_core.reporting.chart_base import (
    confidence_words,
    emotion_colour,
    emotion_shape,
    inline_data,
    plane_axis,
    plane_chart,
)
from emotion_core.reporting.live_chart_data import MINUTE_S, bar_rows, minute_rows, trail_rows
from emotion_core.reporting.timeline_layers import dimension_colour, fold_dimensions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from altair.typing import ChartType

    from emotion_core.labels import LabelSet

LIVE = "live"
"""Name of the data set that changes."""

_BARS_PX, _PLANE_PX, _MINUTE_PX = 210, 250, 165
_DASHES: list[list[int]] = [[1, 0], [6, 3], [2, 3]]


def bars_spec(history: pd.DataFrame, labels: LabelSet) -> dict[str, Any]:
    """The current probabilities of the network's labels: people as columns, emotions as rows."""
    words = tuple(str(e) for e in ALL_EMOTIONS if e in labels)
    return {**_bars_template(words), "datasets": {LIVE: bar_rows(history, words)}}


def plane_spec(history: pd.DataFrame) -> dict[str, Any]:
    """The people present now in the valence-arousal plane, each with a trail that fades."""
    return {**_plane_template(), "datasets": {LIVE: trail_rows(history)}}


def minute_spec(history: pd.DataFrame, marks_s: Sequence[float] = ()) -> dict[str, Any]:
    """Valence and arousal of the people seen last over the last minute; now is at the right.

    Args:
        history: As ``SessionLog.history`` makes it.
        marks_s: Moments that were marked, in seconds on the history's clock.
    """
    return {**_minute_template(), "datasets": {LIVE: minute_rows(history, marks_s)}}


def _to_spec(chart: Any, height_px: int) -> dict[str, Any]:
    """The specification of a chart that takes the full width of its column."""
    framed: ChartType = chart.properties(
        datasets={LIVE: []},
        height=height_px,
        view=alt.ViewBackground(stroke=None),
        autosize=alt.AutoSizeParams(type="fit", contains="padding"),
    )
    return inline_data(framed.to_dict(), LIVE)


@functools.cache
def _bars_template(words: tuple[str, ...]) -> dict[str, Any]:
    rows = alt.Chart(alt.NamedData(LIVE))
    across = alt.X("start:Q", axis=None, scale=alt.Scale(domain=[0, 1], nice=False))
    # the first row holds the person's name instead of an emotion
    down = alt.Y(
        "word:N",
        title=None,
        scale=alt.Scale(domain=["", *words]),
        axis=alt.Axis(labelOverlap=False, ticks=False, domain=False, minExtent=72, maxExtent=72),
    )
    named = rows.transform_filter("datum.word")
    shown = named.transform_calculate(words=confidence_words("probability")).encode(
        x=across, y=down
    )
    colour: Any = emotion_colour().to_dict()
    lines = shown.mark_bar(
        height=alt.RelativeBandSize(0.72), cornerRadiusEnd=2, stroke=GREY, strokeWidth=0.8
    ).encode(x2="end:Q", color=alt.Color("word:N", scale=colour["scale"], legend=None))
    numbers = shown.mark_text(align="left", dx=5, fontSize=12).encode(
        x=alt.X("end:Q", axis=None), text="words:N"
    )
    names = rows.transform_filter("!datum.word").mark_text(
        align="left", fontSize=12, fontWeight="bold"
    )
    return _to_spec(
        alt.layer(lines, numbers, names.encode(x=across, y=down, text="person:N")), _BARS_PX
    )


@functools.cache
def _plane_template() -> dict[str, Any]:
    shown = alt.Chart(alt.NamedData(LIVE)).encode(x=plane_axis("valence"), y=plane_axis("arousal"))
    trail = shown.mark_trail(color=GREY, opacity=0.45).encode(
        detail="track:N",
        order="time_s:Q",
        size=alt.Size("freshness:Q", scale=alt.Scale(domain=[0, 1], range=[0.1, 4]), legend=None),
    )
    points = (
        shown.transform_filter("!datum.is_newest")
        .mark_point(filled=True, size=36)
        .encode(
            color=emotion_colour(legend=False),
            shape=emotion_shape(),
            opacity=alt.Opacity(
                "freshness:Q", scale=alt.Scale(domain=[0, 1], clamp=True), legend=None
            ),
        )
    )
    newest = shown.transform_filter("datum.is_newest")
    last = newest.mark_point(filled=True, size=260, opacity=1, stroke=GREY).encode(
        color=emotion_colour(legend=False), shape=emotion_shape()
    )
    names = newest.mark_text(dy=-17, fontSize=12, fontWeight="bold").encode(text="person:N")
    layers = plane_chart([trail, points, last, names], _PLANE_PX)
    chart: ChartType = layers.resolve_scale(size="independent").properties(datasets={LIVE: []})
    return inline_data(chart.to_dict(), LIVE)


@functools.cache
def _minute_template() -> dict[str, Any]:
    ago = alt.X(
        "ago_s:Q",
        title=None,
        scale=alt.Scale(domain=[-MINUTE_S, 0], nice=False),
        axis=alt.Axis(
            values=[-60, -45, -30, -15, 0],
            labelExpr="datum.value ? -datum.value + ' s ago' : 'now'",
            labelFlush=True,
            grid=False,
        ),
    )
    value = alt.Y(
        "value:Q",
        title=None,
        scale=alt.Scale(domain=[-1, 1], nice=False),
        axis=alt.Axis(
            values=[-1, 0, 1],
            labelOverlap=False,
            labelExpr="datum.value > 0 ? '+1' : datum.value < 0 ? '\u22121' : '0'",
            minExtent=28,
            maxExtent=28,
        ),
    )
    rows = alt.Chart(alt.NamedData(LIVE))
    marks = rows.transform_filter("datum.is_mark").mark_rule(color=GREY, strokeDash=[4, 3])
    readings = rows.transform_filter("!datum.is_mark")
    both = fold_dimensions(readings).encode(x=ago, y=value)
    lines = both.mark_line(strokeWidth=2, strokeCap="round", strokeJoin="round", clip=True).encode(
        color=dimension_colour(),
        strokeDash=alt.StrokeDash(
            "style:O", scale=alt.Scale(domain=list(range(len(_DASHES))), range=_DASHES), legend=None
        ),
        detail="run:N",
    )
    names = (
        both.transform_filter("datum.name && datum.reading == 'valence'")
        .mark_text(align="right", dx=-4, dy=-9, fontSize=12)
        .encode(text="name:N")
    )
    zero = alt.Chart(pd.DataFrame({"zero": [0]})).mark_rule(color=GREY, opacity=0.8)
    layers = alt.layer(zero.encode(y="zero:Q"), marks.encode(x=ago), lines, names)
    return _to_spec(layers, _MINUTE_PX)
