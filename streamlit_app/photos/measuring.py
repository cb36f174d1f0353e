"""How well models read the labelled faces of the Photos page."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import streamlit as st

from emotion_core.adaptation.report import describe_difference
from emotion_core.errors import EmotionError
from emotion_core.face import format_confidence
from emotion_core.labels import ALL_EMOTIONS
from emotion_core.local_analyzer import LocalAnalyzer
from emotion_core.models.card import Task
from emotion_core.models.registry import cards_for
from emotion_core.training.datasets.photo_labels import to_truth
from emotion_core.training.evaluation.bootstrap import to_intervals
from emotion_core.training.evaluation.evaluate import PredictionBuffer
from emotion_core.training.evaluation.metrics import to_metrics
from emotion_core.training.evaluation.paired import compare_readings
from emotion_core.training.evaluation.worst import find_worst
from streamlit_app import resources
from streamlit_app.model_choice import OWN
from streamlit_app.photos.sheet import select_face
from streamlit_app.widgets import escape, media_url, plural

if TYPE_CHECKING:
    from collections.abc import Sequence

    from emotion_core.training.datasets.face_set import FaceSet
    from emotion_core.training.evaluation.metrics import Metrics
    from emotion_core.training.evaluation.worst import WrongReading
    from streamlit_app.own_model import OutsideReadings
    from streamlit_app.photos.face_labels import LabellingTask

MIN_MEASURED = 20
"""Labels, or ratings, from which on figures are shown."""

_MAX_WORST = 12

_HELP = {
    "ece": "How far confidence and accuracy differ on average, by bins of confidence. Drawing "
    "faces anew makes it larger, so it has no interval; the overconfidence has one.",
    "overconfidence": "Mean confidence minus the share of faces that are right: above 0 the model "
    "is surer than it is right.",
}
"""What a figure means, by its field of ``Metrics``."""

_ADAPTED = "adapted model"
"""The choice of the model that was adapted last, in use or not."""


def show_measures(task: LabellingTask) -> None:
    """Figures of the model in use on the labelled faces, and of a second one beside it."""
    outside = task.own.outside if task.options.emotion == OWN else None
    second = _choose_second(task)
    rows = _leave_out_known(task, task.rows, outside)
    if second == _ADAPTED:
        rows = _leave_out_known(task, rows, _second_outside(task))
    labels = task.labels_of(rows)
    truth, units = to_truth(labels), [label.unit for label in labels]
    n_rated = int((~np.isnan(truth.va)).sum(axis=0).max())
    if max(int(truth.has_majority.sum()), n_rated) < MIN_MEASURED:
        st.caption(
            f"From {MIN_MEASURED} labels on, this tells how well the model reads these faces."
        )
        return
    name = task.analyzer.info.emotion.name
    models = {name: _overlay(_readings_in_use(task, rows), task, rows, outside)}
    _show_figures(models[name], truth, units, task.analyzer.info.emotion.title)
    if second:
        try:
            with st.spinner("Reading the labelled faces…"):
                other, readings = _read_second(task, rows, second)
        except EmotionError as error:
            st.error(escape(str(error)))
        else:
            models[f"{other} (new)" if other == name else other] = readings
            _show_pair(models, truth, units)
    _show_confusions(models, truth)
    _show_worst(task, rows, find_worst(truth, models[name], _MAX_WORST))
    if outside is not None or second == _ADAPTED:
        n = len(task.rows) - len(rows)
        more = f" Left out, since it knows their photo or person: {plural(n, 'face')}." if n else ""
        st.caption(
            "Faces that the adapted model learned from count as it reads them without having "
            f"learned their photo or person.{more}"
        )
    elif task.options.emotion == OWN:
        st.caption("If the model learned from these faces, the figures flatter it.")


def _choose_second(task: LabellingTask) -> str:
    """A model to set beside the one in use; empty for none."""
    if not isinstance(task.analyzer, LocalAnalyzer):
        return ""
    in_use = task.analyzer.info.emotion
    names = [card.name for card in cards_for(Task.EMOTION) if card.name != in_use.name]
    adapted = task.labels.adapted
    has_own = task.own.model is not None and task.options.emotion != OWN
    if has_own or (adapted is not None and adapted.card.weights != in_use.weights):
        names.insert(0, _ADAPTED)
    chosen = st.selectbox(
        "Compare with",
        names,
        index=None,
        key="second model",
        placeholder="no other model",
        format_func=lambda name: "the adapted model" if name == _ADAPTED else name,
        width=280,
    )
    return chosen or ""


def _second_outside(task: LabellingTask) -> OutsideReadings | None:
    return task.labels.outside if task.labels.adapted is not None else task.own.outside


def _leave_out_known(
    task: LabellingTask, rows: list[int], outside: OutsideReadings | None
) -> list[int]:
    """Rows without faces of which a model knows the person or photo, but not the face itself."""
    if outside is None:
        return rows
    return [
        row
        for row, label in zip(rows, task.labels_of(rows), strict=True)
        if task.faces[row] in outside.rows or label.unit not in outside.units
    ]


def _readings_in_use(task: LabellingTask, rows: list[int]) -> PredictionBuffer:
    """Readings of some rows as they are in the table."""
    table = task.selected.faces.iloc[rows]
    readings = PredictionBuffer.empty(len(rows))
    words = tuple(e for e in ALL_EMOTIONS if f"p_{e}" in table)
    probabilities = table[[f"p_{word}" for word in words]].to_numpy(np.float32)
    va = table[["valence", "arousal"]].to_numpy(np.float32)
    readings.fill(slice(None), words, probabilities, va)
    return readings


def _overlay(
    readings: PredictionBuffer,
    task: LabellingTask,
    rows: list[int],
    outside: OutsideReadings | None,
) -> PredictionBuffer:
    """Replaces readings of faces that a model learned from by those without having done so."""
    for i, row in enumerate(rows):
        at = outside.rows.get(task.faces[row]) if outside else None
        if outside is not None and at is not None:
            readings.probabilities[i] = outside.readings.probabilities[at]
            readings.va[i] = outside.readings.va[at]
    return readings


def _read_second(task: LabellingTask, rows: list[int], second: str) -> tuple[str, PredictionBuffer]:
    """Name and readings of a second model; faces are read once."""
    options = task.options
    if second == _ADAPTED:
        model = task.labels.adapted or task.own.model
        if model is None or not isinstance(task.analyzer, LocalAnalyzer):
            raise EmotionError("There is no adapted model any more.")
        analyzer = model.to_analyzer(task.analyzer)
    else:
        loaded = resources.get_analyzer(second, options.detector, task.device, options.material)
        if not isinstance(loaded, LocalAnalyzer):
            raise EmotionError("A server reads faces here, which has one model.")
        analyzer = loaded
    card, photos = analyzer.info.emotion, task.selected.photos
    full = [task.results[photo.key] for photo in photos]
    for _ in task.second.iter_missing(card.version, analyzer.classifier, photos, full):
        pass
    everything, start = PredictionBuffer.empty(len(task.faces)), 0
    for photo, record in zip(photos, task.selected.records, strict=True):
        if record.analysis is not None:
            read = task.second.of(card.version, photo, options.analyze_options)
            va = np.stack([read.valence, read.arousal], axis=1)
            here = slice(start, start + len(read))
            everything.fill(here, read.labels, read.probabilities, va)
            start += len(read)
    readings = PredictionBuffer(
        everything.probabilities[rows], everything.va[rows], everything.found[rows]
    )
    outside = _second_outside(task) if second == _ADAPTED else None
    return card.name, _overlay(readings, task, rows, outside)


def _show_figures(
    readings: PredictionBuffer, truth: FaceSet, units: Sequence[str], name: str
) -> None:
    """The figures of the model in use, with intervals."""
    evidence = (readings.probabilities, readings.va, truth, readings.found)
    found, spans = to_metrics(*evidence), to_intervals(*evidence, units)
    st.caption(f"{escape(name)}, {plural(len(truth), 'labelled face')}")
    shown = []
    if found.n >= MIN_MEASURED:
        shown += [("accuracy", "Accuracy", "{:.0%}"), ("mean_recall", "Mean recall", "{:.0%}")]
        shown += [("ece", "Calibration error", "{:.2f}")]
        shown += [("overconfidence", "Overconfidence", "{:+.2f}")]
    for word in ("valence", "arousal"):
        if getattr(found, f"n_{word}") >= MIN_MEASURED:
            shown.append((f"{word}_ccc", f"{word.capitalize()}, CCC", "{:.2f}"))
    with st.grid(max(1, len(shown)), min_column_width=140):
        for field, label, form in shown:
            value, span = getattr(found, field), getattr(spans, field, None)
            if value is None:
                continue
            with st.container(gap="xsmall"):
                st.metric(label, form.format(value), border=True, help=_HELP.get(field))
                if span:
                    st.caption(f"95%: {form.format(span[0])} to {form.format(span[1])}")


def _show_pair(models: dict[str, PredictionBuffer], truth: FaceSet, units: Sequence[str]) -> None:
    """Two models side by side, and whether they differ by more than chance."""
    (one, first), (two, second) = models.items()
    names = one, two
    paired = compare_readings(names, first, second, truth, units)
    a, b = (to_metrics(r.probabilities, r.va, truth, r.found) for r in (first, second))
    rows = [
        describe_difference(difference)
        for difference in paired.differences
        if not difference.name.endswith("_ccc") or _is_rated(a, difference.name)
    ]
    if a.ece is not None and b.ece is not None:
        change = f"{b.ece - a.ece:+.3f}"
        rows.append(("calibration error", f"{a.ece:.3f}", f"{b.ece:.3f}", change))
    columns = ["", *names, "Difference (95% interval)"]
    st.dataframe(pd.DataFrame(rows, columns=columns), hide_index=True, width="content")
    one, two = escape(one), escape(two)
    kappa = "not defined" if paired.kappa is None else f"{paired.kappa:.2f}"
    st.caption(
        f"Both right: {paired.both_right}; only {one}: {paired.only_first}; only {two}: "
        f"{paired.only_second}; both wrong: {paired.both_wrong}. McNemar's test of accuracy: "
        f"p = {paired.mcnemar_p:.2g}. Agreement of the two models with each other: kappa {kappa}."
    )


def _is_rated(metrics: Metrics, name: str) -> bool:
    n: int = getattr(metrics, f"n_{name.removesuffix('_ccc')}")
    return n >= MIN_MEASURED


def _show_worst(task: LabellingTask, rows: list[int], worst: Sequence[WrongReading]) -> None:
    """The labelled faces that the model in use read most wrongly, each with a way to its detail."""
    if not worst:
        return
    st.caption("Read most wrongly; press the words below a face to see it above")
    crops = [crop for result in task.selected.results for crop in result.crops]
    with st.grid(min_column_width=130, gap="small"):
        for one in worst:
            row = rows[one.row]
            face = str(task.selected.faces["id"].iloc[row])
            with st.container(gap="xsmall", horizontal_alignment="center"):
                src = media_url(crops[row], "image/jpeg", f"worst {face}")
                st.html(f'<img src="{src}" alt="" width="96" height="96">', width="content")
                st.button(
                    f"{one.label}, read as {one.read} {format_confidence(one.probability)}",
                    key=f"worst {face}",
                    type="tertiary",
                    on_click=select_face,
                    args=(face,),
                )


def _show_confusions(models: dict[str, PredictionBuffer], truth: FaceSet) -> None:
    """What each model read where the visitor said what."""
    if not truth.has_majority.any():
        return
    with st.grid(len(models), min_column_width=320, gap="medium"):
        for name, readings in models.items():
            found = to_metrics(readings.probabilities, readings.va, truth, readings.found)
            counts = pd.DataFrame(found.confusion, index=found.labels, columns=found.labels)
            used = [w for w in found.labels if found.per_class_recall.get(w) is not None]
            with st.container():
                st.caption(f"Rows: your labels; columns: what {escape(name)} read")
                st.dataframe(counts.loc[used, counts.sum() > 0], width="content")
