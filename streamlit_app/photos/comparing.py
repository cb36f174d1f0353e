"""Compare with a second model: two readings of the same faces on the Photos page."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import pandas as pd
import streamlit as st

from emotion_core.errors import EmotionError
from emotion_core.local_analyzer import LocalAnalyzer
from emotion_core.photos.comparison import COMPARED_COLUMNS, compared_rows, to_compared_table
from streamlit_app import resources
from streamlit_app.compared_faces import (
    ComparedFaces,
    is_chosen_model,
    open_comparison,
    show_compared,
)
from streamlit_app.photos.sheet import select_face
from streamlit_app.widgets import escape, shorten

if TYPE_CHECKING:
    from collections.abc import Mapping

    from emotion_core.analyzer import Analyzer
    from emotion_core.models.card import ModelCard
    from emotion_core.photos.cropped import CroppedPhoto
    from streamlit_app.photos.faces import SelectedPhotos
    from streamlit_app.photos.second_readings import SecondReadings
    from streamlit_app.visitor_options import VisitorOptions

_SECOND = "compared model"
"""Key of the choice of the other model."""


@dataclass(frozen=True, eq=False, slots=True)
class ComparisonTask:
    """What is compared, and with what.

    Attributes:
        readings: The visitor's readings by another model.
        results: Results by key of the photo, with all their faces.
        selected: The photos and all faces that count.
        options: Which faces those are, and the models.
        analyzer: In use.
        preset: The app's own choice of a model; may be empty.
        device: Where models run.
    """

    readings: SecondReadings
    results: dict[str, CroppedPhoto]
    selected: SelectedPhotos
    options: VisitorOptions
    analyzer: Analyzer
    preset: str
    device: str


def show_comparison(task: ComparisonTask, face: str | None) -> None:
    """A part of the page that sets another model beside the one in use, once it is asked for.

    Args:
        task: What is compared.
        face: Id of the face that is open in the sheet; ``None`` for none.
    """
    if task.selected.faces.empty or not isinstance(task.analyzer, LocalAnalyzer):
        return
    in_use = {task.analyzer.info.emotion.name, task.options.emotion}
    opened = open_comparison(in_use, task.preset, _SECOND)
    if opened is None:
        return
    part, said, name = opened
    with part:
        try:
            found = _compare(task, name)
        except EmotionError as error:
            st.error(escape(str(error)), icon=":material/error:")
            return
        if found is not None:
            table, second = found
            names = task.analyzer.info.emotion.title, second.title
            find_shares = partial(_find_shares, task, second.version)
            compared = ComparedFaces(
                table, names, "compared", face, select_face, _describe, find_shares
            )
            show_compared(compared, said)


def _compare(task: ComparisonTask, name: str) -> tuple[pd.DataFrame, ModelCard] | None:
    """Both readings of the faces that count, with their ids, and the second model's card.

    ``None`` if that model is missing.
    """
    options, selected = task.options, task.selected
    second = resources.get_analyzer(name, options.detector, task.device, options.material)
    if not is_chosen_model(second, name) or not isinstance(second, LocalAnalyzer):
        return None
    full = [task.results[photo.key] for photo in selected.photos]
    place = st.empty()
    model, n = second.info.emotion.version, len(full)
    for done in task.readings.iter_missing(model, second.classifier, selected.photos, full):
        place.progress(done / n, f"{done} of {n} photos read by the second model")
    place.empty()
    rows: list[dict[str, object]] = []
    for photo, record in zip(selected.photos, selected.records, strict=True):
        if record.analysis is not None:
            read = task.readings.of(model, photo, options.analyze_options)
            rows += compared_rows(photo.name, record.analysis, read)
    table = to_compared_table(rows).assign(id=selected.faces["id"].to_numpy())
    counted = selected.to_counted(selected.faces).index
    return table.loc[counted, [*COMPARED_COLUMNS, "id"]], second.info.emotion


def _describe(row: Mapping[Any, Any]) -> str:
    return f"{shorten(row['source'])}, face {row['face']}"


def _find_shares(
    task: ComparisonTask, model: str, face: str
) -> tuple[dict[str, float], dict[str, float]]:
    """Probabilities of a face by emotion: those in use, and those of another model."""
    key, _, number = face.rpartition("#")
    photo = next(photo for photo in task.selected.photos if photo.key == key)
    found = task.selected.result_of(photo).record.analysis
    if found is None:
        return {}, {}
    second = task.readings.of(model, photo, task.options.analyze_options)
    first, other = (
        {
            str(e): float(p)
            for e, p in zip(read.labels, read.probabilities[int(number) - 1], strict=True)
        }
        for read in (found.predictions, second)
    )
    return first, other
