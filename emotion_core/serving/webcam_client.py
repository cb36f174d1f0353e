"""A camera, a server, and the newest of both: capture never waits for the server."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
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
"""Pictures are shrunk to this side before they are sent and shown, as a webcam gives them."""

_SEARCH_PX = 480
_WAIT_S = 0.5


class Camera:
    """Reads a camera or a video file in a thread of its own; only the newest picture is kept.

    Args:
        source: Index of a camera, or path of a file, which plays at its own speed.

    Raises:
        VideoDecodeError: It cannot be opened.
    """

    def __init__(self, source: str) -> None:
        self._capture = cv2.VideoCapture(int(source) if source.isdecimal() else source)
        if not self._capture.isOpened():
            raise VideoDecodeError(
                f"{source} cannot be opened; give the number of a camera (0, 1, ...) that no other "
                "program uses, or a video file."
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
        """Wait for a picture after the one with that number.

        Returns:
            Its number, counted from 1 over all that were captured, and the picture; ``None`` once
            there will be no more.
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
            done, bgr = self._capture.read()
            if not done:
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
    """The newest answer.

    Attributes:
        analysis: ``None`` before the first.
        answered: Answers so far.
        delay_s: From asking to the newest answer.
        error: Why the newest question has no answer; empty otherwise.
    """

    analysis: Analysis | None = None
    answered: int = 0
    delay_s: float = 0.0
    error: str = ""


class AnalysisWorker:
    """Asks an analyzer about the newest picture, again and again, in a thread of its own."""

    def __init__(self, camera: Camera, analyzer: Analyzer) -> None:
        self._camera, self._analyzer = camera, analyzer
        self.reading = TimedAnalysis()
        self._is_over = False
        self._fault: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="ask", daemon=True)

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
                self._ask(image)
        except BaseException as error:  # noqa: BLE001 - re-raised by the owner
            self._fault = error

    def _ask(self, image: Image) -> None:
        start, before = time.monotonic(), self.reading
        try:
            analysis = self._analyzer.analyze([image], AnalyzeOptions(search_px=_SEARCH_PX))[0]
        except EmotionError as error:
            self.reading = TimedAnalysis(
                before.analysis, before.answered, before.delay_s, str(error)
            )
            return
        self.reading = TimedAnalysis(analysis, before.answered + 1, time.monotonic() - start)


class FrameSink(Protocol):
    """Where pictures go: a window, a file."""

    def show(self, image: Image) -> bool:
        """Take an annotated picture; tell whether more are wanted."""

    def close(self) -> None:
        """Finish."""


@dataclass(eq=False, slots=True)
class RunStats:
    """What was captured, shown and answered.

    Attributes:
        shown: Pictures that reached the outlets.
        captured: Pictures that the camera gave.
        reading: The newest answer.
    """

    shown: int = 0
    captured: int = 0
    reading: TimedAnalysis = field(default_factory=TimedAnalysis)


def iter_shown(
    camera: Camera, asker: AnalysisWorker, seconds: float | None
) -> Iterator[tuple[Image, RunStats]]:
    """Each picture that there is time to show, and what is known by then.

    Args:
        camera: Runs.
        asker: Runs.
        seconds: When to end; ``None`` for as long as there are pictures.
    """
    tally, start = RunStats(), time.monotonic()
    while seconds is None or time.monotonic() - start < seconds:
        found = camera.newer_than(tally.captured)
        if found is None:
            return
        tally.captured, image = found
        tally.shown += 1
        tally.reading = asker.reading
        yield image, tally
