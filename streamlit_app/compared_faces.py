"""Two models' readings of the same faces, as pages show them, and the choice of the second one."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import streamlit as st

from emotion_core.face import format_confidence, format_signed
from emotion_core.models.card import Task
from emotion_core.models.registry import cards_for
from emotion_core.photos.comparison import (
    agreement_counts,
    find_disputed,
    measure_agreement,
)
from emotion_core.reporting.compared_charts import joined_dots_chart, paired_bars_chart
from emotion_core.reporting.photo_charts import PICK
from streamlit_app.widgets import download, edge_colour, escape, plural, readable, to_csv

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from streamlit.delta_generator import DeltaGenerator

    from emotion_core.analyzer import Analyzer
    from emotion_core.photos.comparison import ModelAgreement

MAX_DRAWN = 400
"""Maximum number of faces in the chart and in the list of faces, beside those disputed most."""

_MAX_DISPUTED = 50

_SHOWN = 0.005
"""Difference that two decimals show."""


@dataclass(frozen=True, eq=False, slots=True)
class ComparedFaces:
    """Two models' readings of the same faces.

    Attributes:
        table: ``COMPARED_COLUMNS``, whatever else the file is to have, and ``id``; at least a row.
        names: Of both models.
        key: Begins the keys of widgets.
        picked: Id of the face to show; ``None`` for the one about which both differ most.
        pick: Called with the id of a face that was selected.
        describe: Tells which face a row of the table is about.
        find_shares: Probabilities by emotion of both models, of the face with an id.
    """

    table: pd.DataFrame
    names: tuple[str, str]
    key: str
    picked: str | None
    pick: Callable[[str], None]
    describe: Callable[[Mapping[Any, Any]], str]
    find_shares: Callable[[str], tuple[Mapping[str, float], Mapping[str, float]]]


def open_comparison(
    in_use: Collection[str], preset: str, key: str
) -> tuple[DeltaGenerator, DeltaGenerator, str] | None:
    """A part of the page with the choice of the other model, of those that the sidebar has.

    Args:
        in_use: Names of the model to compare with.
        preset: The app's own choice of a model; may be empty.
        key: Of the choice, and the start of that of the part.

    Returns:
        The part, a place in its first row, and the model's name; ``None`` if the part is closed or
        no model is chosen.
    """
    part = st.expander(
        "Compare with a second model",
        icon=":material/compare:",
        key=f"{key} part",
        on_change="rerun",
    )
    if not part.open:
        return None
    names = [preset] if preset else []
    names += [card.name for card in cards_for(Task.EMOTION) if card.name not in names]
    with part, st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        name = st.selectbox(
            "Second model",
            [name for name in names if name not in in_use and Path(name).stem not in in_use],
            index=None,
            placeholder="Choose a model",
            format_func=lambda name: Path(name).name,
            key=key,
            persist_state="session",
            width=280,
        )
        place = st.empty()
    if name is None:
        place.caption("It reads the faces that are found already; labels are not needed.")
        return None
    return part, place, name


def is_chosen_model(analyzer: Analyzer, name: str) -> bool:
    """Whether an analyzer has the model that was chosen; if it is missing, a warning says so."""
    if analyzer.info.emotion.name in (name, Path(name).stem):
        return True
    st.warning(escape(" ".join(analyzer.info.notices)), icon=":material/cloud_off:")
    return False


def show_compared(compared: ComparedFaces, finding: DeltaGenerator) -> None:
    """The bars of one face, all faces in the plane, and how far both models agree.

    Args:
        compared: The readings.
        finding: Takes a sentence on them.
    """
    table, names = compared.table, compared.names
    found = measure_agreement(table)
    if found is None:
        finding.caption("Every face is too hard to read to be compared.")
        return
    finding.markdown(to_finding(found, table, names))
    drawn = _choose_drawn(table, compared.picked)
    bars, plane, figures = st.columns([3, 3, 2], gap="medium")
    with bars:
        chosen = _choose_face(compared, drawn)
        _show_bars(compared, chosen)
    with plane:
        _show_plane(compared, drawn, chosen)
    with figures:
        st.table(_to_agreement_table(found))
        public = table.drop(columns="id")
        download("Both models (CSV)", to_csv(lambda: public), "compared.csv", "text/csv")
        with st.popover("Which words"):
            st.dataframe(agreement_counts(table), width="content")
            st.caption(escape(f"Rows: {names[0]}; columns: {names[1]}."))


def to_finding(found: ModelAgreement, table: pd.DataFrame, names: tuple[str, str]) -> str:
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


def _choose_drawn(table: pd.DataFrame, picked: str | None) -> pd.DataFrame:
    """All faces, or of many some spread evenly, those disputed most and the one to show."""
    if len(table) <= MAX_DRAWN:
        return table
    ids = {picked, *find_disputed(table, _MAX_DISPUTED)["id"]}
    ids |= set(table["id"].iloc[:: math.ceil(len(table) / MAX_DRAWN)])
    return table[table["id"].isin(ids)]


def _choose_face(compared: ComparedFaces, drawn: pd.DataFrame) -> str:
    """The face of the bars: the one picked, or else the one about which both differ most."""
    changes = (drawn[f"{axis}_2"] - drawn[f"{axis}_1"] for axis in ("valence", "arousal"))
    apart = pd.concat([change**2 for change in changes], axis=1).sum(axis=1)
    rest = drawn.loc[apart.sort_values(ascending=False, kind="stable").index, "id"]
    ids = list(dict.fromkeys([*find_disputed(drawn, len(drawn))["id"], *rest]))
    words = {
        row["id"]: f"{compared.describe(row)}: {_in_words(row)}" for row in drawn.to_dict("records")
    }
    key = f"{compared.key} face"
    picked = compared.picked
    st.session_state[key] = picked if picked in words else ids[0]
    chosen: str = st.selectbox(
        "Face",
        ids,
        format_func=words.__getitem__,
        key=key,
        on_change=lambda: compared.pick(st.session_state[key]),
        help="First those of which both models are surest but say different words, then those that "
        "lie furthest apart in the plane.",
    )
    return chosen


def _in_words(row: Mapping[Any, Any]) -> str:
    first, second = (
        f"{row[f'emotion_{i}']} {format_confidence(row[f'confidence_{i}'])}" for i in (1, 2)
    )
    return f"{first}, {second}"


def _show_bars(compared: ComparedFaces, chosen: str) -> None:
    names, table = compared.names, compared.table
    row = table.loc[table["id"] == chosen].iloc[0]
    first, second = compared.find_shares(chosen)
    st.altair_chart(
        readable(paired_bars_chart(first, second, edge=edge_colour())),
        key=f"{compared.key} bars",
        alt=f"{names[0]}: {row['emotion_1']} {format_confidence(row['confidence_1'])}; "
        f"{names[1]}: {row['emotion_2']} {format_confidence(row['confidence_2'])}",
    )
    st.caption(escape(f"Filled bars: {names[0]}. Outlined bars: {names[1]}."))


def _show_plane(compared: ComparedFaces, drawn: pd.DataFrame, chosen: str) -> None:
    names, n, key = compared.names, len(compared.table), f"{compared.key} plane"

    def take() -> None:
        state: Any = st.session_state[key]
        if picked := [point["id"] for point in state.selection.get(PICK, [])]:
            compared.pick(picked[0])

    st.altair_chart(
        readable(joined_dots_chart(drawn, chosen, edge=edge_colour())),
        key=key,
        on_select=take,
        selection_mode=[PICK],
        alt=f"{plural(len(drawn), 'face')} in the valence-arousal plane as {names[0]} reads them, "
        f"hollow dots, joined to filled dots, as {names[1]} does",
    )
    some = "" if len(drawn) == n else f" {len(drawn)} of {n} faces are drawn."
    st.caption(escape(f"Hollow dots: {names[0]}. Filled dots: {names[1]}.{some}"))


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
