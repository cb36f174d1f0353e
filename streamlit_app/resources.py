"""Everything that visitors share: the only cached functions of the app."""

from __future__ import annotations

import atexit
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, cast
from weakref import WeakValueDictionary

import streamlit as st
from streamlit import runtime
from streamlit.runtime.scriptrunner import get_script_run_ctx

from emotion_core.imaging.codec import decode_image
from emotion_core.live.concurrency_limit import StreamLimiter
from emotion_core.live.frame_analyzer import SEARCH_PX
from emotion_core.live.micro_batching import BatchingAnalyzer
from emotion_core.models.card import Task
from emotion_core.recognition.embedding import load_embedder
from emotion_core.types import AnalyzeOptions
from streamlit_app.analyzer_loader import AnalyzerLoader
from streamlit_app.model_choice import OWN, accept_models, show_unavailable, sidebar_info
from streamlit_app.own_model import OwnModel
from streamlit_app.session_cleanup import BACK_S, GRACE_S, Clearable, SessionReaper, StreamlitFiles
from streamlit_app.settings import load_settings
from streamlit_app.video.job_queue import JobQueue
from streamlit_app.video.sample import load_sample
from streamlit_app.visits import Visit, VisitReaper, VisitState
from streamlit_app.widgets import errors_as_messages

if TYPE_CHECKING:
    from emotion_core.analyzer import Analyzer
    from emotion_core.models.material import Material
    from emotion_core.recognition.embedding import FaceEmbedder
    from streamlit_app.video.results import FinishedVideo
    from streamlit_app.visitor_options import VisitorOptions

SAMPLE = Path(__file__).parent / "assets" / "astronaut.jpg"
"""Portrait of the astronaut Eileen Collins; NASA, public domain."""

VISIT = "visit"
"""Key of the visit in the session state, and of its token in the page's address."""

_State = TypeVar("_State", bound=Clearable)
_VisitState = TypeVar("_VisitState", bound=VisitState)


@st.cache_resource(max_entries=3, show_spinner=False)
def _loader(
    emotion: str, detector: str, device: str, material: Material = "everyday"
) -> AnalyzerLoader:
    return AnalyzerLoader(emotion, detector, device, load_settings().server, material=material)


def get_analyzer(
    emotion: str, detector: str, device: str, material: Material = "everyday"
) -> Analyzer:
    """The analyzer for a choice of models; loaded once for all visitors, with a progress bar.

    Args:
        emotion: Name of the emotion model; empty for the default.
        detector: Name of the face detector; empty for the default.
        device: ``"auto"``, ``"cpu"`` or ``"cuda"``.
        material: What is read, see ``ModelCard.logit_shift``.

    Raises:
        EmotionError: It could not be loaded; the next call tries again.
    """
    choice = (emotion, detector, device, material)
    loader = _loader(*choice)
    if loader.has_failed:
        _loader.clear(*choice)
        loader = _loader(*choice)
    if not loader.wait(0.3):
        with st.spinner("Loading the models…"):
            bar = st.empty()
            while not loader.wait(0.2):
                if at := loader.download:
                    share = min(1.0, at.done / at.total) if at.total else 0.0
                    bar.progress(share, f"Downloading {at.filename}: {at.done / 1e6:.1f} MB")
            bar.empty()
    return loader.result()


def forget_analyzer(
    emotion: str, detector: str, device: str, material: Material = "everyday"
) -> None:
    """Loads a choice of models again on the next run, when a download may succeed."""
    _loader.clear(emotion, detector, device, material)


def page_analyzer(options: VisitorOptions, device: str) -> Analyzer:
    """The analyzer of a page, described in the sidebar; ends the page if it cannot be loaded.

    If a chosen model is unavailable, the page starts again with the models that were in use.
    """
    own = visit_state(OwnModel)
    emotion = own.base if options.emotion == OWN else options.emotion
    choice = (emotion, options.detector, device, options.material)
    with errors_as_messages("The models could not be loaded"):
        analyzer = get_analyzer(*choice)
    chosen = {Task.EMOTION: options.emotion, Task.DETECTION: options.detector}
    accept_models(chosen, _loader(*choice).unavailable if any(chosen.values()) else {})
    if options.emotion == OWN:
        analyzer = own.to_analyzer(analyzer)
    sidebar_info(analyzer.info, partial(forget_analyzer, *choice))
    show_unavailable(chosen, partial(forget_analyzer, device=device, material=options.material))
    return analyzer


def live_analyzer(analyzer: Analyzer) -> BatchingAnalyzer:
    """The analyzer that all webcams share, warmed up so that the first frame is not slow.

    A visitor's own model is not shared.

    Raises:
        EmotionError: The analysis failed; the next call tries again.
    """
    own = visit_state(OwnModel).live_analyzer(analyzer, _make_live)
    return own or _live_analyzer(analyzer, id(analyzer))


@st.cache_resource(
    max_entries=3,
    show_spinner="Warming up the models for live video…",
    on_release=BatchingAnalyzer.retire,  # others may still use it
)
def _live_analyzer(_analyzer: Analyzer, identity: int) -> BatchingAnalyzer:  # noqa: ARG001
    return _make_live(_analyzer)


def _make_live(analyzer: Analyzer) -> BatchingAnalyzer:
    photo = decode_image(sample_photo()).pixels
    for search_px in (SEARCH_PX, None):
        analyzer.analyze([photo], AnalyzeOptions(search_px=search_px))
    return BatchingAnalyzer(analyzer)


@st.cache_resource(show_spinner=False)
def stream_limiter(limit: int) -> StreamLimiter:
    """Counts the webcams of all visitors, of which ``limit`` may run at once."""
    return StreamLimiter(limit)


@st.cache_data(show_spinner=False)
def sample_photo() -> bytes:
    """The sample photo's bytes."""
    return SAMPLE.read_bytes()


@st.cache_resource(show_spinner=False)
def sample_video() -> FinishedVideo:
    """The sample video's result, computed when Emoscope was built."""
    return load_sample()


@st.cache_resource(show_spinner="Downloading the model that re-identifies people (37 MB, once)…")
def get_embedder() -> FaceEmbedder:
    """The face embedder for re-identifying people; loaded once for all visitors.

    Raises:
        EmotionError: It could not be loaded; the next call tries again.
    """
    return load_embedder()


@st.cache_resource(show_spinner=False)
def job_queue(at_once: int) -> JobQueue:
    """The queue of the videos of all visitors, of which ``at_once`` are analysed at once."""
    queue = JobQueue(at_once)
    atexit.register(queue.end_all)
    return queue


def current_visit() -> Visit:
    """The visit in this window; after a reload, or with a private link, it goes on from before."""
    if VISIT not in st.session_state:
        before = _visits().get(st.query_params.get(VISIT, ""))
        visit = before.fork() if before else Visit()
        visit.restore_choices(st.session_state)
        _visits()[visit.token] = st.session_state[VISIT] = visit
    visit = cast("Visit", st.session_state[VISIT])
    visit.is_continued = False
    visit.remember_choices(st.session_state)
    context = get_script_run_ctx()
    if context and runtime.exists():
        _visit_reaper().register(context.session_id, visit)
        _reaper(StreamlitFiles.__name__, BACK_S).register(
            context.session_id, StreamlitFiles(context.session_id)
        )
    return visit


def visit_state(kind: type[_VisitState]) -> _VisitState:
    """What a visitor has on a page, kept for its ``return_s`` after they have left.

    Args:
        kind: Class of the state; also its key in the session state.
    """
    key = kind.__name__
    if key not in st.session_state:
        st.session_state[key] = current_visit().states.setdefault(key, kind())
    return cast("_VisitState", st.session_state[key])


def explain_link(until: str = "ten minutes") -> None:
    """Says what the page's address is good for, and for how long after the visitor has left."""
    st.caption(
        f"Until {until} after you leave, this page's address brings everything back, for you and "
        "for anybody you give it to."
    )


def update_link() -> None:
    """Makes the page's address the private link of the visit, if there is anything to return to."""
    visit = current_visit()
    if visit.n_bytes:
        if st.query_params.get(VISIT) != visit.token:
            st.query_params[VISIT] = visit.token
    elif VISIT in st.query_params:
        del st.query_params[VISIT]


@st.cache_resource(show_spinner=False)
def _visits() -> WeakValueDictionary[str, Visit]:
    """All visits by token; what is cleared, and forgotten by its session, is gone from here."""
    return WeakValueDictionary()


@st.cache_resource(show_spinner=False)
def _visit_reaper() -> VisitReaper:
    return VisitReaper(runtime.get_instance().is_active_session)


def visitor_state(kind: type[_State], grace_s: float = GRACE_S) -> _State:
    """What a visitor has on a page, kept while they visit other pages, cleared when they leave.

    Args:
        kind: Class of the state; also its key in the session state.
        grace_s: Seconds without a connection after which a visitor has left.
    """
    key = kind.__name__
    if key not in st.session_state:
        st.session_state[key] = kind()
    state = cast("_State", st.session_state[key])
    context = get_script_run_ctx()
    if context and runtime.exists():
        _reaper(key, grace_s).register(context.session_id, state)
    return state


@st.cache_resource(show_spinner=False)
def _reaper(kind: str, grace_s: float) -> SessionReaper[Clearable]:  # noqa: ARG001 - one of each kind
    return SessionReaper(runtime.get_instance().is_active_session, grace_s)
