"""One analysis of a video in a thread of its own, and the line in which such jobs wait."""

from __future__ import annotations

import threading
import time
from concurrent.futures import CancelledError, Future
from contextlib import contextmanager
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from emotion_core.errors import EmotionError
from emotion_core.imaging.annotate import annotate
from emotion_core.imaging.codec import encode_jpeg
from emotion_core.imaging.resize import shrink
from emotion_core.live.overlay import scale_analysis
from emotion_core.types import (
    DEFAULT_OPTIONS,
    Analysis,
    AnalyzeOptions,
)
from emotion_core.video.pipeline import analyze_video
from streamlit_app.shared_file import SharedTempFile

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from emotion_core.analyzer import Analyzer
    from emotion_core.models.card import AnalyzerInfo
    from emotion_core.recognition.embedding import FaceEmbedder
    from emotion_core.types import Image
    from emotion_core.video.types import VideoProgress, VideoResult, VideoSettings

_PREVIEW_PX = 480
_PREVIEW_PERIOD_S = 0.4


class JobState(StrEnum):
    """How far a job is."""

    WAITING = "waiting"
    """For others to end."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class JobSpec:
    """All that decides on what an analysis finds.

    Attributes:
        emotion: Name of the emotion network at work.
        detector: Name of the face detector at work.
        settings: Which pictures are analysed, and how.
        reidentify: Whether people are recognised after a gap.
    """

    emotion: str
    detector: str
    settings: VideoSettings
    reidentify: bool

    def finds_the_same_as(self, other: JobSpec) -> bool:
        """Whether two analyses give the same numbers; smoothing comes after them."""
        unsmoothed = replace(self.settings, smoothing_s=other.settings.smoothing_s)
        return replace(self, settings=unsmoothed) == other


class JobQueue:
    """Lets some jobs run at once and the others wait in the order in which they came."""

    def __init__(self, at_once: int) -> None:
        self._at_once = at_once
        self._waiting: list[VideoJob] = []
        self._running: list[VideoJob] = []
        self._changed = threading.Condition()

    def join(self, job: VideoJob) -> None:
        """Stand at the end of the line."""
        with self._changed:
            self._waiting.append(job)

    def leave(self, job: VideoJob) -> None:
        """Wait no longer."""
        with self._changed:
            self._waiting.remove(job)
            self._changed.notify_all()

    def before(self, job: VideoJob) -> int | None:
        """How many wait before a job; ``None`` if it waits no more."""
        with self._changed:
            return self._waiting.index(job) if job in self._waiting else None

    @contextmanager
    def turn(self, job: VideoJob) -> Iterator[None]:
        """Wait for a job's turn, and hold a place inside the with-block.

        Raises:
            CancelledError: The job was cancelled while it waited.
        """
        with self._changed:
            try:
                while self._waiting[0] is not job or len(self._running) >= self._at_once:
                    job.raise_if_cancelled()
                    self._changed.wait(0.2)
                self._running.append(job)
            finally:
                self._waiting.remove(job)
                self._changed.notify_all()
        try:
            yield
        finally:
            with self._changed:
                self._running.remove(job)
                self._changed.notify_all()

    def end_all(self, timeout_s: float = 3.0) -> None:
        """End all jobs and wait for that: a process that ends amid native code aborts."""
        with self._changed:
            for job in (*self._waiting, *self._running):
                job.cancel()
            self._changed.wait_for(lambda: not self._waiting and not self._running, timeout_s)


class VideoJob:
    """Analyses one video beside the page. It starts when it is made, or waits in the line.

    Attributes:
        recipe: What was asked for.
        progress: The last that was heard; ``None`` before the first picture.
        preview: A small JPEG of a picture that was just analysed; empty before the first, and
            where faces are to be blurred.
        video: The annotated video; to be read once the job is done.

    Raises:
        EmotionError: The system has no room for it.
    """

    def __init__(
        self,
        source: SharedTempFile,
        recipe: JobSpec,
        analyzer: Analyzer,
        line: JobQueue,
        embedder: FaceEmbedder | None = None,
    ) -> None:
        self.recipe = recipe
        self.progress: VideoProgress | None = None
        self.preview = b""
        self.video = SharedTempFile()
        self._source = source
        self._analyzer, self._embedder = _CancellableAnalyzer(analyzer, self), embedder
        self._line = line
        self._cancelled = threading.Event()
        self._ended: Future[VideoResult] = Future()
        line.join(self)
        try:
            threading.Thread(target=self._run, name="video-job", daemon=True).start()
        except RuntimeError as error:  # the system gives no more threads
            line.leave(self)
            self.close()
            raise EmotionError("The server has no room for another video now.") from error

    @property
    def state(self) -> JobState:
        """How far the job is; cancelled as soon as that was asked for."""
        if self._ended.done():
            error = self._ended.exception()
            if error is None:
                return JobState.DONE
            is_cancelled = isinstance(error, CancelledError)
            return JobState.CANCELLED if is_cancelled else JobState.FAILED
        if self._cancelled.is_set():
            return JobState.CANCELLED
        return JobState.RUNNING if self._line.before(self) is None else JobState.WAITING

    @property
    def before(self) -> int:
        """How many wait for their turn before this job."""
        return self._line.before(self) or 0

    def result(self, timeout_s: float | None = None) -> VideoResult:
        """What was found; waits for the end of the job.

        Raises:
            EmotionError: The video could not be analysed.
            CancelledError: The job was cancelled.
            TimeoutError: It did not end in time.
        """
        return self._ended.result(timeout_s)

    def cancel(self) -> None:
        """End the job soon, and free what it wrote. A finished job stays as it is."""
        self._cancelled.set()

    def close(self) -> None:
        """End the job and free its result."""
        self.cancel()
        self.video.close()

    def raise_if_cancelled(self) -> None:
        """End the analysis from inside.

        Raises:
            CancelledError: The job was cancelled.
        """
        if self._cancelled.is_set():
            raise CancelledError

    def _run(self) -> None:
        try:
            with self._line.turn(self):
                result = self._analyze()
        except BaseException as error:  # noqa: BLE001 - handed to whoever asks for the result
            self.video.close()
            self._ended.set_exception(error)
        else:
            self._ended.set_result(result)

    def _analyze(self) -> VideoResult:
        with self._source.in_use() as source, self.video.in_use() as target:
            return analyze_video(
                source,
                self._analyzer,
                self.recipe.settings,
                target=target,
                on_progress=self._on_progress,
                embedder=self._embedder,
            )

    def _on_progress(self, progress: VideoProgress) -> None:
        self.progress = progress
        self.raise_if_cancelled()


class _CancellableAnalyzer:
    """An analyzer that stops where its job is cancelled, and shows what it just saw."""

    def __init__(self, analyzer: Analyzer, job: VideoJob) -> None:
        self._analyzer, self._job = analyzer, job
        self._last_s = 0.0

    @property
    def info(self) -> AnalyzerInfo:
        return self._analyzer.info

    def analyze(
        self,
        images: Sequence[Image],
        options: AnalyzeOptions = DEFAULT_OPTIONS,
    ) -> list[Analysis]:
        self._job.raise_if_cancelled()
        analyses = self._analyzer.analyze(images, options)
        now = time.monotonic()
        shows = not self._job.recipe.settings.blur  # which is done later
        if shows and analyses and now - self._last_s >= _PREVIEW_PERIOD_S:
            self._last_s = now
            self._job.preview = _to_preview(images[-1], analyses[-1])
        return analyses


def _to_preview(image: Image, analysis: Analysis) -> bytes:
    small = shrink(image, _PREVIEW_PX)
    drawn = annotate(small, scale_analysis(analysis, (small.shape[1], small.shape[0])))
    return encode_jpeg(drawn, quality=80)
