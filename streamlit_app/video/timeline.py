"""Charts and numbers over time, and the frame that is selected in them."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, Any

import streamlit as st

from emotion_core.errors import EmotionError
from emotion_core.imaging.annotate import annotate
from emotion_core.photos.pipeline import make_preview
from emotion_core.quality import usable_faces
from emotion_core.reporting.timeline import format_duration, person_name
from emotion_core.reporting.timeline_layers import CLICK, SPAN
from emotion_core.reporting.video_charts import (
    probability_timeline_chart,
    shares_chart,
    timeline_chart,
    trajectory_chart,
)
from emotion_core.types import VaSource
from emotion_core.video.frame_table import iter_analyses
from emotion_core.video.io.reader import frame_at
from emotion_core.video.tables import (
    analysis_period,
    longest_seen,
    people_table,
    select_people,
    select_time,
)
from streamlit_app.widgets import escape, readable, va_sentence

if TYPE_CHECKING:
    import pandas as pd

    from emotion_core.video.types import VideoResult
    from streamlit_app.shared_file import SharedTempFile
    from streamlit_app.video.selection import TimelineSelection

_TIMELINE, _PROBABILITIES = "timeline", "probabilities"

_FINE_S = 120.0  # longer spans are selected by whole seconds

_MAX_PILLS = 12
"""Maximum number of people shown as pills; more are a list."""

_COLUMNS = {
    "person": st.column_config.TextColumn("Person", width=90),
    "seen_s": st.column_config.NumberColumn("Visible", format="%.1f s", width=70),
    "dominant_emotion": st.column_config.TextColumn("Dominant emotion", width=125),
    "share": st.column_config.NumberColumn("Share of time", format="%.0f%%", width=100),
    "mean_valence": st.column_config.NumberColumn("Mean valence", format="%+.2f", width=105),
    "sd_valence": st.column_config.NumberColumn("SD of valence", format="%.2f", width=105),
    "mean_arousal": st.column_config.NumberColumn("Mean arousal", format="%+.2f", width=105),
    "sd_arousal": st.column_config.NumberColumn("SD of arousal", format="%.2f", width=105),
    "n_unusable": st.column_config.NumberColumn("Frames left out", width=110),
    "changes": st.column_config.NumberColumn("Emotion switches", width=120),
    "positive_s": st.column_config.NumberColumn("Most positive at", format="%.1f s", width=120),
    "negative_s": st.column_config.NumberColumn("Most negative at", format="%.1f s", width=120),
    "intense_s": st.column_config.NumberColumn("Most intense at", format="%.1f s", width=120),
}


@st.fragment
def show_timeline(
    selection: TimelineSelection,
    result: VideoResult,
    frames: pd.DataFrame,
    *,
    original: SharedTempFile | None = None,
    annotated: SharedTempFile | None = None,
) -> None:
    """Charts that filter each other; a selection only reruns this part of the page.

    Args:
        selection: Selection in the charts.
        result: Result with at least one person.
        frames: Its frame table, smoothed.
        original: The video; without it no frame can be selected.
        annotated: The annotated video, from which frames are shown if their faces are blurred.
    """
    st.header("Valence and arousal over time", anchor=False)
    tracks = _choose_people(selection, result.people)
    chosen = select_people(frames, tracks)
    key = f"{_TIMELINE} {selection.clears} {selection.inputs} {tracks}"
    counted = usable_faces(chosen)
    event: Any = st.altair_chart(
        readable(timeline_chart(chosen)),
        width="stretch",
        on_select=partial(_on_timeline, selection, key),
        selection_mode=[SPAN, CLICK] if original else [SPAN],
        key=key,
        alt=f"Valence and arousal of {', '.join(map(person_name, tracks))} over time; mean valence "
        f"{counted['valence'].mean():+.2f}, mean arousal {counted['arousal'].mean():+.2f}",
    )
    brushed = event.selection.get(SPAN, {}).get("time_s")
    span = _show_controls(selection, frames, brushed, can_click=original is not None)
    # the annotated video also blurs faces that the detector missed for a moment
    file = annotated if result.settings.blur else original
    _show_frame(selection, frames, _TIMELINE, file, is_blurred=result.settings.blur)
    part = select_time(chosen, *span) if span else chosen
    people = result.people[result.people["track"].isin(tracks)]
    if span:
        raw = select_time(select_people(result.frames, tracks), *span)
        people = people_table(raw, analysis_period(frames), smoothed=part)
    _show_people(people, span)
    if people.empty:
        return
    key = f"{_PROBABILITIES} {selection.clears} {people['track'].tolist()}"
    st.header("Emotion probabilities over time", anchor=False)
    st.altair_chart(
        readable(probability_timeline_chart(part)),
        on_select=partial(_on_click, selection, _PROBABILITIES, key) if original else "ignore",
        selection_mode=[CLICK],
        key=key,
        alt="Probabilities of the emotions over time, stacked, a row per person",
    )
    _show_frame(selection, frames, _PROBABILITIES, file, is_blurred=result.settings.blur)
    _show_sums(part, people)


def _on_timeline(selection: TimelineSelection, key: str) -> None:
    """Takes the last click, and a new span, which replaces one selected by values."""
    _on_click(selection, _TIMELINE, key)
    selection.brush(st.session_state[key].selection.get(SPAN, {}).get("time_s"))


def _on_click(selection: TimelineSelection, chart: str, key: str) -> None:
    clicked = st.session_state[key].selection.get(CLICK)
    selection.click(chart, key, float(clicked[0]["time_s"]) if clicked else None)


def _choose_people(selection: TimelineSelection, people: pd.DataFrame) -> list[int]:
    """The people to show; by default those seen longest."""
    options = [int(track) for track in people["track"]]
    if len(options) == 1:
        return options
    choose = st.pills if len(options) <= _MAX_PILLS else st.multiselect
    default = longest_seen(people)
    kind: dict[str, Any] = {"selection_mode": "multi"} if choose is st.pills else {}
    chosen = choose(
        "People shown",
        options,
        default=default,
        format_func=person_name,
        key=f"people {selection.clears}",
        persist_state="session",
        **kind,
    )
    return sorted(chosen or default)


def _show_controls(
    selection: TimelineSelection,
    frames: pd.DataFrame,
    brushed: list[float] | None,
    *,
    can_click: bool,
) -> list[float] | None:
    """A hint and controls that need no mouse; returns the selected span."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(
            "Drag over the chart to limit everything below to that span of time"
            + ("; click to see that frame. " if can_click else ". ")
            + va_sentence(VaSource(frames["va_source"].dropna().iloc[0])),
            width="stretch",
        )
        slot = st.empty()
    last_s = float(frames["time_s"].max())
    limits = (0.0, math.ceil(last_s * 10) / 10)
    span = brushed
    if limits[1]:
        with st.expander("Select by values", icon=":material/keyboard:"):
            chosen = st.slider(
                "Time range (s)",
                *limits,
                limits,
                0.1 if last_s < _FINE_S else 1.0,
                "%.1f",
                key=f"span {selection.clears} {selection.brushes}",
                on_change=selection.replace_brush,
                persist_state="session",
            )
            if can_click:
                key = f"frame {selection.clears}"
                on_change = partial(_on_number, selection, key)
                st.number_input(
                    "Go to (s)", *limits, None, 0.1, "%.1f", key=key, on_change=on_change
                )
        if chosen != limits:
            span = list(chosen)
    slot.button(
        "Clear selection",
        on_click=selection.clear,
        icon=":material/zoom_out_map:",
        disabled=not (span or selection.frame),
    )
    return span


def _on_number(selection: TimelineSelection, key: str) -> None:
    selection.click(_TIMELINE, key, st.session_state[key])


def _show_frame(
    selection: TimelineSelection,
    frames: pd.DataFrame,
    chart: str,
    file: SharedTempFile | None,
    *,
    is_blurred: bool,
) -> None:
    """The selected frame, if it was selected in this chart."""
    if not selection.frame or selection.frame[0] != chart:
        return
    if file is None:
        st.caption("The frame is not shown, since its faces were not blurred.")
        return
    nearest = int((frames["time_s"] - selection.frame[1]).abs().argmin())
    rows = frames[frames["frame"] == frames["frame"].iloc[nearest]]
    at_s = float(rows["time_s"].iloc[0])
    try:
        with file.in_use() as path:
            image = frame_at(path, at_s).image
    except EmotionError as error:
        st.warning(escape(str(error)), icon=":material/broken_image:")
        return
    ((_, _, analysis),) = iter_analyses(rows, (image.shape[1], image.shape[0]))
    words = ", ".join(f"{person_name(face.track_id or 0)} {face.emotion}" for face in analysis)
    st.image(
        make_preview(image if is_blurred else annotate(image, analysis)),
        caption=f"At {format_duration(at_s)}",
        alt=f"The frame at {format_duration(at_s)}: {words or 'no face'}",
        width=720,
    )


def _show_people(people: pd.DataFrame, span: list[float] | None) -> None:
    where = f" from {format_duration(min(span))} to {format_duration(max(span))}" if span else ""
    st.header(f"People{where}", anchor=False)
    if people.empty:
        st.caption("Nobody is visible then.")
        return
    st.dataframe(
        people.assign(
            person=[person_name(track) for track in people["track"]],
            share=100 * people.filter(like="share_").max(axis=1),
        ),
        column_order=list(_COLUMNS),
        column_config=_COLUMNS,
        hide_index=True,
        alt="For each person the visible time, the dominant emotion, mean and standard deviation "
        "of valence and arousal, and emotion switches",
    )


def _show_sums(part: pd.DataFrame, people: pd.DataFrame) -> None:
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
