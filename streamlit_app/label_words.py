"""Widgets with which people say what faces show: words by keys, ratings, rater, files."""

from __future__ import annotations

import math
import os
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import streamlit as st

from emotion_core.errors import EmotionError
from emotion_core.labels import ALL_EMOTIONS, Emotion
from emotion_core.training.datasets.label_writer import labels_to_csv
from emotion_core.training.datasets.photo_labels import read_rated_labels
from streamlit_app.widgets import download, escape, plural

if TYPE_CHECKING:
    from collections.abc import Callable

    from emotion_core.adaptation.agreement import RaterAgreement
    from emotion_core.training.datasets.photo_labels import FaceKey, PhotoLabel
    from streamlit_app.rater_labels import RaterLabels

_RATER, _IS_RATED, _FAILED, _TAKEN = "rater", "rate faces", "labels failed", "labels taken"
_ENDS = {"valence": ("unpleasant", "pleasant"), "arousal": ("calm", "excited")}
_STEPS = (None, *(round(step / 10, 1) for step in range(-10, 11)))
_SCRIPT = """
export default function () {
  document.onkeydown = ({ target, key, code, keyCode }) => {
    if (target.type !== "range" || !/^[0-9u]$/i.test(key)) return;
    const same = new KeyboardEvent("keydown", { key, code, keyCode, bubbles: true });
    document.body.dispatchEvent(same);
  };
}
"""
"""Keys of Streamlit's buttons rest while a field has the focus, and sliders are fields to it."""
_CANNOT_TELL = "Cannot tell"


def ask_rater() -> None:
    """Fields for the name or code of who labels, and whether valence and arousal are rated."""
    st.text_input(
        "Your name or code",
        key=_RATER,
        help="Stands in the column rater, so that labels of several raters can be compared.",
        persist_state="session",
        width=220,
    )
    st.toggle(
        "Rate valence and arousal",
        key=_IS_RATED,
        help="How pleasant and how excited the face looks. With 20 ratings they are measured, "
        "and adapted.",
        persist_state="session",
    )


def current_rater() -> str:
    """What stands in that field."""
    return str(st.session_state.get(_RATER, "")).strip()


def show_words(
    face: FaceKey, before: PhotoLabel | None, give: Callable[[Emotion, tuple[float, float]], None]
) -> None:
    """A button and a key, 1 to 9, for each word, and sliders for valence and arousal if wanted.

    Args:
        face: To label.
        before: What the rater said of it, if anything.
        give: Takes the word that is pressed, and valence and arousal, NaN where unrated.
    """
    sliders = {name: f"{name} of {face} by {current_rater()}" for name in _ENDS}
    rated = {name: _to_step(getattr(before, name, math.nan)) for name in _ENDS}
    if st.session_state.get(_IS_RATED):
        with st.grid(len(_ENDS), min_column_width=220, gap="medium"):
            for name, (low, high) in _ENDS.items():
                st.select_slider(
                    f"{name.capitalize()}: {low} (-1) to {high} (1)",
                    _STEPS,
                    value=rated[name],
                    key=sliders[name],
                    format_func=lambda step: "not rated" if step is None else f"{step:+.1f}",
                )
        st.components.v2.component("slider_keys", js=_SCRIPT)(key="slider-keys", height="content")

    def take(emotion: Emotion) -> None:
        steps = [st.session_state.get(sliders[name], rated[name]) for name in _ENDS]
        valence, arousal = (math.nan if step is None else float(step) for step in steps)
        give(emotion, (valence, arousal))

    with st.container(horizontal=True):
        for i, emotion in enumerate(ALL_EMOTIONS, 1):
            is_word = emotion is not Emotion.UNCERTAIN
            st.button(
                emotion.capitalize() if is_word else _CANNOT_TELL,
                key=f"label {emotion}",
                shortcut=str(i),
                on_click=take,
                args=(emotion,),
            )


def _to_step(rating: float) -> float | None:
    """The nearest step of a slider."""
    return None if math.isnan(rating) else round(rating, 1) + 0.0  # no negative zero


def show_skip_and_undo(skip: Callable[[], None] | None, undo: Callable[[], None] | None) -> None:
    """Buttons that skip a face (key 0) and take the last word back (key U), where there is one."""
    with st.container(horizontal=True):
        if skip:
            st.button("Skip", key="skip", shortcut="0", on_click=skip)
        st.button(
            "Undo",
            key="undo",
            shortcut="u",
            icon=":material/undo:",
            on_click=undo,
            disabled=undo is None,
        )


def tell_progress(n_labels: int, to_go: str, more: str = "") -> None:
    """Says how many labels there are and what is to go.

    Args:
        n_labels: Of the visitor.
        to_go: Such as "3 faces"; empty where nothing waits.
        more: Another sentence.
    """
    words = plural(n_labels, "label") + (f"; {to_go} to go" if to_go else "")
    st.caption(
        f"{words[0].upper()}{words[1:]}. {more}Say what the face shows, not what the person may "
        "feel."
    )


def show_label_files(
    labels: RaterLabels, take: Callable[[list[PhotoLabel]], int], place: str
) -> None:
    """Buttons that save labels as ``labels.csv`` and load them again, and how far raters agree.

    Args:
        labels: To save.
        take: Takes those of a file's labels that are about faces there; returns their number.
        place: Where faces are to be labelled that can be taken, such as ``"on this page"``.
    """
    with st.container(horizontal=True, vertical_alignment="bottom"):
        if labels.given:
            table = labels_to_csv(labels.given.values())
            download("Save labels (CSV)", lambda: table, "labels.csv", "text/csv")
        with st.popover("Load labels", icon=":material/upload:"):
            upload = st.file_uploader("labels.csv", type=["csv"], key="labels file")
            if upload is not None:
                on_click = partial(_take, take, upload.getvalue(), place)
                st.button("Take them", key="take labels", on_click=on_click)
    if error := st.session_state.pop(_FAILED, ""):
        st.error(escape(error))
    if taken := st.session_state.pop(_TAKEN, ""):
        st.success(taken)
    if agreement := labels.agreement():
        st.caption(escape(_describe_agreement(agreement)))


def _describe_agreement(found: RaterAgreement) -> str:
    pairs = [
        f"{first or 'no name'} and {second or 'no name'} {value:.2f}"
        for (first, second), value in found.kappa.items()
        if value is not None
    ]
    kappa = f"kappa of {', '.join(pairs)}" if pairs else "kappa is not defined"
    alphas = {
        "": found.alpha,
        " of valence": found.alpha_valence,
        " of arousal": found.alpha_arousal,
    }
    told = [f"Krippendorff's alpha{of} {v:.2f}" for of, v in alphas.items() if v is not None]
    faces = plural(found.n_shared, "face")
    raters = f"{len(found.raters)} raters, {faces} labelled by several"
    return f"{raters}: {'; '.join([kappa, *told])}."


def _take(take: Callable[[list[PhotoLabel]], int], data: bytes, place: str) -> None:
    """Takes labels before the page is drawn, which says what came of it."""
    try:
        with TemporaryDirectory() as folder:
            path = Path(folder) / "labels.csv"
            path.write_bytes(data)
            n = take(read_rated_labels(path))
    except EmotionError as error:
        st.session_state[_FAILED] = str(error).replace(f"{folder}{os.sep}", "")
    else:
        st.session_state[_TAKEN] = f"Took {plural(n, 'label')} of faces {place}."
