"""Correct, measure, adapt: the visitor's labels of faces on the Photos page."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import streamlit as st

from emotion_core.adaptation.adapt import adapt
from emotion_core.adaptation.faces import make_labelled_faces
from emotion_core.adaptation.network import load_base
from emotion_core.adaptation.report import describe_difference
from emotion_core.adaptation.write import write_adapted
from emotion_core.errors import EmotionError
from emotion_core.face import format_confidence
from emotion_core.files.archive import pack
from emotion_core.imaging.codec import decode_image
from emotion_core.labels import ALL_EMOTIONS, Emotion
from emotion_core.training.datasets.label_writer import labels_to_csv
from emotion_core.training.datasets.photo_labels import to_truth
from emotion_core.training.evaluation.bootstrap import to_intervals
from emotion_core.training.evaluation.evaluate import PredictionBuffer
from emotion_core.training.evaluation.metrics import to_metrics
from streamlit_app.photos.face_labels import list_faces, next_faces
from streamlit_app.widgets import download, escape, media_url, plural

if TYPE_CHECKING:
    from emotion_core.adaptation.network import BaseNetwork
    from emotion_core.training.datasets.photo_labels import FaceKey
    from emotion_core.types import FloatArray
    from streamlit_app.photos.face_labels import FaceLabels
    from streamlit_app.photos.faces import SelectedPhotos

MIN_MEASURED = 20
"""Labels from which on figures are shown."""

_CANNOT_TELL = "Cannot tell"
_FAILED, _TAKEN = "labels failed", "labels taken"


def show_labelling(labels: FaceLabels, selected: SelectedPhotos, model: str | None) -> None:
    """A part of the page in which faces are labelled, and what follows from the labels.

    Args:
        labels: The visitor's.
        selected: The photos and all faces that count.
        model: The emotion model in use, to be adapted; ``None`` if a server has it.
    """
    faces = list_faces(selected)
    if not faces:
        return
    part = st.expander(
        "Correct, measure, adapt", icon=":material/rule:", key="labelling", on_change="rerun"
    )
    if not part.open:  # keys must not label faces that nobody sees
        return
    with part:
        correct, measure, teach = st.tabs(
            ["Correct", "Measure", "Adapt"], key="labelling tab", on_change="rerun"
        )
        if correct.open:
            with correct:
                _show_next(labels, selected, faces)
                _show_files(labels, selected)
        if measure.open:
            with measure:
                _show_figures(labels, selected, faces)
        if teach.open:
            with teach:
                _show_adapt(labels, selected, faces, model)


def _show_next(labels: FaceLabels, selected: SelectedPhotos, faces: list[FaceKey]) -> None:
    """The face to label next, with a button and a key for each word."""
    waiting = [row for row in next_faces(selected) if faces[row] not in labels.passed]
    rater = st.text_input(
        "Your name or code",
        key="rater",
        help="Stands in the column rater, so that labels of several raters can be compared.",
        persist_state="session",
        width=220,
    )
    left, right = st.columns([1, 5], vertical_alignment="center")
    with right:
        if waiting:
            face = faces[waiting[0]]
            with st.container(horizontal=True):
                for i, emotion in enumerate(ALL_EMOTIONS, 1):
                    is_word = emotion is not Emotion.UNCERTAIN
                    st.button(
                        emotion.capitalize() if is_word else _CANNOT_TELL,
                        key=f"label {emotion}",
                        shortcut=str(i),
                        on_click=labels.give,
                        args=(face, emotion, rater.strip()),
                    )
        with st.container(horizontal=True):
            if waiting:
                st.button("Skip", key="skip", shortcut="0", on_click=labels.skip, args=(face,))
            st.button(
                "Undo",
                key="undo",
                shortcut="u",
                icon=":material/undo:",
                on_click=labels.undo,
                disabled=not labels.passed,
            )
    with left:
        if waiting:
            _show_face(selected, waiting[0])
        else:
            st.caption("Every face was labelled or skipped.")
    st.caption(
        f"{plural(len(labels.given), 'label')}; {plural(len(waiting), 'face')} to go. Uncertain "
        "readings come first, spread over emotions and photos. Say what the face shows, not what "
        "the person may feel."
    )


def _show_face(selected: SelectedPhotos, row: int) -> None:
    crops = [crop for result in selected.results for crop in result.crops]
    face = selected.faces.iloc[row]
    src = media_url(crops[row], "image/jpeg", "face to label")
    st.html(f'<img src="{src}" alt="The face to label" width="128" height="128">')
    if st.toggle("Show the reading", key="show reading", help="It may sway what you see."):
        st.caption(f"Read as {face['emotion']}, {format_confidence(face['confidence'])}.")


def _show_files(labels: FaceLabels, selected: SelectedPhotos) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        if labels.given:
            table = labels_to_csv(labels.given.values())
            download("Save labels (CSV)", lambda: table, "labels.csv", "text/csv")
        with st.popover("Load labels", icon=":material/upload:"):
            upload = st.file_uploader("labels.csv", type=["csv"], key="labels file")
            if upload is not None:
                take = partial(_take, labels, selected, upload.getvalue())
                st.button("Take them", key="take labels", on_click=take)
            if error := st.session_state.pop(_FAILED, ""):
                st.error(escape(error))
            if taken := st.session_state.pop(_TAKEN, ""):
                st.success(taken)


def _take(labels: FaceLabels, selected: SelectedPhotos, data: bytes) -> None:
    """Takes labels before the page is drawn, which says what came of it."""
    try:
        n = labels.take(data, selected)
    except EmotionError as error:
        st.session_state[_FAILED] = str(error)
    else:
        st.session_state[_TAKEN] = f"Took {plural(n, 'label')} of faces on this page."


def _show_figures(labels: FaceLabels, selected: SelectedPhotos, faces: list[FaceKey]) -> None:
    """Accuracy and more of the model in use, on the labelled faces."""
    rows = [row for row, face in enumerate(faces) if face in labels.given]
    truth = to_truth([labels.given[faces[row]] for row in rows])
    if truth.has_majority.sum() < MIN_MEASURED:
        st.caption(
            f"From {MIN_MEASURED} labels on, this tells how well the model reads these faces."
        )
        return
    table = selected.faces.iloc[rows]
    readings = PredictionBuffer.empty(len(rows))
    words = tuple(e for e in ALL_EMOTIONS if f"p_{e}" in table)
    probabilities = table[[f"p_{word}" for word in words]].to_numpy(np.float32)
    readings.fill(
        slice(None), words, probabilities, table[["valence", "arousal"]].to_numpy(np.float32)
    )
    evidence = (readings.probabilities, readings.va, truth, readings.found)
    found = to_metrics(*evidence)
    spans = to_intervals(*evidence, [faces[row][0] for row in rows])
    with st.grid(3, min_column_width=160):
        for name, label in (("accuracy", "Accuracy"), ("mean_recall", "Mean recall")):
            value, span = getattr(found, name), getattr(spans, name)
            st.metric(label, f"{value:.0%}", border=True)
            if span:
                st.caption(f"95 %: {span[0]:.0%} to {span[1]:.0%}")
        if found.ece is not None:
            st.metric("Calibration error", f"{found.ece:.2f}", border=True)
    used = [w for w in words if found.per_class_recall.get(w) is not None]
    confusion = pd.DataFrame(found.confusion, index=found.labels, columns=found.labels)
    shown = confusion.loc[list(used), (confusion.sum() > 0)]
    st.dataframe(shown, width="content")
    st.caption("Rows: your labels; columns: what the model read.")


def _show_adapt(
    labels: FaceLabels, selected: SelectedPhotos, faces: list[FaceKey], model: str | None
) -> None:
    """A button that adapts the model, the figures before and after, and its files."""
    if model is None:
        st.caption("The model runs on a server, where it cannot be adapted from here.")
        return
    st.caption(
        "Fits the last layer of the model to your labels, within seconds. Nothing is offered "
        "unless faces that were left out are read better."
    )
    if st.button("Adapt", type="primary", icon=":material/model_training:", key="adapt"):
        try:
            with st.spinner("Adapting and cross-validating…"):
                _adapt(labels, selected, faces, model)
        except EmotionError as error:
            st.error(escape(str(error)))
    found = labels.adaptation
    if found is None:
        return
    if any(one.difference for one in found.differences):  # or else nothing could be tried
        columns = ["", "Before", "After", "Difference (95 % interval)"]
        rows = [describe_difference(one) for one in found.differences]
        st.dataframe(pd.DataFrame(rows, columns=columns), hide_index=True, width="content")
    for reason in found.reasons:
        st.warning(escape(reason))
    if labels.archive:
        st.success(f"Adapted: {', '.join(found.used)}.")
        download("Adapted model (ZIP)", lambda: labels.archive, "my-study.zip", "application/zip")
        st.caption(
            "Unpack it; every command takes `--model my-study.onnx`, this app "
            "`EMOSCOPE_MODEL=my-study.onnx`."
        )


def _adapt(labels: FaceLabels, selected: SelectedPhotos, faces: list[FaceKey], model: str) -> None:
    base = load_base(model)
    rows = [row for row, face in enumerate(faces) if face in labels.given]
    features = _read_features(base, selected, rows)
    labelled = make_labelled_faces([labels.given[faces[row]] for row in rows], features)
    labels.forget_adaptation()
    found = adapt(base.head, labelled)
    if not found.refusal:
        with TemporaryDirectory() as folder:
            path = Path(folder) / "my-study.safetensors"
            write_adapted(base, found, path)
            files = sorted(Path(folder).iterdir())
            labels.archive = pack((file.name, file.read_bytes()) for file in files)
    labels.adaptation = found


def _read_features(base: BaseNetwork, selected: SelectedPhotos, rows: list[int]) -> FloatArray:
    """Features of some rows of the page's faces, each photo decoded once."""
    wanted, start = set(rows), 0
    parts = [np.empty((0, base.head.weight.shape[1]), np.float32)]
    for photo, record in zip(selected.photos, selected.records, strict=True):
        n = 0 if record.analysis is None else len(record.analysis)
        inside = np.array([i for i in range(n) if start + i in wanted], np.int64)
        start += n
        if record.analysis is not None and len(inside):
            image = decode_image(photo.read()).pixels
            parts.append(base.read_features(image, record.analysis.faces[inside]))
    return np.concatenate(parts)
