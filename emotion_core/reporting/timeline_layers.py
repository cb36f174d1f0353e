"""Layers that the charts of a video are made of; they take their rows from wherever they stand.

People stand in rows below each other within one plot: one drag selects a span of time for all, and
the plot fits any width, which charts of several plots do not.
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING

import altair as alt
import pandas as pd

from emotion_core.imaging.palette import GREY
from emotion_core.labels import ALL_EMOTIONS
from emotion_core.reporting.chart_base import emotion_colour

if TYPE_CHECKING:
    from collections.abc import Sequence

    from altair.typing import ChartType

SPAN = "span"
"""Name of the selection in the timeline: a span of time, ``{"time_s": [start, end]}``."""

CLICK = "moment"
"""Name of the selection of one picture in the timeline: ``[{"time_s": time}]``."""

LABEL_PX = 72
"""Room left of a plot; the same for all, so that those below each other line up."""

ROOM_PX = LABEL_PX + 32
"""What a plot's width is less than that of the whole: padding, and half of the last time."""

VALENCE_COLOUR, AROUSAL_COLOUR = "#2E86C9", "#D9692A"
"""Of the two lines; both stand out on light and on dark, also to colour-blind eyes."""

_HOVER = "hover"
_MIDDLE, _REACH = 0.08, 0.36
"""Where the middle of a person's row lies and how far it reaches up and down, in rows."""

_NAME = -0.43
"""Where a person's name stands in the row."""

_STEPS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800)
_CLOCK = (
    "(datum.value >= 3600 ? floor(datum.value / 3600) + ':' : '') + "
    "format(floor(datum.value / 60) % 60, datum.value >= 3600 ? '02d' : 'd') + ':' + "
    "format(datum.value % 60, '02d')"
)

_NO_FRAME = alt.ViewBackground(stroke=None)


def timeline_layers(rows: alt.Chart, names: Sequence[str], span: tuple[float, float]) -> ChartType:
    """The timeline without a size of its own, for a page or as a part of more.

    Args:
        rows: Chart of the rows that ``timeline.timeline_rows`` makes.
        names: Of the people, in order of their rows.
        span: Seconds from which to which time runs.
    """
    fields = {"valence": VALENCE_COLOUR, "arousal": AROUSAL_COLOUR}
    both = (
        rows.transform_fold(list(fields), as_=["reading", "value"])
        .transform_calculate(height=f"datum.row + {_MIDDLE} - {_REACH} * datum.value")
        .encode(
            x=_time_x(span),
            y=_row_y(names, ("+1", "0", "\u22121")),
            color=alt.Color(
                "reading:N",
                title=None,
                scale=alt.Scale(domain=list(fields), range=list(fields.values())),
                legend=alt.Legend(orient="top", symbolType="stroke", symbolStrokeWidth=3),
            ),
        )
    )
    lines = both.mark_line(strokeWidth=1.6, strokeCap="round", strokeJoin="round").encode(
        detail="run:N"
    )
    dots = both.transform_filter({"param": _HOVER, "empty": False}).mark_point(
        filled=True, size=55, opacity=1
    )
    return alt.layer(
        _row_lines(len(names)),
        lines,
        _rule(rows, span, _HOVER, 1),
        _rule(rows, span, CLICK, 2.5),
        dots,
        _bars(rows, span).add_params(_span_selection(), _click_selection(), _hover_selection()),
    ).properties(height=_height(len(names), 116), view=_NO_FRAME)


def probability_layers(
    rows: alt.Chart, names: Sequence[str], span: tuple[float, float], *, has_click: bool
) -> ChartType:
    """The stacked probabilities without a size of their own.

    Args:
        rows: Chart of the rows that ``timeline.timeline_rows`` makes.
        names: Of the people, in order of their rows.
        span: Seconds from which to which time runs.
        has_click: Whether a click selects one picture (parameter ``CLICK``).
    """
    columns: list[str | alt.FieldName] = [f"p_{emotion}" for emotion in ALL_EMOTIONS]
    low, high = (
        f"datum.row + {_MIDDLE + _REACH} - {2 * _REACH} * datum.{name}" for name in ("y0", "y1")
    )
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
    """Time from one end to the other, with ticks at round minutes and seconds."""
    start, end = span
    if end - start < 5:
        axis = alt.Axis(format="~g", tickCount=5, grid=False, labelFlush=False)
        return _seconds_x("Time (s)", axis, span)
    fitting = [step for step in _STEPS_S if (end - start) / step <= 10]
    step = fitting[0] if fitting else _STEPS_S[-1]
    values = [step * i for i in range(math.ceil(start / step), int(end // step) + 1)]
    axis = alt.Axis(values=values, labelExpr=_CLOCK, grid=False, labelFlush=False)
    return _seconds_x("Time", axis, span)


def _seconds_x(title: str, axis: alt.Axis, span: tuple[float, float]) -> alt.X:
    return alt.X("time_s:Q", title=title, axis=axis, scale=alt.Scale(domain=span, nice=False))


def _row_y(names: Sequence[str], words: tuple[str, str, str]) -> alt.Y:
    """People below each other: each with a name and words for the top, middle and bottom."""
    ticks = [r + at for r in range(len(names)) for at in (_NAME, *_levels())]
    place = "(datum.value - floor(datum.value + 0.5))"
    name = f"{json.dumps(list(names))}[floor(datum.value + 0.5)]"
    top, middle, bottom = words
    return alt.Y(
        "height:Q",
        title=None,
        scale=alt.Scale(domain=[max(1, len(names)) - 0.5, -0.5], nice=False, zero=False),
        axis=alt.Axis(
            values=ticks,
            labelExpr=(
                f"{place} < -0.35 ? {name} : {place} < -0.1 ? '{top}' : "
                f"{place} < 0.2 ? '{middle}' : '{bottom}'"
            ),
            labelFontWeight=alt.condition(
                f"{place} < -0.35", alt.value("bold"), alt.value("normal")
            ),
            tickCount=len(ticks),  # or Vega leaves some of them out
            labelOverlap=False,
            labelLimit=LABEL_PX,
            minExtent=LABEL_PX,
            maxExtent=LABEL_PX,
            ticks=False,
            grid=False,
            domain=False,
        ),
    )


def _levels() -> tuple[float, float, float]:
    return _MIDDLE - _REACH, _MIDDLE, _MIDDLE + _REACH


def _row_lines(n_rows: int) -> ChartType:
    """A line through the middle of each row, fainter ones at its limits."""
    middle = pd.DataFrame({"height": [r + _MIDDLE for r in range(n_rows)]})
    limits = [r + at for r in range(n_rows) for at in (_MIDDLE - _REACH, _MIDDLE + _REACH)]
    edges = pd.DataFrame({"height": limits})
    lines = [
        alt.Chart(table).mark_rule(color=GREY, strokeWidth=1, opacity=opacity).encode(y="height:Q")
        for table, opacity in ((middle, 0.8), (edges, 0.3))
    ]
    return alt.layer(*lines)


def _bars(rows: alt.Chart, span: tuple[float, float]) -> alt.Chart:
    """Unseen bars that tell the values of the picture under the pointer."""
    top, _, bottom = _levels()
    bars: alt.Chart = (
        rows.transform_filter("datum.end_s > datum.time_s")
        .transform_calculate(height=f"datum.row + {top}", low=f"datum.row + {bottom}")
        .mark_rect(opacity=0)
        .encode(x=_time_x(span), x2="end_s:Q", y="height:Q", y2="low:Q", tooltip=reading_tooltip())
    )
    return bars


def _rule(rows: alt.Chart, span: tuple[float, float], name: str, width: float) -> alt.Chart:
    """A line across all rows at the picture that a selection holds."""
    rule: alt.Chart = (
        rows.transform_filter({"param": name, "empty": False})
        .transform_filter("datum.end_s > datum.time_s")
        .transform_aggregate(groupby=["time_s"])
        .mark_rule(color=GREY, strokeWidth=width)
        .encode(x=_time_x(span))
    )
    return rule


def _span_selection() -> alt.Parameter:
    brush = alt.BrushConfig(fill=GREY, fillOpacity=0.22, stroke=GREY, strokeOpacity=0.9)
    # a wheel that zooms the span would keep the page from scrolling
    return alt.selection_interval(name=SPAN, encodings=["x"], mark=brush, zoom=False)


def _click_selection() -> alt.Parameter:
    return alt.selection_point(name=CLICK, fields=["time_s"], on="click", toggle=False)


def _hover_selection() -> alt.Parameter:
    return alt.selection_point(
        name=_HOVER, fields=["time_s"], on="pointerover", clear="pointerout", toggle=False
    )


def reading_tooltip() -> list[alt.Tooltip]:
    """What is read of one face at one time, in words, for rows of ``timeline_rows``."""
    return [
        alt.Tooltip("person:N", title="Person"),
        alt.Tooltip("clock:N", title="Time"),
        alt.Tooltip("emotion:N", title="Emotion"),
        alt.Tooltip("confidence:Q", title="Probability", format=".0%"),
        alt.Tooltip("valence:Q", title="Valence", format="+.2f"),
        alt.Tooltip("arousal:Q", title="Arousal", format="+.2f"),
    ]


def _height(n_rows: int, row_px: int) -> int:
    """Pixels for so many rows; one or two are given more."""
    return max(1, n_rows) * (row_px if n_rows > 2 else round(1.35 * row_px))
