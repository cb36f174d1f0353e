"""The course of emotions over time: charts, numbers per person, and the picture of a moment."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, Any

import streamlit as st

from emotion_core.errors import EmotionError
from emotion_core.imaging.annotate import annotate
from emotion_core.photos.pipeline import make_preview
from emotion_core.reporting.timeline import format_duration, person_name
from emotion_core.reporting.timeline_layers import CLICK, SPAN
from emotion_core.reporting.video_charts import (
    probability_timeline_chart,
    shares_chart,
    timeline_chart,
    trajectory_chart,
)
from emotion_core.types import VaSource
from emotion_core.video.io.reader import frame_at
from emotion_core.video.tables import (
    analysis_period,
    longest_seen,
    people_table,
    select_people,
    select_time,
    to_analysis,
)
from streamlit_app.widgets import plain, readable, va_sentence

if TYPE_CHECKING:
    import pandas as pd

    from emotion_core.video.types import VideoResult
    from streamlit_app.video.state import VideoState

_TIMELINE, _PROBABILITIES = "timeline", "probabilities"

_FINE_S = 120.0  # longer spans are chosen by whole seconds

_MOST_PILLS = 12
"""More people than this are chosen from a list."""

_COLUMNS = {
    "person": st.column_config.TextColumn("Person", width=90),
    "seen_s": st.column_config.NumberColumn("Seen", format="%.1f s", width=70),
    "dominant_emotion": st.column_config.TextColumn("Mostly", width=90),
    "share": st.column_config.NumberColumn("Share of time", format="%.0f%%", width=100),
    "mean_valence": st.column_config.NumberColumn("Mean valence", format="%+.2f", width=105),
    "sd_valence": st.column_config.NumberColumn("Spread of valence", format="%.2f", width=125),
    "mean_arousal": st.column_config.NumberColumn("Mean arousal", format="%+.2f", width=105),
    "sd_arousal": st.column_config.NumberColumn("Spread of arousal", format="%.2f", width=125),
    "changes": st.column_config.NumberColumn("Changes", width=80),
    "positive_s": st.column_config.NumberColumn("Most positive at", format="%.1f s", width=120),
    "negative_s": st.column_config.NumberColumn("Most negative at", format="%.1f s", width=120),
    "intense_s": st.column_config.NumberColumn("Most intense at", format="%.1f s", width=120),
}


@st.fragment
def show_course(desk: VideoState, result: VideoResult, frames: pd.DataFrame) -> None:
    """Charts that filter each other; only this part of the page runs anew when one is brushed.

    Args:
        desk: With the video that pictures of moments are taken from; without one there are none.
        result: With at least one person.
        frames: Its table, smoothed.
    """
    st.header("Over time", anchor=False)
    tracks = _choose_people(desk, result.people)
    chosen = select_people(frames, tracks)
    key = f"{_TIMELINE} {desk.views} {desk.numbers} {tracks}"
    event: Any = st.altair_chart(
        readable(timeline_chart(chosen)),
        width="stretch",
        on_select=partial(_note_timeline, desk, key),
        selection_mode=[SPAN, CLICK] if desk.clip else [SPAN],
        key=key,
        alt=_describe_timeline(chosen, tracks),
    )
    span = _show_hints(desk, frames, event.selection.get(SPAN, {}).get("time_s"))
    _show_moment(desk, result, frames, _TIMELINE)
    part = select_time(chosen, *span) if span else chosen
    people = result.people[result.people["track"].isin(tracks)]
    if span:
        raw = select_time(select_people(result.frames, tracks), *span)
        people = people_table(raw, analysis_period(frames), smoothed=part)
    _show_people(people, span)
    if not people.empty:
        _show_probabilities(desk, part, people)
        _show_moment(desk, result, frames, _PROBABILITIES)
        _show_sums(part, people)


def _note_timeline(desk: VideoState, key: str) -> None:
    """As ``_note_click``; a new span in the chart takes the place of one by numbers."""
    _note_click(desk, _TIMELINE, key)
    desk.brush(st.session_state[key].selection.get(SPAN, {}).get("time_s"))


def _note_click(desk: VideoState, chart: str, key: str) -> None:
    """Show the picture of what was clicked last, in whichever chart."""
    clicked = st.session_state[key].selection.get(CLICK)
    desk.click(chart, key, float(clicked[0]["time_s"]) if clicked else None)


def _choose_people(desk: VideoState, people: pd.DataFrame) -> list[int]:
    """Whose course is shown; those seen longest to begin with."""
    options = [int(track) for track in people["track"]]
    if len(options) == 1:
        return options
    choose = st.pills if len(options) <= _MOST_PILLS else st.multiselect
    default = longest_seen(people)
    kind: dict[str, Any] = {"selection_mode": "multi"} if choose is st.pills else {}
    chosen = choose(
        "People shown",
        options,
        default=default,
        format_func=person_name,
        key=f"people {desk.views}",
        persist_state="session",
        **kind,
    )
    return sorted(chosen or default)


def _show_hints(
    desk: VideoState,
    frames: pd.DataFrame,
    brushed: list[float] | None,
) -> list[float] | None:
    """What can be done with the chart, also without a mouse; gives the span that is chosen."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(
            "Drag over the chart to see only that span of time below"
            + ("; click to see that picture. " if desk.clip else ". ")
            + va_sentence(VaSource(frames["va_source"].dropna().iloc[0])),
            width="stretch",
        )
        everything = st.empty()
    span = _choose_by_numbers(desk, float(frames["time_s"].max())) or brushed
    everything.button(
        "Show all",
        on_click=desk.show_all,
        icon=":material/zoom_out_map:",
        disabled=not (span or desk.moment),
    )
    return span


def _choose_by_numbers(desk: VideoState, last_s: float) -> list[float] | None:
    """A span and a picture, for whom dragging and clicking is no way; ``None`` for no span."""
    whole = (0.0, math.ceil(last_s * 10) / 10)
    if not whole[1]:
        return None
    with st.expander("Choose by numbers", icon=":material/keyboard:"):
        chosen = st.slider(
            "Span of time, in seconds",
            *whole,
            whole,
            0.1 if last_s < _FINE_S else 1.0,
            "%.1f",
            key=f"span {desk.views} {desk.brushes}",
            on_change=desk.renumber,
            persist_state="session",
        )
        if desk.clip:
            key = f"picture {desk.views}"
            st.number_input(
                "Picture at, in seconds",
                *whole,
                None,
                0.1,
                "%.1f",
                key=key,
                on_change=partial(_note_number, desk, key),
            )
    return None if chosen == whole else list(chosen)


def _note_number(desk: VideoState, key: str) -> None:
    desk.click(_TIMELINE, key, st.session_state[key])


def _show_moment(desk: VideoState, result: VideoResult, frames: pd.DataFrame, chart: str) -> None:
    """The analysed picture that was clicked, if it was in this chart."""
    if not desk.clip or not desk.moment or desk.moment[0] != chart:
        return
    nearest = int((frames["time_s"] - desk.moment[1]).abs().argmin())
    rows = frames[frames["frame"] == frames["frame"].iloc[nearest]]
    at_s = float(rows["time_s"].iloc[0])
    is_blurred = result.settings.blur
    if is_blurred and not (desk.job and desk.job.recipe.settings.blur):
        st.caption("The picture is not shown, since its faces were not blurred.")
        return
    # In the annotated video all is blurred that must be, also what was missed for a moment.
    file = desk.job.video if desk.job and is_blurred else desk.clip.file
    try:
        with file.in_use() as path:
            image = frame_at(path, at_s).image
    except EmotionError as error:
        st.warning(plain(str(error)), icon=":material/broken_image:")
        return
    analysis = to_analysis(rows, (image.shape[1], image.shape[0]))
    words = ", ".join(
        f"{person_name(track)} {emotion}"
        for track, emotion in zip(rows["track"].dropna(), analysis.predictions.top, strict=True)
    )
    st.image(
        make_preview(image if is_blurred else annotate(image, analysis)),
        caption=f"At {format_duration(at_s)}",
        alt=f"The picture at {format_duration(at_s)}: {words or 'no face'}",
        width=720,
    )


def _show_people(people: pd.DataFrame, span: list[float] | None) -> None:
    where = f" from {format_duration(min(span))} to {format_duration(max(span))}" if span else ""
    st.header(f"People{where}", anchor=False)
    if people.empty:
        st.caption("None of them is seen then.")
        return
    shares = [row[f"share_{row['dominant_emotion']}"] for _, row in people.iterrows()]
    st.dataframe(
        people.assign(
            person=[person_name(track) for track in people["track"]],
            share=[100 * share for share in shares],
        ),
        column_order=list(_COLUMNS),
        column_config=_COLUMNS,
        hide_index=True,
        alt="For each person the time seen, the most frequent emotion, mean and spread of valence "
        "and arousal, and changes of emotion",
    )


def _show_probabilities(desk: VideoState, part: pd.DataFrame, people: pd.DataFrame) -> None:
    key = f"{_PROBABILITIES} {desk.views} {people['track'].tolist()}"
    st.header("Emotions over time", anchor=False)
    st.altair_chart(
        readable(probability_timeline_chart(part)),
        on_select=partial(_note_click, desk, _PROBABILITIES, key) if desk.clip else "ignore",
        selection_mode=[CLICK],
        key=key,
        alt="Probabilities of the emotions over time, stacked, a row per person",
    )


def _show_sums(part: pd.DataFrame, people: pd.DataFrame) -> None:
    st.header("Share of time", anchor=False)
    st.altair_chart(readable(shares_chart(people)), key="shares", alt=_describe_shares(people))
    st.header("Way through the plane", anchor=False)
    with st.grid(min_column_width=230, gap="medium"):
        for track in people["track"].tolist():
            st.altair_chart(
                readable(trajectory_chart(select_people(part, [track]))),
                key=f"way {track}",
                alt=f"Way of {person_name(track)} through the valence-arousal plane",
            )


def _describe_timeline(frames: pd.DataFrame, tracks: list[int]) -> str:
    names = ", ".join(person_name(track) for track in tracks)
    return (
        f"Valence and arousal of {names} over time; mean valence {frames['valence'].mean():+.2f}, "
        f"mean arousal {frames['arousal'].mean():+.2f}"
    )


def _describe_shares(people: pd.DataFrame) -> str:
    return "Most frequent emotion: " + ", ".join(
        f"{person_name(track)} {emotion}"
        for track, emotion in zip(people["track"], people["dominant_emotion"], strict=True)
    )
