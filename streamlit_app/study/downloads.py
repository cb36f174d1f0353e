"""A study as files: everything, the project, the report, and each file alone."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import streamlit as st

from emotion_core.study.export import study_file, study_file_names, write_study_bundle
from emotion_core.study.project import PROJECT_SUFFIX, to_project
from emotion_core.study.report import study_report
from emotion_core.study.synthetic import SYNTHETIC
from streamlit_app.widgets import chosen_decimal, download

if TYPE_CHECKING:
    from emotion_core.photos.tables import Decimal
    from emotion_core.study.tables import StudyTables
    from streamlit_app.study.state import StudyState

_WHAT = {
    "csv": "text/csv",
    "html": "text/html",
    "md": "text/markdown",
    "json": "application/json",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
_ALL_FRAMES = "all_frames."


def show_study_downloads(state: StudyState, tables: StudyTables) -> None:
    """Everything as files, made when a button is pressed.

    Args:
        state: The study.
        tables: Its tables, without all_frames.
    """
    decimal = chosen_decimal()
    names = study_file_names(state.study(), tables)
    made = f"{SYNTHETIC}_" if state.is_synthetic else ""
    with st.container(horizontal=True):
        zipped = "application/zip"
        make_all = partial(bundle_of, state, decimal)
        download("Everything (ZIP)", make_all, f"{made}study.zip", zipped)
        download(
            f"Project ({PROJECT_SUFFIX})",
            lambda: to_project(*state.files()),
            f"{made}study{PROJECT_SUFFIX}",
            zipped,
        )
        download(
            "Report (HTML)",
            lambda: study_report(*state.files()),
            f"{made}study_report.html",
            _WHAT["html"],
        )
        for label, name in (("Excel", "study.xlsx"), ("Participants (CSV)", "participants.csv")):
            if name in names:
                make = partial(_file, state, name, decimal)
                download(label, make, f"{made}{name}", _WHAT[name.rpartition(".")[2]])
    st.caption(
        "Everything has all tables as CSV, Parquet, Excel, JSON and SPSS where the packages are "
        "installed, events, the code book, the methods paragraph with references (BibTeX), the "
        "figure with scripts in R and Python that draw it again, the report, and the project. The "
        "project has no videos; it is opened here or by the command line."
    )
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.selectbox("One file", names, key="study file", width=300)
        kind = _WHAT.get(name.rpartition(".")[2], "application/octet-stream")
        download("Download this file", partial(_file, state, name, decimal), f"{made}{name}", kind)


def bundle_of(state: StudyState, decimal: Decimal) -> bytes:
    """Everything of a study as one ZIP archive."""
    return write_study_bundle(*state.files(with_frames=True), decimal)


def _file(state: StudyState, name: str, decimal: Decimal) -> bytes:
    return study_file(*state.files(with_frames=name.startswith(_ALL_FRAMES)), name, decimal)
