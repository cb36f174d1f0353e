"""Models in the sidebar: their choice, those in use, and the way back from an unavailable one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from emotion_core.models.card import Task
from emotion_core.models.local import is_path
from emotion_core.models.registry import CARDS, cards_for
from streamlit_app.widgets import escape, va_sentence

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from emotion_core.models.card import AnalyzerInfo

_IN_USE, _BACK, _REFUSED = "models in use", "models to go back to", "models refused"
"""Keys in the session state."""

OWN = "own model"
"""The choice of the visitor's own adapted model, which has no name that others could give."""


@dataclass(frozen=True, slots=True)
class _Refused:
    """Models that were chosen and are unavailable, and the choice that the page went back to."""

    chosen: Mapping[Task, str]
    reasons: Mapping[Task, str]
    instead: Mapping[Task, str]


def use_model(name: str) -> None:
    """Makes an emotion model, ``OWN`` or empty for the default, the choice of the next run."""
    st.session_state[_BACK] = {Task.EMOTION: name}


def choose_emotion_model(preset: str, own: str) -> str:
    """Lets the visitor choose an emotion model.

    Args:
        preset: The first choice.
        own: Name of the visitor's own model, chosen as ``OWN``; empty if there is none.
    """
    for task, name in st.session_state.pop(_BACK, {}).items():
        st.session_state[_key(task)] = name
    if not own and st.session_state.get(_key(Task.EMOTION)) == OWN:
        st.session_state[_key(Task.EMOTION)] = preset
    return _choose("Emotion model", Task.EMOTION, preset, own)


def choose_detector() -> str:
    """Lets the visitor choose a face detector."""
    return _choose("Face detector", Task.DETECTION, "")


def accept_models(chosen: Mapping[Task, str], unavailable: Mapping[Task, str]) -> None:
    """Remembers the models in use; if a chosen one is unavailable, goes back to that before it.

    Args:
        chosen: Names of the chosen models; empty for the default.
        unavailable: Why which of them is unavailable.
    """
    if not unavailable:
        st.session_state[_IN_USE] = dict(chosen)
        return
    before = st.session_state.get(_IN_USE, {})
    instead = dict(chosen)
    for task in unavailable:
        name = before.get(task, "")
        instead[task] = name if name != chosen[task] else ""  # the default is always available
    st.session_state[_REFUSED] = _Refused(dict(chosen), dict(unavailable), instead)
    st.session_state[_BACK] = instead
    st.rerun()


def show_unavailable(chosen: Mapping[Task, str], on_retry: Callable[[str, str], None]) -> None:
    """Says why a chosen model is not in use, until the visitor makes another choice.

    Args:
        chosen: Names of the models in use.
        on_retry: Forgets that an emotion model and a face detector were unavailable.
    """
    refused = st.session_state.get(_REFUSED)
    if refused is None:
        return
    if refused.instead != dict(chosen):
        del st.session_state[_REFUSED]
        return

    def retry() -> None:
        on_retry(refused.chosen[Task.EMOTION], refused.chosen[Task.DETECTION])
        st.session_state[_BACK] = refused.chosen
        del st.session_state[_REFUSED]

    for task, reason in refused.reasons.items():
        name = _short(refused.chosen[task])
        in_use = _short(chosen[task]) if chosen[task] else "the automatic choice"
        st.warning(
            f"{escape(reason)} Going on with {escape(in_use)}.",
            title=f"{escape(name)} is unavailable",
            icon=":material/cloud_off:",
        )
    st.button("Retry download", on_click=retry, icon=":material/refresh:", key="retry models")


def sidebar_info(info: AnalyzerInfo, on_retry: Callable[[], None]) -> None:
    """The models in use, where they run and came from, and a retry of failed downloads."""
    device = "graphics card (CUDA)" if info.device == "cuda" else "processor (CPU)"
    with st.sidebar:
        if info.notices:  # not a warning, since the fallback does everything
            with st.expander("Offline: built-in models are used", icon=":material/cloud_off:"):
                for notice in info.notices:
                    st.markdown(escape(notice))
                st.button("Retry download", on_click=on_retry, icon=":material/refresh:")
        st.header("Models in use")
        st.caption(f"Running on the {device}.")
        for origin in info.origins:
            st.caption(escape(origin))
        if info.emotion.note:
            st.caption(escape(info.emotion.note))
        st.caption(va_sentence(info.emotion.va_source))


def _choose(label: str, task: Task, preset: str, own: str = "") -> str:
    """A choice of the registered models of one task; empty means the default."""
    names = [*([OWN] if own else []), *(card.name for card in cards_for(task))]
    if preset and preset not in names:
        names.insert(0, preset)
    options = ["", *names]
    chosen = st.selectbox(
        label,
        options,
        index=options.index(preset),
        format_func=lambda name: f"{own} (yours)" if name == OWN else _describe(name),
        key=_key(task),
        persist_state="session",
        help="Automatic uses the best model installed. Others are downloaded when first used.",
    )
    return chosen if chosen in options else ""  # Streamlit compares displayed file names


def _key(task: Task) -> str:
    return f"{task} network"


def _describe(name: str) -> str:
    card = CARDS.get(name)
    if card is None or card.is_local or not card.weights.size_bytes:
        return _short(name)
    return f"{name} ({card.weights.size_bytes / 1e6:.1f} MB)"


def _short(name: str) -> str:
    """A model's name without folders, which visitors must not see."""
    return (Path(name).name if is_path(name) else name) or "Automatic"
