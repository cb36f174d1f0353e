"""The camera's part of the Webcam page: START and STOP, recording, what may be in the way."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import streamlit as st
import streamlit_webrtc

from emotion_core.errors import EmotionError
from emotion_core.photos.pipeline import iter_photos
from emotion_core.reporting.timeline import format_duration
from streamlit_app.photos.state import Photo
from streamlit_app.photos.views import show_photo, show_photo_downloads
from streamlit_app.webcam.camera_probe import CameraFault
from streamlit_app.webcam.state import NO_CONNECTION, PATIENCE_S
from streamlit_app.widgets import errors_as_messages, plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from emotion_core.analyzer import Analyzer
    from emotion_core.live.concurrency_limit import StreamLimiter
    from streamlit_app.photos.state import VisitorOptions
    from streamlit_app.settings import IceServer
    from streamlit_app.webcam.state import WebcamSession, WebcamState

_log = logging.getLogger(__name__)

_VIDEO = {"width": {"ideal": 640}, "height": {"ideal": 480}, "frameRate": {"ideal": 30, "max": 30}}

_FAULTS = {
    CameraFault.INSECURE: (
        "The camera needs a secure page",
        "Browsers hand out the camera only to pages on HTTPS or on localhost, and this address is "
        "neither. Open the page by its https address, or ask whoever runs it to set one up.",
    ),
    CameraFault.REFUSED: (
        "The camera is blocked for this page",
        "Click the camera or the lock beside the address, allow the camera, and press START. If "
        "that is not offered, look in the browser's and the system's privacy settings.",
    ),
    CameraFault.ABSENT: (
        "No camera was found",
        "Plug one in, or switch it on; this message goes away by itself. If there is one, another "
        "program may be using it.",
    ),
}

_CHECKLIST = """
- **The browser asks for the camera**: allow it. If it does not ask, the camera is blocked: click
  the camera or the lock beside the address, and allow it.
- **"Requested device not found" or "Could not start video source"**: no camera is plugged in, or
  another program is using it. SELECT DEVICE chooses another one.
- **The picture stays away although the camera is on**: a firewall, a VPN or a company network lets
  no UDP through. Try another network, or ask whoever runs this server to set up a TURN server.
- **The picture is black**: the camera is switched off or covered.
"""


def show_obstacles(desk: WebcamState, session: WebcamSession, gate: StreamLimiter) -> bool:
    """Say what stands in the way of the camera; tells whether START makes sense all the same."""
    if desk.fault:
        title, words = _FAULTS[CameraFault(desk.fault)]
        st.warning(words, title=title, icon=":material/videocam_off:")
        st.page_link(
            "streamlit_app/pages/photos.py",
            label="Analyse photos instead",
            icon=":material/photo_library:",
        )
        if desk.fault == CameraFault.INSECURE:
            return False
    if session.is_begun:
        return True
    try:
        gate.check()
    except EmotionError as error:
        st.warning(plain(str(error)), title="Others are using it", icon=":material/hourglass:")
        st.button("Try again", icon=":material/refresh:")
        return False
    return True


def show_steps(gate: StreamLimiter) -> None:
    """What will happen, before it does."""
    st.header("How it works", anchor=False)
    st.markdown(
        "1. Press **START** and let the browser use the camera.\n"
        "2. Faces get their emotion, valence and arousal, in the picture and in charts here.\n"
        "3. After **STOP** the whole session is charted, and its tables can be downloaded."
    )
    st.caption(f"{gate.running} of {gate.limit} places for webcams are taken.")


def show_camera(desk: WebcamState, session: WebcamSession, servers: Sequence[IceServer]) -> bool:
    """The picture with START and STOP; tells whether the stream is on.

    Args:
        desk: Of the visitor.
        session: What START starts.
        servers: The only ones that browser and server may ask for a way to each other.
    """
    key = f"camera {desk.mounts}"
    try:
        context = streamlit_webrtc.webrtc_streamer(
            key=key,
            # An explicit list, empty or not: left to itself, the library asks servers of others,
            # and shows them tokens that it finds in the environment.
            rtc_configuration={"iceServers": [server.to_dict() for server in servers]},
            media_stream_constraints={"video": _VIDEO, "audio": False},
            sink_video_track=session.track,
            source_video_track=session.track,
            sendback_audio=False,
            video_html_attrs={
                "autoPlay": True,
                "controls": False,
                "muted": True,
                "playsInline": True,
                "style": {"width": "100%"},
            },
        )
    except Exception as error:  # noqa: BLE001 - whatever WebRTC fails with, the page goes on
        _log.warning("A webcam stream could not be set up.", exc_info=error)
        was_asked = key in st.session_state and st.session_state[key].state.signalling
        desk.remount()
        desk.failure = f"{NO_CONNECTION} ({type(error).__name__}: {error})"
        if was_asked:  # or it would fail again and again
            st.rerun()
        return False
    if context.sink_video_track is session.track:
        desk.begin(session)
    elif context.state.playing:  # the server's side has ended, the browser's does not know
        desk.remount()
        st.rerun()
    is_on = session.is_begun and session.is_live
    if is_on and session.processor.frames:  # maybe later than hoped for
        desk.failure = ""
    return is_on


def show_record(desk: WebcamState, session: WebcamSession, *, is_on: bool) -> None:
    """Let the visitor record what is shown; off until asked for."""
    is_wanted = st.toggle(
        "Record",
        key=f"record {desk.sessions}",  # off again for each
        help="Records the picture with what is drawn on it (and blurred, if faces are), without "
        "sound. It is kept on this server until you start again or leave, and played after STOP.",
    )
    if is_on or not is_wanted:
        try:
            session.record(is_wanted=is_wanted)
        except EmotionError as error:
            st.warning(plain(str(error)), icon=":material/error:")
    if is_wanted and not is_on and not desk.failure:
        st.caption("The recording will begin with the first picture.")


@st.fragment(run_every=0.5)
def watch_connection(desk: WebcamState, session: WebcamSession, *, has_pictures: bool) -> None:
    """Notice by itself when pictures come, when none comes, and when the stream has ended.

    Args:
        desk: Of the visitor.
        session: That runs.
        has_pictures: Whether the page shows already what is read from pictures.
    """
    if not session.is_live:
        if not session.processor.frames:  # the browser goes on trying what the server gave up
            desk.failure = NO_CONNECTION
            desk.remount()
        st.rerun()
    if session.waiting_s > PATIENCE_S and not desk.failure:
        desk.failure = NO_CONNECTION
        st.rerun()
    if session.processor.frames and not has_pictures:
        st.rerun()
    if not has_pictures:
        st.caption("Connecting…")
    else:
        _show_recording(session)


def show_help(desk: WebcamState) -> None:
    """What to look at where there is no picture, and a photo as the other way."""
    if desk.failure:
        st.warning(
            f"{plain(desk.failure)} Check the points below, or take a photo.",
            title="No picture has come",
            icon=":material/wifi_off:",
        )
    with st.expander("No picture?", expanded=bool(desk.failure), icon=":material/help:"):
        st.markdown(_CHECKLIST)
        if not (desk.failure or desk.wants_still):
            st.button(
                "Take a photo instead", on_click=desk.take_still, icon=":material/photo_camera:"
            )


def show_still(desk: WebcamState, analyzer: Analyzer, options: VisitorOptions) -> None:
    """A photo from the camera, analysed like any other; it needs no video connection."""
    st.header("A photo instead", anchor=False)
    upload = st.camera_input("Take a photo", key="still")
    if desk.wants_still and not desk.failure:
        st.button("No photo", on_click=desk.no_still, icon=":material/close:")
    if upload is None:
        return
    photo = Photo(upload.file_id, "camera.jpg", upload.getvalue)
    if desk.stills.begin([photo], options):
        results = iter_photos(
            analyzer,
            [photo.to_source()],
            options.analyze_options,
            blur=options.blur,
        )
        with errors_as_messages("The photo could not be analysed"):
            desk.stills.results[photo.key] = next(results)
    result = desk.stills.results[photo.key]
    show_photo(photo, result, may_show_original=not options.blur)
    show_photo_downloads([result])


def _show_recording(session: WebcamSession) -> None:
    """Whether a recording runs and how long it is; one line in any case, so that nothing moves."""
    recorder = session.processor.recorder
    if recorder is None:
        done = session.recording
        words = (
            f"Recorded: {format_duration(done.length_s, decimals=0)}" if done else "Not recording"
        )
        if done:
            words += "; a new recording takes its place."
        st.caption(plain(words))
    elif recorder.error:
        st.caption(plain(recorder.error))
    else:
        full = ", which is as long as it may be" if recorder.is_full else ""
        length = format_duration(recorder.length_s, decimals=0)
        st.markdown(f":red[:material/fiber_manual_record:] **Recording** {length}{full}")
