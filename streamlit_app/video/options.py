"""Options of the Video page, in addition to those of all pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from emotion_core.errors import EmotionError
from emotion_core.video.types import VideoSettings
from streamlit_app import resources
from streamlit_app.widgets import TIME_HELP, choose_smoothing, escape, typed_time

if TYPE_CHECKING:
    from emotion_core.recognition.embedding import FaceEmbedder
    from streamlit_app.video.state import VideoState
    from streamlit_app.visitor_options import VisitorOptions

_EVERY, _NTH, _RATE = "Every frame", "Every nth frame", "Fixed rate (fps)"


def choose_settings(options: VisitorOptions) -> VideoSettings:
    """Lets the visitor choose frames and smoothing, in addition to the options of all pages."""
    with st.sidebar:
        st.header("Video")
        every, hz = _choose_rate()
        from_s, to_s = _choose_part()
        smoothing_s = choose_smoothing(
            VideoSettings().smoothing_s,
            "smoothing",
            "Smooths charts and dominant emotions. Means and frames.csv stay unsmoothed. No new "
            "analysis is needed; the annotated video and the key moments keep the smoothing they "
            "were made with.",
        )
    return VideoSettings(
        every=every,
        hz=hz,
        min_score=options.min_score,
        min_face_px=options.min_face_px,
        blur=options.blur,
        smoothing_s=smoothing_s,
        region=options.region,
        largest_only=options.largest_only,
        actions=options.actions,
        from_s=from_s,
        to_s=to_s,
    )


def choose_embedder(state: VideoState) -> FaceEmbedder | None:
    """Lets the visitor choose whether people are re-identified, and explains why they cannot be."""
    with st.sidebar:
        is_on = st.toggle(
            "Re-identify returning people",
            key="reidentify",
            persist_state="session",
            help="Compares faces, so that somebody who returns later is the same person. Needs "
            "another model of 37 MB, which is downloaded once.",
        )
        if not is_on:
            state.reidentify_error = ""
            return None
        if not state.reidentify_error:
            try:
                return resources.get_embedder()
            except EmotionError as error:
                state.reidentify_error = str(error)
        st.warning(
            f"{escape(state.reidentify_error)} Until then, a person who returns after more than a "
            "second or two counts as another person.",
            icon=":material/cloud_off:",
        )
        st.button("Retry download", key="reidentify again", on_click=state.forget_error)
    return None


def _choose_part() -> tuple[float, float | None]:
    """Start and end of the part of the video to analyse, in seconds; ``None`` for its end."""
    words = [
        column.text_input(
            label,
            key=label,
            placeholder=placeholder,
            help=f"{TIME_HELP} Empty: all of it.",
            persist_state="session",
        )
        for column, label, placeholder in zip(
            st.columns(2), ("From", "To"), ("0:00", "end"), strict=True
        )
    ]
    try:
        from_s, to_s = map(typed_time, words)
    except EmotionError as error:
        st.warning(f"{escape(str(error))}; all of the video is analysed.")
        return 0.0, None
    if to_s is not None and to_s <= (from_s or 0.0):
        st.warning("The end must be after the start; all of the video is analysed.")
        return 0.0, None
    return from_s or 0.0, to_s


def _choose_rate() -> tuple[int, float | None]:
    """The interval between analysed frames, or their rate in frames per second of video."""
    kind = st.selectbox(
        "Frames to analyse",
        [_EVERY, _NTH, _RATE],
        key="rate",
        persist_state="session",
        help="Fewer frames are faster. Between them, boxes follow the faces.",
    )
    if kind == _NTH:
        every = st.number_input("Interval (n)", 2, 1000, 3, 1, key="every", persist_state="session")
        return every, None
    if kind == _RATE:
        hz = st.number_input(
            "Rate (fps)", 0.1, 120.0, 5.0, 1.0, "%.1f", key="hz", persist_state="session"
        )
        return 1, hz
    return 1, None
