"""Typed access to what the app keeps for one visitor."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar, cast

import streamlit as st

from streamlit_app.photos.state import PhotoBatch
from streamlit_app.resources import look_after
from streamlit_app.session_cleanup import BACK_S, GRACE_S
from streamlit_app.video.state import VideoDesk
from streamlit_app.webcam.state import WebcamDesk

if TYPE_CHECKING:
    from collections.abc import Callable

_D = TypeVar("_D", PhotoBatch, VideoDesk, WebcamDesk)


def photo_batch() -> PhotoBatch:
    """The visitor's photos; kept while they move between pages, freed when they are gone."""
    return _desk("photo_batch", PhotoBatch, BACK_S)


def webcam_desk() -> WebcamDesk:
    """The visitor's webcam; results stay while they move between pages."""
    return _desk("webcam_desk", WebcamDesk)


def video_desk() -> VideoDesk:
    """The visitor's video; kept while they move between pages, freed when they are gone."""
    return _desk("video_desk", VideoDesk)


def _desk(key: str, make: Callable[[], _D], grace_s: float = GRACE_S) -> _D:
    """What holds pictures, files and threads, freed when the visitor is gone."""
    if key not in st.session_state:
        st.session_state[key] = make()
    desk = cast("_D", st.session_state[key])
    look_after(desk, grace_s)
    return desk
