"""Events, the baseline and the common clock of a study."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from emotion_core.errors import EmotionError
from emotion_core.study.events import no_events, read_events, unused_events
from emotion_core.study.settings import Baseline
from streamlit_app.study.events import show_video_events
from streamlit_app.study.uploads import choose_table
from streamlit_app.widgets import escape, side_by_side, table_height

if TYPE_CHECKING:
    from streamlit_app.study.state import StudyState

_NONE, _SPAN, _CLIP = "None", "A span of each video", "A neutral clip"


def show_timing(state: StudyState, *, blur: bool) -> None:
    """Lets the visitor choose baseline, clock and events; they change all tables.

    Args:
        state: The study.
        blur: Whether faces are hidden.
    """
    left, right = side_by_side()
    with left:
        _choose_baseline(state)
        _choose_clock(state)
    with right:
        _choose_events(state)
    show_video_events(state, blur=blur)


def _choose_baseline(state: StudyState) -> None:
    st.header("Baseline", anchor=False)
    st.caption(
        "Changes stand beside the readings: differences of means for valence and arousal, of "
        "log-odds for probabilities. A neutral span of one video is chosen under People."
    )
    before = state.settings.baseline
    kinds = [_NONE, _SPAN, _CLIP]
    now = _NONE if before is None else _SPAN if before.stimulus is None else _CLIP
    kind = st.radio("Neutral is", kinds, index=kinds.index(now), key=_key(state, "baseline"))
    names = [state.names.of(clip.name) for clip in state.clips]
    stimuli = list(dict.fromkeys(stimulus for _, stimulus, _ in names if stimulus))
    stimulus, to_s, from_s = None, None, 0.0
    if kind == _CLIP and stimuli:
        known = before.stimulus if before and before.stimulus in stimuli else stimuli[0]
        stimulus = st.selectbox(
            "Stimulus of the neutral clip", stimuli, stimuli.index(known), key=_key(state, "clip")
        )
    if kind != _NONE:
        first, second = st.columns(2)
        from_s = first.number_input(
            "Neutral from (s)", 0.0, None, before.from_s if before else 0.0, 1.0,
            key=_key(state, "neutral from"),
        )  # fmt: skip
        usual = before.to_s if before else None if kind == _CLIP else 5.0
        to_s = second.number_input(
            "Neutral to (s)", 0.0, None, usual, 1.0, key=_key(state, "neutral to"),
            help="Empty for the end of the neutral clip.",
        )  # fmt: skip
    try:
        baseline = None if kind == _NONE else Baseline(stimulus, from_s, to_s)
    except EmotionError as error:
        st.warning(escape(str(error)))
        return
    if baseline != before:
        state.settings = replace(state.settings, baseline=baseline)
        st.rerun()


def _choose_clock(state: StudyState) -> None:
    st.header("Common clock", anchor=False)
    clock_hz = st.number_input(
        "Steps a second",
        0.1,
        60.0,
        state.settings.clock_hz,
        0.5,
        "%.1f",
        key=_key(state, "clock"),
        help="Curves are means over these steps; one of which less than half is seen is missing.",
    )
    if clock_hz != state.settings.clock_hz:
        state.settings = replace(state.settings, clock_hz=clock_hz)
        st.rerun()


def _choose_events(state: StudyState) -> None:
    st.header("Events", anchor=False)
    words = (
        "Columns time (seconds after the start of the video) and label, and any of file, "
        "participant, stimulus, condition to say of which videos; marks of the Webcam page fit."
    )
    table = choose_table("Events (CSV)", "study events", words)
    if table:
        try:
            state.set_events(read_events(Path(table[0]), table[1]))
        except EmotionError as error:
            st.error(escape(str(error)))
        else:
            st.rerun()
    if state.events.empty:
        st.caption("None. Windows around events are averaged, and all_frames has a column event.")
        return
    shown = [name for name in state.events if (state.events[name] != "").any()]
    st.dataframe(
        state.events[shown],
        hide_index=True,
        height=table_height(state.events, 6),
        alt="Events: time, label and of which videos",
    )
    _warn_of_unused(state)
    _choose_window(state)
    if st.button("Remove events", icon=":material/delete:"):
        state.set_events(no_events())
        st.rerun()


def _warn_of_unused(state: StudyState) -> None:
    try:
        videos = state.names.videos(clip.name for clip in state.clips)
    except EmotionError:  # which is told above the tabs
        return
    unused = unused_events(state.events, videos)
    if unused:
        told = ", ".join(unused[:5]) + (f" and {len(unused) - 5} more" if unused[5:] else "")
        st.warning(escape(f"No video fits: {told}."), icon=":material/event_busy:")


def _choose_window(state: StudyState) -> None:
    first, second = st.columns(2)
    start_s, end_s = state.settings.window_s
    window_s = (
        first.number_input("Window from (s)", None, None, start_s, 0.5, key=_key(state, "start")),
        second.number_input("Window to (s)", None, None, end_s, 0.5, key=_key(state, "end")),
    )
    if window_s == (start_s, end_s):
        return
    try:
        state.settings = replace(state.settings, window_s=window_s)
    except EmotionError as error:
        st.warning(escape(str(error)))
        return
    st.rerun()


def _key(state: StudyState, name: str) -> str:
    """A widget's key, another one for each study."""
    return f"study {name} {state.uploads}"
