"""One visitor's webcam: the running or next session, and the results of the last one."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from emotion_core.live.media_track import LiveTrack
from emotion_core.live.neutral import NEUTRAL_S, add_changes, neutral_means
from emotion_core.live.processor import FrameProcessor
from emotion_core.live.session_result import session_result
from emotion_core.live.stream import LiveStream
from streamlit_app.photos.state import PhotosState
from streamlit_app.shared_file import SharedTempFile
from streamlit_app.video.selection import ResultSmoother, TimelineSelection
from streamlit_app.webcam.recording import Recording

if TYPE_CHECKING:
    from emotion_core.analyzer import Analyzer
    from emotion_core.live.concurrency_limit import StreamLimiter
    from emotion_core.live.types import LiveSettings
    from emotion_core.video.types import VideoResult
    from streamlit_app.webcam.relay import Route

PATIENCE_S = 10.0
"""Time without a frame after Start after which the connection has failed."""

NO_CONNECTION = "No connection could be established between your browser and this server."

_HASTY_S = 4.0  # a stream without frames that ends sooner was stopped by the visitor
_MARKS_APART_S = 1.0
_END_S = 15.0  # for the end of a stream; the encoder of its recording may take ten seconds


class WebcamSession:
    """A stream from Start to Stop, and its results.

    Args:
        analyzer: Analyzer that all streams share.
        limiter: Admits the stream.
        settings: Initial settings.

    Attributes:
        analyzer: Analyzer of the stream.
        stream: Analysis of the stream.
        processor: Processor of the frames.
        track: Track that exchanges frames with the browser.
        recording: The last finished recording.
        recording_error: Why the recording failed; empty if it did not.
        marks_s: Moments that the visitor marked, in seconds after the first frame.
        neutral_s: When the visitor began to show a neutral face; ``None`` if never.
        route: The way that the stream takes; ``None`` while it is unknown.
    """

    def __init__(self, analyzer: Analyzer, limiter: StreamLimiter, settings: LiveSettings) -> None:
        self.analyzer = analyzer
        self.stream = LiveStream(analyzer, settings)
        self.processor = FrameProcessor(self.stream, limiter)
        self.track = LiveTrack(self.processor.recv, self._end)
        self.recording: Recording | None = None
        self.recording_error = ""
        self.marks_s: list[float] = []
        self.neutral_s: float | None = None
        self.route: Route | None = None
        self._neutral: dict[int, tuple[float, float]] | None = None
        self._begun_s: float | None = None
        self._result: VideoResult | None = None
        self._ended = threading.Event()
        self._lock = threading.Lock()
        self._is_cleared = False
        self._has_clear_faces = False

    @property
    def is_begun(self) -> bool:
        """Whether the visitor has pressed Start."""
        return self._begun_s is not None

    @property
    def is_live(self) -> bool:
        """Whether the stream runs or can still be started."""
        return self.track.readyState == "live"

    @property
    def is_shown(self) -> bool:
        """Whether the camera's video is on the page."""
        return self.is_live and self.processor.frames > 0

    @property
    def waiting_s(self) -> float:
        """Seconds without a frame since Start; 0 once there was one."""
        if self._begun_s is None or self.processor.frames:
            return 0.0
        return time.monotonic() - self._begun_s

    def apply(self, settings: LiveSettings) -> None:
        """Changes the settings."""
        self._has_clear_faces |= not settings.blur
        if settings != self.stream.settings:
            self.stream.settings = settings

    def begin(self) -> None:
        """Records that Start was pressed."""
        if self._begun_s is None:
            self._begun_s = time.monotonic()

    def record(self, *, is_on: bool) -> None:
        """Starts or finishes a recording; a new one replaces the last.

        Raises:
            EmotionError: There is no space for it on the disk.
        """
        if is_on and self.is_live:
            if self.processor.recorder is None:
                self._has_clear_faces = not self.stream.settings.blur
            self.processor.start_recording()
        elif not is_on:
            self._stop_recording()

    @property
    def time_s(self) -> float:
        """Seconds since the first frame."""
        return time.monotonic() - self.stream.start_s

    def mark(self) -> None:
        """Marks this moment, unless one less than ``_MARKS_APART_S`` ago is marked.

        Streamlit may call back twice for one click that meets the rerun of a fragment.
        """
        time_s = round(self.time_s, 3)
        if not self.marks_s or time_s - self.marks_s[-1] >= _MARKS_APART_S:
            self.marks_s.append(time_s)

    def begin_neutral(self) -> None:
        """Takes the coming ``NEUTRAL_S`` as neutral, instead of an earlier span."""
        self.neutral_s, self._neutral = round(self.time_s, 3), None

    @property
    def neutral_left_s(self) -> float:
        """For how long the neutral face is still to be kept; 0 or less if it is not."""
        return 0.0 if self.neutral_s is None else self.neutral_s + NEUTRAL_S - self.time_s

    def neutral(self) -> dict[int, tuple[float, float]]:
        """Neutral valence and arousal by track; empty until the span is over."""
        if self.neutral_s is None or (self.is_live and self.neutral_left_s > 0):
            return {}
        if self._neutral is None:
            self._neutral = neutral_means(self.stream.log.table(), self.neutral_s)
        return self._neutral

    def result(self) -> VideoResult:
        """The result; waits until the stream has ended completely."""
        self._ended.wait(_END_S)
        if self._result is None:
            result = session_result(self.stream)
            if self.neutral_s is not None:
                result = replace(result, frames=add_changes(result.frames, self.neutral()))
            self._result = result
        return self._result

    def clear(self) -> None:
        """Ends the stream and frees its results."""
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
        note = "It reached the maximum length or size and ends there." if recorder.is_full else ""
        new: Recording | None = Recording(
            SharedTempFile(file), start_s, recorder.length_s, self._has_clear_faces, note
        )
        with self._lock:
            if not self._is_cleared:
                new, self.recording = self.recording, new
        if new:  # the previous one, or this one if the visitor has left
            new.file.close()


@dataclass(slots=True)
class WebcamState:
    """One session at a time; the results of the last one stay until the next Start.

    Attributes:
        current: The session that runs, or will start with the next Start.
        last: The one before, if it had frames.
        selection: Selection in the charts of the results.
        smoother: Smooths the results.
        stills: Photos taken instead.
        sessions: Counts the sessions.
        mounts: Counts how often the camera's widget was replaced.
        failure: Why the last Start failed; empty otherwise.
        wants_still: Whether the visitor takes a photo instead.
        fault: The browser's report about the camera, see ``camera_probe``.
        passwords_s: Unix time of the passwords for relays of the current session.
    """

    current: WebcamSession | None = None
    last: WebcamSession | None = None
    selection: TimelineSelection = field(default_factory=TimelineSelection)
    smoother: ResultSmoother = field(default_factory=ResultSmoother)
    stills: PhotosState = field(default_factory=PhotosState)
    mounts: int = 0
    sessions: int = 0
    failure: str = ""
    wants_still: bool = False
    fault: str = ""
    passwords_s: float = field(default_factory=time.time)

    @property
    def has_work(self) -> bool:
        """Whether a reload of the page would lose anything."""
        sessions = [session for session in (self.current, self.last) if session]
        return bool(self.stills.results) or any(session.processor.frames for session in sessions)

    def session(
        self, analyzer: Analyzer, limiter: StreamLimiter, settings: LiveSettings
    ) -> WebcamSession:
        """The running session, which keeps its analyzer, or a new one that waits for Start."""
        session = self.current
        if session and not session.is_live:
            self._finish(session)
            session = None
        if session and not session.is_begun and session.analyzer is not analyzer:
            session.clear()
            session = None
        if session is None:
            session = WebcamSession(analyzer, limiter, settings)
            self.sessions += 1
            self.passwords_s = time.time()
        session.apply(settings)
        self.current = session
        return session

    def begin(self, session: WebcamSession) -> None:
        """Starts a session, and drops the results of the last one."""
        if session.is_begun:
            return
        session.begin()
        self.failure, self.wants_still = "", False
        self._forget_last()

    def remount(self) -> None:
        """Replaces the camera's widget by a new one, which shows Start."""
        if self.current:
            self.current.clear()
        self.mounts += 1

    def want_still(self, wanted: bool) -> None:
        """Switches to a photo instead, or back."""
        self.wants_still = wanted

    def clear(self) -> None:
        """Ends the session and frees everything."""
        if self.current:
            self.current.clear()
        self.current = None
        self._forget_last()

    def _finish(self, session: WebcamSession) -> None:
        """Keeps the results of a session that has ended."""
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
        self.smoother = ResultSmoother()
        self.selection.clear()
