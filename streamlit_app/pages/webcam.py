"""Webcam: the live picture with what is read from it, and what a session leaves."""

from functools import partial

import streamlit as st

from emotion_core.live.types import LiveSettings
from streamlit_app.resources import forget_analyzer, get_analyzer, live_core, stream_gate
from streamlit_app.session_state import webcam_desk
from streamlit_app.settings import load_settings
from streamlit_app.webcam.camera import (
    show_camera,
    show_help,
    show_obstacles,
    show_record,
    show_steps,
    show_still,
    watch_connection,
)
from streamlit_app.webcam.camera_probe import CameraFault, camera_fault
from streamlit_app.webcam.live import show_course_now, show_readings
from streamlit_app.webcam.results import show_session
from streamlit_app.widgets import errors_as_messages, plain, side_by_side, sidebar, sidebar_info

st.set_page_config(page_title="Webcam · Emoscope")
settings = load_settings()
desk = webcam_desk()
options = sidebar(settings)
with st.sidebar:
    st.header("Webcam")
    smoothing_s = st.slider(
        "Smoothing",
        0.0,
        2.0,
        LiveSettings().smoothing_s,
        0.1,
        "%.1f s",
        key="live smoothing",
        persist_state="session",
        help="Evens out what is drawn, charts, emotions and moments; means and the file of frames "
        "have none.",
    )

st.title("What does your face show right now?", anchor=False)
st.caption(
    f"Your camera's picture is analysed on {plain(settings.server.host) or 'this server'} while it "
    "runs. It is not kept, unless you record it, and not sent anywhere else."
)
# Whatever comes and goes has a place of its own: if the camera's part moved to another one, the
# browser would put it up anew, and a stream that runs would end.
loading, notices, columns, below = (st.container() for _ in range(4))
with columns:
    left, right = side_by_side()
with left:
    camera, under_camera = st.container(), st.container()

choice = (options.emotion, options.detector, settings.device)
with loading, errors_as_messages("The networks could not be loaded"):
    analyzer = get_analyzer(*choice)
    core = live_core(analyzer)
sidebar_info(analyzer.info, partial(forget_analyzer, *choice))
if options.blur:
    st.sidebar.caption(
        "With blurred faces you see only pictures that were searched for faces: fewer and later."
    )

gate = stream_gate(settings.max_streams)
live_settings = LiveSettings(options.min_score, options.min_face_px, options.blur, smoothing_s)
session = desk.session(core, gate, live_settings)
with notices:
    may_start = show_obstacles(desk, session, gate)
is_on = False
if may_start:
    with camera:
        is_on = show_camera(desk, session, settings.ice_servers)
has_pictures = is_on and session.processor.frames > 0
with under_camera:
    if may_start:
        show_record(desk, session, is_on=is_on)
    if is_on:
        watch_connection(desk, session, has_pictures=has_pictures)
    if has_pictures:
        show_course_now(session)
    if desk.fault != CameraFault.INSECURE:
        show_help(desk)
with right:
    if has_pictures:
        show_readings(session)
    elif may_start and not desk.last:
        show_steps(gate)
with below:
    if desk.failure or (not is_on and (desk.wants_still or not may_start)):
        show_still(desk, analyzer, options)
    if desk.last and not is_on:
        show_session(desk, desk.last, smoothing_s=smoothing_s, blur=options.blur)

fault = camera_fault(desk.fault)
if fault != desk.fault:
    desk.fault = fault
    st.rerun()
