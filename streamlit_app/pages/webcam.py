"""Webcam: live video with its analysis, and the results of a session."""

import streamlit as st

from emotion_core.live.types import LiveSettings
from streamlit_app.resources import live_analyzer, page_analyzer, stream_limiter, visitor_state
from streamlit_app.settings import load_settings
from streamlit_app.sidebar import visitor_options
from streamlit_app.webcam.camera import (
    MIRROR,
    show_camera,
    show_controls,
    show_help,
    show_obstacles,
    show_preview,
    show_steps,
    show_still,
    watch_connection,
)
from streamlit_app.webcam.camera_probe import CameraFault, camera_fault
from streamlit_app.webcam.live import show_last_minute, show_now
from streamlit_app.webcam.relay import with_passwords
from streamlit_app.webcam.results import show_session
from streamlit_app.webcam.state import WebcamState
from streamlit_app.widgets import choose_smoothing, errors_as_messages, escape

st.set_page_config(page_title="Webcam · Emoscope")
settings = load_settings()
state = visitor_state(WebcamState)
options = visitor_options()
with st.sidebar:
    st.header("Webcam")
    smoothing_s = choose_smoothing(
        LiveSettings().smoothing_s,
        "live smoothing",
        "Smooths the live video, charts and dominant emotions. Means and frames.csv stay "
        "unsmoothed.",
    )

is_running = state.current is not None and state.current.is_shown
with st.container(key="running-header" if is_running else "header"):
    st.title("Webcam", anchor=False)
    st.caption(
        "What does your face show right now? The video of your camera is analysed on "
        f"{escape(settings.server.host) or 'this server'} while it runs. It is not kept, unless "
        "you record it, and not sent anywhere else."
    )
# Everything that comes and goes has its own container: if the camera's widget moved to another one,
# the browser would create it again, which would end a running stream.
loading, notices, columns, below = (st.container() for _ in range(4))
with columns:
    left, right = st.columns([3, 2], gap="medium")
with left:
    camera, under_camera = st.container(), st.container()

with loading:
    analyzer = page_analyzer(options, settings.device)
    with errors_as_messages("The models could not be loaded"):
        shared = live_analyzer(analyzer)
if options.blur:
    st.sidebar.caption(
        "With blurred faces you only see analysed frames, which are fewer and delayed."
    )

limiter = stream_limiter(settings.max_streams)
live_settings = LiveSettings(
    options.min_score,
    options.min_face_px,
    options.blur,
    smoothing_s,
    mirror=st.session_state.get(MIRROR, True),
)
session = state.session(shared, limiter, live_settings)
with notices:
    may_start = show_obstacles(state, session, limiter)
is_on = False
if may_start:
    with camera:
        preview = st.container()
        servers = with_passwords(settings.ice_servers, settings.turn_secret, state.passwords_s)
        is_on = show_camera(state, session, servers)
has_frames = is_on and session.is_shown
if may_start and not is_on and not state.last:
    with preview:
        show_preview()
with under_camera:
    if may_start:
        show_controls(state, session, is_on=is_on)
    if is_on:
        watch_connection(state, session, has_frames=has_frames)
    if state.fault != CameraFault.INSECURE and not has_frames:
        show_help(state, settings.ice_servers)
with right:
    if has_frames:
        show_now(session)
    elif may_start and not state.last:
        show_steps(limiter)
with below:
    if has_frames:
        show_last_minute(session)
        show_help(state, settings.ice_servers)
    if state.failure or (not is_on and (state.wants_still or not may_start)):
        show_still(state, analyzer, options)
    if state.last and not is_on:
        show_session(state, state.last, smoothing_s=smoothing_s, blur=options.blur)

fault = camera_fault(state.fault)
if fault != state.fault:
    state.fault = fault
    st.rerun()
