"""Outputs of the webcam client: a window, an MP4, lines of text."""

from __future__ import annotations

import sys
import time
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import av
import cv2

from emotion_core.errors import EmotionError
from emotion_core.face import format_confidence

if TYPE_CHECKING:
    from pathlib import Path

    from emotion_core.serving.webcam_client import RunStats
    from emotion_core.types import Image

TITLE = "Emoscope (q quits)"

_MILLISECOND = Fraction(1, 1000)


class Window:
    """An OpenCV window, closed with q or Esc.

    Raises:
        EmotionError: A window cannot be opened.
    """

    def __init__(self) -> None:
        try:
            cv2.namedWindow(TITLE, cv2.WINDOW_NORMAL)
        except cv2.error as error:
            raise EmotionError(
                "A window cannot be opened: this OpenCV was built without windows, or there is no "
                "display. Use --no-window, or install opencv-python instead of "
                "opencv-python-headless."
            ) from error

    def show(self, image: Image) -> bool:
        """See ``FrameSink``."""
        cv2.imshow(TITLE, cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
        if cv2.waitKey(1) & 0xFF in (ord("q"), 27):
            return False
        return cv2.getWindowProperty(TITLE, cv2.WND_PROP_VISIBLE) >= 1

    def close(self) -> None:
        """See ``FrameSink``."""
        cv2.destroyWindow(TITLE)


class VideoFileSink:
    """An H.264 MP4 that keeps the times at which frames were shown.

    Raises:
        EmotionError: The file cannot be written.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._file = path.open("wb")  # av would only open it at the first frame
        except OSError as error:
            raise EmotionError(f"{path} cannot be written ({error.strerror}).") from error
        self._container: Any = av.open(self._file, "w", format="mp4")
        self._stream: Any = None
        self._start, self._last = 0.0, -1

    def show(self, image: Image) -> bool:
        """See ``FrameSink``."""
        even = image[: image.shape[0] // 2 * 2, : image.shape[1] // 2 * 2]  # as yuv420p needs
        if self._stream is None:
            self._start = time.monotonic()
            self._stream = self._container.add_stream("libx264", rate=25)
            self._stream.width, self._stream.height = even.shape[1], even.shape[0]
            self._stream.pix_fmt = "yuv420p"
            self._stream.codec_context.time_base = _MILLISECOND
        frame = av.VideoFrame.from_ndarray(even.copy(), format="rgb24")
        self._last = max(self._last + 1, round((time.monotonic() - self._start) * 1000))
        frame.pts, frame.time_base = self._last, _MILLISECOND
        self._container.mux(self._stream.encode(frame))
        return True

    def close(self) -> None:
        """See ``FrameSink``."""
        if self._stream is not None:
            self._container.mux(self._stream.encode())
        self._container.close()
        self._file.close()


class StatusLine:
    """A line of text each second."""

    def __init__(self) -> None:
        self._next = time.monotonic()

    def tell(self, stats: RunStats) -> None:
        """Prints the newest analysis, if the last line is a second old."""
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + 1.0
        sys.stdout.write(f"{describe(stats)}\n")
        sys.stdout.flush()


def describe(stats: RunStats) -> str:
    """The newest analysis and its delay as one line."""
    reading = stats.reading
    if reading.error:
        return reading.error
    if reading.analysis is None:
        return "waiting for the first answer"
    found = reading.analysis.predictions
    rows = zip(found.top, found.confidence, found.valence, found.arousal, strict=True)
    faces = [
        f"{e} {format_confidence(share)}, valence {v:+.2f}, arousal {a:+.2f}"
        for e, share, v, a in rows
    ]
    seen = "; ".join(faces) or "no face"
    return f"{seen} ({reading.delay_s * 1000:.0f} ms, {reading.answered} answers)"
