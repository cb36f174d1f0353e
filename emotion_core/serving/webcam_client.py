"""A camera and a server: capturing frames never waits for an analysis."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol, Self

import cv2
import numpy as np

from emotion_core.errors import EmotionError, VideoDecodeError
from emotion_core.imaging.resize import shrink
from emotion_core.types import AnalyzeOptions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from emotion_core.analyzer import Analyzer
    from emotion_core.types import Analysis, Image

SENT_PX = 640
"""Longer side of the frames that are sent and shown; a webcam's usual size."""

_SEARCH_PX = 480
_WAIT_S = 0.5


class Camera:
    """Reads a camera or a video file in a thread and keeps only the newest frame.

    Args:
        source: Index of a camera, or path of a file, which plays at its own speed.

    Raises:
        VideoDecodeError: The source cannot be opened.
    """

    def __init__(self, source: str) -> None:
        self._capture = cv2.VideoCapture(int(source) if source.isdecimal() else source)
        if not self._capture.isOpened():
            raise VideoDecodeError(
                f"{source} cannot be opened; give the number of a camera (0, 1, ...) that no other "
                "program is using, or a video file."
            )
        rate = self._capture.get(cv2.CAP_PROP_FPS)
        self._pause_s = 0.0 if source.isdecimal() else 1 / (rate if 1 <= rate <= 240 else 25)
        self._newest: tuple[int, Image] | None = None
        self._changed = threading.Condition()
        self._is_over = False
        self._thread = threading.Thread(target=self._run, name="capture", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over = True
        self._thread.join(5.0)
        self._capture.release()

    def newer_than(self, number: int) -> tuple[int, Image] | None:
        """Waits for a frame after the one with that number.

        Returns:
            The frame's number, from 1 over all captured frames, and the frame; ``None`` at the end.
        """
        with self._changed:
            while True:
                if self._newest is not None and self._newest[0] > number:
                    return self._newest
                if self._is_over:
                    return None
                self._changed.wait(_WAIT_S)

    def _run(self) -> None:
        due, number = time.monotonic(), 0
        while not self._is_over:
            is_read, bgr = self._capture.read()
            if not is_read:
                break
            number += 1
            rgb = np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8)
            image = shrink(rgb, SENT_PX)
            with self._changed:
                self._newest = (number, image)
                self._changed.notify_all()
            due = max(due + self._pause_s, time.monotonic() - 1.0)
            time.sleep(max(0.0, due - time.monotonic()))
        with self._changed:
            self._is_over = True
            self._changed.notify_all()


@dataclass(frozen=True, eq=False, slots=True)
class TimedAnalysis:
    """The newest analysis.

    Attributes:
        analysis: The analysis; ``None`` before the first.
        answered: Number of analyses so far.
        delay_s: Time from the request to the newest analysis.
        error: Why the newest request failed; empty otherwise.
    """

    analysis: Analysis | None = None
    answered: int = 0
    delay_s: float = 0.0
    error: str = ""


class AnalysisWorker:
    """Analyses the newest frame again and again, in a thread."""

    def __init__(self, camera: Camera, analyzer: Analyzer) -> None:
        self._camera, self._analyzer = camera, analyzer
        self.reading = TimedAnalysis()
        self._is_over = False
        self._fault: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="analyze", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self._is_over = True
        self._thread.join(60.0)
        if self._fault and kind is None:
            raise self._fault

    def _run(self) -> None:
        try:
            number = 0
            while not self._is_over and (found := self._camera.newer_than(number)):
                number, image = found
                self._analyze(image)
        except BaseException as error:  # noqa: BLE001 - re-raised by the owner
            self._fault = error

    def _analyze(self, image: Image) -> None:
        start, before = time.monotonic(), self.reading
        try:
            analysis = self._analyzer.analyze([image], AnalyzeOptions(search_px=_SEARCH_PX))[0]
        except EmotionError as error:
            self.reading = replace(before, error=str(error))
            return
        self.reading = TimedAnalysis(analysis, before.answered + 1, time.monotonic() - start)


class FrameSink(Protocol):
    """A destination of annotated frames: a window or a file."""

    def show(self, image: Image) -> bool:
        """Shows an annotated frame; returns whether to continue."""

    def close(self) -> None:
        """Closes the window or file."""


@dataclass(eq=False, slots=True)
class RunStats:
    """Statistics of a run.

    Attributes:
        shown: Number of frames shown.
        captured: Number of frames captured.
        reading: The newest analysis.
    """

    shown: int = 0
    captured: int = 0
    reading: TimedAnalysis = field(default_factory=TimedAnalysis)


def iter_shown(
    camera: Camera, worker: AnalysisWorker, seconds: float | None
) -> Iterator[tuple[Image, RunStats]]:
    """Yields the frames to show, with the statistics so far.

    Args:
        camera: A running camera.
        worker: A running worker.
        seconds: When to end; ``None`` for the end of the frames.
    """
    stats, start = RunStats(), time.monotonic()
    while seconds is None or time.monotonic() - start < seconds:
        found = camera.newer_than(stats.captured)
        if found is None:
            return
        stats.captured, image = found
        stats.shown += 1
        stats.reading = worker.reading
        yield image, stats
