"""What a WebRTC callback does: a frame in, the annotated frame out, whatever goes wrong."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING

import av
import numpy as np

from emotion_core.errors import EmotionError
from emotion_core.imaging.annotate import blur_all
from emotion_core.live.overlay import render
from emotion_core.live.recorder import Recorder

if TYPE_CHECKING:
    from collections.abc import Callable

    from emotion_core.files.tempfiles import AnonymousTempFile
    from emotion_core.live.concurrency_limit import StreamLimiter
    from emotion_core.live.stream import LiveStream
    from emotion_core.types import Image

_log = logging.getLogger(__name__)


class FrameProcessor:
    """Draws the newest finished reading of a stream on each of its frames.

    Where faces are to be blurred, only frames that were analysed are shown, later and fewer.

    ``recv`` neither raises nor waits for the network: where something fails, the picture goes on
    without boxes, or blurred as a whole where faces are to be blurred.

    Args:
        stream: Does the analysis.
        gate: Lets it in from its first frame until ``close``; while it does not, ``error`` says so
            and frames are not analysed.
        clock: That of the stream.

    Attributes:
        stream: Does the analysis; its ``settings`` hold for what is drawn, too.
        frames: Frames that went through.
        failed: Of these, not annotated because of an error.
        error: One sentence if the newest frame could not be annotated, else empty.
        first_ok_s: When the first frame went through with a reading on it, by the clock of the
            stream; ``None`` before.
    """

    def __init__(
        self,
        stream: LiveStream,
        gate: StreamLimiter | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.stream = stream
        self._gate = gate
        self._is_let_in = self._is_closed = False
        self.frames = self.failed = 0
        self.error = ""
        self.first_ok_s: float | None = None
        self._clock = clock
        self._lock = threading.Lock()
        self._recorder: Recorder | None = None

    def recv(self, frame: av.VideoFrame) -> av.VideoFrame:
        """Take a frame, give the one to be shown; of the same time."""
        self.frames += 1
        try:
            shown = self._process(frame)
        except Exception as error:  # noqa: BLE001 - an exception here would freeze the picture
            self.failed += 1
            if not self.error:
                _log.warning("A live frame could not be annotated.", exc_info=error)
            self.error = _sentence(error)
            shown = self._unannotated(frame)
        shown.pts = frame.pts
        if frame.time_base is not None:  # PyAV refuses to set it to what it may be
            shown.time_base = frame.time_base
        return shown

    @property
    def recorder(self) -> Recorder | None:
        """The recording that runs, for its counts and errors."""
        return self._recorder

    def start_recording(self) -> None:
        """Record what is shown from now on; nothing new if that is being done, or all has ended."""
        with self._lock:
            if self._recorder is None and not self._is_closed:
                self._recorder = Recorder()

    def stop_recording(self) -> AnonymousTempFile | None:
        """Finish the recording.

        Returns:
            The MP4, to be closed by the caller; ``None`` if nothing was recorded.
        """
        with self._lock:
            recorder, self._recorder = self._recorder, None
        return recorder.stop() if recorder else None

    def close(self) -> None:
        """End the analysis; a recording that runs can still be finished. May be called again."""
        with self._lock:
            self._is_closed = True
            was_let_in, self._is_let_in = self._is_let_in, False
        if self._gate is not None and was_let_in:
            self._gate.leave()
        self.stream.close()

    def _process(self, frame: av.VideoFrame) -> av.VideoFrame:
        now_s = self._clock()
        self._enter()
        image = _to_image(frame)
        self.stream.submit(image, now_s)
        reading = self.stream.latest
        shown = render(image, reading, now_s, blur=self.stream.settings.blur)
        if recorder := self._recorder:
            recorder.write(shown, now_s)
        self.error = ""
        if self.first_ok_s is None and reading is not None:
            self.first_ok_s = now_s
        return frame if shown is image else av.VideoFrame.from_ndarray(shown, format="rgb24")

    def _enter(self) -> None:
        """Ask for a place, once; a stream that was turned away asks again with each frame."""
        if self._gate is None or self._is_let_in:
            return
        with self._lock:
            if not self._is_closed:
                self._gate.enter()
                self._is_let_in = True

    def _unannotated(self, frame: av.VideoFrame) -> av.VideoFrame:
        if not self.stream.settings.blur:
            return frame
        try:
            blurred = blur_all(_to_image(frame))
        except Exception:  # noqa: BLE001 - whatever it is, no face may be shown
            blurred = np.zeros((max(2, frame.height), max(2, frame.width), 3), np.uint8)
        return av.VideoFrame.from_ndarray(blurred, format="rgb24")


def _sentence(error: Exception) -> str:
    if isinstance(error, EmotionError):
        return str(error)
    return f"A frame could not be annotated ({type(error).__name__}: {error})."


def _to_image(frame: av.VideoFrame) -> Image:
    return np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)
