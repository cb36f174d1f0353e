"""Stand-ins for the tests of live streams: networks that wait to be let go, clocks set by hand."""

from __future__ import annotations

import threading
import time
from fractions import Fraction

import av
import numpy as np

from emotion_core.models.card import AnalyzerInfo
from emotion_core.types import DEFAULT_OPTIONS, Analysis, Faces
from tests.factories import (
    make_analysis,
    make_detector_card,
    make_emotion_card,
    make_image,
    make_predictions,
)

WAIT_S = 60.0
"""Long enough for any machine; a test that waits so long has failed."""


class ManualClock:
    """Stands still until it is set."""

    def __init__(self, now_s=100.0):
        self.now_s = now_s

    def __call__(self):
        return self.now_s


class GatedAnalyzer:
    """Finds one face, in a box of the test's choice; each call waits until it is let go."""

    def __init__(self, box=(20, 10, 44, 40), *, is_open=True):
        self.info = AnalyzerInfo(make_emotion_card(), make_detector_card(), "cpu")
        self.box = box
        self.error = None
        self.calls = []
        self.searches = []
        self.entered = threading.Semaphore(0)
        self._gate = threading.Semaphore(0)
        self._is_open = is_open

    def let_go(self, n=1):
        self._gate.release(n)

    def open(self):
        self._is_open = True
        self._gate.release(1000)

    def analyze(self, images, options=DEFAULT_OPTIONS):
        self.calls.append([int(image[0, 0, 0]) for image in images])
        self.searches.append((options.min_score, options.search_px))
        self.entered.release()
        if not self._is_open and not self._gate.acquire(timeout=WAIT_S):
            raise TimeoutError
        if self.error:
            raise self.error
        return [self._found(image) for image in images]

    def _found(self, image):
        size_wh = (image.shape[1], image.shape[0])
        if self.box is None:
            return make_analysis((), size_wh)
        faces = Faces(np.array([self.box], np.float32), np.array([0.9], np.float32))
        read = make_predictions(1, seed=int(image[0, 0, 0]))
        return Analysis(size_wh, faces, read, "tiny", 0.01)


def wait_until(condition):
    """Wait for other threads; fails only if it never becomes true."""
    end = time.monotonic() + WAIT_S
    while not condition():
        if time.monotonic() > end:
            raise AssertionError("waited in vain")
        time.sleep(0.002)


def live_threads():
    """Names of the threads that live streams have started and that still run."""
    return sorted(t.name for t in threading.enumerate() if t.name.startswith("live-"))


def grey(value, width=64, height=48):
    return np.full((height, width, 3), value, np.uint8)


def textured(value, width=64, height=48):
    """A frame that a tracker can tell by its looks; ``value`` is what fakes know it by."""
    image = make_image(width, height)
    image[0, 0, 0] = value
    return image


def video_frame(image, pts=7):
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), "rgb24")
    frame.pts, frame.time_base = pts, Fraction(1, 90_000)
    return frame
