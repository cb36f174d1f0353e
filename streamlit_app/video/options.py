"""What a visitor chooses for a video, beside what holds for all pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from emotion_core.errors import EmotionError
from emotion_core.video.types import VideoSettings
from streamlit_app import resources
from streamlit_app.widgets import plain

if TYPE_CHECKING:
    from emotion_core.recognition.embedding import FaceEmbedder
    from streamlit_app.photos.state import VisitorOptions
    from streamlit_app.video.state import VideoState

_EVERY, _NTH, _RATE = "Every picture", "Every n-th picture", "So many a second"


def choose_settings(options: VisitorOptions) -> VideoSettings:
    """Let the visitor choose which pictures are analysed and how strongly charts are smoothed.

    Args:
        options: What was chosen for all pages.
    """
    with st.sidebar:
        st.header("Video")
        every, hz = _choose_pictures()
        smoothing_s = st.slider(
            "Smoothing",
            0.0,
            2.0,
            VideoSettings().smoothing_s,
            0.1,
            "%.1f s",
            key="smoothing",
            persist_state="session",
            help="Evens out charts, emotions and moments, at once and without a new analysis. The "
            "annotated video keeps the smoothing it was made with; means and the file of frames "
            "have none.",
        )
    return VideoSettings(
        every=every,
        hz=hz,
        min_score=options.min_score,
        min_face_px=options.min_face_px,
        blur=options.blur,
        smoothing_s=smoothing_s,
    )


def choose_embedder(desk: VideoState) -> FaceEmbedder | None:
    """Let the visitor choose whether people are recognised after a gap; say it where they can't."""
    with st.sidebar:
        is_wanted = st.toggle(
            "Recognise people after a gap",
            key="reidentify",
            persist_state="session",
            help="Compares faces, so that somebody who comes back later is the same person. "
            "Needs a further network of 37 MB, which is downloaded once.",
        )
        if not is_wanted:
            desk.reidentify_error = ""
            return None
        if not desk.reidentify_error:
            try:
                return resources.get_embedder()
            except EmotionError as error:
                desk.reidentify_error = str(error)
        st.warning(
            f"{plain(desk.reidentify_error)} Until then, whoever comes back after more than a "
            "second or two counts as another person.",
            icon=":material/cloud_off:",
        )
        st.button("Try again", key="reidentify again", on_click=desk.forget_error)
    return None


def _choose_pictures() -> tuple[int, float | None]:
    """Every so manieth picture, or so many a second."""
    kind = st.selectbox(
        "Pictures to analyse",
        [_EVERY, _NTH, _RATE],
        key="pictures",
        persist_state="session",
        help="Fewer pictures are faster. Between them, boxes follow the faces.",
    )
    if kind == _NTH:
        every = st.number_input(
            "Every how many pictures", 2, 1000, 3, 1, key="every", persist_state="session"
        )
        return int(every), None
    if kind == _RATE:
        hz = st.number_input(
            "Pictures a second of video",
            0.1,
            120.0,
            5.0,
            1.0,
            "%.1f",
            key="hz",
            persist_state="session",
        )
        return 1, float(hz)
    return 1, None
