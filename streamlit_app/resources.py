"""What all visitors share: the only cached functions of the app."""

from __future__ import annotations

import atexit
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st
from streamlit import runtime
from streamlit.runtime.scriptrunner import get_script_run_ctx

from emotion_core.imaging.codec import decode_image
from emotion_core.live.concurrency_limit import StreamLimiter
from emotion_core.live.frame_analyzer import SEARCH_PX
from emotion_core.live.micro_batching import BatchingAnalyzer
from emotion_core.recognition.embedding import load_embedder
from emotion_core.types import AnalyzeOptions
from streamlit_app.analyzer_loader import AnalyzerLoader
from streamlit_app.session_cleanup import BACK_S, GRACE_S, SessionReaper, StreamlitFiles
from streamlit_app.settings import load_settings
from streamlit_app.video.job import JobQueue
from streamlit_app.video.sample import make_sample_clip

if TYPE_CHECKING:
    from emotion_core.analyzer import Analyzer
    from emotion_core.recognition.embedding import FaceEmbedder
    from streamlit_app.session_cleanup import Clearable

SAMPLE = Path(__file__).parent / "assets" / "astronaut.jpg"
"""Portrait of the astronaut Eileen Collins; NASA, public domain."""


@st.cache_resource(max_entries=3, show_spinner=False)
def _loader(emotion: str, detector: str, device: str) -> AnalyzerLoader:
    return AnalyzerLoader(emotion, detector, device, load_settings().server)


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


def live_core(analyzer: Analyzer) -> BatchingAnalyzer:
    """The core that all webcams share, warmed up: no first frame pays for loading.

    Args:
        analyzer: What does the work.

    Raises:
        EmotionError: It does not work; the next call tries again.
    """
    return _live_core(analyzer, id(analyzer))


@st.cache_resource(
    max_entries=3,
    show_spinner="Warming up the networks for live pictures…",
    on_release=BatchingAnalyzer.retire,  # others may still use it
)
def _live_core(_analyzer: Analyzer, identity: int) -> BatchingAnalyzer:  # noqa: ARG001
    photo = decode_image(sample_photo()).pixels
    for search_px in (SEARCH_PX, None):
        _analyzer.analyze([photo], AnalyzeOptions(search_px=search_px))
    return BatchingAnalyzer(_analyzer)


@st.cache_resource(show_spinner=False)
def stream_gate(limit: int) -> StreamLimiter:
    """Counts the webcams of all visitors.

    Args:
        limit: Webcams at once.
    """
    return StreamLimiter(limit)


@st.cache_data(show_spinner=False)
def sample_photo() -> bytes:
    """The sample photo's bytes."""
    return SAMPLE.read_bytes()


@st.cache_data(show_spinner="Making the sample video…")
def sample_clip() -> bytes:
    """The sample video's bytes, an MP4."""
    return make_sample_clip(sample_photo())


@st.cache_resource(show_spinner="Fetching the network that recognises people (37 MB, once)…")
def get_embedder() -> FaceEmbedder:
    """What tells people apart by their faces; loaded once for all visitors.

    Raises:
        EmotionError: It could not be had; the next call tries again.
    """
    return load_embedder()


@st.cache_resource(show_spinner=False)
def job_line(at_once: int) -> JobQueue:
    """The line in which the videos of all visitors wait.

    Args:
        at_once: Videos analysed at once.
    """
    line = JobQueue(at_once)
    atexit.register(line.end_all)
    return line


def register_cleanup(desk: Clearable, grace_s: float = GRACE_S) -> None:
    """Have what a visitor left on a desk, and all that they uploaded, freed when they are gone.

    Args:
        desk: The same one each time.
        grace_s: For how long they may be away, in seconds.
    """
    context = get_script_run_ctx()
    if context and runtime.exists():
        visitor = context.session_id
        _attendance(type(desk).__name__, grace_s).register(visitor, desk)
        _attendance(StreamlitFiles.__name__, BACK_S).register(visitor, StreamlitFiles(visitor))


@st.cache_resource(show_spinner=False)
def _attendance(kind: str, grace_s: float) -> SessionReaper:  # noqa: ARG001 - one for each kind
    return SessionReaper(runtime.get_instance().is_active_session, grace_s)
