"""What all visitors share: the only cached functions of the app."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from streamlit_app.loading import AnalyzerLoader

if TYPE_CHECKING:
    from emotion_core.analyzer import Analyzer

SAMPLE = Path(__file__).parent / "assets" / "astronaut.jpg"
"""Portrait of the astronaut Eileen Collins; NASA, public domain."""


@st.cache_resource(max_entries=3, show_spinner=False)
def _loader(emotion: str, detector: str, device: str) -> AnalyzerLoader:
    return AnalyzerLoader(emotion, detector, device)


def get_analyzer(emotion: str, detector: str, device: str) -> Analyzer:
    """The core for a choice of networks; loaded once for all visitors, with its progress shown.

    Args:
        emotion: Name of the emotion network; empty for the project's choice.
        detector: Name of the face detector; empty for the project's choice.
        device: ``"auto"``, ``"cpu"`` or ``"cuda"``.

    Raises:
        EmotionError: It could not be loaded; the next call tries again.
    """
    loader = _loader(emotion, detector, device)
    if loader.has_failed:
        _loader.clear(emotion, detector, device)
        loader = _loader(emotion, detector, device)
    if not loader.wait(0.3):
        with st.spinner("Loading the networks…"):
            bar = st.empty()
            while not loader.wait(0.2):
                if at := loader.download:
                    share = min(1.0, at.done / at.total) if at.total else 0.0
                    bar.progress(share, f"Downloading {at.filename}: {at.done / 1e6:.1f} MB")
            bar.empty()
    return loader.result()


def forget_analyzer(emotion: str, detector: str, device: str) -> None:
    """Load a choice of networks anew on the next run: what was out of reach may be there now."""
    _loader.clear(emotion, detector, device)


@st.cache_data(show_spinner=False)
def sample_photo() -> bytes:
    """The sample photo's bytes."""
    return SAMPLE.read_bytes()
