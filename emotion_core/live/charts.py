"""Charts of a stream that runs: their size and frame stay as they are, only their rows change.

A page draws them twice a second for each visitor. Each is a Vega-Lite specification that is made
once, and a table that takes the place of its data set ``LIVE``: a browser then exchanges the rows
and nothing flickers, and the server saves the making, which takes as long as some analyses.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import altair as alt
import numpy as np
import pandas as pd

from emotion_core.charts import emotion_colour, emotion_shape, plane_axis, plane_layers
from emotion_core.labels import ALL_EMOTIONS
from emotion_core.video.course import person_name
from emotion_core.video.time_layers import AROUSAL_COLOUR, VALENCE_COLOUR

if TYPE_CHECKING:
    from altair.typing import ChartType

    from emotion_core.labels import LabelSet

LIVE = "live"
"""Name of the data set that changes."""

MOST_PEOPLE = 3
"""People drawn at once; more could not be told apart."""

TRAIL_S = 8.0
"""Length of the trail in the valence-arousal plane."""

MINUTE_S = 60.0
"""Length of the chart over time."""

_NOW_S = 0.4  # whoever was seen within this time is there; a detector may miss a frame
_GAP_S = 1.0  # without a reading for longer, a line is broken
_MINUTE_STEP_S, _TRAIL_STEP_S = 0.5, 0.25
_BAR = 0.7  # of the room of a person; the rest is for the number beside it
_BARS_PX, _MINUTE_PX = 250, 170
_DASHES: list[list[int]] = [[1, 0], [6, 3], [2, 3]]
_GREY = "#8A938C"


def people_now(history: pd.DataFrame) -> list[int]:
    """Tracks of the people that are there, those that came first first.

    Args:
        history: As ``SessionRecord.history`` makes it.
    """
    there = history[history["age_s"] <= _NOW_S]
    return sorted(int(track) for track in there["track"].unique())


def bars(history: pd.DataFrame, labels: LabelSet) -> dict[str, Any]:
    """The probabilities of now: a column of bars per person, a row per emotion.

    Args:
        history: As ``SessionRecord.history`` makes it.
        labels: Of the network.

    Returns:
        A Vega-Lite specification; only its data set ``LIVE`` depends on the history.
    """
    words = tuple(str(e) for e in ALL_EMOTIONS if e in labels)
    return _filled(_bars_spec(words), _bar_rows(history, words))


def plane(history: pd.DataFrame) -> dict[str, Any]:
    """The people of now in the valence-arousal plane, each with a trail that fades.

    Args:
        history: As ``SessionRecord.history`` makes it.

    Returns:
        A Vega-Lite specification; only its data set ``LIVE`` depends on the history.
    """
    return _filled(_plane_spec(), _trail_rows(history))


def minute(history: pd.DataFrame) -> dict[str, Any]:
    """Valence and arousal over the last minute, of those seen last; now is at the right.

    Args:
        history: As ``SessionRecord.history`` makes it.

    Returns:
        A Vega-Lite specification; only its data set ``LIVE`` depends on the history.
    """
    return _filled(_minute_spec(), _minute_rows(history))


def _filled(spec: dict[str, Any], rows: pd.DataFrame) -> dict[str, Any]:
    return {**spec, "datasets": {**spec["datasets"], LIVE: rows}}


def _to_spec(chart: Any, height_px: int) -> dict[str, Any]:
    """The specification of a chart that is as wide as the page lets it be."""
    framed: ChartType = chart.properties(
        datasets={LIVE: []},
        height=height_px,
        view=alt.ViewBackground(stroke=None),
        autosize=alt.AutoSizeParams(type="fit", contains="padding"),
    )
    return framed.to_dict()


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
    lines = shown.mark_bar(height=alt.RelativeBandSize(0.72), cornerRadiusEnd=2).encode(
        x2="end:Q",
        color=alt.Color("word:N", scale=colour["scale"], legend=None),
    )
    numbers = shown.mark_text(align="left", dx=5, fontSize=12, color=_GREY).encode(
        x=alt.X("end:Q", axis=None), text=alt.Text("probability:Q", format=".0%")
    )
    names = rows.transform_filter("!datum.word").mark_text(
        align="left", fontSize=12, fontWeight="bold", color=_GREY
    )
    return _to_spec(
        alt.layer(lines, numbers, names.encode(x=across, y=down, text="person:N")), _BARS_PX
    )


@functools.cache
def _plane_spec(side_px: int = 320) -> dict[str, Any]:
    shown = alt.Chart(alt.NamedData(LIVE)).encode(
        x=plane_axis("valence", "Valence (unpleasant to pleasant)"),
        y=plane_axis("arousal", "Arousal (calm to excited)"),
    )
    trail = shown.mark_trail(color=_GREY, opacity=0.45).encode(
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
    last = newest.mark_point(filled=True, size=260, opacity=1, stroke="#14171C").encode(
        color=emotion_colour(legend=False), shape=emotion_shape()
    )
    names = newest.mark_text(dy=-17, fontSize=12, fontWeight="bold", color=_GREY).encode(
        text="person:N"
    )
    square = alt.param(name="height", expr="width")  # also where a page stretches the width
    layers = alt.layer(*plane_layers(), trail, points, last, names).add_params(square)
    chart: ChartType = layers.resolve_scale(size="independent").properties(
        datasets={LIVE: []},
        width=side_px,
        height=side_px,
        autosize=alt.AutoSizeParams(type="fit-x", contains="padding"),
    )
    return chart.to_dict()


@functools.cache
def _minute_spec() -> dict[str, Any]:
    fields = {"valence": VALENCE_COLOUR, "arousal": AROUSAL_COLOUR}
    both = (
        alt.Chart(alt.NamedData(LIVE))
        .transform_fold(list(fields), as_=["reading", "value"])
        .encode(
            x=_ago_x(),
            y=_signed_y(),
            color=alt.Color(
                "reading:N",
                title=None,
                scale=alt.Scale(domain=list(fields), range=list(fields.values())),
                legend=alt.Legend(orient="top", symbolType="stroke", symbolStrokeWidth=3),
            ),
        )
    )
    lines = both.mark_line(strokeWidth=2, strokeCap="round", strokeJoin="round", clip=True).encode(
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
        .encode(text="name:N", color=alt.value(_GREY))
    )
    zero = alt.Chart(pd.DataFrame({"zero": [0]})).mark_rule(color=_GREY, opacity=0.8)
    return _to_spec(alt.layer(zero.encode(y="zero:Q"), lines, names), _MINUTE_PX)


def _bar_rows(history: pd.DataFrame, words: tuple[str, ...]) -> pd.DataFrame:
    """A row per person and emotion, and one with an empty word that names the person."""
    people = people_now(history)[:MOST_PEOPLE]
    rows: list[dict[str, object]] = []
    for i, track in enumerate(people):
        newest = history[history["track"] == track].iloc[-1]
        start, name = i / len(people), person_name(track)
        rows.append({"start": start, "end": start, "word": "", "person": name, "probability": 0.0})
        for word in words:
            share = float(newest[f"p_{word}"])
            end = start + _BAR * share / len(people)
            row = {"start": start, "end": end, "word": word, "person": name, "probability": share}
            rows.append(row)
    return pd.DataFrame(rows, columns=["start", "end", "word", "person", "probability"])


def _trail_rows(history: pd.DataFrame) -> pd.DataFrame:
    """A row per person and quarter of a second, and the newest reading."""
    recent = history[
        (history["age_s"] <= TRAIL_S) & history["track"].isin(people_now(history)[:MOST_PEOPLE])
    ]
    newest = recent[~recent["track"].duplicated(keep="last")]
    thinned = _thinned(recent, _TRAIL_STEP_S)
    rows = pd.concat(
        [thinned.assign(is_newest=False), newest[thinned.columns].assign(is_newest=True)]
    )
    rows["freshness"] = 1 - rows["age_s"] / TRAIL_S
    rows["person"] = [person_name(track) for track in rows["track"]]
    return rows.reset_index(drop=True)


def _minute_rows(history: pd.DataFrame) -> pd.DataFrame:
    """A row per half second of those seen last, with the number of its unbroken stretch.

    Where there are several people now, the last row of each carries the person's name.
    """
    there = people_now(history)
    latest = history.groupby("track")["time_s"].max().nlargest(MOST_PEOPLE).index
    shown = history[history["track"].isin(latest)]
    rows = _thinned(shown, _MINUTE_STEP_S).sort_values(["track", "time_s"], ignore_index=True)
    starts = (rows["time_s"].diff() > _GAP_S + _MINUTE_STEP_S) | (rows["track"].diff() != 0)
    rows["run"] = starts.cumsum()
    rows["ago_s"] = -rows["age_s"]
    rows["style"] = rows["track"].rank(method="dense").astype("int64") - 1
    is_named = ~rows["track"].duplicated(keep="last") & rows["track"].isin(there)
    names = [person_name(track) for track in rows["track"]]
    rows["name"] = pd.Series(names, dtype="str").where(is_named & (len(there) > 1), "")
    return rows[["run", "style", "name", "ago_s", "valence", "arousal"]]


def _thinned(history: pd.DataFrame, step_s: float) -> pd.DataFrame:
    """Means over spans of time that stand still while time goes on; the word is the last one's."""
    bins = np.floor(history["time_s"] / step_s)
    groups = history.groupby([history["track"], bins.rename("bin")], as_index=False)
    means = groups.agg(
        track=("track", "last"),
        time_s=("time_s", "mean"),
        age_s=("age_s", "mean"),
        emotion=("emotion", "last"),
        valence=("valence", "mean"),
        arousal=("arousal", "mean"),
    )
    return means.drop(columns="bin")


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
