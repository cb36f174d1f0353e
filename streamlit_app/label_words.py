"""Widgets with which people say what faces show: words by keys, rater, files of labels."""

from __future__ import annotations

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
    from collections.abc import Callable, Collection

    from emotion_core.training.datasets.photo_labels import PhotoLabel

_RATER, _FAILED, _TAKEN = "rater", "labels failed", "labels taken"
_CANNOT_TELL = "Cannot tell"


def ask_rater() -> None:
    """A field for the name or code of who labels."""
    st.text_input(
        "Your name or code",
        key=_RATER,
        help="Stands in the column rater, so that labels of several raters can be compared.",
        persist_state="session",
        width=220,
    )


def current_rater() -> str:
    """What stands in that field."""
    return str(st.session_state.get(_RATER, "")).strip()


def show_words(give: Callable[[Emotion], None]) -> None:
    """A button and a key, 1 to 9, for each word; gives the one that is pressed."""
    with st.container(horizontal=True):
        for i, emotion in enumerate(ALL_EMOTIONS, 1):
            is_word = emotion is not Emotion.UNCERTAIN
            st.button(
                emotion.capitalize() if is_word else _CANNOT_TELL,
                key=f"label {emotion}",
                shortcut=str(i),
                on_click=give,
                args=(emotion,),
            )


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
    labels: Collection[PhotoLabel], take: Callable[[list[PhotoLabel]], int], place: str
) -> None:
    """Buttons that save labels as ``labels.csv``, and load them again.

    Args:
        labels: To save.
        take: Takes those of a file's labels that are about faces there; returns their number.
        place: Where faces are to be labelled that can be taken, such as ``"on this page"``.
    """
    with st.container(horizontal=True, vertical_alignment="bottom"):
        if labels:
            table = labels_to_csv(labels)
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
