"""Layers of the charts of a video.

People are rows within one plot: one drag selects a span of time for all of them, and the plot fits
any width, which charts of several plots do not.
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING

import altair as alt
import pandas as pd

from emotion_core.imaging.palette import GREY
from emotion_core.labels import ALL_EMOTIONS
from emotion_core.reporting.chart_base import emotion_colour, reading_tooltip, with_words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from altair.typing import ChartType

SPAN = "span"
"""Name of the selection in the timeline: a span of time, ``{"time_s": [start, end]}``."""

CURSOR = "cursor"
"""Name of the parameter with the time in seconds at which charts with a cursor show values."""

FROM, UNTIL = "from_s", "until_s"
"""Names of the parameters with the span of time that charts with a cursor shade, if it is not
empty."""

LABEL_PX = 72
"""Space to the left of every plot, so that plots below each other line up."""

_PADDING_PX = 8
"""Space between the labels and the plot, for what is drawn at its edge."""

ROOM_PX = LABEL_PX + 32
"""Width of a chart beyond its plot: labels, padding, and half of the last time label."""

DIMENSION_COLOURS = {"valence": "#2E86C9", "arousal": "#D9692A"}
"""Colours that stand out on light and on dark backgrounds, also to colour-blind eyes."""

_HOVER = "hover"
_REACH = 0.34
"""How far a person's row reaches up and down from its middle, in rows; leaves room for labels."""

_CURSOR_PX = (130, 96)
"""Height of one row of valence and arousal, and of probabilities, in charts with a cursor."""

_COMPACT_PX = (42, 34)
"""Minimum of these heights: labels of 10 pixels do not touch."""

_STEPS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800)
_CLOCK = (
    "(datum.value >= 3600 ? floor(datum.value / 3600) + ':' : '') + "
    "format(floor(datum.value / 60) % 60, datum.value >= 3600 ? '02d' : 'd') + ':' + "
    "format(datum.value % 60, '02d')"
)

_NO_FRAME = alt.ViewBackground(stroke=None)


def timeline_layers(rows: alt.Chart, names: Sequence[str], span: tuple[float, float]) -> ChartType:
    """The timeline of valence and arousal, in which a span can be brushed, without a width.

    Args:
        rows: Chart of the rows that ``timeline.timeline_rows`` makes.
        names: Names of the people, in order of their rows.
        span: Start and end of the time axis in seconds.
    """
    x = time_axis(span)
    lines, both = _lines(rows, names, x)
    dots = both.transform_filter({"param": _HOVER, "empty": False}).mark_point(
        filled=True, size=55, opacity=1
    )
    mark = alt.BrushConfig(fill=GREY, fillOpacity=0.22, stroke=GREY, strokeOpacity=0.9)
    # zooming the span with the wheel would keep the page from scrolling
    brush = alt.selection_interval(name=SPAN, encodings=["x"], mark=mark, zoom=False)
    hover = alt.selection_point(
        name=_HOVER, fields=["time_s"], on="pointerover", clear="pointerout", toggle=False
    )
    rule = (
        rows.transform_filter({"param": _HOVER, "empty": False})
        .transform_filter("datum.end_s > datum.time_s")
        .transform_aggregate(groupby=["time_s"])
        .mark_rule(color=GREY, strokeWidth=1)
        .encode(x=x)
    )
    bars = _bars(rows, x).add_params(brush, hover)
    return alt.layer(_row_lines(len(names)), lines, rule, dots, bars).properties(
        height=_height(len(names), 116), view=_NO_FRAME
    )


def probability_layers(
    rows: alt.Chart, names: Sequence[str], span: tuple[float, float]
) -> ChartType:
    """The stacked probabilities over time, without a width; arguments as in ``timeline_layers``."""
    x = time_axis(span)
    layers = [_row_lines(len(names)), _areas(rows, names, x), _bars(rows, x)]
    return alt.layer(*layers).properties(height=_height(len(names), 104), view=_NO_FRAME)


def cursor_layers(
    rows: alt.Chart,
    names: Sequence[str],
    span: tuple[float, float],
    marks_s: Sequence[float] = (),
) -> tuple[ChartType, ChartType]:
    """Both charts over time with a cursor, to be drawn below each other; see ``timeline_layers``.

    The parameter ``CURSOR`` moves a line across both and dots along the lines of the first;
    ``FROM`` and ``UNTIL`` shade a span. Dashed lines stand at the times ``marks_s``. Six people fit
    a screen. For one person there is no legend of the emotions, which bars beside the charts name.
    """
    n, x = max(1, len(names)), time_axis(span, is_flush=True)
    lines, both = _lines(rows, names, x.axis(None))
    dots = at_cursor(both).mark_point(filled=True, size=45, opacity=1)
    upper = [_row_lines(n), lines, *_cursor(x.axis(None), marks_s), dots]
    lower = [_row_lines(n), _areas(rows, names, x, has_legend=n > 1), *_cursor(x, marks_s)]
    first, second = (
        alt.layer(*layers).properties(
            height=max(n * compact_px, round(px * (0.8 + 0.2 * n))), view=_NO_FRAME
        )
        for layers, px, compact_px in zip((upper, lower), _CURSOR_PX, _COMPACT_PX, strict=True)
    )
    return first, second


def at_cursor(rows: alt.Chart) -> alt.Chart:
    """The rows that are shown at the time of the cursor, at most one per person."""
    shown: alt.Chart = rows.transform_filter(f"datum.time_s <= {CURSOR} && {CURSOR} < datum.end_s")
    return shown


def _lines(rows: alt.Chart, names: Sequence[str], x: alt.X) -> tuple[alt.Chart, alt.Chart]:
    """The lines of valence and arousal, and their encoding without a mark."""
    both = (
        fold_dimensions(rows)
        .transform_calculate(height=f"datum.row - {_REACH} * datum.value")
        .encode(x=x, y=_row_y(names, ("+1", "\u22121")), color=dimension_colour())
    )
    lines = both.mark_line(strokeWidth=1.6, strokeCap="round", strokeJoin="round").encode(
        detail="run:N"
    )
    return lines, both


def _areas(
    rows: alt.Chart, names: Sequence[str], x: alt.X, *, has_legend: bool = True
) -> alt.Chart:
    """The stacked probabilities."""
    columns: list[str | alt.FieldName] = [f"p_{emotion}" for emotion in ALL_EMOTIONS]
    low, high = (f"datum.row + {_REACH} - {2 * _REACH} * datum.{name}" for name in ("y0", "y1"))
    areas: alt.Chart = (
        rows.transform_fold(columns, as_=["column", "probability"])
        .transform_filter("isValid(datum.probability)")
        .transform_calculate(
            emotion="substring(datum.column, 2)",
            rank=f"indexof({json.dumps(columns)}, datum.column)",
        )
        .transform_stack(
            stack="probability",
            groupby=["row", "run", "time_s"],
            sort=[alt.SortField("rank")],
            as_=["y0", "y1"],
        )
        .transform_calculate(low=low, height=high)
        .mark_area(opacity=1)
        .encode(
            x=x,
            y=_row_y(names, ("100%", "0%")),
            y2="low:Q",
            color=emotion_colour(legend=has_legend),
            detail="run:N",
        )
    )
    return areas


def _cursor(x: alt.X, marks_s: Sequence[float]) -> list[alt.Chart]:
    """The shaded span, the marked times and the line of the cursor."""
    one = alt.Chart(alt.InlineData(values=[{}]))
    shade = (
        one.transform_filter(f"{FROM} < {UNTIL}")
        .transform_calculate(time_s=FROM, end_s=UNTIL)
        .mark_rect(color=GREY, opacity=0.25)
        .encode(x=x, x2="end_s:Q")
    )
    line = one.transform_calculate(time_s=CURSOR).mark_rule(color=GREY, strokeWidth=2)
    if not marks_s:
        return [shade, line.encode(x=x)]
    marks = alt.Chart(alt.InlineData(values=[{"time_s": time_s} for time_s in marks_s]))
    dashes = marks.mark_rule(color=GREY, strokeDash=[4, 3], strokeWidth=1.5)
    return [shade, dashes.encode(x=x), line.encode(x=x)]


def time_axis(span: tuple[float, float], *, is_flush: bool = False) -> alt.X:
    """The time axis, with ticks at round minutes and seconds.

    Args:
        span: Its start and end in seconds.
        is_flush: Whether no label reaches beyond the plot, so that it is as wide as one without.
    """
    start, end = span
    flush = 14 if is_flush else False
    if end - start < 5:
        title: str | None = "Time (s)"
        ticks = alt.Axis(format="~g", tickCount=5, grid=False, labelFlush=flush)
    else:
        step = next((s for s in _STEPS_S if (end - start) / s <= 10), _STEPS_S[-1])
        values = [step * i for i in range(math.ceil(start / step), int(end // step) + 1)]
        title = None if is_flush else "Time"
        ticks = alt.Axis(values=values, labelExpr=_CLOCK, grid=False, labelFlush=flush)
    return alt.X("time_s:Q", title=title, axis=ticks, scale=alt.Scale(domain=span, nice=False))


def _row_y(names: Sequence[str], words: tuple[str, str]) -> alt.Y:
    """The axis of people, each with a name in the middle and labels for the top and bottom."""
    ticks = [row + offset for row in range(len(names)) for offset in (-_REACH, 0, _REACH)]
    offset = "(datum.value - floor(datum.value + 0.5))"
    name = f"{json.dumps(list(names))}[floor(datum.value + 0.5)]"
    top, bottom = words
    return alt.Y(
        "height:Q",
        title=None,
        scale=alt.Scale(domain=[max(1, len(names)) - 0.5, -0.5], nice=False, zero=False),
        axis=alt.Axis(
            values=ticks,
            labelExpr=f"{offset} < -0.1 ? '{top}' : {offset} < 0.1 ? {name} : '{bottom}'",
            labelFontWeight=alt.condition(
                f"abs({offset}) < 0.1", alt.value("bold"), alt.value("normal")
            ),
            tickCount=len(ticks),  # otherwise Vega leaves some of them out
            labelOverlap=False,
            labelLimit=LABEL_PX,
            labelPadding=_PADDING_PX,
            minExtent=LABEL_PX,
            maxExtent=LABEL_PX,
            ticks=False,
            grid=False,
            domain=False,
        ),
    )


def _row_lines(n_rows: int) -> ChartType:
    """A line through the middle of each row and fainter ones at its edges."""
    lines = []
    for offsets, opacity in (([0], 0.8), ([-_REACH, _REACH], 0.3)):
        heights = pd.DataFrame(
            {"height": [r + offset for r in range(n_rows) for offset in offsets]}
        )
        rule = alt.Chart(heights).mark_rule(color=GREY, strokeWidth=1, opacity=opacity)
        lines.append(rule.encode(y="height:Q"))
    return alt.layer(*lines)


def _bars(rows: alt.Chart, x: alt.X) -> alt.Chart:
    """Invisible bars with the values of the frame under the pointer as a tooltip."""
    bars: alt.Chart = (
        with_words(rows)
        .transform_filter("datum.end_s > datum.time_s")
        .transform_calculate(height=f"datum.row - {_REACH}", low=f"datum.row + {_REACH}")
        .mark_rect(opacity=0)
        .encode(x=x, x2="end_s:Q", y="height:Q", y2="low:Q", tooltip=reading_tooltip())
    )
    return bars


def fold_dimensions(rows: alt.Chart) -> alt.Chart:
    """Turns each row into two, for valence and for arousal: columns ``reading`` and ``value``."""
    folded: alt.Chart = rows.transform_fold(list(DIMENSION_COLOURS), as_=["reading", "value"])
    return folded


def dimension_colour() -> alt.Color:
    """Encodes the column ``reading`` as the colours of valence and arousal."""
    return alt.Color(
        "reading:N",
        title=None,
        scale=alt.Scale(domain=list(DIMENSION_COLOURS), range=list(DIMENSION_COLOURS.values())),
        legend=alt.Legend(orient="top", symbolType="stroke", symbolStrokeWidth=3),
    )


def _height(n_rows: int, row_px: int) -> int:
    """Height of a plot in pixels; one or two rows get more space each."""
    return max(1, n_rows) * (row_px if n_rows > 2 else round(1.35 * row_px))
