"""The Video page before there is a result."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import streamlit as st

from emotion_core.reporting.timeline import format_duration
from streamlit_app.video.job import JobState
from streamlit_app.widgets import as_code, escape, invitation, shorten, side_by_side

if TYPE_CHECKING:
    from emotion_core.errors import EmotionError
    from streamlit_app.video.job import VideoJob
    from streamlit_app.video.state import VideoState


def invite(photo: bytes) -> bool:
    """The empty page; returns whether the sample, made of a photo, was requested."""
    return invitation(
        photo,
        alt="Portrait of the astronaut Eileen Collins, of which the sample video is made",
        title="No video at hand?",
        words="Try six seconds made of this portrait, or drop your own video above: every face "
        "is tracked, and its emotion, valence and arousal are charted over time. You can download "
        "the annotated video, tables, charts and a report.",
    )


def show_clip(state: VideoState) -> None:
    """The name and size of the video, and a button that removes it."""
    if not state.clip:
        return
    size = state.clip.file.size
    size_words = f"{size / 2**20:.1f} MB" if size >= 2**20 else f"{-(-size // 2**10)} KB"
    with st.container(horizontal=True, vertical_alignment="center"):
        name = as_code(shorten(state.clip.name))
        st.markdown(f"**{name}**  \n{size_words}", width="content")
        st.button("Remove video", on_click=state.clear, icon=":material/close:")


@st.fragment(run_every=0.5)
def show_running(state: VideoState, job: VideoJob, *, blur: bool) -> None:
    """The progress of the analysis, refreshed every half second until it has ended.

    With ``blur`` all faces are hidden, even if the analysis runs without blurring.
    """
    if state.job is not job or job.state not in (JobState.WAITING, JobState.RUNNING):
        st.rerun()
    with st.container(border=True):
        left, right = side_by_side()
        with left:
            st.progress(*_describe_progress(job))
            st.caption(
                "You can visit the other pages or reload this one. If you leave, the analysis ends "
                "after ten minutes, or earlier if others wait."
            )
            st.button("Cancel", on_click=job.cancel, icon=":material/stop:", key="cancel job")
        if job.spec.settings.blur:
            right.caption("Frames are shown once all faces in them are blurred.")
        elif blur:
            right.info(
                "This analysis was started without blurring faces, so no frames are shown now. "
                "Cancel it and analyse again to blur them.",
                icon=":material/blur_on:",
            )
        elif job.preview:
            preview = f"data:image/jpeg;base64,{base64.b64encode(job.preview).decode()}"
            alt = "A frame that was just analysed, with its faces marked"
            with right:
                st.image(preview, alt=alt, width="stretch")


def offer_analysis(state: VideoState, words: str, icon: str) -> None:
    """A message with a button that analyses the video again."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.info(words, icon=icon)
        st.button(
            "Analyse again", on_click=state.forget_job, type="primary", icon=":material/refresh:"
        )


def show_failure(state: VideoState, error: EmotionError) -> None:
    """Why the analysis failed, with a button that tries again."""
    st.error(
        escape(str(error)), title="The video could not be analysed", icon=":material/broken_image:"
    )
    st.button("Try again", on_click=state.forget_job, icon=":material/refresh:")


def _describe_progress(job: VideoJob) -> tuple[float, str]:
    """The progress, 0-1 (0 if it is unknown), and a description of it."""
    if job.state is JobState.WAITING:
        others = {0: "yours is next", 1: "one more is before yours"}
        turn = others.get(job.n_before, f"{job.n_before} more are before yours")
        return 0.0, f"Waiting: other videos are being analysed, {turn}"
    progress = job.progress
    if progress is None:
        return 0.0, "Opening the video"
    total, left = "", ""
    if progress.n_frames:
        total = f" of {progress.n_frames}"
    if progress.left_s is not None:
        left = f", {format_duration(progress.left_s, decimals=0)} left"
    share = min(1.0, progress.frames / progress.n_frames) if progress.n_frames else 0.0
    what = "Writing the annotated video: frame" if progress.is_writing else "Frame"
    return share, f"{what} {progress.frames}{total}, {progress.fps:.0f} fps{left}"
