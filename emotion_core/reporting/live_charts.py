"""Charts of a stream that runs: their size and frame stay as they are, only their rows change.

A page draws them twice a second for each visitor. Each is a Vega-Lite specification that is made
once, and a table that takes the place of its data set ``LIVE``: a browser then exchanges the rows
and nothing flickers, and the server saves the making, which takes as long as some analyses.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import altair as alt
import pandas as pd

from emotion_core.imaging.palette import GREY
from emotion_core.labels import ALL_EMOTIONS
from emotion_core.reporting.chart_base import emotion_colour, emotion_shape, plane_axis, plane_chart
from emotion_core.reporting.live_chart_data import MINUTE_S, bar_rows, minute_rows, trail_rows
from emotion_core.reporting.timeline_layers import AROUSAL_COLOUR, VALENCE_COLOUR

if TYPE_CHECKING:
    from altair.typing import ChartType

    from emotion_core.labels import LabelSet

LIVE = "live"
"""Name of the data set that changes."""

_BARS_PX, _PLANE_PX, _MINUTE_PX = 250, 320, 170
_DASHES: list[list[int]] = [[1, 0], [6, 3], [2, 3]]


def bars(history: pd.DataFrame, labels: LabelSet) -> dict[str, Any]:
    """The probabilities of now: a column of bars per person, a row per emotion.

    Args:
        history: As ``SessionLog.history`` makes it.
        labels: Of the network.

    Returns:
        A Vega-Lite specification; only its data set ``LIVE`` depends on the history.
    """
    words = tuple(str(e) for e in ALL_EMOTIONS if e in labels)
    return _filled(_bars_spec(words), bar_rows(history, words))


def plane(history: pd.DataFrame) -> dict[str, Any]:
    """The people of now in the valence-arousal plane, each with a trail that fades.

    Args:
        history: As ``SessionLog.history`` makes it.

    Returns:
        A Vega-Lite specification; only its data set ``LIVE`` depends on the history.
    """
    return _filled(_plane_spec(), trail_rows(history))


def minute(history: pd.DataFrame) -> dict[str, Any]:
    """Valence and arousal over the last minute, of those seen last; now is at the right.

    Args:
        history: As ``SessionLog.history`` makes it.

    Returns:
        A Vega-Lite specification; only its data set ``LIVE`` depends on the history.
    """
    return _filled(_minute_spec(), minute_rows(history))


def _filled(spec: dict[str, Any], rows: pd.DataFrame) -> dict[str, Any]:
    return {**spec, "datasets": {LIVE: rows}}


def _to_spec(chart: Any, height_px: int) -> dict[str, Any]:
    """The specification of a chart that is as wide as the page lets it be."""
    framed: ChartType = chart.properties(
        datasets={LIVE: []},
        height=height_px,
        view=alt.ViewBackground(stroke=None),
        autosize=alt.AutoSizeParams(type="fit", contains="padding"),
    )
    return _inlined(framed.to_dict())


def _inlined(spec: dict[str, Any]) -> dict[str, Any]:
    """Put the data that never changes where it is used; the rest is sent with each change."""
    fixed = {name: rows for name, rows in spec.pop("datasets").items() if name != LIVE}

    def put(part: Any) -> Any:
        if isinstance(part, list):
            return [put(item) for item in part]
        if not isinstance(part, dict):
            return part
        if part.get("name") in fixed:
            return {"values": fixed[part["name"]]}
        return {key: put(value) for key, value in part.items()}

    return {key: put(value) for key, value in spec.items()}


@functools.cache
def _bars_spec(words: tuple[str, ...]) -> dict[str, Any]:
    rows = alt.Chart(alt.NamedData(LIVE))
    across = alt.X("start:Q", axis=None, scale=alt.Scale(domain=[0, 1], nice=False))
    # unlike the others, the first row is no emotion: there stands who it is
    down = alt.Y(
        "word:N",
        title=None,
        scale=alt.Scale(domain=["", *words]),
        axis=alt.Axis(labelOverlap=False, ticks=False, domain=False, minExtent=72, maxExtent=72),
    )
    shown = rows.transform_filter("datum.word").encode(x=across, y=down)
    colour: Any = emotion_colour().to_dict()
    lines = shown.mark_bar(
        height=alt.RelativeBandSize(0.72), cornerRadiusEnd=2, stroke=GREY, strokeWidth=0.8
    ).encode(
        x2="end:Q",
        color=alt.Color("word:N", scale=colour["scale"], legend=None),
    )
    numbers = shown.mark_text(align="left", dx=5, fontSize=12).encode(
        x=alt.X("end:Q", axis=None), text=alt.Text("probability:Q", format=".0%")
    )
    names = rows.transform_filter("!datum.word").mark_text(
        align="left", fontSize=12, fontWeight="bold"
    )
    return _to_spec(
        alt.layer(lines, numbers, names.encode(x=across, y=down, text="person:N")), _BARS_PX
    )


@functools.cache
def _plane_spec() -> dict[str, Any]:
    shown = alt.Chart(alt.NamedData(LIVE)).encode(
        x=plane_axis("valence"),
        y=plane_axis("arousal"),
    )
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
    return _inlined(chart.to_dict())


@functools.cache
def _minute_spec() -> dict[str, Any]:
    fields = {"valence": VALENCE_COLOUR, "arousal": AROUSAL_COLOUR}
    both = (
        alt.Chart(alt.NamedData(LIVE))
        .transform_fold(list(fields), as_=["reading", "value"])
        .encode(x=_ago_x(), y=_signed_y())
    )
    lines = both.mark_line(strokeWidth=2, strokeCap="round", strokeJoin="round", clip=True).encode(
        color=alt.Color(
            "reading:N",
            title=None,
            scale=alt.Scale(domain=list(fields), range=list(fields.values())),
            legend=alt.Legend(orient="top", symbolType="stroke", symbolStrokeWidth=3),
        ),
        strokeDash=alt.StrokeDash(
            "style:O",
            scale=alt.Scale(domain=list(range(len(_DASHES))), range=_DASHES),
            legend=None,
        ),
        detail="run:N",
    )
    names = (
        both.transform_filter("datum.name && datum.reading == 'valence'")
        .mark_text(align="right", dx=-4, dy=-9, fontSize=12)
        .encode(text="name:N")
    )
    zero = alt.Chart(pd.DataFrame({"zero": [0]})).mark_rule(color=GREY, opacity=0.8)
    return _to_spec(alt.layer(zero.encode(y="zero:Q"), lines, names), _MINUTE_PX)


def _ago_x() -> alt.X:
    return alt.X(
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


def _signed_y() -> alt.Y:
    return alt.Y(
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
