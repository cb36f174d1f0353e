"""Typed access to what the app keeps for one visitor."""

from typing import cast

import streamlit as st

from streamlit_app.photo_batch import PhotoBatch


def photo_batch() -> PhotoBatch:
    """The visitor's photos; kept while they move between pages, gone with the session."""
    return cast("PhotoBatch", st.session_state.setdefault("photo_batch", PhotoBatch()))
