"""Recording of what a visitor saw, as an MP4 that browsers play; encoded in the background."""

from __future__ import annotations

import logging
import queue
import threading
from fractions import Fraction
from itertools import chain
from typing import TYPE_CHECKING

import av

from emotion_core.files.tempfiles import AnonymousTempFile
from emotion_core.imaging.resize import fit

if TYPE_CHECKING:
    from av.container import OutputContainer
    from av.video.stream import VideoStream

    from emotion_core.types import Image

_log = logging.getLogger(__name__)

MAX_S = 3600.0
"""Maximum length; later frames are left out."""

MAX_BYTES = 2**30
"""Maximum size; later frames are left out."""

_QUEUE = 15  # maximum number of waiting frames: half a second, 14 MB at 640 x 480
_TIME_BASE = Fraction(1, 90_000)
_NOMINAL_FPS = 30  # for the encoder's rate control only; frames carry their own times
_OPTIONS = {"preset": "superfast", "crf": "23"}
_JOIN_S = 10.0
_WAKE_S = 0.5


class Recorder:
    """Writes frames with their times to an H.264 MP4, in a separate thread.

    All frames get the size of the first; others are scaled and padded with black. If the encoder is
    slower than the stream, frames are dropped and counted: nobody waits for it.

    Attributes:
        start_s: Time of the first submitted frame; ``None`` before.
        length_s: From the first submitted frame to the last accepted one.
        written: Frames in the file.
        dropped: Frames left out because the encoder was busy.
        is_full: Whether the recording has become too long or too large to continue.
        error: One sentence if writing failed, else empty.
    """

    def __init__(self) -> None:
        self.dropped = self.written = 0
        self.error = ""
        self.is_full = False
        self.length_s = 0.0
        self.start_s: float | None = None
        self._file = AnonymousTempFile()
        self._queue: queue.Queue[tuple[Image, float]] = queue.Queue(_QUEUE)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="live-recorder", daemon=True)
        self._thread.start()

    def write(self, image: Image, time_s: float) -> None:
        """Submits a frame; never blocks.

        Args:
            image: RGB ``(H, W, 3)``, 0-255; must not be changed afterwards.
            time_s: Of a monotonic clock.
        """
        if self.start_s is None:
            self.start_s = time_s
        self.is_full |= time_s - self.start_s > MAX_S
        if self.is_full or self.error or self._stopping.is_set():
            return
        try:
            self._queue.put_nowait((image, time_s - self.start_s))
        except queue.Full:
            self.dropped += 1
        else:
            self.length_s = time_s - self.start_s

    def stop(self) -> AnonymousTempFile | None:
        """Finishes the file. May be called once.

        Returns:
            The MP4, to be closed by the caller; ``None`` without a frame or if writing failed
            (``error`` says why).
        """
        self._stopping.set()
        self._thread.join(_JOIN_S)
        if self._thread.is_alive():
            self.error = "The recording could not be finished in time."
        if self.error or not self.written:
            self._file.close()
            return None
        return self._file

    def _run(self) -> None:
        try:
            first = self._next()
            if first is None:
                return
            with av.open(
                str(self._file.path), "w", format="mp4", options={"movflags": "+faststart"}
            ) as container:
                self._encode_all(container, first)
        except Exception as error:  # noqa: BLE001 - reported by ``error``
            _log.warning("Recording failed.", exc_info=error)
            reason = getattr(error, "strerror", None) or f"{type(error).__name__}: {error}"
            self.error = f"The recording could not be written ({reason})."

    def _encode_all(self, container: OutputContainer, first: tuple[Image, float]) -> None:
        height, width = (side + side % 2 for side in first[0].shape[:2])
        stream: VideoStream = container.add_stream("libx264", rate=_NOMINAL_FPS, options=_OPTIONS)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.time_base = stream.codec_context.time_base = _TIME_BASE
        stream.codec_context.thread_count = 1
        last_pts = -1
        for image, time_s in chain([first], iter(self._next, None)):
            frame = av.VideoFrame.from_ndarray(fit(image, (width, height)), "rgb24")
            frame.time_base = _TIME_BASE
            frame.pts = last_pts = max(last_pts + 1, round(time_s / _TIME_BASE))
            container.mux(stream.encode(frame))
            self.written += 1
            self.is_full |= self._file.size > MAX_BYTES
        container.mux(stream.encode(None))

    def _next(self) -> tuple[Image, float] | None:
        """Waits for a frame; ``None`` once stopped and all are taken."""
        while True:
            try:
                return self._queue.get(timeout=0.05 if self._stopping.is_set() else _WAKE_S)
            except queue.Empty:
                if self._stopping.is_set():
                    return None
