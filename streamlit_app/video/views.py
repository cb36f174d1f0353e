"""The Video page around a result: its header, the upload, the progress and failures."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any, Literal

import streamlit as st

from emotion_core.clock import format_duration
from emotion_core.errors import EmotionError
from emotion_core.files import archive
from emotion_core.video.io import animation
from emotion_core.video.io.demuxer import ACCEPTED, SUFFIXES
from streamlit_app.video.job_queue import JobState
from streamlit_app.widgets import as_code, escape, shorten, side_by_side, take_upload

if TYPE_CHECKING:
    from emotion_core.video.types import VideoResult
    from streamlit_app.settings import AppSettings
    from streamlit_app.video.job import VideoJob
    from streamlit_app.video.job_queue import FileJob
    from streamlit_app.video.state import VideoState


def choose_video(settings: AppSettings, state: VideoState, label: str) -> None:
    """A button that opens the upload field; takes what is uploaded, and starts the page again.

    Args:
        settings: For the maximum size.
        state: Takes the video.
        label: Of the button.
    """
    key = f"video {state.uploads}"
    kind: Literal["primary", "secondary"] = "secondary" if state.clip else "primary"
    with st.popover(label, type=kind, icon=":material/upload:", key=f"choose {key}"):
        upload = st.file_uploader(
            "Video",
            type=[*SUFFIXES, *animation.SUFFIXES, archive.SUFFIX],
            max_upload_size=min(settings.max_video_mb, int(st.get_option("server.maxUploadSize"))),
            key=key,
            help=f"{ACCEPTED} and what camcorders write, or a ZIP archive with one.",
        )
        st.caption(
            "The video stays on this server, in a file without a name, and is deleted ten minutes "
            "after you leave."
        )
    if upload:
        try:
            state.put(upload.name, take_upload(upload, key))
        except EmotionError as error:
            st.error(escape(str(error)), icon=":material/error:")
            st.stop()
        st.rerun()


def show_header(settings: AppSettings, state: VideoState, models: str) -> None:
    """The page's title, or the name and size of the video, beside buttons for another one.

    Args:
        settings: For the upload field.
        state: The video.
        models: Names of the models of the result that is shown; empty for none.
    """
    with st.container(
        key="video-header" if state.clip else None, horizontal=True, vertical_alignment="center"
    ):
        with st.container(width="stretch", gap="xsmall"):
            st.title("Video", anchor=False)
            if state.clip:
                size = state.clip.file.size
                words = f"{size / 2**20:.1f} MB" if size >= 2**20 else f"{-(-size // 2**10)} KB"
                name = as_code(shorten(state.clip.name))
                st.markdown(f"**{name}** {escape(' · '.join(filter(None, (words, models))))}")
            else:
                st.caption("How do these faces change?")
        choose_video(settings, state, "New video" if state.clip else "Now you")
        if state.clip:
            st.button("Remove video", on_click=state.clear, icon=":material/close:")


def explain_sample(result: VideoResult) -> bool:
    """Where the sample comes from; returns whether it is to be analysed here."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(
            "Wolfgang Langer on Pexels. What you see was computed when Emoscope was built, with "
            f"{escape(f'{result.model} and {result.detector}')}.",
            width="stretch",
        )
        return st.button("Analyse it here", icon=":material/play_arrow:")


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
            st.progress(*describe_progress(job))
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
            "Analyse again", on_click=state.analyze_again, type="primary", icon=":material/refresh:"
        )


def show_failure(state: VideoState, error: EmotionError) -> None:
    """Why the analysis failed, with a button that tries again."""
    st.error(
        escape(str(error)), title="The video could not be analysed", icon=":material/broken_image:"
    )
    st.button("Try again", on_click=state.analyze_again, icon=":material/refresh:")


def describe_progress(job: FileJob[Any]) -> tuple[float, str]:
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
