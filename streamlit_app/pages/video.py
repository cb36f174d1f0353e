"""Video: upload, progress, the annotated video, the course of emotions over time."""

from dataclasses import replace
from functools import partial
from io import BytesIO

import streamlit as st

from emotion_core.errors import EmotionError
from streamlit_app.resources import (
    forget_analyzer,
    get_analyzer,
    job_line,
    sample_clip,
    sample_photo,
)
from streamlit_app.session_state import video_desk
from streamlit_app.settings import load_settings
from streamlit_app.video.job import JobSpec, JobState, VideoJob
from streamlit_app.video.options import choose_embedder, choose_settings
from streamlit_app.video.results import show_result
from streamlit_app.video.views import invite, show_cancelled, show_clip, show_failure, show_running
from streamlit_app.widgets import errors_as_messages, plain, sidebar, sidebar_info, take_upload

ENDINGS = ("mp4", "m4v", "mov", "avi", "mkv", "webm")

st.set_page_config(page_title="Video · Emoscope")
settings = load_settings()
desk = video_desk()
options = sidebar(settings)
video_settings = replace(choose_settings(options), longest_s=60.0 * settings.max_video_minutes)
embedder = choose_embedder(desk)

st.title("How do these faces change?", anchor=False)
field = f"video {desk.uploads}"
upload = st.file_uploader(
    "Video",
    type=list(ENDINGS),
    max_upload_size=min(settings.max_video_mb, int(st.get_option("server.maxUploadSize"))),
    key=field,
    help="MP4, MOV, AVI, MKV or WebM. The video stays on this server, in a file without a name, "
    "and is gone when you leave.",
)
if upload:
    try:
        desk.put(upload.name, take_upload(upload, field))
    except EmotionError as error:
        st.error(plain(str(error)), icon=":material/error:")
        st.stop()
    st.rerun()

if not desk.clip and invite(sample_photo()):
    with errors_as_messages("The sample could not be made"):
        desk.put("sample.mp4", BytesIO(sample_clip()))
    st.rerun()

choice = (options.emotion, options.detector, settings.device)
with errors_as_messages("The networks could not be loaded"):
    analyzer = get_analyzer(*choice)
info = analyzer.info
sidebar_info(info, partial(forget_analyzer, *choice))
if not desk.clip:
    st.stop()

recipe = JobSpec(info.emotion.name, info.detector.name, video_settings, embedder is not None)
if not desk.job:
    line = job_line(settings.max_video_jobs)
    with errors_as_messages("The analysis could not be begun"):
        desk.job = VideoJob(desk.clip.file, recipe, analyzer, line, embedder)
job = desk.job
show_clip(desk)
if job.state in (JobState.WAITING, JobState.RUNNING):
    show_running(desk, job, blur=options.blur)
    st.stop()
if job.state is JobState.CANCELLED:
    show_cancelled(desk)
    st.stop()
try:
    result = job.result()
except EmotionError as error:
    show_failure(desk, error)
    st.stop()
if not job.recipe.finds_the_same_as(recipe):
    with st.container(horizontal=True, vertical_alignment="center"):
        st.info("The settings have changed since this analysis.", icon=":material/tune:")
        st.button(
            "Analyse again", on_click=desk.forget_job, type="primary", icon=":material/refresh:"
        )
show_result(desk, result, video_settings.smoothing_s, blur=options.blur)
