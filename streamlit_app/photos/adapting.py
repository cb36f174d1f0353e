"""Adapting the emotion model to the labels of the Photos page, and using the result."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import streamlit as st

from emotion_core.adaptation.adapt import adapt
from emotion_core.adaptation.adapted_model import DEFAULT_NAME, make_adapted
from emotion_core.adaptation.faces import make_labelled_faces
from emotion_core.adaptation.network import load_base
from emotion_core.adaptation.report import describe_figures
from emotion_core.errors import EmotionError
from emotion_core.files.archive import pack
from emotion_core.models.runtime import pick_device
from streamlit_app.model_choice import OWN
from streamlit_app.own_model import OutsideReadings
from streamlit_app.photos.face_labels import iter_rows_by_photo
from streamlit_app.widgets import download, escape

if TYPE_CHECKING:
    from emotion_core.adaptation.adapt import Adaptation
    from emotion_core.adaptation.fit import ClassPrior
    from emotion_core.adaptation.network import BaseNetwork
    from emotion_core.types import FloatArray
    from streamlit_app.photos.face_labels import LabellingTask

_PRIORS: dict[ClassPrior, str] = {"balanced": "All alike", "labels": "As often as labelled"}


def show_adapting(task: LabellingTask) -> None:
    """A button that adapts the model, the figures before and after, its use and its files."""
    labels = task.labels
    if task.base is None:
        st.caption("The model runs on a server, where it cannot be adapted from here.")
        return
    st.caption(
        "Fits the last layer of the model to your labels, within seconds. Nothing is offered "
        "unless faces that were left out are read better."
    )
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        prior = _choose_prior()
        is_pressed = st.button(
            "Adapt", type="primary", icon=":material/model_training:", key="adapt"
        )
    if is_pressed:
        try:
            with st.spinner("Adapting and cross-validating…"):
                _adapt(task, task.base, prior)
        except EmotionError as error:
            st.error(escape(str(error)))
    if labels.adaptation is not None:
        _show_outcome(task, labels.adaptation, prior)


def _show_outcome(task: LabellingTask, found: Adaptation, prior: ClassPrior) -> None:
    """The figures before and after, and why outputs stay, or what can be done with the model."""
    if found.prior != prior:
        st.caption(f"Below, emotions count {_PRIORS[found.prior].lower()}; adapt again for this.")
    if any(one.difference for one in found.differences):  # or else nothing could be tried
        columns = ["", "Before", "After", "Difference (95% interval)"]
        table = pd.DataFrame(describe_figures(found), columns=columns)
        st.dataframe(table, hide_index=True, width="content")
    for reason in found.reasons:
        st.warning(escape(reason))
    if task.labels.adapted is not None:
        _show_adapted(task)


def _choose_prior() -> ClassPrior:
    chosen: ClassPrior = st.segmented_control(
        "Emotions count",
        list(_PRIORS),
        default="balanced",
        required=True,
        format_func=_PRIORS.__getitem__,
        key="class prior",
        persist_state="session",
        help="Alike, mean recall decides whether the labels help, which suits faces that were "
        "suggested for labels; as often as labelled, accuracy does, which suits material that was "
        "labelled whole.",
    )
    return chosen


def _show_adapted(task: LabellingTask) -> None:
    """What can be done with the adapted model."""
    labels, model = task.labels, task.labels.adapted
    if labels.adaptation is None or model is None:
        return
    is_used = task.options.emotion == OWN and task.own.model is model
    st.success(
        f"Adapted: {', '.join(labels.adaptation.used)}."
        + (" In use: it has read the faces above." if is_used else "")
    )
    with st.container(horizontal=True):
        if not is_used and st.button(
            "Use it here", type="primary", icon=":material/check:", key="use adapted"
        ):
            task.own.put(model, task.base or "", labels.outside)
            st.rerun()
        archive = f"{DEFAULT_NAME}.zip"
        download(
            "Adapted model (ZIP)", lambda: pack(model.files.items()), archive, "application/zip"
        )
    st.caption(
        "Used here, it reads your photos anew and is the emotion model of all pages, for you alone "
        "and until you leave. The file keeps it: give it to “Use an adapted model” in the sidebar, "
        "or unpack it for the command line, which takes `--model my-study.onnx`, and for a whole "
        "app, which takes `EMOSCOPE_MODEL=my-study.onnx`."
    )


def _adapt(task: LabellingTask, model: str, prior: ClassPrior) -> None:
    labels, rows = task.labels, task.rows
    base = load_base(model or None)
    labelled = make_labelled_faces(task.labels_of(rows), _read_features(base, task, rows))
    labels.note_change()
    found = adapt(base.head, labelled, prior)
    if not found.refusal:
        labels.adapted = make_adapted(base, found, pick_device(task.device))
        known = {task.faces[row]: i for i, row in enumerate(rows)}
        labels.outside = OutsideReadings(known, frozenset(labelled.units), found.outside)
    labels.adaptation = found


def _read_features(base: BaseNetwork, task: LabellingTask, rows: list[int]) -> FloatArray:
    """Features of some rows of the page's faces."""
    parts = [np.empty((0, base.head.weight.shape[1]), np.float32)]
    for _, image, faces in iter_rows_by_photo(task.selected, rows):
        parts.append(base.read_features(image, faces))
    return np.concatenate(parts)
