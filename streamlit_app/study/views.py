"""The Study page around its tabs: header, the empty page, and results that cannot be made."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from emotion_core.study.project import PROJECT_SUFFIX
from emotion_core.study.synthetic import ABOUT_SYNTHETIC
from streamlit_app.study.uploads import choose_files
from streamlit_app.widgets import plural

if TYPE_CHECKING:
    from streamlit_app.settings import AppSettings
    from streamlit_app.study.state import StudyState

_STEPS = (
    (
        "Drop videos or photos",
        "Name them like `P01_joy.mp4`: participant and stimulus are read from the names, by a "
        "pattern that you choose, or from a table.",
    ),
    (
        "Leave them to it",
        "They are analysed one after another. Close the tab and come back by its address; a video "
        "that fails stops no other.",
    ),
    (
        "Get the figure",
        "Curves per stimulus with bands over participants, one tidy row per participant and "
        "stimulus, comparisons, a report, scripts and a methods paragraph.",
    ),
)


def show_study_header(settings: AppSettings, state: StudyState) -> None:
    """The title, the upload field, and a button that ends the study."""
    people = {state.names.of(clip.name)[0] for clip in state.clips} - {""}
    with st.container(horizontal=True, key="head"):
        with st.container(width="stretch", gap="small"):
            st.title("Study", anchor=False)
            if state.clips:
                words = f"{plural(len(state.clips), 'video')}, {plural(len(people), 'participant')}"
                where = "opened from a project" if state.is_project else ""
                where = "all synthetic" if state.is_synthetic else where
                st.caption("; ".join(filter(None, (words, where))))
            else:
                st.caption("What do these people's faces do, and what differs?")
        if state.clips:
            with st.expander("Add videos or open a project", icon=":material/add:", width=320):
                choose_files(settings, state)
            label = "Close study"
            with st.popover(label, icon=":material/close:"):
                st.markdown("Videos, readings and edits are deleted. Save the project before.")
                if st.button("Delete everything", on_click=state.clear):
                    st.rerun()
    if not state.clips:
        choose_files(settings, state)
        st.caption(
            "Videos stay on this server, in files without names, and are deleted an hour after "
            "you leave."
        )


def explain_study(state: StudyState) -> None:
    """What a study is, on the empty page, and a sample of its results."""
    with (
        st.container(border=True),
        st.container(horizontal=True, vertical_alignment="center", key="study sample"),
    ):
        st.markdown(
            "**See what comes of it first**: findings, curves, comparisons and files of a study "
            "whose readings are synthetic. No person was filmed for it.",
            width="stretch",
        )
        st.button(
            "Try a sample study",
            on_click=state.open_sample,
            type="primary",
            icon=":material/play_arrow:",
        )
    with st.grid(3, min_column_width=240, gap="medium"):
        for number, (title, words) in enumerate(_STEPS, 1):
            with st.container(border=True):
                st.markdown(f"**{number}. {title}**")
                st.markdown(words)
    st.caption(
        f"A project ({PROJECT_SUFFIX}) that was saved before, here or by the command "
        "`study`, is opened by the same field; its videos are not needed."
    )


def tell_synthetic(state: StudyState) -> None:
    """Says that the study shown is made, and removes it with one click."""
    with st.container(horizontal=True, vertical_alignment="center"):
        with st.container(width="stretch"):
            st.warning(f"**Sample study.** {ABOUT_SYNTHETIC}", icon=":material/science:")
        st.button("Remove the sample", on_click=state.clear, icon=":material/delete:")


def offer_new_analysis(state: StudyState) -> None:
    """Says that the settings have changed since the videos were analysed."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.info(
            "The settings have changed since this study began. All of its videos keep to those of "
            "the first.",
            icon=":material/tune:",
        )
        st.button(
            "Analyse all again",
            on_click=state.analyze_again,
            type="primary",
            icon=":material/refresh:",
        )
