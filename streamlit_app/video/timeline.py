"""The viewer of a result with its controls, and what it selects: people and a span of time."""

from __future__ import annotations

import base64
import math
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import streamlit as st

from emotion_core.clock import format_duration, parse_time
from emotion_core.errors import EmotionError
from emotion_core.face import format_confidence, format_va
from emotion_core.reporting.timeline import person_name
from emotion_core.types import VaSource
from emotion_core.video.tables import analysis_period, longest_seen
from streamlit_app.video.viewer import ViewerCursor, show_viewer
from streamlit_app.widgets import escape, va_sentence

if TYPE_CHECKING:
    import pandas as pd

    from emotion_core.video.types import VideoResult
    from streamlit_app.video.results import FinishedVideo
    from streamlit_app.video.selection import ResultSmoother, TimelineSelection
    from streamlit_app.video.viewer import PlayedVideo

MAX_PILLS = 12
"""Maximum number of people shown as faces; more are a list."""

_STEP_S = 0.04
"""Time from one frame to the next where it is unknown."""

_FINE_S = 120.0  # longer spans are selected by whole seconds
_HOUR_S = 3600.0
_ZERO = datetime(1970, 1, 1)


def choose_people(selection: TimelineSelection, result: VideoResult) -> list[int]:
    """The people to show, from a strip of faces; by default those seen longest."""
    people = result.people
    options = [int(track) for track in people["track"]]
    if len(options) == 1:
        return options
    choose = st.pills if len(options) <= MAX_PILLS else st.multiselect
    faces = {one.track: one.jpeg for one in reversed(result.highlights)}
    default = longest_seen(people)
    kind: dict[str, Any] = {}
    name = person_name
    if choose is st.pills:
        kind = {"selection_mode": "multi"}
        name = partial(_with_face, faces)
    with st.container(key="people-strip"):
        chosen = choose(
            "People shown",
            options,
            default=default,
            format_func=name,
            key=f"people {selection.clears}",
            persist_state="session",
            label_visibility="collapsed",
            **kind,
        )
    return sorted(chosen or default)


def show_course(
    selection: TimelineSelection,
    smoother: ResultSmoother,
    finished: FinishedVideo,
    frames: pd.DataFrame,
    tracks: list[int],
    video: PlayedVideo | None,
) -> tuple[float, float] | None:
    """The viewer, and controls that need no mouse.

    Args:
        selection: What is selected.
        smoother: Has smoothed the result.
        finished: Smoothed result with at least one person.
        frames: Smoothed frame table.
        tracks: The people to show.
        video: The video to play.

    Returns:
        The selected span of time in seconds; ``None`` for all of it.
    """
    charts = smoother.charts(frames, tracks, finished.marks_s)
    chosen, fps = frames[frames["track"].isin(tracks)], finished.result.info.fps
    names = ", ".join(map(person_name, tracks))
    alts = {
        "timeline": f"Valence and arousal of {names} over time, above the probabilities of the "
        f"emotions; mean {format_va(chosen['valence'].mean(), chosen['arousal'].mean())}",
        "plane": f"Valence and arousal of {names} at the cursor, in their plane",
        "bars": f"Probabilities of the emotions of {names} at the cursor",
    }
    limits = (0.0, math.ceil(charts.span_s[1] * 10) / 10)
    viewer_key = f"viewer {selection.clears}"
    step_s = 1 / fps if fps else analysis_period(frames) or _STEP_S
    cursor = ViewerCursor(step_s, selection.seek, selection.span_s, selection.is_followed)
    on_span = partial(_take_span, selection, viewer_key, limits)
    on_cursor = partial(_take_cursor, selection, viewer_key)
    show_viewer(viewer_key, charts, alts, video, cursor, on_span, on_cursor)
    _show_controls(selection, frames, tracks, limits)
    return selection.span_s


def _with_face(faces: dict[int, bytes], track: int) -> str:
    """A person's face as a Markdown image, and the name."""
    name = person_name(track)
    if track not in faces:
        return name
    return f"![](data:image/jpeg;base64,{base64.b64encode(faces[track]).decode()}) {name}"


def _take_span(selection: TimelineSelection, viewer_key: str, limits: tuple[float, float]) -> None:
    """Takes the span selected in the charts; a click clears it."""
    span = st.session_state[viewer_key].get("span")
    low, high = (min(max(round(value, 1), limits[0]), limits[1]) for value in span or limits)
    selection.select_span((low, high) if low < high and (low, high) != limits else None)


def _take_cursor(selection: TimelineSelection, viewer_key: str) -> None:
    """Takes where the cursor has come to rest."""
    selection.cursor_s = float(st.session_state[viewer_key].get("cursor") or 0.0)


def _take_slider(selection: TimelineSelection, key: str, limits: tuple[float, float]) -> None:
    if key != selection.slider_key:
        return  # the browser still sent the value of a slider that is gone
    low, high = ((when - _ZERO).total_seconds() for when in st.session_state[key])
    selection.span_s = None if (low, high) == limits else (low, high)


def _take_time(selection: TimelineSelection, key: str, end_s: float) -> None:
    """Moves the cursor to a time that was typed; what is no time is told below the field."""
    with suppress(EmotionError):
        selection.go_to(min(parse_time(st.session_state[key]), end_s))


def _to_time(time_s: float) -> datetime:
    """A time in a video as a slider shows it as a clock."""
    return _ZERO + timedelta(seconds=round(time_s, 1))


def _show_controls(
    selection: TimelineSelection,
    frames: pd.DataFrame,
    tracks: list[int],
    limits: tuple[float, float],
) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(va_sentence(VaSource(frames["va_source"].dropna().iloc[0])), width="stretch")
        if selection.span_s:
            st.button(
                "Clear selection",
                on_click=selection.select_span,
                args=(None,),
                icon=":material/zoom_out_map:",
            )
    if not limits[1]:
        return
    with st.expander("Select by values", icon=":material/keyboard:"):
        key = selection.slider_key
        first, last = (_to_time(time_s) for time_s in limits)
        low, high = (_to_time(time_s) for time_s in selection.span_s or limits)
        st.slider(
            "Time range",
            first,
            last,
            (low, high),
            timedelta(seconds=0.1 if limits[1] < _FINE_S else 1.0),
            "m:ss.S" if limits[1] < _HOUR_S else "H:mm:ss",
            key=key,
            on_change=partial(_take_slider, selection, key, limits),
            help="Limits the numbers under People to this span.",
        )
        entry = f"frame {selection.clears}"
        typed = st.text_input(
            "Go to",
            key=entry,
            placeholder="0:00.0",
            on_change=partial(_take_time, selection, entry, limits[1]),
        )
        try:
            parse_time(typed or "0")
        except EmotionError as error:
            st.caption(escape(f"{error}."))
        else:
            if selection.seek:
                st.caption(_describe_moment(frames, tracks, selection.seek[1]))


def _describe_moment(frames: pd.DataFrame, tracks: list[int], time_s: float) -> str:
    """The values of people at a time, in words."""
    nearest = int((frames["time_s"] - time_s).abs().argmin())
    at_s = format_duration(frames["time_s"].iloc[nearest])
    rows = frames[frames["frame"] == frames["frame"].iloc[nearest]]
    words = [
        f"{person_name(row.track)} {row.emotion} {format_confidence(row.confidence)}, "
        f"{format_va(row.valence, row.arousal)}"
        for row in rows[rows["track"].isin(tracks)].itertuples()
    ]
    return f"At {at_s}: {'; '.join(words) or 'no face'}"
