"""The camera on the Webcam page: Start and Stop, recording, and help with problems."""

from __future__ import annotations

import logging
import math
from dataclasses import replace
from typing import TYPE_CHECKING

import streamlit as st
import streamlit_webrtc

from emotion_core.clock import format_duration
from emotion_core.errors import EmotionError
from emotion_core.live.neutral import NEUTRAL_S
from emotion_core.photos.cropped import iter_cropped_photos
from streamlit_app.photos.state import Photo
from streamlit_app.photos.views import select_photos, show_findings, show_results
from streamlit_app.video.sample import ANNOTATED, FOLDER
from streamlit_app.webcam.camera_probe import ADVICE, CameraFault
from streamlit_app.webcam.relay import find_route, has_relay
from streamlit_app.webcam.state import NO_CONNECTION, PATIENCE_S
from streamlit_app.widgets import choose_counted, errors_as_messages, escape, plural

if TYPE_CHECKING:
    from collections.abc import Sequence

    from emotion_core.analyzer import Analyzer
    from emotion_core.live.concurrency_limit import StreamLimiter
    from streamlit_app.visitor_options import VisitorOptions
    from streamlit_app.webcam.state import WebcamSession, WebcamState

_log = logging.getLogger(__name__)

_VIDEO = {
    "width": {"ideal": 640},
    "height": {"ideal": 360},
    "aspectRatio": {"ideal": 16 / 9},
    "frameRate": {"ideal": 30, "max": 30},
}
_STYLE = {"width": "100%", "aspectRatio": "16 / 9", "objectFit": "contain", "background": "#000"}
MIRROR = "mirror"
"""Key of the switch that mirrors the video."""

_CHECKLIST = """
- **The browser asks for the camera**: allow it. If it does not ask, the camera is blocked: click
  the camera or the lock beside the address, and allow it.
- **"Requested device not found" or "Could not start video source"**: no camera is plugged in, or
  another program is using it. Choose camera takes another one.
- **There is no video although the camera is on**: a firewall, a VPN or a company network lets
  no UDP through. Try another network, or ask this server's operator to set up a TURN server.
- **The video is black**: the camera is switched off or covered.
"""

_NO_RELAY = (
    "Its relay (TURN server) did not help: it may be down, or refuse this server's password; tell "
    "the operator. "
)


def show_obstacles(state: WebcamState, session: WebcamSession, limiter: StreamLimiter) -> bool:
    """Explains what prevents using the camera; returns whether Start may still work."""
    if state.fault:
        title, words = ADVICE[CameraFault(state.fault)]
        st.warning(words, title=title, icon=":material/videocam_off:")
        st.page_link(
            "streamlit_app/pages/photos.py",
            label="Analyse photos instead",
            icon=":material/photo_library:",
        )
        if state.fault == CameraFault.INSECURE:
            return False
    if session.is_begun:
        return True
    try:
        limiter.check()
    except EmotionError as error:
        st.warning(escape(str(error)), title="Others are using it", icon=":material/hourglass:")
        st.button("Try again", icon=":material/refresh:")
        return False
    return True


def show_preview() -> None:
    """The annotated sample, above the camera."""
    with st.container(key="preview", gap=None):
        st.video(
            str(FOLDER / ANNOTATED),
            autoplay=True,
            loop=True,
            muted=True,
            alt="Sample: a face with its emotion, which goes from sadness to happiness",
        )


def show_steps(limiter: StreamLimiter) -> None:
    """Instructions before the first session."""
    st.header("How it works", anchor=False)
    st.markdown(
        "1. Press **Start** and let the browser use the camera.\n"
        "2. Faces get their emotion, valence and arousal, in the video and in charts here.\n"
        "3. After **Stop** the session is charted, and you can download its tables."
    )
    st.caption(f"{limiter.running} of {limiter.limit} webcams are in use.")


def show_camera(
    state: WebcamState, session: WebcamSession, servers: list[dict[str, object]]
) -> bool:
    """The video with Start and Stop; returns whether the stream is on.

    No servers but those given are asked for a connection.
    """
    key = f"camera {state.mounts}"
    try:
        context = streamlit_webrtc.webrtc_streamer(
            key=key,
            # Always a list: by default, the library asks other servers, and sends them tokens that
            # it finds in the environment.
            rtc_configuration={"iceServers": servers},
            media_stream_constraints={"video": _VIDEO, "audio": False},
            sink_video_track=session.track,
            source_video_track=session.track,
            sendback_audio=False,
            translations={"start": "Start", "stop": "Stop", "select_device": "Choose camera"},
            video_html_attrs={
                "autoPlay": True,
                "controls": False,
                "muted": True,
                "playsInline": True,
                "style": _STYLE,
            },
        )
    except Exception as error:  # noqa: BLE001 - the page works without WebRTC
        _log.warning("A webcam stream could not be set up.", exc_info=error)
        was_started = key in st.session_state and st.session_state[key].state.signalling
        state.remount()
        state.failure = f"{NO_CONNECTION} ({type(error).__name__}: {error})"
        if was_started:  # otherwise it would fail again and again
            st.rerun()
        return False
    if context.sink_video_track is session.track:
        state.begin(session)
    elif context.state.playing:  # the server's side has ended, but the browser's has not
        state.remount()
        st.rerun()
    is_on = session.is_begun and session.is_live
    if is_on and session.processor.frames:  # perhaps after PATIENCE_S
        state.failure = ""
        session.route = session.route or find_route(context)
    return is_on


def show_controls(state: WebcamState, session: WebcamSession, *, is_on: bool) -> None:
    """Recording, which is off by default, the mirror, marks, and a neutral face."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="controls"):
        record = st.toggle(
            "Record",
            key=f"record {state.sessions}",  # off again in each session
            help="Records the video as shown (blurred, if faces are), without sound. It is kept on "
            "this server until you start again or leave, and played after Stop.",
        )
        st.toggle(
            "Mirror",
            value=True,
            key=MIRROR,
            persist_state="session",
            help="Shows the video like in a mirror. Tables have left and right as the camera does.",
        )
        has_frames = session.processor.frames > 0
        st.button(
            "Mark",
            on_click=session.mark,
            disabled=not has_frames,
            icon=":material/bookmark:",
            shortcut="m",
            help="Marks this moment in the charts and in a file.",
        )
        st.button(
            "Neutral face",
            on_click=session.begin_neutral,
            disabled=not has_frames,
            icon=":material/sentiment_neutral:",
            help=f"Keep a neutral face for {NEUTRAL_S:.0f} seconds. From then on, readings also "
            "tell the change from it.",
        )
    if is_on or not record:
        try:
            session.record(is_on=record)
        except EmotionError as error:
            st.warning(escape(str(error)), icon=":material/error:")
    if record and not is_on and not state.failure:
        st.caption("The recording will start with the first frame.")


@st.fragment(run_every=0.5)
def watch_connection(state: WebcamState, session: WebcamSession, *, has_frames: bool) -> None:
    """Reruns the page when the first frame arrives, when none does, and when the stream ends."""
    if not session.is_live:
        if not session.processor.frames:  # the browser keeps trying although the server gave up
            state.failure = NO_CONNECTION
            state.remount()
        st.rerun()
    if session.waiting_s > PATIENCE_S and not state.failure:
        state.failure = NO_CONNECTION
        st.rerun()
    if session.processor.frames and not has_frames:
        st.rerun()
    if not has_frames:
        st.caption("Connecting…")
    else:
        _show_state(session)


def show_help(state: WebcamState, servers: Sequence[dict[str, object]]) -> None:
    """A checklist for missing video, and the alternative of a photo.

    Args:
        state: May have failed to connect.
        servers: Those that should have helped.
    """
    if state.failure:
        relay = _NO_RELAY if has_relay(servers) else ""
        st.warning(
            f"{escape(state.failure)} {relay}Check the points below, or take a photo.",
            title="There is no video",
            icon=":material/wifi_off:",
        )
    with st.expander("Camera not working?", expanded=bool(state.failure), icon=":material/help:"):
        st.markdown(_CHECKLIST)
        if not (state.failure or state.wants_still):
            st.button(
                "Use a photo",
                on_click=state.want_still,
                args=(True,),
                icon=":material/photo_camera:",
            )


def show_still(state: WebcamState, analyzer: Analyzer, options: VisitorOptions) -> None:
    """A photo from the camera, analysed like any other; it needs no video connection."""
    st.header("Use a photo", anchor=False)
    upload = st.camera_input("Take a photo", key="still")
    if state.wants_still and not state.failure:
        st.button("Cancel", on_click=state.want_still, args=(False,), icon=":material/close:")
    if upload is None:
        return
    photo = Photo("camera.jpg", upload.getvalue, upload.file_id)
    info = analyzer.info
    models, blur = (info.emotion.version, info.detector.version), options.blur
    if state.stills.begin([photo], models, blur=blur):
        with errors_as_messages("The photo could not be analysed"):
            state.stills.add(photo, next(iter_cropped_photos(analyzer, [photo], blur=blur)))
    selected = select_photos(state.stills, [photo], options)
    selected = replace(selected, all_faces=choose_counted(selected.faces, "face"))
    show_findings(selected, info, options)
    show_results(state.stills, selected, options, analyzer)


def _show_state(session: WebcamSession) -> None:
    """Recording and speed; always one line, so that nothing moves."""
    status, recorder = session.stream.status(), session.processor.recorder
    delay_ms = status.delay_ms + session.track.lag_s * 1000
    tens = math.ceil(delay_ms / 10)  # the last digit would flicker
    parts = [
        f"{status.frames_per_s:.0f} fps, {status.analyses_per_s:.0f} of them analysed",
        f"delay {10 * tens} ms",
    ]
    if session.route:
        parts.append(session.route)
    if session.marks_s:
        last = format_duration(session.marks_s[-1], decimals=0)
        parts.append(f"{plural(len(session.marks_s), 'mark')}, the last at {last}")
    if recorder is None and (done := session.recording):
        length = format_duration(done.length_s, decimals=0)
        parts.append(f"recorded: {length}; a new recording will replace it")
    words = escape(" · ".join(parts))
    if recorder and recorder.error:
        words = escape(recorder.error)
    elif recorder:
        full = ", the maximum length" if recorder.is_full else ""
        length = format_duration(recorder.length_s, decimals=0)
        words = f":red[:material/fiber_manual_record:] **Recording** {length}{full} · {words}"
    st.caption(words)
