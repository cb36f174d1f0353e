"""Typed access to what the app keeps for one visitor."""

from typing import cast

import streamlit as st

from streamlit_app.photo_batch import PhotoBatch
from streamlit_app.resources import look_after
from streamlit_app.video_desk import VideoDesk
from streamlit_app.webcam_desk import WebcamDesk


def photo_batch() -> PhotoBatch:
    """The visitor's photos; kept while they move between pages, gone with the session."""
    return cast("PhotoBatch", st.session_state.setdefault("photo_batch", PhotoBatch()))


def webcam_desk() -> WebcamDesk:
    """The visitor's webcam; results stay while they move between pages."""
    if "webcam_desk" not in st.session_state:
        st.session_state["webcam_desk"] = WebcamDesk()
    desk = cast("WebcamDesk", st.session_state["webcam_desk"])
    look_after(desk)
    return desk


def video_desk() -> VideoDesk:
    """The visitor's video; kept while they move between pages, freed when they are gone."""
    if "video_desk" not in st.session_state:
        st.session_state["video_desk"] = VideoDesk()
    desk = cast("VideoDesk", st.session_state["video_desk"])
    look_after(desk)
    return desk
