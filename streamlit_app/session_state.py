"""Typed access to what the app keeps for one visitor."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar, cast

import streamlit as st

from streamlit_app.photos.state import PhotosState
from streamlit_app.resources import register_cleanup
from streamlit_app.session_cleanup import BACK_S, GRACE_S
from streamlit_app.video.state import VideoState
from streamlit_app.webcam.state import WebcamState

if TYPE_CHECKING:
    from collections.abc import Callable

_D = TypeVar("_D", PhotosState, VideoState, WebcamState)


def photo_batch() -> PhotosState:
    """The visitor's photos; kept while they move between pages, freed when they are gone."""
    return _desk("photo_batch", PhotosState, BACK_S)


def webcam_desk() -> WebcamState:
    """The visitor's webcam; results stay while they move between pages."""
    return _desk("webcam_desk", WebcamState)


def video_desk() -> VideoState:
    """The visitor's video; kept while they move between pages, freed when they are gone."""
    return _desk("video_desk", VideoState)


def _desk(key: str, make: Callable[[], _D], grace_s: float = GRACE_S) -> _D:
    """What holds pictures, files and threads, freed when the visitor is gone."""
    if key not in st.session_state:
        st.session_state[key] = make()
    desk = cast("_D", st.session_state[key])
    register_cleanup(desk, grace_s)
    return desk
