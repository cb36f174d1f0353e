"""Study: many videos in a queue, who is who, and what differs between stimuli and conditions."""

from dataclasses import replace

import streamlit as st

from emotion_core.errors import EmotionError
from emotion_core.video.types import VideoSettings
from streamlit_app.folder_paths import keep_folder_paths
from streamlit_app.resources import explain_link, job_queue, page_analyzer, update_link, visit_state
from streamlit_app.settings import load_settings
from streamlit_app.sidebar import visitor_options
from streamlit_app.study.downloads import show_study_downloads
from streamlit_app.study.people import show_people_of_videos
from streamlit_app.study.results import show_study_findings, show_study_results
from streamlit_app.study.state import StudyState
from streamlit_app.study.timing import show_timing
from streamlit_app.study.videos import nameless, show_names, show_progress, show_queue
from streamlit_app.study.views import (
    explain_study,
    offer_new_analysis,
    show_study_header,
    tell_synthetic,
)
from streamlit_app.video.options import choose_settings
from streamlit_app.widgets import errors_as_messages, escape

TABS = ["Videos", "Results", "People", "Timing", "Export"]
TAB = "study tab"

st.set_page_config(page_title="Study · Emoscope")
settings = load_settings()
state = visit_state(StudyState)
options = visitor_options()
if state.is_working:
    state.has_shown = False
elif state.has_rows and not state.has_shown:
    state.has_shown = True
    st.session_state[TAB] = "Results"
    if state.is_project:
        st.session_state["smoothing"] = min(2.0, state.settings.smoothing_s)
chosen = choose_settings(options)
# what does not change the readings must not ask for a new analysis
video_settings = replace(
    chosen,
    longest_s=60.0 * settings.max_video_minutes,
    blur=False,
    smoothing_s=VideoSettings().smoothing_s,
)

keep_folder_paths()
show_study_header(settings, state)
for remark in state.remarks:
    st.warning(escape(remark), icon=":material/info:")
analyzer = page_analyzer(options, settings.device)
if not state.clips:
    explain_study(state)
    update_link()
    st.stop()

update_link()
state.settings = replace(state.settings, smoothing_s=chosen.smoothing_s)
queue = job_queue(settings.max_video_jobs)
with errors_as_messages("The analysis could not be started"):
    is_current = state.use(queue, analyzer, video_settings)
if state.is_synthetic:
    tell_synthetic(state)
if not is_current and not state.is_project:
    offer_new_analysis(state)
if state.is_working:
    st.fragment(show_progress, run_every=1.0)(state)

tables, failure = None, ""
# large tables, and those of a queue at work, are only made when they are looked at
is_wanted = st.session_state.get(TAB) in ("Results", "Export")
is_cheap = state.is_current or (state.is_quick and not state.is_working)
if state.has_rows and (is_wanted or is_cheap):
    try:
        with st.spinner("Making the tables…"):
            tables = state.tables()
    except EmotionError as error:
        failure = str(error)
if tables is not None:
    show_study_findings(tables)
elif failure:
    st.error(escape(failure), title="The tables cannot be made", icon=":material/error:")
elif state.has_rows and not state.is_working:
    st.caption("Something has changed: findings and tables are made anew when Results is opened.")
if words := nameless(state):
    st.info(escape(words), icon=":material/help:")

videos, results, people, timing, export = st.tabs(TABS, key=TAB, on_change="rerun")
with videos:
    if videos.open:
        view = st.segmented_control(
            "View", ["Queue", "Who is in which"], default="Queue", required=True, key="study view",
            label_visibility="collapsed",
        )  # fmt: skip
        if view == "Queue":
            st.fragment(show_queue, run_every=1.0 if state.is_working else None)(state)
        else:
            show_names(state)
with results:
    if results.open and tables is not None:
        show_study_results(state, tables)
with people:
    if people.open:
        show_people_of_videos(state, queue, blur=options.blur)
with timing:
    if timing.open:
        show_timing(state, blur=options.blur)
with export:
    if export.open and tables is not None:
        show_study_downloads(state, tables)
explain_link("an hour")
