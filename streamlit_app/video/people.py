"""The people of a result: their numbers, key moments, time per emotion and paths."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import streamlit as st

from emotion_core.clock import format_duration
from emotion_core.face import format_signed
from emotion_core.reporting.timeline import person_name
from emotion_core.reporting.video_charts import shares_chart, trajectory_chart
from emotion_core.video.tables import (
    analysis_period,
    describe_mostly,
    longest_seen,
    people_table,
    select_people,
    select_time,
)
from streamlit_app.widgets import readable

if TYPE_CHECKING:
    from streamlit.elements.lib.layout_utils import Height

    from emotion_core.video.types import Highlight, VideoResult

_MAX_PEOPLE = 12
_SPARKS = 60
"""Number of values in the small chart of a row."""

_COLUMNS = {
    "person": st.column_config.TextColumn("Person", width=75),
    "seen_s": st.column_config.NumberColumn("Visible", format="%.1f s", width=65),
    "course": st.column_config.LineChartColumn("Valence over time", width=130, y_min=-1, y_max=1),
    "mostly": st.column_config.TextColumn("Dominant emotion", width=125),
    "valence": st.column_config.TextColumn("Valence, SD", width=95),
    "arousal": st.column_config.TextColumn("Arousal, SD", width=95),
    "n_unusable": st.column_config.NumberColumn("Frames left out", width=110),
    "changes": st.column_config.NumberColumn("Switches", width=75),
    "positive_s": st.column_config.TextColumn("Most positive", width=100),
    "negative_s": st.column_config.TextColumn("Most negative", width=105),
    "intense_s": st.column_config.TextColumn("Most intense", width=95),
}


def show_people(
    result: VideoResult,
    frames: pd.DataFrame,
    tracks: list[int],
    span_s: tuple[float, float] | None,
) -> None:
    """The numbers of some people, and charts of them, in a span of time.

    Args:
        result: Smoothed result.
        frames: Smoothed frame table.
        tracks: The people.
        span_s: The span in seconds; ``None`` for all of the video.
    """
    part = select_people(frames, tracks)
    people = result.people[result.people["track"].isin(tracks)]
    if span_s:
        part = select_time(part, *span_s)
        raw = select_time(select_people(result.frames, tracks), *span_s)
        people = people_table(raw, analysis_period(frames), smoothed=part)
    start, end = (format_duration(time_s) for time_s in span_s or (0.0, 0.0))
    st.header(f"People from {start} to {end}" if span_s else "People", anchor=False)
    if people.empty:
        st.caption("Nobody is visible then.")
        return
    st.dataframe(
        _table(people, part),
        column_order=list(_COLUMNS),
        column_config=_COLUMNS,
        hide_index=True,
        alt="For each person the visible time, the dominant emotion and its share of the time, "
        "mean and standard deviation of valence and arousal, switches of emotion, and times of "
        "the strongest expressions",
    )
    _show_highlights(result, people, span_s)
    st.header("Time per emotion", anchor=False)
    dominant = ", ".join(
        f"{person_name(track)} {emotion}"
        for track, emotion in zip(
            people["track"], people["dominant_emotion"].fillna("too hard to read"), strict=True
        )
    )
    alt = f"Dominant emotion: {dominant}"
    st.altair_chart(readable(shares_chart(people)), key="shares", alt=alt)
    st.header("Path through valence-arousal space", anchor=False)
    with st.grid(min_column_width=230, gap="medium"):
        for track in people["track"].tolist():
            st.altair_chart(
                readable(trajectory_chart(select_people(part, [track]))),
                key=f"path {track}",
                alt=f"Path of {person_name(track)} through valence-arousal space",
            )


def _show_highlights(
    result: VideoResult, people: pd.DataFrame, span_s: tuple[float, float] | None
) -> None:
    """Images of the key moments of the people seen longest, those in a span of time."""
    st.header("Key moments", anchor=False)
    start_s, end_s = span_s or (-math.inf, math.inf)
    highlights: dict[int, list[Highlight]] = {}
    for highlight in result.highlights:
        if start_s <= highlight.time_s <= end_s:
            highlights.setdefault(highlight.track, []).append(highlight)
    shown = longest_seen(people, _MAX_PEOPLE)
    height: Height = 420 if len(shown) > 2 else "content"
    with st.container(height=height, border=False, key="moments", gap="small"):
        for track in shown:
            _show_moments(track, highlights.get(track, []), people, is_part=span_s is not None)
    if len(people) > len(shown):
        st.caption(f"Of the {len(shown)} people visible longest; the report has all.")


def _show_moments(
    track: int, highlights: list[Highlight], people: pd.DataFrame, *, is_part: bool
) -> None:
    row = people[people["track"] == track].iloc[0]
    mostly = describe_mostly(row.to_dict())
    st.markdown(f"**{person_name(track)}**, visible {row['seen_s']:.1f} s, {mostly}")
    if not highlights:
        none = "None in this span." if is_part else "Too small or too blurred for an image."
        st.caption(none)
    with st.container(horizontal=True, gap="small"):
        for highlight in highlights:
            at, what = format_duration(highlight.time_s), f"most {highlight.kind}"
            alt = f"{person_name(track)} {what}: {highlight.emotion} at {at}"
            st.image(highlight.jpeg, caption=f"{what}  \n{at}", alt=alt, width=96)


def _table(people: pd.DataFrame, frames: pd.DataFrame) -> pd.DataFrame:
    """A table of people as it is shown."""
    records = people.to_dict("records")
    columns = {
        "person": [person_name(row["track"]) for row in records],
        "course": [_sparks(frames, row["track"]) for row in records],
        "mostly": [describe_mostly(row).removeprefix("mostly ") for row in records],
    }
    for name in ("positive_s", "negative_s", "intense_s"):
        columns[name] = [
            "" if pd.isna(row[name]) else format_duration(row[name]) for row in records
        ]
    for name in ("valence", "arousal"):
        pairs = [(row[f"mean_{name}"], row[f"sd_{name}"]) for row in records]
        columns[name] = [
            "" if mean != mean else f"{format_signed(mean)} \u00b1 {sd:.2f}" for mean, sd in pairs
        ]
    return people.assign(**{name: pd.Series(c, people.index) for name, c in columns.items()})


def _sparks(frames: pd.DataFrame, track: int) -> list[float]:
    """Means of a person's valence over equal numbers of frames."""
    values = frames.loc[frames["track"] == track, "valence"].to_numpy(float)
    parts = np.array_split(values, min(_SPARKS, len(values)))
    return [round(float(one.mean()), 3) for one in parts]
