"""What a study shows: findings, curves, means, comparisons, and what is missing."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import streamlit as st

from emotion_core.reporting.group_chart import stimulus_charts
from emotion_core.study.findings import (
    CAUTION,
    EXPLORATORY,
    describe_missing,
    format_p,
    study_findings,
    usable_grid,
)
from emotion_core.study.readings import measures_of
from streamlit_app.widgets import COUNT_ALL, escape, readable, table_height

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from streamlit.elements.lib.column_types import ColumnConfig

    from emotion_core.study.tables import StudyTables
    from streamlit_app.study.state import StudyState

_NUMBER, _MISSING = "%+.2f", "\u2013"
_SUMMARY = {
    "stimulus": st.column_config.TextColumn("Stimulus"),
    "condition": st.column_config.TextColumn("Condition"),
    "participants": st.column_config.NumberColumn("Participants"),
    "n": st.column_config.NumberColumn("With readings"),
    "mean": st.column_config.NumberColumn("Mean", format=_NUMBER),
    "low": st.column_config.NumberColumn("95% from", format=_NUMBER),
    "high": st.column_config.NumberColumn("95% to", format=_NUMBER),
    "sd": st.column_config.NumberColumn("SD over participants", format="%.2f"),
}
_COMPARISONS = {
    "a": st.column_config.TextColumn("A"),
    "b": st.column_config.TextColumn("B"),
    "within": st.column_config.TextColumn("Within"),
    "kind": st.column_config.TextColumn("Kind"),
    "n_a": st.column_config.NumberColumn("n A"),
    "n_b": st.column_config.NumberColumn("n B"),
    "difference": st.column_config.NumberColumn("A \u2212 B", format=_NUMBER),
    "low": st.column_config.NumberColumn("95% from", format=_NUMBER),
    "high": st.column_config.NumberColumn("95% to", format=_NUMBER),
    "effect": st.column_config.TextColumn("Effect"),
    "effect_size": st.column_config.NumberColumn("Size", format=_NUMBER),
    "effect_low": st.column_config.NumberColumn("Size from", format=_NUMBER),
    "effect_high": st.column_config.NumberColumn("Size to", format=_NUMBER),
    "p": st.column_config.TextColumn("p"),
    "p_fdr": st.column_config.TextColumn("p_fdr"),
}
_FIRST = (
    *("participant", "stimulus", "condition", "note", "mean_valence", "sd_valence"),
    *("mean_arousal", "sd_arousal", "peak_valence", "peak_valence_s", "share_counted"),
)


def show_study_findings(tables: StudyTables) -> None:
    """What the study shows in sentences, and what is missing in it."""
    first, *others = study_findings(tables) or ["No video has a usable reading."]
    st.markdown(f"#### {escape(first)}")
    for sentence in others:
        st.markdown(escape(sentence))
    st.caption(escape(describe_missing(tables)))


def show_study_results(state: StudyState, tables: StudyTables) -> None:
    """Curves, means, comparisons, participants and what is missing."""
    measures = measures_of(tables.participant_curves)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        measure = st.selectbox(
            "Measure", measures, format_func=_words, key="study measure", width=220
        )
        if measure != state.measure:
            state.measure = measure
            tables = state.tables()
        all_faces = st.toggle(
            "Count all", state.settings.all_faces, key=f"study all {state.uploads}", help=COUNT_ALL
        )
        st.caption(escape(CAUTION), width="stretch")
    if all_faces != state.settings.all_faces:
        state.settings = replace(state.settings, all_faces=all_faces)
        st.rerun()
    _show_curves(tables, measure)
    st.header("Means", anchor=False)
    summary = tables.group_summary
    _show(
        summary[summary["measure"] == f"mean_{measure}"],
        _SUMMARY,
        f"Means of {_words(measure)} over participants, with intervals",
    )
    st.header("Comparisons", anchor=False)
    compared = tables.comparisons[tables.comparisons["measure"] == f"mean_{measure}"]
    if compared.empty:
        st.caption("There is one stimulus and one condition: nothing to compare.")
    else:
        st.caption(escape(EXPLORATORY))
        words = {name: compared[name].map(format_p) for name in ("p", "p_fdr")}
        _show(
            compared.assign(**words), _COMPARISONS, f"Comparisons of {_words(measure)}, exploratory"
        )
    if len(tables.event_windows):
        _show_events(tables.event_windows, measure)
    _show_participants(tables)


def _show_curves(tables: StudyTables, measure: str) -> None:
    curves = tables.group_curves
    if not curves.loc[curves["measure"] == measure, "mean"].notna().any():
        st.info("No video has a usable reading of its participant.")
        return
    charts = stimulus_charts(curves, tables.participant_curves, measure)
    with st.grid(2, min_column_width=340, gap="medium"):
        for stimulus, chart in charts.items():
            with st.container(gap="xsmall"):
                st.markdown(f"**{escape(stimulus)}**")
                st.altair_chart(
                    readable(chart.properties(height=240)),
                    key=f"curve {measure} {stimulus}",
                    alt=f"{_words(measure)} over time in {stimulus}: mean over participants with "
                    "its 95% band, and each participant",
                )


def _show_events(windows: pd.DataFrame, measure: str) -> None:
    st.header("Around events", anchor=False)
    columns = ["event", "participant", "stimulus", "condition", "time_s", "frames_counted"]
    name = f"mean_{measure}"
    _show(
        windows[[*columns, name]],
        {
            **{column: st.column_config.Column(_words(column).capitalize()) for column in columns},
            "time_s": st.column_config.NumberColumn("Time (s)", format="%.1f"),
            "frames_counted": st.column_config.NumberColumn("Frames with readings"),
            name: st.column_config.NumberColumn(_words(measure).capitalize(), format=_NUMBER),
        },
        f"Means of {_words(measure)} around events",
    )


def _show_participants(tables: StudyTables) -> None:
    st.header("Participants", anchor=False)
    people = tables.participants
    first = [name for name in _FIRST if name in people]
    if not (people["condition"] != "").any():
        first.remove("condition")
    others = [name for name in people.columns if name not in (*_FIRST, "video")]
    numbers = people.select_dtypes("float").columns
    st.dataframe(
        people,
        column_order=[*first, *others],
        column_config={name: st.column_config.NumberColumn(format="%.2f") for name in numbers},
        hide_index=True,
        height=table_height(people),
        placeholder=_MISSING,
        alt="One row per participant, stimulus and condition, with all measures",
    )
    st.header("What there is of each", anchor=False)
    st.caption("Share of frames with a usable reading, or why there is none. Nothing is filled.")
    grid = usable_grid(tables)
    st.dataframe(
        grid, height=table_height(grid), alt="Share of usable frames per participant and stimulus"
    )


def _show(table: pd.DataFrame, columns: Mapping[str, ColumnConfig], alt: str) -> None:
    """Some columns of a table, without conditions if there are none."""
    shown = [
        name for name in columns if name not in ("condition", "within") or (table[name] != "").any()
    ]
    st.dataframe(
        table,
        column_order=shown,
        column_config={name: columns[name] for name in shown},
        hide_index=True,
        height=table_height(table),
        placeholder=_MISSING,
        alt=alt,
    )


def _words(measure: str) -> str:
    return measure.removeprefix("p_").replace("_p_", "_").replace("_", " ")
