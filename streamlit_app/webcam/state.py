"""One visitor's webcam: the stream that runs or may be started, and what the last one left."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from emotion_core.live.media_track import LiveTrack
from emotion_core.live.processor import FrameProcessor
from emotion_core.live.session_result import session_result
from emotion_core.live.stream import LiveStream
from streamlit_app.photos.state import PhotosState
from streamlit_app.shared_file import SharedTempFile
from streamlit_app.video.state import VideoState

if TYPE_CHECKING:
    from emotion_core.analyzer import Analyzer
    from emotion_core.live.concurrency_limit import StreamLimiter
    from emotion_core.live.types import LiveSettings
    from emotion_core.video.types import VideoResult

PATIENCE_S = 10.0
"""Without a picture for so long after START there is no connection."""

NO_CONNECTION = "No connection could be established between your browser and this server."

_HASTY_S = 4.0
"""A stream that ends without a picture sooner was stopped by the visitor."""

_END_S = 15.0
"""Waited for the end of a stream: the encoder of its recording may take ten."""


@dataclass(frozen=True, eq=False, slots=True)
class Recording:
    """A finished recording.

    Attributes:
        file: The MP4.
        start_s: Its first picture, in seconds after the first of the session.
        length_s: From its first picture to its last.
        has_clear_faces: Whether faces were not blurred in some of it.
        note: One sentence on what is missing; empty if nothing is.
    """

    file: SharedTempFile
    start_s: float
    length_s: float
    has_clear_faces: bool
    note: str


class WebcamSession:
    """A stream from START to STOP, and its results.

    Args:
        core: Shared by all streams.
        gate: Lets it in.
        settings: To start with.

    Attributes:
        core: What analyses it.
        stream: Its analysis.
        processor: Its pictures.
        track: What connects them with the browser.
        recording: The last one that was finished.
        recording_error: Why there is none although it was asked for; else empty.
    """

    def __init__(self, core: Analyzer, gate: StreamLimiter, settings: LiveSettings) -> None:
        self.core = core
        self.stream = LiveStream(core, settings)
        self.processor = FrameProcessor(self.stream, gate)
        self.track = LiveTrack(self.processor.recv, self._end)
        self.recording: Recording | None = None
        self.recording_error = ""
        self._begun_s: float | None = None
        self._result: VideoResult | None = None
        self._ended = threading.Event()
        self._lock = threading.Lock()
        self._is_cleared = False
        self._has_clear_faces = False

    @property
    def is_begun(self) -> bool:
        """Whether the visitor has pressed START."""
        return self._begun_s is not None

    @property
    def is_live(self) -> bool:
        """Whether it runs or may still be started."""
        return self.track.readyState == "live"

    @property
    def waiting_s(self) -> float:
        """For how long there has been no picture since START; 0 once there was one."""
        if self._begun_s is None or self.processor.frames:
            return 0.0
        return time.monotonic() - self._begun_s

    def apply(self, settings: LiveSettings) -> None:
        """Go on with other settings."""
        self._has_clear_faces |= not settings.blur
        if settings != self.stream.settings:
            self.stream.settings = settings

    def begin(self) -> None:
        """Note that START was pressed."""
        if self._begun_s is None:
            self._begun_s = time.monotonic()

    def record(self, *, is_wanted: bool) -> None:
        """Begin or finish a recording; a new one takes the place of the last.

        Raises:
            EmotionError: There is no room for it on the disk.
        """
        if is_wanted and self.is_live:
            if self.processor.recorder is None:
                self._has_clear_faces = not self.stream.settings.blur
            self.processor.start_recording()
        elif not is_wanted:
            self._stop_recording()

    def result(self) -> VideoResult:
        """What was learned; waits until all of the stream has ended."""
        self._ended.wait(_END_S)
        if self._result is None:
            self._result = session_result(self.stream)
        return self._result

    def clear(self) -> None:
        """End the stream and free what it left."""
        with self._lock:
            self._is_cleared = True
            recording, self.recording = self.recording, None
        if recording:
            recording.file.close()
        self.track.stop()

    def _end(self) -> None:
        """Called in the track's thread when the stream has ended."""
        try:
            self.processor.close()
            self._stop_recording()
        finally:
            self._ended.set()

    def _stop_recording(self) -> None:
        recorder = self.processor.recorder
        file = self.processor.stop_recording()
        if recorder is None:
            return
        self.recording_error = recorder.error
        if file is None or recorder.start_s is None:
            return
        start_s = recorder.start_s - self.stream.start_s
        note = "It has become too long or too large and ends there." if recorder.is_full else ""
        new: Recording | None = Recording(
            SharedTempFile(file), start_s, recorder.length_s, self._has_clear_faces, note
        )
        with self._lock:
            if not self._is_cleared:
                new, self.recording = self.recording, new
        if new:  # the one before, or this one where the visitor has gone
            new.file.close()


@dataclass(slots=True)
class WebcamState:
    """One stream at a time; the results of the last one stay until the next START.

    Attributes:
        current: The stream that runs, or will with the next START.
        last: The one before, if it had pictures.
        course: What is chosen in the charts of the results.
        stills: Photos taken instead.
        sessions: Counts the streams.
        mounts: Counts how often the camera's part of the page was put up anew.
        failure: Why the last START led to nothing; empty otherwise.
        wants_still: Whether the visitor wants to take a photo instead.
        fault: What the browser says is wrong with the camera, see ``webcam_probe``.
    """

    current: WebcamSession | None = None
    last: WebcamSession | None = None
    course: VideoState = field(default_factory=VideoState)
    stills: PhotosState = field(default_factory=PhotosState)
    mounts: int = 0
    sessions: int = 0
    failure: str = ""
    wants_still: bool = False
    fault: str = ""

    def session(self, core: Analyzer, gate: StreamLimiter, settings: LiveSettings) -> WebcamSession:
        """The stream that runs, or a new one that waits for START.

        Args:
            core: For a new one; what runs keeps its own.
            gate: Lets streams in.
            settings: Hold from now on.
        """
        session = self.current
        if session and not session.is_live:
            self._put_by(session)
            session = None
        if session and not session.is_begun and session.core is not core:
            session.clear()
            session = None
        if session is None:
            session = WebcamSession(core, gate, settings)
            self.sessions += 1
        session.apply(settings)
        self.current = session
        return session

    def begin(self, session: WebcamSession) -> None:
        """START was pressed: forget what the last stream left."""
        if session.is_begun:
            return
        session.begin()
        self.failure, self.wants_still = "", False
        self._forget_last()

    def remount(self) -> None:
        """Put up the camera's part of the page anew; it shows START again."""
        if self.current:
            self.current.clear()
        self.mounts += 1

    def take_still(self) -> None:
        """Let the visitor take a photo instead."""
        self.wants_still = True

    def no_still(self) -> None:
        """Take no photo after all."""
        self.wants_still = False

    def clear(self) -> None:
        """End the stream and free everything."""
        if self.current:
            self.current.clear()
        self.current = None
        self._forget_last()

    def _put_by(self, session: WebcamSession) -> None:
        """Keep the results of a stream that has ended."""
        if session.processor.frames:
            self._forget_last()
            self.last = session
            return
        if session.waiting_s > _HASTY_S and not self.failure:
            self.failure = NO_CONNECTION
        session.clear()

    def _forget_last(self) -> None:
        if self.last:
            self.last.clear()
        self.last = None
        self.course.forget_job()
