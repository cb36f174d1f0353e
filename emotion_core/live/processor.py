"""The WebRTC callback: a frame in, the annotated frame out, whatever goes wrong."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING

import av
import numpy as np

from emotion_core.errors import EmotionError
from emotion_core.imaging.annotate import blur_all
from emotion_core.live.overlay import mirror_image, render
from emotion_core.live.recorder import Recorder

if TYPE_CHECKING:
    from collections.abc import Callable

    from emotion_core.files.tempfiles import AnonymousTempFile
    from emotion_core.live.concurrency_limit import StreamLimiter
    from emotion_core.live.stream import LiveStream
    from emotion_core.types import Image

_log = logging.getLogger(__name__)


class FrameProcessor:
    """Draws the newest result of a stream on each of its frames.

    With blurring, only frames that were analysed are shown, later and fewer.

    ``recv`` neither raises nor waits for the network: if something fails, frames are shown without
    boxes, or blurred as a whole with blurring.

    Args:
        stream: Does the analysis.
        limiter: Gives the stream a slot from its first frame until ``close``; without a slot
            ``error`` says so and frames are not analysed.
        clock: That of the stream.

    Attributes:
        stream: Does the analysis; its ``settings`` also apply to the drawing.
        recorder: The current recording, for its counts and errors; ``None`` without one.
        frames: Frames processed.
        failed: Frames not annotated because of an error.
        error: One sentence if the newest frame could not be annotated, else empty.
        first_ok_s: When the first frame with a result was shown, by the clock of the stream;
            ``None`` before.
    """

    def __init__(
        self,
        stream: LiveStream,
        limiter: StreamLimiter | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.stream = stream
        self._limiter = limiter
        self._has_slot = self._is_closed = False
        self.frames = self.failed = 0
        self.error = ""
        self.first_ok_s: float | None = None
        self._clock = clock
        self._lock = threading.Lock()
        self.recorder: Recorder | None = None

    def recv(self, frame: av.VideoFrame) -> av.VideoFrame:
        """Takes a frame and returns the one to show, with the same time stamp."""
        self.frames += 1
        try:
            shown = self._process(frame)
        except Exception as error:  # noqa: BLE001 - an exception here would freeze the video
            self.failed += 1
            if not self.error:
                _log.warning("A live frame could not be annotated.", exc_info=error)
            if isinstance(error, EmotionError):
                self.error = str(error)
            else:
                self.error = f"A frame could not be annotated ({type(error).__name__}: {error})."
            shown = self._unannotated(frame)
        shown.pts = frame.pts
        if frame.time_base is not None:  # PyAV cannot set it to None
            shown.time_base = frame.time_base
        return shown

    def start_recording(self) -> None:
        """Starts to record what is shown, unless a recording is running or the stream has ended."""
        with self._lock:
            if self.recorder is None and not self._is_closed:
                self.recorder = Recorder()

    def stop_recording(self) -> AnonymousTempFile | None:
        """Finishes the recording.

        Returns:
            The MP4, to be closed by the caller; ``None`` if nothing was recorded.
        """
        with self._lock:
            recorder, self.recorder = self.recorder, None
        return recorder.stop() if recorder else None

    def close(self) -> None:
        """Ends the analysis; a running recording can still be finished. May be called again."""
        with self._lock:
            self._is_closed = True
            had_slot, self._has_slot = self._has_slot, False
        if self._limiter is not None and had_slot:
            self._limiter.leave()
        self.stream.close()

    def _process(self, frame: av.VideoFrame) -> av.VideoFrame:
        now_s = self._clock()
        self._take_slot()
        image = _to_image(frame)
        self.stream.submit(image, now_s)
        result = self.stream.latest
        settings = self.stream.settings
        shown = render(image, result, now_s, blur=settings.blur, mirror=settings.mirror)
        if recorder := self.recorder:
            recorder.write(shown, now_s)
        self.error = ""
        if self.first_ok_s is None and result is not None:
            self.first_ok_s = now_s
        return frame if shown is image else av.VideoFrame.from_ndarray(shown, format="rgb24")

    def _take_slot(self) -> None:
        """Takes a slot once; a stream that was refused tries again with each frame."""
        if self._limiter is None or self._has_slot:
            return
        with self._lock:
            if not self._is_closed:
                self._limiter.enter()
                self._has_slot = True

    def _unannotated(self, frame: av.VideoFrame) -> av.VideoFrame:
        settings = self.stream.settings
        if not (settings.blur or settings.mirror):
            return frame
        try:
            shown = _to_image(frame)
            shown = blur_all(shown) if settings.blur else shown
            shown = mirror_image(shown) if settings.mirror else shown
        except Exception:  # noqa: BLE001 - no face may be shown, whatever happens
            if not settings.blur:
                return frame
            shown = np.zeros((max(2, frame.height), max(2, frame.width), 3), np.uint8)
        return av.VideoFrame.from_ndarray(shown, format="rgb24")


def _to_image(frame: av.VideoFrame) -> Image:
    return np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)
