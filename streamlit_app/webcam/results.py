"""What a stream left behind: totals, the recording, charts over time, files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from emotion_core.reporting.timeline import format_duration, wall_clock
from emotion_core.video.highlights import hide_faces
from streamlit_app.video.results import show_moments, show_player, show_video_downloads
from streamlit_app.video.timeline import show_course
from streamlit_app.widgets import plain, side_by_side

if TYPE_CHECKING:
    from emotion_core.video.types import VideoResult
    from streamlit_app.webcam.state import Recording, WebcamSession, WebcamState

_NAME = "webcam"


def show_session(
    desk: WebcamState, session: WebcamSession, *, smoothing_s: float, blur: bool
) -> None:
    """All that is known of a stream that has ended.

    Args:
        desk: With what is chosen in the charts.
        session: Of which there was at least one picture.
        smoothing_s: Time constant of the smoothing of charts and numbers.
        blur: Whether no face may be shown, however it was seen in the session.
    """
    with st.spinner("Summing up the session…"):
        result = session.result()
    frames, result = desk.course.smoothed(hide_faces(result) if blur else result, smoothing_s)
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
        st.warning(plain(result.fault), icon=":material/timer:")
    _show_totals(result)
    if session.recording_error:
        st.warning(plain(session.recording_error), icon=":material/error:")
    if result.people.empty:
        _show_recording(recording)
        st.info("No face was found in this session.", icon=":material/face_retouching_off:")
    else:
        left, right = side_by_side() if recording else [st.container()] * 2
        with left:
            _show_recording(recording)
        with right:
            show_moments(result)
        show_course(desk.course, result, frames)
    show_video_downloads(_NAME, result, frames, recording.file if recording else None)


def _show_totals(result: VideoResult) -> None:
    length_s = max(result.elapsed_s, 1e-6)
    with st.grid(min_column_width=115):
        st.metric("People", len(result.people), border=True)
        st.metric("Length", format_duration(result.elapsed_s, decimals=0), border=True)
        st.metric("Pictures", result.n_frames, border=True)
        st.metric("Analysed", result.n_analyzed, border=True)
        st.metric("Pictures/s", f"{result.n_frames / length_s:.0f}", border=True)
        st.metric("Analyses/s", f"{result.n_analyzed / length_s:.0f}", border=True)
    if result.started_at:
        st.caption(f"Begun at {wall_clock(result.started_at)}; times in tables count from then.")


def _show_recording(recording: Recording | None) -> None:
    if not recording:
        return
    length = format_duration(recording.length_s, decimals=0)
    alt = f"The recording, {length} long, with faces marked"
    show_player("The recording", recording.file, alt)
    begins = (
        f"The recording begins {recording.start_s:.2f} s after the session; times in tables and "
        "charts are those of the session."
    )
    st.caption(plain(" ".join(filter(None, (begins, recording.note)))))
