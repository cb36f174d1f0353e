"""Events of a study's videos, set by key at the cursor of a player, renamed, deleted and undone."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING

import streamlit as st

from emotion_core.clock import format_duration
from emotion_core.errors import EmotionError
from emotion_core.files.archive import has_suffix
from emotion_core.reporting.cursor_charts import cursor_charts
from emotion_core.study.assignment import StudyVideo
from emotion_core.study.edited_frames import edit_frames
from emotion_core.study.events import events_that_fit, with_labels, with_new_event
from emotion_core.tracking.smoothing import smooth_frames
from emotion_core.video.tables import analysis_period, longest_seen, people_table, select_people
from streamlit_app.video.job_queue import JobState
from streamlit_app.video.results import MAX_PLAYED_BYTES
from streamlit_app.video.viewer import PlayedVideo, ViewerCursor, show_viewer
from streamlit_app.widgets import download, escape, table_height, to_csv

if TYPE_CHECKING:
    import pandas as pd

    from emotion_core.reporting.cursor_charts import CursorCharts
    from streamlit_app.study.clips import StudyClip
    from streamlit_app.study.state import StudyState

_PLAYED = ("mp4", "m4v", "mov", "webm")
"""Videos that browsers play as they are, if they know the codec."""

_LABEL, _USUAL = "study event label", "event"
_STEP_S = 0.04
"""Time from one frame to the next where it is unknown."""


def show_video_events(state: StudyState, *, blur: bool) -> None:
    """A video, or its charts where there is none, in which events are set, and their list.

    Args:
        state: The study.
        blur: Whether faces are hidden; then no video is played.
    """
    done = [c for c in state.clips if c.state is JobState.DONE and state.names.is_known(c.name)]
    st.header("Events of one video", anchor=False)
    if not done:
        st.caption("Events are set once a video is analysed and it is known who is in it.")
        return
    by_name = {clip.name: clip for clip in done}
    left, right = st.columns([3, 2])
    name = left.selectbox("Video", list(by_name), key="study events video")
    right.text_input("Label of the next event", _USUAL, key=_LABEL, max_chars=60)
    clip = by_name[name]
    video = StudyVideo(name, *state.names.of(name))
    events = events_that_fit(state.events, video)
    try:
        charts = _charts(state, clip, tuple(events["time_s"]))
    except EmotionError as error:
        st.error(escape(str(error)))
        return
    if charts is None:
        st.info("Nobody is seen for long enough.", icon=":material/face_retouching_off:")
        return
    key = f"study events viewer {state.uploads} {name}"
    fps = clip.facts.get("fps")
    step_s = 1 / fps if fps else analysis_period(clip.frames()) or _STEP_S
    alts = {
        "timeline": f"Valence and arousal of the participant in {name}, with its events",
        "plane": f"Valence and arousal of the participant in {name} at the cursor, in their plane",
        "bars": f"Probabilities of the participant's emotions in {name} at the cursor",
    }
    mark = "Set event", partial(_take_mark, state, key, name)
    played = None if blur else _played(clip)
    show_viewer(key, charts, alts, played, ViewerCursor(step_s, mark=mark), _keep_span)
    if played is None:
        why = "Faces are hidden" if blur else "The video is not here or no browser plays it"
        st.caption(f"{why}: events are set in the charts.")
    _list_events(state, name, events)


def _charts(state: StudyState, clip: StudyClip, marks_s: tuple[float, ...]) -> CursorCharts | None:
    """Charts of the participant, or of those seen longest; kept until something changes."""
    key = (clip, marks_s, state.edits.of(clip.name), state.settings.smoothing_s)
    if state.course is None or state.course[0] != key:
        edited = edit_frames(clip.frames(), state.edits.of(clip.name))
        rows = edited.assign(track=edited["person"])
        who = rows.loc[rows["is_participant"], "person"].dropna().unique().tolist()
        shown = select_people(rows, who or longest_seen(people_table(rows)))
        if shown["track"].isna().all():
            return None
        smooth = smooth_frames(shown, state.settings.smoothing_s)
        state.course = key, cursor_charts(smooth, marks_s)
    return state.course[1]


def _played(clip: StudyClip) -> PlayedVideo | None:
    if clip.file is None or clip.file.size > MAX_PLAYED_BYTES or not has_suffix(clip.name, _PLAYED):
        return None
    size_wh = (int(clip.facts.get("width", 16)), int(clip.facts.get("height", 9)))
    return PlayedVideo(clip.file.read(), f"{clip.name}, in which events are set", size_wh)


def _keep_span() -> None:
    """A span in these charts is only looked at."""


def _take_mark(state: StudyState, key: str, file: str) -> None:
    """Sets an event where the cursor was."""
    time_s = st.session_state[key].get("mark")
    if isinstance(time_s, int | float) and math.isfinite(time_s) and time_s >= 0:
        label = str(st.session_state.get(_LABEL, "")).strip() or _USUAL
        state.set_events(with_new_event(state.events, file, float(time_s), label))


def _list_events(state: StudyState, file: str, events: pd.DataFrame) -> None:
    """The events of the video, to be renamed and deleted."""
    with st.container(horizontal=True):
        label = "Undo"
        st.button(
            label,
            on_click=state.undo,
            args=(state.n_changes,),
            disabled=not state.n_changes,
            icon=":material/undo:",
            key="undo event",
        )
        if len(state.events):
            download("All events (CSV)", to_csv(lambda: state.events), "events.csv", "text/csv")
    if events.empty:
        st.caption("None in this video so far. Go somewhere and press M, or the button.")
        return
    st.caption("Type another label, or select a row and press Delete.")
    others = ["" if row == file else "several videos" for row in events["file"]]
    shown = events[["label"]].assign(time=events["time_s"].map(format_duration), of=others)
    columns = ["time", "label", *(["of"] if any(others) else [])]
    after = st.data_editor(
        shown[columns],
        column_config={
            "time": st.column_config.TextColumn("Time", width=80),
            "label": st.column_config.TextColumn("Label", required=True, max_chars=60),
            "of": st.column_config.TextColumn("Of"),
        },
        hide_index=True,
        num_rows="delete",
        disabled=["time", "of"],
        height=table_height(shown, 8),
        key=f"study events {hash(tuple(map(tuple, shown[columns].to_numpy())))}",
        alt="Events of this video; labels can be changed, rows deleted",
    )
    if len(after) != len(shown) or (after["label"] != shown["label"]).any():
        state.set_events(with_labels(state.events, events, after["label"]))
        st.rerun()
