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
from emotion_core.reporting.chart_base import confidence_words, emotion_colour

if TYPE_CHECKING:
    from collections.abc import Sequence

    from altair.typing import ChartType

SPAN = "span"
"""Name of the selection in the timeline: a span of time, ``{"time_s": [start, end]}``."""

CLICK = "moment"
"""Name of the selection of one frame in the timeline: ``[{"time_s": time}]``."""

LABEL_PX = 72
"""Space to the left of every plot, so that plots below each other line up."""

ROOM_PX = LABEL_PX + 32
"""Width of a chart beyond its plot: labels, padding, and half of the last time label."""

DIMENSION_COLOURS = {"valence": "#2E86C9", "arousal": "#D9692A"}
"""Colours that stand out on light and on dark backgrounds, also to colour-blind eyes."""

_HOVER = "hover"
_MIDDLE, _REACH = 0.08, 0.36
"""Offset of the middle of a person's row and its reach up and down, in rows."""

_TOP, _BOTTOM = _MIDDLE - _REACH, _MIDDLE + _REACH
_NAME = -0.43
"""Offset of a person's name in the row."""

_STEPS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800)
_CLOCK = (
    "(datum.value >= 3600 ? floor(datum.value / 3600) + ':' : '') + "
    "format(floor(datum.value / 60) % 60, datum.value >= 3600 ? '02d' : 'd') + ':' + "
    "format(datum.value % 60, '02d')"
)

_NO_FRAME = alt.ViewBackground(stroke=None)


def timeline_layers(rows: alt.Chart, names: Sequence[str], span: tuple[float, float]) -> ChartType:
    """The timeline of valence and arousal, without a width.

    Args:
        rows: Chart of the rows that ``timeline.timeline_rows`` makes.
        names: Names of the people, in order of their rows.
        span: Start and end of the time axis in seconds.
    """
    both = (
        fold_dimensions(rows)
        .transform_calculate(height=f"datum.row + {_MIDDLE} - {_REACH} * datum.value")
        .encode(
            x=_time_x(span),
            y=_row_y(names, ("+1", "0", "\u22121")),
            color=dimension_colour(),
        )
    )
    lines = both.mark_line(strokeWidth=1.6, strokeCap="round", strokeJoin="round").encode(
        detail="run:N"
    )
    dots = both.transform_filter({"param": _HOVER, "empty": False}).mark_point(
        filled=True, size=55, opacity=1
    )
    mark = alt.BrushConfig(fill=GREY, fillOpacity=0.22, stroke=GREY, strokeOpacity=0.9)
    # zooming the span with the wheel would keep the page from scrolling
    brush = alt.selection_interval(name=SPAN, encodings=["x"], mark=mark, zoom=False)
    hover = alt.selection_point(
        name=_HOVER, fields=["time_s"], on="pointerover", clear="pointerout", toggle=False
    )
    return alt.layer(
        _row_lines(len(names)),
        lines,
        _rule(rows, span, _HOVER, 1),
        _rule(rows, span, CLICK, 2.5),
        dots,
        _bars(rows, span).add_params(brush, _click_selection(), hover),
    ).properties(height=_height(len(names), 116), view=_NO_FRAME)


def probability_layers(
    rows: alt.Chart, names: Sequence[str], span: tuple[float, float], *, has_click: bool
) -> ChartType:
    """The stacked probabilities over time, without a width; arguments as in ``timeline_layers``.

    With ``has_click`` a click selects one frame (parameter ``CLICK``).
    """
    columns: list[str | alt.FieldName] = [f"p_{emotion}" for emotion in ALL_EMOTIONS]
    low, high = (f"datum.row + {_BOTTOM} - {2 * _REACH} * datum.{name}" for name in ("y0", "y1"))
    areas = (
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
            x=_time_x(span),
            y=_row_y(names, ("100%", "50%", "0%")),
            y2="low:Q",
            color=emotion_colour(),
            detail="run:N",
        )
    )
    bars = _bars(rows, span)
    over = [bars]
    if has_click:
        over = [_rule(rows, span, CLICK, 2.5), bars.add_params(_click_selection())]
    return alt.layer(_row_lines(len(names)), areas, *over).properties(
        height=_height(len(names), 104), view=_NO_FRAME
    )


def _time_x(span: tuple[float, float]) -> alt.X:
    """The time axis, with ticks at round minutes and seconds."""
    start, end = span
    if end - start < 5:
        title, ticks = "Time (s)", alt.Axis(format="~g", tickCount=5, grid=False, labelFlush=False)
    else:
        step = next((s for s in _STEPS_S if (end - start) / s <= 10), _STEPS_S[-1])
        values = [step * i for i in range(math.ceil(start / step), int(end // step) + 1)]
        title = "Time"
        ticks = alt.Axis(values=values, labelExpr=_CLOCK, grid=False, labelFlush=False)
    return alt.X("time_s:Q", title=title, axis=ticks, scale=alt.Scale(domain=span, nice=False))


def _row_y(names: Sequence[str], words: tuple[str, str, str]) -> alt.Y:
    """The axis of people, each with a name and labels for the top, middle and bottom."""
    ticks = [
        row + offset for row in range(len(names)) for offset in (_NAME, _TOP, _MIDDLE, _BOTTOM)
    ]
    offset = "(datum.value - floor(datum.value + 0.5))"
    name = f"{json.dumps(list(names))}[floor(datum.value + 0.5)]"
    top, middle, bottom = words
    return alt.Y(
        "height:Q",
        title=None,
        scale=alt.Scale(domain=[max(1, len(names)) - 0.5, -0.5], nice=False, zero=False),
        axis=alt.Axis(
            values=ticks,
            labelExpr=(
                f"{offset} < -0.35 ? {name} : {offset} < -0.1 ? '{top}' : "
                f"{offset} < 0.2 ? '{middle}' : '{bottom}'"
            ),
            labelFontWeight=alt.condition(
                f"{offset} < -0.35", alt.value("bold"), alt.value("normal")
            ),
            tickCount=len(ticks),  # otherwise Vega leaves some of them out
            labelOverlap=False,
            labelLimit=LABEL_PX,
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
    for offsets, opacity in (([_MIDDLE], 0.8), ([_TOP, _BOTTOM], 0.3)):
        heights = pd.DataFrame(
            {"height": [r + offset for r in range(n_rows) for offset in offsets]}
        )
        rule = alt.Chart(heights).mark_rule(color=GREY, strokeWidth=1, opacity=opacity)
        lines.append(rule.encode(y="height:Q"))
    return alt.layer(*lines)


def _bars(rows: alt.Chart, span: tuple[float, float]) -> alt.Chart:
    """Invisible bars with the values of the frame under the pointer as a tooltip."""
    bars: alt.Chart = (
        with_words(rows)
        .transform_filter("datum.end_s > datum.time_s")
        .transform_calculate(height=f"datum.row + {_TOP}", low=f"datum.row + {_BOTTOM}")
        .mark_rect(opacity=0)
        .encode(x=_time_x(span), x2="end_s:Q", y="height:Q", y2="low:Q", tooltip=reading_tooltip())
    )
    return bars


def _rule(rows: alt.Chart, span: tuple[float, float], name: str, width: float) -> alt.Chart:
    """A line across all rows at the frame that a selection holds."""
    rule: alt.Chart = (
        rows.transform_filter({"param": name, "empty": False})
        .transform_filter("datum.end_s > datum.time_s")
        .transform_aggregate(groupby=["time_s"])
        .mark_rule(color=GREY, strokeWidth=width)
        .encode(x=_time_x(span))
    )
    return rule


def _click_selection() -> alt.Parameter:
    return alt.selection_point(name=CLICK, fields=["time_s"], on="click", toggle=False)


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


def with_words(rows: alt.Chart) -> alt.Chart:
    """Adds the confidence in words to rows, for ``reading_tooltip``."""
    worded: alt.Chart = rows.transform_calculate(words=confidence_words("confidence"))
    return worded


def reading_tooltip() -> list[alt.Tooltip]:
    """A tooltip with the prediction for one face at one time, from ``with_words`` of its row."""
    return [
        alt.Tooltip("person:N", title="Person"),
        alt.Tooltip("clock:N", title="Time"),
        alt.Tooltip("emotion:N", title="Emotion"),
        alt.Tooltip("words:N", title="Probability"),
        alt.Tooltip("valence:Q", title="Valence", format="+.2f"),
        alt.Tooltip("arousal:Q", title="Arousal", format="+.2f"),
    ]


def _height(n_rows: int, row_px: int) -> int:
    """Height of a plot in pixels; one or two rows get more space each."""
    return max(1, n_rows) * (row_px if n_rows > 2 else round(1.35 * row_px))
