"""Correct, measure, adapt: the visitor's labels of faces on the Photos page."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import streamlit as st

from emotion_core.face import format_confidence
from emotion_core.labels import Emotion
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
from streamlit_app.photos.sheet import SheetLabels, select_face
from streamlit_app.rater_labels import UNRATED
from streamlit_app.widgets import media_url, plural

if TYPE_CHECKING:
    from emotion_core.training.datasets.photo_labels import FaceKey
    from streamlit_app.photos.face_labels import FaceLabels, LabellingTask
    from streamlit_app.photos.faces import SelectedPhotos

_PART, _TAB = "labelling", "labelling tab"
"""Keys of widgets."""


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
                show_label_files(task.labels, take, "on this page")
        if measure.open:
            with measure:
                show_measures(task)
        if teach.open:
            with teach:
                show_adapting(task)


def to_sheet_labels(task: LabellingTask) -> SheetLabels:
    """What the contact sheet shows of labels, and how it gives more."""
    labels = task.labels
    faces = dict(zip(task.selected.faces["id"].tolist(), task.faces, strict=True))
    rater, ids = current_rater(), {face: i for i, face in faces.items()}
    mine: dict[str, str] = {}
    words: dict[str, list[str]] = {}
    for (face, who), label in labels.given.items():
        if face in ids and label.emotion is not None:
            words.setdefault(ids[face], []).append(str(label.emotion))
            if who == rater:
                mine[ids[face]] = str(label.emotion)

    def give(i: str, word: str) -> None:
        if i in faces:  # or else an option has just left it out
            before = labels.given.get((faces[i], rater))
            va = (before.valence, before.arousal) if before else UNRATED
            labels.give(faces[i], Emotion(word), rater, va)

    def undo() -> None:
        select_face(ids.get(labels.passed[-1][0], ""))
        labels.undo()

    return SheetLabels(mine, words, give, undo if labels.passed else None)


def _show_next(task: LabellingTask) -> None:
    """The face to label next, with a button and a key for each word."""
    labels, selected, faces = task.labels, task.selected, task.faces
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        ask_rater()
    rater = current_rater()
    waiting = [row for row in next_faces(selected) if labels.is_waiting(faces[row], rater)]
    left, right = st.columns([1, 5], vertical_alignment="center")
    with right:
        if waiting:
            face = faces[waiting[0]]
            show_words(face, None, partial(_give, labels, face))
        skip = partial(labels.skip, face, rater) if waiting else None
        show_skip_and_undo(skip, labels.undo if labels.passed else None)
    with left:
        if waiting:
            _show_face(selected, waiting[0])
        else:
            st.caption("Every face was labelled or skipped.")
    order = "Uncertain readings come first, spread over emotions and photos. "
    tell_progress(len(labels.given), plural(len(waiting), "face"), order)


def _give(labels: FaceLabels, face: FaceKey, emotion: Emotion, va: tuple[float, float]) -> None:
    labels.give(face, emotion, current_rater(), va)


def _show_face(selected: SelectedPhotos, row: int) -> None:
    crops = [crop for result in selected.results for crop in result.crops]
    face = selected.faces.iloc[row]
    src = media_url(crops[row], "image/jpeg", "face to label")
    st.html(f'<img src="{src}" alt="The face to label" width="128" height="128">')
    if st.toggle("Show the reading", key="show reading", help="It may sway what you see."):
        st.caption(f"Read as {face['emotion']}, {format_confidence(face['confidence'])}.")
