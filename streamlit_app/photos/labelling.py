"""Correct, measure, adapt: the visitor's labels of faces on the Photos page."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING

import streamlit as st

from emotion_core.face import format_confidence
from streamlit_app.label_words import (
    ask_rater,
    current_rater,
    show_label_files,
    show_skip_and_undo,
    show_words,
    tell_progress,
)
from streamlit_app.photos.adapting import show_adapting
from streamlit_app.photos.face_labels import next_faces
from streamlit_app.photos.measuring import show_measures
from streamlit_app.widgets import media_url, plural

if TYPE_CHECKING:
    from emotion_core.labels import Emotion
    from emotion_core.training.datasets.photo_labels import FaceKey
    from streamlit_app.photos.face_labels import FaceLabels, LabellingTask
    from streamlit_app.photos.faces import SelectedPhotos

_PART, _TAB = "labelling", "labelling tab"
"""Keys of widgets."""

_ENDS = {"valence": ("unpleasant", "pleasant"), "arousal": ("calm", "excited")}
_RATINGS = (None, *(round(step / 10, 1) for step in range(-10, 11)))
_UNRATED = "not rated"


def show_labelling(task: LabellingTask) -> None:
    """A part of the page in which faces are labelled, and what follows from the labels."""
    if not task.faces:
        return
    for key in (_PART, _TAB):  # Streamlit forgets them where the page is without this part
        if key not in st.session_state and f"last {key}" in st.session_state:
            st.session_state[key] = st.session_state[f"last {key}"]
    part = st.expander(
        "Correct, measure, adapt", icon=":material/rule:", key=_PART, on_change="rerun"
    )
    st.session_state[f"last {_PART}"] = part.open
    if not part.open:  # keys must not label faces that nobody sees
        return
    with part:
        correct, measure, teach = st.tabs(
            ["Correct", "Measure", "Adapt"], key=_TAB, on_change="rerun"
        )
        st.session_state[f"last {_TAB}"] = st.session_state[_TAB]
        if correct.open:
            with correct:
                _show_next(task)
                take = partial(task.labels.take, selected=task.selected)
                show_label_files(task.labels.given.values(), take, "on this page")
        if measure.open:
            with measure:
                show_measures(task)
        if teach.open:
            with teach:
                show_adapting(task)


def _show_next(task: LabellingTask) -> None:
    """The face to label next, with a button and a key for each word."""
    labels, selected, faces = task.labels, task.selected, task.faces
    waiting = [row for row in next_faces(selected) if faces[row] not in labels.passed]
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        ask_rater()
        is_rated = st.toggle(
            "Rate valence and arousal",
            key="rate faces",
            help="How pleasant and how excited the face looks. With 20 ratings they are measured, "
            "and adapted.",
            persist_state="session",
        )
    left, right = st.columns([1, 5], vertical_alignment="center")
    with right:
        if waiting:
            face = faces[waiting[0]]
            if is_rated:
                _show_sliders(face)
            show_words(partial(_give, labels, face))
        skip = partial(labels.skip, face) if waiting else None
        show_skip_and_undo(skip, labels.undo if labels.passed else None)
    with left:
        if waiting:
            _show_face(selected, waiting[0])
        else:
            st.caption("Every face was labelled or skipped.")
    order = "Uncertain readings come first, spread over emotions and photos. "
    tell_progress(len(labels.given), plural(len(waiting), "face"), order)


def _show_sliders(face: FaceKey) -> None:
    """Ratings of a face, which has none until the visitor moves a slider."""
    with st.grid(len(_ENDS), min_column_width=220, gap="medium"):
        for name, (low, high) in _ENDS.items():
            st.select_slider(
                f"{name.capitalize()}: {low} (-1) to {high} (1)",
                _RATINGS,
                key=_slider_key(name, face),
                format_func=lambda value: _UNRATED if value is None else f"{value:+.1f}",
            )


def _slider_key(name: str, face: FaceKey) -> str:
    return f"{name} of {face}"


def _give(labels: FaceLabels, face: FaceKey, emotion: Emotion) -> None:
    """Labels a face with what is chosen when the button is pressed."""
    given = [st.session_state.get(_slider_key(name, face)) for name in _ENDS]
    valence, arousal = (math.nan if value is None else float(value) for value in given)
    labels.give(face, emotion, current_rater(), (valence, arousal))


def _show_face(selected: SelectedPhotos, row: int) -> None:
    crops = [crop for result in selected.results for crop in result.crops]
    face = selected.faces.iloc[row]
    src = media_url(crops[row], "image/jpeg", "face to label")
    st.html(f'<img src="{src}" alt="The face to label" width="128" height="128">')
    if st.toggle("Show the reading", key="show reading", help="It may sway what you see."):
        st.caption(f"Read as {face['emotion']}, {format_confidence(face['confidence'])}.")
