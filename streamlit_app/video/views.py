"""What the Video page shows before there is a result."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import streamlit as st

from emotion_core.reporting.timeline import format_duration
from streamlit_app.video.job import JobState
from streamlit_app.widgets import invitation, plain, shortened, side_by_side, to_the_letter

if TYPE_CHECKING:
    from emotion_core.errors import EmotionError
    from emotion_core.video.types import VideoProgress
    from streamlit_app.video.job import VideoJob
    from streamlit_app.video.state import VideoState


def invite(photo: bytes) -> bool:
    """The empty page; tells whether the sample was asked for.

    Args:
        photo: What the sample is made of.
    """
    return invitation(
        photo,
        alt="Portrait of the astronaut Eileen Collins, of which the sample video is made",
        title="No video at hand?",
        words="Try six seconds made of this portrait, or drop your own video above: every face "
        "is followed through the pictures, and its emotion, valence and arousal are charted over "
        "time. The annotated video, tables, charts and a report can be downloaded.",
    )


def show_clip(desk: VideoState) -> None:
    """Name the video that is on the desk, with a way to take it off."""
    if not desk.clip:
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        name = to_the_letter(shortened(desk.clip.name))
        st.markdown(f"**{name}**  \n{_size_words(desk.clip.file.size)}", width="content")
        st.button("Take the video away", on_click=desk.clear, icon=":material/close:")


@st.fragment(run_every=0.5)
def show_running(desk: VideoState, job: VideoJob, *, blur: bool) -> None:
    """How far the analysis is, by itself every half second, until it has ended.

    Args:
        desk: With the video.
        job: Its analysis.
        blur: Whether no face may be shown, however the analysis was begun.
    """
    state = job.state
    if desk.job is not job or state not in (JobState.WAITING, JobState.RUNNING):
        st.rerun()
    with st.container(border=True):
        left, right = side_by_side()
        with left:
            if state is JobState.WAITING:
                st.progress(0.0, _waiting_words(job.before))
            else:
                st.progress(_share(job.progress), _progress_words(job.progress))
            st.caption("You may look at the other pages meanwhile; closing this one ends it.")
            st.button("Cancel", on_click=desk.cancel, icon=":material/stop:", key="cancel job")
        if job.recipe.settings.blur:
            right.caption("Pictures are shown when all faces in them are blurred.")
        elif blur:
            right.info(
                "This analysis was begun without blurred faces, which are not shown now. Cancel "
                "it and analyse again to have them blurred.",
                icon=":material/blur_on:",
            )
        elif job.preview:
            picture = base64.b64encode(job.preview).decode()
            with right:
                st.image(
                    f"data:image/jpeg;base64,{picture}",
                    alt="A picture that was just analysed, with its faces marked",
                    width="stretch",
                )


def show_cancelled(desk: VideoState) -> None:
    """The video is still there, its result is not."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.info("The analysis was cancelled.", icon=":material/stop:")
        st.button(
            "Analyse again", on_click=desk.forget_job, type="primary", icon=":material/refresh:"
        )


def show_failure(desk: VideoState, error: EmotionError) -> None:
    """Why there is no result; the video is still there for another try."""
    st.error(
        plain(str(error)), title="The video could not be analysed", icon=":material/broken_image:"
    )
    st.button("Try again", on_click=desk.forget_job, icon=":material/refresh:")


def _size_words(n_bytes: int) -> str:
    if n_bytes < 2**20:
        return f"{-(-n_bytes // 2**10)} KB"
    return f"{n_bytes / 2**20:.1f} MB"


def _waiting_words(before: int) -> str:
    others = {0: "yours is next", 1: "one more is before yours"}
    line = others.get(before, f"{before} more are before yours")
    return f"Waiting: other videos are being analysed, {line}"


def _share(progress: VideoProgress | None) -> float:
    """How much is done, 0-1; 0 where it cannot be told."""
    if progress is None or not progress.n_frames:
        return 0.0
    return min(1.0, progress.frames / progress.n_frames)


def _progress_words(progress: VideoProgress | None) -> str:
    if progress is None:
        return "Opening the video"
    of = f" of {progress.n_frames}" if progress.n_frames else ""
    words = f"Picture {progress.frames}{of}, {progress.fps:.0f} a second"
    if progress.left_s is not None:
        words += f", {format_duration(progress.left_s, decimals=0)} left"
    return words
