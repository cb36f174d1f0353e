"""Video: the sample or an upload, progress, and what the faces did over time."""

from dataclasses import replace
from functools import partial

import streamlit as st

from emotion_core.errors import EmotionError
from emotion_core.local_analyzer import LocalAnalyzer
from streamlit_app.resources import (
    explain_link,
    get_analyzer,
    job_queue,
    page_analyzer,
    sample_video,
    update_link,
    visit_state,
)
from streamlit_app.settings import load_settings
from streamlit_app.sidebar import visitor_options
from streamlit_app.video.comparing import VideoComparing
from streamlit_app.video.job import JobSpec, VideoJob
from streamlit_app.video.job_queue import JobState
from streamlit_app.video.options import choose_embedder, choose_settings
from streamlit_app.video.results import FinishedVideo, show_result
from streamlit_app.video.sample import FOLDER
from streamlit_app.video.state import VideoState
from streamlit_app.video.views import (
    explain_sample,
    offer_analysis,
    show_failure,
    show_header,
    show_running,
)
from streamlit_app.widgets import errors_as_messages, escape

st.set_page_config(page_title="Video · Emoscope")
settings = load_settings()
state = visit_state(VideoState)
options = visitor_options()
video_settings = replace(choose_settings(options), longest_s=60.0 * settings.max_video_minutes)
embedder = choose_embedder(state)
state.settle()
smoothing_s, blur = video_settings.smoothing_s, options.blur

if not state.clip:
    show_header(settings, state, "")
    sample = sample_video()
    show_result(state, sample, smoothing_s, blur=blur)
    if explain_sample(sample.result):
        with (FOLDER / sample.name).open("rb") as stream, errors_as_messages("No sample"):
            state.put(sample.name, stream)
        st.rerun()
    page_analyzer(options, settings.device)
    st.stop()

analyzer = page_analyzer(options, settings.device)
info = analyzer.info
spec = JobSpec(info.emotion.title, info.detector.name, video_settings, embedder is not None)
if not state.job:
    queue = job_queue(settings.max_video_jobs)
    with errors_as_messages("The analysis could not be started"):
        state.job = VideoJob(state.clip.file, spec, analyzer, queue, embedder)
job = state.job
done = job if job.state is JobState.DONE else state.kept
show_header(settings, state, f"{done.spec.emotion}, {done.spec.detector}" if done else "")
update_link()
if state.remark:
    st.info(escape(state.remark), icon=":material/folder_zip:")
if job.state in (JobState.WAITING, JobState.RUNNING):
    show_running(state, job, blur=blur)
elif job.state is JobState.CANCELLED:
    offer_analysis(state, "The analysis was cancelled.", ":material/stop:")
elif job.state is JobState.FAILED:
    try:
        job.result()
    except EmotionError as error:
        show_failure(state, error)
elif not job.spec.finds_the_same_as(spec):
    offer_analysis(state, "The settings have changed since this analysis.", ":material/tune:")
if done:
    clip = state.clip.file if done is job else None
    comparing = None
    if isinstance(analyzer, LocalAnalyzer):  # a server has one model
        load = partial(
            get_analyzer,
            detector=options.detector,
            device=settings.device,
            material=options.material,
        )
        comparing = VideoComparing(
            state.comparisons, load, job_queue(settings.max_video_jobs), settings.model
        )
    finished = FinishedVideo(state.clip.name, done.result(), done.video, clip, comparing=comparing)
    show_result(state, finished, smoothing_s, blur=blur)
    explain_link()
