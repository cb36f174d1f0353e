"""The results of a session: findings, the recording, charts over time, downloads."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from emotion_core.clock import format_duration, wall_clock
from emotion_core.video.highlights import hide_faces
from emotion_core.video.tables import people_readings
from streamlit_app.video.results import (
    FinishedVideo,
    play,
    show_analysis,
    show_people_findings,
)
from streamlit_app.widgets import choose_counted, download, escape, to_csv

if TYPE_CHECKING:
    from emotion_core.video.types import VideoResult
    from streamlit_app.video.viewer import PlayedVideo
    from streamlit_app.webcam.recording import Recording
    from streamlit_app.webcam.state import WebcamSession, WebcamState

_NAME = "webcam"


def show_session(
    state: WebcamState, session: WebcamSession, *, smoothing_s: float, blur: bool
) -> None:
    """Everything from a session that has ended and had at least one frame.

    With ``blur`` all faces are hidden, even if they were not blurred in the session.
    """
    with st.spinner("Summarising the session…"):
        result = session.result()
    if blur:
        result = hide_faces(result)
    is_all = choose_counted(people_readings(result.frames), "reading")
    frames, result = state.smoother.smooth(result, smoothing_s, all_faces=is_all)
    st.header(
        "Your last session",
        anchor=False,
        help="It stays here until you start again.",
        divider="gray",
    )
    recording = session.recording
    if recording and blur and recording.has_clear_faces:
        recording = None
        st.info(
            "The recording shows faces that were not blurred. Switch off Blur faces to see it.",
            icon=":material/blur_on:",
        )
    if result.fault:
        st.warning(escape(result.fault), icon=":material/timer:")
    show_people_findings(state.smoother, result, frames)
    st.caption(_facts(result))
    _show_marks(session)
    if session.recording_error:
        st.warning(escape(session.recording_error), icon=":material/error:")
    file = recording.file if recording else None
    finished = FinishedVideo(_NAME, result, file, marks_s=session.marks_s)
    played = _play_recording(recording, result)
    show_analysis(state.selection, state.smoother, finished, frames, played)


def _facts(result: VideoResult) -> str:
    """Length, speed and start of a session in one line."""
    length_s = max(result.elapsed_s, 1e-6)
    words = (
        f"{format_duration(result.elapsed_s, decimals=0)} long; {result.n_frames} frames "
        f"({result.n_frames / length_s:.0f} fps), {result.n_analyzed} of them analysed "
        f"({result.n_analyzed / length_s:.0f} fps)."
    )
    if result.started_at:
        words += f" Started at {wall_clock(result.started_at)}; times in tables count from then."
    return escape(words)


def _show_marks(session: WebcamSession) -> None:
    """The marked moments as a file, and when a neutral face was shown."""
    if session.neutral_s is not None:
        at = format_duration(session.neutral_s, decimals=0)
        has = "has the change of valence and arousal from it"
        none = "has no changes from it, since no face was seen well enough then"
        st.caption(f"Neutral face at {at}: frames.csv {has if session.neutral() else none}.")
    if not session.marks_s:
        return
    marks = pd.DataFrame({"time_s": session.marks_s})
    marks["label"] = [f"mark {number}" for number in range(1, len(marks) + 1)]
    times = ", ".join(format_duration(time_s, decimals=0) for time_s in session.marks_s)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(f"Marks: {times}")
        download("Marks (CSV)", to_csv(lambda: marks), f"{_NAME}_marks.csv", "text/csv")


def _play_recording(recording: Recording | None, result: VideoResult) -> PlayedVideo | None:
    """The recording for the viewer, with a word on its times."""
    if not recording:
        return None
    begins = (
        f"The recording starts {recording.start_s:.2f} s after the session; times in tables and "
        "charts are those of the session."
    )
    st.caption(escape(" ".join(filter(None, (begins, recording.note)))))
    return play(recording.file, "The recording", result, recording.start_s)
