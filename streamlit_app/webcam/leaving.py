"""Asks visitors before they leave the app with a webcam session, which cannot come back."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import streamlit as st

if TYPE_CHECKING:
    from streamlit_app.webcam.state import WebcamState

_SCRIPT = """
const ask = (event) => event.preventDefault();
export default function () {
  window.addEventListener("beforeunload", ask);
  return () => window.removeEventListener("beforeunload", ask);
}
"""


def ask_before_leaving() -> None:
    """Lets the browser ask before a reload that would end a session or lose its results."""
    slot = st.container()  # always: what follows must not move, or a running stream would end
    state = cast("WebcamState | None", st.session_state.get("WebcamState"))
    if state and state.has_work:
        question = st.components.v2.component("leave_question", js=_SCRIPT)
        with slot:
            question(key="leave-question", height="content")
