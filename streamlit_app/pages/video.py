"""Video: upload, progress, the annotated video, emotions over time."""

from dataclasses import replace
from io import BytesIO

import streamlit as st

from emotion_core.errors import EmotionError
from emotion_core.files import archive
from emotion_core.video.io import animation
from emotion_core.video.io.demuxer import ACCEPTED, SUFFIXES
from streamlit_app.resources import (
    explain_link,
    job_queue,
    page_analyzer,
    sample_clip,
    sample_photo,
    update_link,
    visit_state,
)
from streamlit_app.settings import load_settings
from streamlit_app.sidebar import sidebar
from streamlit_app.video.job import JobSpec, JobState, VideoJob
from streamlit_app.video.options import choose_embedder, choose_settings
from streamlit_app.video.results import show_result
from streamlit_app.video.state import VideoState
from streamlit_app.video.views import invite, offer_analysis, show_clip, show_failure, show_running
from streamlit_app.widgets import errors_as_messages, escape, take_upload

st.set_page_config(page_title="Video · Emoscope")
settings = load_settings()
state = visit_state(VideoState)
options = sidebar(settings)
video_settings = replace(choose_settings(options), longest_s=60.0 * settings.max_video_minutes)
embedder = choose_embedder(state)

st.title("Video", anchor=False)
st.caption("How do these faces change?")
field = f"video {state.uploads}"
upload = st.file_uploader(
    "Video",
    type=[*SUFFIXES, *animation.SUFFIXES, archive.SUFFIX],
    max_upload_size=min(settings.max_video_mb, int(st.get_option("server.maxUploadSize"))),
    key=field,
    help=f"{ACCEPTED} and what camcorders write, or a ZIP archive with one. The video stays on "
    "this server, in a file without a name, and is deleted ten minutes after you leave.",
)
if upload:
    try:
        state.put(upload.name, take_upload(upload, field))
    except EmotionError as error:
        st.error(escape(str(error)), icon=":material/error:")
        st.stop()
    st.rerun()

if not state.clip and invite(sample_photo()):
    with errors_as_messages("The sample could not be made"):
        state.put("sample.mp4", BytesIO(sample_clip()))
    st.rerun()

analyzer = page_analyzer(options, settings.device)
if not state.clip:
    st.stop()

info = analyzer.info
spec = JobSpec(info.emotion.name, info.detector.name, video_settings, embedder is not None)
if not state.job:
    queue = job_queue(settings.max_video_jobs)
    with errors_as_messages("The analysis could not be started"):
        state.job = VideoJob(state.clip.file, spec, analyzer, queue, embedder)
job = state.job
show_clip(state)
update_link()
if state.remark:
    st.info(escape(state.remark), icon=":material/folder_zip:")
if job.state in (JobState.WAITING, JobState.RUNNING):
    show_running(state, job, blur=options.blur)
    st.stop()
if job.state is JobState.CANCELLED:
    offer_analysis(state, "The analysis was cancelled.", ":material/stop:")
    st.stop()
try:
    result = job.result()
except EmotionError as error:
    show_failure(state, error)
    st.stop()
if not job.spec.finds_the_same_as(spec):
    offer_analysis(state, "The settings have changed since this analysis.", ":material/tune:")
show_result(state, result, video_settings.smoothing_s, blur=options.blur)
explain_link()
