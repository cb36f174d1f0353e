"""Altair charts of the emotions in a video."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import altair as alt

from emotion_core.imaging.palette import GREY
from emotion_core.labels import ALL_EMOTIONS
from emotion_core.reporting.chart_base import (
    FIT_WIDTH,
    emotion_colour,
    emotion_shape,
    plane_axis,
    plane_chart,
    reading_tooltip,
    with_words,
)
from emotion_core.reporting.timeline import person_name, timeline_rows
from emotion_core.reporting.timeline_layers import LABEL_PX

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from altair.typing import ChartType

_PLANE_PX = 320


def trajectory_chart(frames: pd.DataFrame) -> ChartType:
    """The path of one person through the valence-arousal plane; its beginning is faded.

    Args:
        frames: Frame table of which only the first person is drawn. May be empty.
    """
    rows = timeline_rows(frames)
    first = rows[rows["row"] == 0]
    title = first["person"].iloc[0] if len(first) else ""
    plane = plane_chart(trajectory_layers(alt.Chart(first)), _PLANE_PX)
    chart: ChartType = plane.resolve_scale(size="independent").properties(title=title)
    return chart


def shares_chart(people: pd.DataFrame) -> ChartType:
    """Share of the visible time in which each emotion was the most probable, a bar per person.

    Args:
        people: As ``tables.people_table`` makes it.
    """
    shares = [column for column in people.columns if column.startswith("share_")]
    long = people.melt(["track"], shares, "label", "share")
    long["emotion"] = long["label"].str.removeprefix("share_")
    long["person"] = [person_name(track) for track in long["track"]]
    names = [person_name(track) for track in people["track"]]
    chart = alt.Chart(long[["person", "emotion", "share"]])
    return share_bars(chart, names, has_legend=True).properties(autosize=FIT_WIDTH)


def trajectory_layers(rows: alt.Chart, row: int = 0) -> list[alt.Chart]:
    """Trail and points of one person for the valence-arousal plane.

    Args:
        rows: Chart of the rows that ``timeline.timeline_rows`` makes.
        row: Number of the person's row.
    """
    shown = (
        with_words(rows)
        .transform_filter(f"datum.row == {row} && datum.end_s > datum.time_s")
        .transform_joinaggregate(first="min(time_s)", last="max(time_s)")
        .transform_calculate(
            age="datum.last > datum.first ?"
            " (datum.time_s - datum.first) / (datum.last - datum.first) : 1"
        )
        .encode(x=plane_axis("valence"), y=plane_axis("arousal"))
    )
    trail = shown.mark_trail(color=GREY, opacity=0.35).encode(
        detail="run:N",
        order="time_s:Q",
        size=alt.Size("age:Q", scale=alt.Scale(domain=[0, 1], range=[0.2, 2.5]), legend=None),
    )
    encoding: dict[str, Any] = {
        "color": emotion_colour(legend=False),
        "shape": emotion_shape(),
        "tooltip": reading_tooltip(),
    }
    points = shown.mark_point(filled=True).encode(
        **encoding,
        size=alt.Size("age:Q", scale=alt.Scale(domain=[0, 1], range=[20, 110]), legend=None),
        opacity=alt.Opacity(
            "age:Q", scale=alt.Scale(domain=[0, 1], range=[0.1, 0.95]), legend=None
        ),
    )
    newest = shown.transform_filter("datum.time_s == datum.last")
    last = newest.mark_point(filled=True, size=170, opacity=1, stroke=GREY, strokeWidth=1)
    return [trail, points, last.encode(**encoding)]


def share_bars(chart: alt.Chart, names: Sequence[str], *, has_legend: bool) -> alt.Chart:
    """Stacked bars of the shares of emotions.

    Args:
        chart: Chart of rows with person, emotion and share (0-1).
        names: Names of the people, from top to bottom.
        has_legend: Whether there is a legend of the emotions' colours.
    """
    ranked = chart.transform_calculate(
        rank=f"indexof({json.dumps([str(e) for e in ALL_EMOTIONS])}, datum.emotion)"
    )
    bars: alt.Chart = (
        ranked.mark_bar(stroke=GREY, strokeWidth=0.8)
        .encode(
            x=alt.X(
                "share:Q",
                title="Share of the time seen",
                scale=alt.Scale(domain=[0, 1]),
                axis=alt.Axis(format="%", values=[0, 0.25, 0.5, 0.75, 1]),
            ),
            y=alt.Y(
                "person:N",
                title=None,
                scale=alt.Scale(domain=list(names)),
                axis=alt.Axis(
                    labelOverlap=False, minExtent=LABEL_PX, maxExtent=LABEL_PX, ticks=False
                ),
            ),
            color=emotion_colour(legend=has_legend),
            order="rank:O",
            tooltip=[
                alt.Tooltip("person:N", title="Person"),
                alt.Tooltip("emotion:N", title="Emotion"),
                alt.Tooltip("share:Q", title="Share of the time", format=".1%"),
            ],
        )
        .properties(height=30 * max(1, len(names)))
    )
    return bars


def names_of(rows: pd.DataFrame) -> list[str]:
    """Names of the people in ``timeline_rows``, in order of their rows."""
    return list(rows.drop_duplicates("row")["person"])


def time_range(frames: pd.DataFrame, rows: pd.DataFrame) -> tuple[float, float]:
    """Start and end of the charts of a frame table in seconds, at least a second apart if empty.

    Args:
        frames: As ``tables.FrameTableBuilder.table`` makes it.
        rows: Their ``timeline_rows``, the last of which reach beyond the last frame.
    """
    if frames.empty:
        return 0.0, 1.0
    start, end = float(frames["time_s"].min()), float(frames["time_s"].max())
    if len(rows):
        end = max(end, float(rows["end_s"].max()))
    return (start, end) if end > start else (start, start + 1)
