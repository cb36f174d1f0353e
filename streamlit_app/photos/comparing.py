"""Compare with another model: two readings of the same faces on the Photos page."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import streamlit as st

from emotion_core.errors import EmotionError
from emotion_core.face import format_confidence, format_signed
from emotion_core.local_analyzer import LocalAnalyzer
from emotion_core.models.card import Task
from emotion_core.models.registry import cards_for
from emotion_core.photos.comparison import (
    COMPARED_COLUMNS,
    agreement_counts,
    compared_rows,
    find_disputed,
    measure_agreement,
    to_compared_table,
)
from emotion_core.reporting.compared_charts import joined_dots_chart, paired_bars_chart
from emotion_core.reporting.photo_charts import PICK
from streamlit_app import resources
from streamlit_app.photos.sheet import select_face
from streamlit_app.widgets import download, edge_colour, escape, plural, readable, shorten, to_csv

if TYPE_CHECKING:
    from emotion_core.analyzer import Analyzer
    from emotion_core.models.card import ModelCard
    from emotion_core.photos.comparison import ModelAgreement
    from emotion_core.photos.cropped import CroppedPhoto
    from streamlit_app.photos.faces import SelectedPhotos
    from streamlit_app.photos.second_readings import SecondReadings
    from streamlit_app.visitor_options import VisitorOptions

_SHOWN = 0.005
"""Difference that two decimals show."""

_PART, _SECOND, _FACE, _PLANE = "comparing", "compared model", "compared face", "compared plane"
"""Keys of widgets."""


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
    part = st.expander(
        "Compare with another model", icon=":material/compare:", key=_PART, on_change="rerun"
    )
    if not part.open:
        return
    with part:
        with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
            name = _choose_second(task)
            said = st.empty()
        if name is None:
            said.caption("It reads the faces that are found already; labels are not needed.")
            return
        try:
            found = _compare(task, name)
        except EmotionError as error:
            st.error(escape(str(error)), icon=":material/error:")
            return
        if found is not None:
            table, second = found
            cards = task.analyzer.info.emotion, second
            agreement = measure_agreement(table)
            if agreement is None:
                said.caption("Every face is too hard to read to be compared.")
            else:
                said.markdown(_to_finding(agreement, table, _titles(cards)))
                _show(task, table, agreement, cards, face)


def _titles(cards: tuple[ModelCard, ModelCard]) -> tuple[str, str]:
    first, second = cards
    return first.title, second.title


def _choose_second(task: ComparisonTask) -> str | None:
    """The other model, of those that the sidebar has."""
    in_use = {task.analyzer.info.emotion.name, task.options.emotion}
    names = [task.preset] if task.preset else []
    names += [card.name for card in cards_for(Task.EMOTION) if card.name not in names]
    return st.selectbox(
        "Second model",
        [name for name in names if name not in in_use and Path(name).stem not in in_use],
        index=None,
        placeholder="Choose a model",
        format_func=lambda name: Path(name).name,
        key=_SECOND,
        persist_state="session",
        width=280,
    )


def _compare(task: ComparisonTask, name: str) -> tuple[pd.DataFrame, ModelCard] | None:
    """Both readings of the faces that count, with their ids, and the second model's card.

    ``None`` if that model is missing.
    """
    options, selected = task.options, task.selected
    second = resources.get_analyzer(name, options.detector, task.device, options.material)
    if second.info.emotion.name not in (name, Path(name).stem):
        st.warning(escape(" ".join(second.info.notices)), icon=":material/cloud_off:")
        return None
    if not isinstance(second, LocalAnalyzer):
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
    return table.loc[counted], second.info.emotion


def _show(
    task: ComparisonTask,
    table: pd.DataFrame,
    found: ModelAgreement,
    cards: tuple[ModelCard, ModelCard],
    face: str | None,
) -> None:
    """The bars of one face, all faces in the plane, and how far both models agree."""
    names = _titles(cards)
    bars, plane, figures = st.columns([3, 3, 2], gap="medium")
    with bars:
        chosen = _choose_face(table, face)
        _show_bars(task, table, chosen, cards)
    with plane:
        st.altair_chart(
            readable(joined_dots_chart(table, chosen, edge=edge_colour())),
            key=_PLANE,
            on_select=_take_from_plane,
            selection_mode=[PICK],
            alt=f"{plural(found.n, 'face')} in the valence-arousal plane as {names[0]} reads them, "
            f"hollow dots, joined to filled dots, as {names[1]} does",
        )
        st.caption(escape(f"Hollow dots: {names[0]}. Filled dots: {names[1]}."))
    with figures:
        st.table(_to_agreement_table(found))
        public = table[list(COMPARED_COLUMNS)]
        download("Both models (CSV)", to_csv(lambda: public), "compared.csv", "text/csv")
        with st.popover("Which words"):
            st.dataframe(agreement_counts(table), width="content")
            st.caption(escape(f"Rows: {names[0]}; columns: {names[1]}."))


def _choose_face(table: pd.DataFrame, face: str | None) -> str:
    """The face of the bars: the one that is open, or else the one about which both differ most."""
    changes = (table[f"{axis}_2"] - table[f"{axis}_1"] for axis in ("valence", "arousal"))
    apart = pd.concat([change**2 for change in changes], axis=1).sum(axis=1)
    rest = table.loc[apart.sort_values(ascending=False, kind="stable").index, "id"]
    ids = list(dict.fromkeys([*find_disputed(table, len(table))["id"], *rest]))
    words = {row["id"]: _in_words(row) for row in table.to_dict("records")}
    st.session_state[_FACE] = face if face in words else ids[0]
    chosen: str = st.selectbox(
        "Face",
        ids,
        format_func=words.__getitem__,
        key=_FACE,
        on_change=lambda: select_face(st.session_state[_FACE]),
        help="First those of which both models are surest but say different words, then those that "
        "lie furthest apart in the plane.",
    )
    return chosen


def _in_words(row: dict[Any, Any]) -> str:
    first, second = (
        f"{row[f'emotion_{i}']} {format_confidence(row[f'confidence_{i}'])}" for i in (1, 2)
    )
    return f"{shorten(row['source'])}, face {row['face']}: {first}, {second}"


def _show_bars(
    task: ComparisonTask, table: pd.DataFrame, chosen: str, cards: tuple[ModelCard, ModelCard]
) -> None:
    names, options = _titles(cards), task.options.analyze_options
    row = table.loc[table["id"] == chosen].iloc[0]
    key, number = chosen.rpartition("#")[0], int(chosen.rpartition("#")[2]) - 1
    photo = next(photo for photo in task.selected.photos if photo.key == key)
    found = task.selected.result_of(photo).record.analysis
    if found is None:
        return
    first, second = (
        {str(e): float(p) for e, p in zip(read.labels, read.probabilities[number], strict=True)}
        for read in (found.predictions, task.readings.of(cards[1].version, photo, options))
    )
    st.altair_chart(
        readable(paired_bars_chart(first, second, edge=edge_colour())),
        key="compared bars",
        alt=f"{names[0]}: {row['emotion_1']} {format_confidence(row['confidence_1'])}; "
        f"{names[1]}: {row['emotion_2']} {format_confidence(row['confidence_2'])}",
    )
    st.caption(escape(f"Filled bars: {names[0]}. Outlined bars: {names[1]}."))


def _to_finding(found: ModelAgreement, table: pd.DataFrame, names: tuple[str, str]) -> str:
    """How far both agree, in a sentence, and the models."""
    said = f"**The same word for {found.same_word:.0%}** of {plural(found.n, 'face')}"
    if found.kappa is not None:
        said += f", kappa {found.kappa:.2f}"
    parts = []
    for axis in ("valence", "arousal"):
        change = getattr(found, f"{axis}_difference")
        way = "higher" if change > 0 else "lower"
        parts.append(
            f"{axis} {abs(change):.2f} {way}" if abs(change) >= _SHOWN else f"{axis} alike"
        )
    reads = f"{escape(names[1])} reads {' and '.join(parts)} on average"
    apart = table[table["emotion_1"] != table["emotion_2"]]
    most = ""
    if len(apart):
        pairs = apart["emotion_1"] + " becomes " + apart["emotion_2"]
        most = f" Most often apart: {pairs.mode()[0]} ({(pairs == pairs.mode()[0]).sum()})."
    return f"{said}; {reads}.{most}"


def _to_agreement_table(found: ModelAgreement) -> pd.DataFrame:
    def r(value: float | None) -> str:
        return "" if value is None else f" (r {value:.2f})"

    rows = [
        ("Faces", f"{found.n}"),
        ("Same word", f"{found.same_word:.0%}"),
        ("Cohen's kappa", "undefined" if found.kappa is None else f"{found.kappa:.2f}"),
        (
            "Valence, second minus first",
            format_signed(found.valence_difference) + r(found.valence_r),
        ),
        (
            "Arousal, second minus first",
            format_signed(found.arousal_difference) + r(found.arousal_r),
        ),
    ]
    return pd.DataFrame(rows, columns=["Agreement", ""]).set_index("Agreement")


def _take_from_plane() -> None:
    state: Any = st.session_state[_PLANE]
    if picked := [point["id"] for point in state.selection.get(PICK, [])]:
        select_face(picked[0])
