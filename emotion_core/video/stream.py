"""A video's pictures with their faces: decoded in one thread, analysed in a second, as they come.

ONNX Runtime, OpenCV and libav work without Python's lock, so both threads, and whoever iterates,
really run at the same time.
"""

from __future__ import annotations

import threading
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

from emotion_core.tracking.interpolation import interpolate
from emotion_core.tracking.redaction import FaceRedactor, widen_for_redaction
from emotion_core.tracking.smoothing import Smoother
from emotion_core.tracking.tracker import FaceTracker
from emotion_core.video.byte_queue import ByteBoundedQueue, QueueCancelledError
from emotion_core.video.sampling import AdaptiveSearch, FrameSampler

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from emotion_core.analyzer import Analyzer
    from emotion_core.recognition.embedding import FaceEmbedder
    from emotion_core.types import Analysis, FloatArray, Image
    from emotion_core.video.io.reader import VideoReader
    from emotion_core.video.types import VideoFrame, VideoSettings

_QUEUE_BYTES = 64_000_000
"""Of pictures in each of the two queues, 23 of 1280 by 720; more made nothing faster."""

_WAITING_PICTURES, _WAITING_BYTES = 32, 128_000_000
"""That wait for the next analysed one at most."""

_BATCH = {"cpu": 8, "cuda": 16}
"""Pictures analysed together at most."""

_BATCH_S = 0.5
"""Seconds that a batch may take, about, so that a video that is given up ends soon."""

_PATIENCE_S = 0.2
"""How long to wait until a batch is full. On two CPU cores a picture took 18 ms of them in a batch
of eight and 24 ms alone, and pictures that are done wait for the encoder anyway."""

_JOIN_DECODE_S, _JOIN_ANALYSIS_S = 60.0, 2.0
"""A thread that still decodes must have ended before its file is closed; an analysis that hangs
(say, on a network) may end by itself."""


@dataclass(frozen=True, eq=False, slots=True)
class TrackedPrediction:
    """What was found in a picture whose readings count.

    Attributes:
        raw: As the networks said; faces carry track ids.
        smooth: The same faces with smoothed readings.
    """

    raw: Analysis
    smooth: Analysis


@dataclass(frozen=True, eq=False, slots=True)
class AnalyzedFrame:
    """A picture as it comes out of the analysis.

    Attributes:
        frame: The picture.
        reading: ``None`` where it was not analysed, or only for what to blur.
        hidden: As in ``OutputFrame``.
    """

    frame: VideoFrame
    reading: TrackedPrediction | None
    hidden: FloatArray | None


@dataclass(frozen=True, eq=False, slots=True)
class OutputFrame:
    """A picture on its way out.

    Attributes:
        frame: The picture.
        raw: ``None`` where this very picture was not analysed.
        shown: What to draw: smoothed, and between two analysed pictures interpolated.
        hidden: ``(N, 4)`` x1, y1, x2, y2 of what to blur, in pixels; ``None`` if nothing is.
    """

    frame: VideoFrame
    raw: Analysis | None
    shown: Analysis
    hidden: FloatArray | None


class VideoFrameAnalyzer:
    """Analyses the pictures of one video: finds, reads, tracks and smooths the faces, in order.

    Where faces are to be blurred every picture is searched for them, whether its readings count or
    not: between two pictures a face may come or go anywhere.
    """

    def __init__(
        self, analyzer: Analyzer, settings: VideoSettings, embedder: FaceEmbedder | None
    ) -> None:
        self._asked = settings.analyze_options
        searched = widen_for_redaction(self._asked, blur=settings.blur)

        def search(images: Sequence[Image], search_px: int | None) -> list[Analysis]:
            return analyzer.analyze(images, replace(searched, search_px=search_px))

        self._plan = AdaptiveSearch(search)
        self._tracker = FaceTracker(embedder)
        self._smoother = Smoother(settings.smoothing_s)
        self._cover = FaceRedactor() if settings.blur else None
        self._most = _BATCH[analyzer.info.device]
        self.batch = 1
        """Pictures that may be analysed together: one until it is known how long one takes."""

    @property
    def sees_all(self) -> bool:
        """Whether every picture is analysed."""
        return self._cover is not None

    def read(self, taken: Sequence[tuple[VideoFrame, bool]]) -> Iterator[AnalyzedFrame]:
        """Analyse pictures, in order.

        Args:
            taken: Pictures, each with whether its readings count.

        Yields:
            One per picture.
        """
        searched = [frame for frame, counts in taken if counts or self.sees_all]
        analyses = self._plan.analyze(searched)
        for frame, counts in taken:
            if not (counts or self.sees_all):
                yield AnalyzedFrame(frame, None, None)
                continue
            found = next(analyses)
            self.batch = max(1, min(self._most, int(_BATCH_S / max(found.time_s, 1e-3))))
            hidden = None
            if self._cover:
                cover = self._cover.update(found, frame.time_s, frame.image)
                hidden = cover.at(frame.time_s, found.size_wh)
            yield AnalyzedFrame(frame, self._read(frame, found) if counts else None, hidden)

    def _read(self, frame: VideoFrame, found: Analysis) -> TrackedPrediction:
        reported = self._asked.select(found)
        tracked = self._tracker.update(reported.faces, frame.time_s, frame.image)
        raw = replace(reported, faces=tracked)
        return TrackedPrediction(raw, self._smoother.update(raw, frame.time_s))


class FrameInterpolator:
    """Lets pictures that are not analysed wait for the next one that is; interpolates."""

    def __init__(self) -> None:
        self._waiting: list[AnalyzedFrame] = []
        self._waiting_bytes = 0
        self._before: Analysis | None = None
        self._since_s = 0.0

    def add(self, seen: AnalyzedFrame) -> Iterator[OutputFrame]:
        """Take the next picture and give those that are ready, in order."""
        frame, reading = seen.frame, seen.reading
        if reading is None:
            self._waiting.append(seen)
            self._waiting_bytes += frame.image.nbytes
            if len(self._waiting) > _WAITING_PICTURES or self._waiting_bytes > _WAITING_BYTES:
                yield self._give_oldest()
            return
        span_s = frame.time_s - self._since_s
        while self._waiting:
            passed_s = self._waiting[0].frame.time_s - self._since_s
            share = passed_s / span_s if span_s > 0 else 0.0
            yield self._give_oldest(reading.smooth, min(1.0, max(0.0, share)))
        self._before, self._since_s = reading.smooth, frame.time_s
        yield OutputFrame(frame, reading.raw, reading.smooth, seen.hidden)

    def rest(self) -> Iterator[OutputFrame]:
        """Give what still waits at the end."""
        while self._waiting:
            yield self._give_oldest()

    def _give_oldest(self, after: Analysis | None = None, share: float = 0.0) -> OutputFrame:
        """Without what comes after it, a picture gets the last analysis as it stands."""
        seen = self._waiting.pop(0)
        frame = seen.frame
        self._waiting_bytes -= frame.image.nbytes
        if self._before is None:
            raise RuntimeError("The first picture of a video is always analysed.")
        if after is None:
            self._since_s = frame.time_s  # boxes move on from here, without a jump
            return OutputFrame(frame, None, self._before, seen.hidden)
        return OutputFrame(frame, None, interpolate(self._before, after, share), seen.hidden)


class AnalysisStream:
    """Pictures in order, decoded and analysed ahead of whoever iterates; once.

    A context manager: at its end both threads are gone, also where the iteration was left early.
    What fails in a thread is raised by the iteration.
    """

    def __init__(
        self,
        reader: VideoReader,
        readings: VideoFrameAnalyzer,
        schedule: FrameSampler,
        *,
        is_sparse: bool,
    ) -> None:
        """Prepare; ``is_sparse`` leaves out pictures that are not analysed."""
        self._reader, self._readings, self._schedule = reader, readings, schedule
        self._is_sparse = is_sparse
        sees_all = is_sparse or readings.sees_all
        self._stride = 1 if sees_all else schedule.stride(reader.info.fps)
        self._decoded = ByteBoundedQueue[tuple["VideoFrame", bool]](
            _QUEUE_BYTES, lambda item: item[0].image.nbytes
        )
        self._done = ByteBoundedQueue[OutputFrame](
            _QUEUE_BYTES, lambda item: item.frame.image.nbytes
        )
        self._decoding = self._make_thread("decode", self._decode, self._decoded.end)
        self._analysis = self._make_thread("analyse", self._analyze, self._done.end)

    def __enter__(self) -> Self:
        self._decoding.start()
        self._analysis.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._decoded.give_up()
        self._done.give_up()
        self._decoding.join(_JOIN_DECODE_S)
        self._analysis.join(_JOIN_ANALYSIS_S)

    def __iter__(self) -> Iterator[OutputFrame]:
        while taken := self._done.take(1):
            yield taken[0]

    def _make_thread(
        self, name: str, work: Callable[[], None], end: Callable[[BaseException | None], None]
    ) -> threading.Thread:
        def run() -> None:
            failure = None
            try:
                work()
            except QueueCancelledError:
                pass
            except BaseException as error:  # noqa: BLE001 - raised again by whoever iterates
                failure = error
            end(failure)

        return threading.Thread(target=run, name=f"video-{name}", daemon=True)

    def _decode(self) -> None:
        chosen = self._schedule.is_wanted if self._is_sparse else None
        with closing(self._reader.frames(chosen)) as frames:
            for frame in frames:
                is_wanted = self._is_sparse or self._schedule.is_wanted(frame.index, frame.time_s)
                self._decoded.put((frame, is_wanted))

    def _analyze(self) -> None:
        gaps = FrameInterpolator()
        while taken := self._decoded.take(self._readings.batch * self._stride, _PATIENCE_S):
            for seen in self._readings.read(taken):
                for ready in gaps.add(seen):
                    self._done.put(ready)
        for ready in gaps.rest():
            self._done.put(ready)
