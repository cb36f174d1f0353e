"""Decoding and analysis of a video in two threads, ahead of the consumer.

ONNX Runtime, OpenCV and libav release Python's lock, so both threads and the consumer really run at
the same time.
"""

from __future__ import annotations

import threading
from collections import deque
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
"""Frames in each of the two queues, 23 of 1280 by 720; more made nothing faster."""

_WAITING_FRAMES, _WAITING_BYTES = 32, 128_000_000
"""Maximum number and size of frames that wait for the next analysed one."""

_BATCH = {"cpu": 8, "cuda": 16}
"""Maximum number of frames in a batch."""

_BATCH_S = 0.5
"""Approximate maximum seconds of a batch, so that a cancelled video ends soon."""

_FILL_S = 0.2
"""Maximum wait for a full batch. On two CPU cores a frame took 18 ms of them in a batch of eight
and 24 ms alone, and finished frames wait for the encoder anyway."""

_JOIN_DECODE_S, _JOIN_ANALYSIS_S = 60.0, 2.0
"""A decoding thread must have ended before its file is closed; an analysis that hangs (say, on a
network) may end later."""


@dataclass(frozen=True, eq=False, slots=True)
class AnalyzedFrame:
    """A frame as it leaves the analysis.

    Attributes:
        frame: The frame.
        raw: As predicted, with track ids; ``None`` if not analysed, or only for what to blur.
        smooth: The same with smoothed predictions.
        blur_boxes: As in ``OutputFrame``.
    """

    frame: VideoFrame
    raw: Analysis | None = None
    smooth: Analysis | None = None
    blur_boxes: FloatArray | None = None


@dataclass(frozen=True, eq=False, slots=True)
class OutputFrame:
    """A frame to be drawn and written.

    Attributes:
        frame: The frame.
        raw: ``None`` if this frame was not analysed.
        shown: What to draw: smoothed, and interpolated between two analysed frames.
        blur_boxes: ``(N, 4)`` x1, y1, x2, y2 of what to blur, in pixels; ``None`` for nothing.
    """

    frame: VideoFrame
    raw: Analysis | None
    shown: Analysis
    blur_boxes: FloatArray | None


class VideoFrameAnalyzer:
    """Analyses the frames of one video in order: finds, classifies, tracks and smooths the faces.

    If faces are to be blurred, all frames are searched for them, whether their results count or
    not: between two frames a face may appear anywhere.
    """

    def __init__(
        self, analyzer: Analyzer, settings: VideoSettings, embedder: FaceEmbedder | None
    ) -> None:
        self._options = settings.analyze_options
        searched = widen_for_redaction(self._options, blur=settings.blur)

        def search(images: Sequence[Image], search_px: int | None) -> list[Analysis]:
            return analyzer.analyze(images, replace(searched, search_px=search_px))

        self._search = AdaptiveSearch(search)
        self._tracker = FaceTracker(embedder)
        self._smoother = Smoother(settings.smoothing_s)
        self._redactor = FaceRedactor() if settings.blur else None
        self._max_batch = _BATCH[analyzer.info.device]
        self.batch = 1
        """Frames to analyse together: one until it is known how long one takes."""

    @property
    def analyzes_all(self) -> bool:
        """Whether every frame is analysed."""
        return self._redactor is not None

    def analyze(self, taken: Sequence[tuple[VideoFrame, bool]]) -> Iterator[AnalyzedFrame]:
        """Analyses frames, in order.

        Args:
            taken: Frames, each with whether its results count.

        Yields:
            One per frame.
        """
        searched = [frame for frame, counts in taken if counts or self.analyzes_all]
        analyses = self._search.analyze(searched)
        for frame, counts in taken:
            if not (counts or self.analyzes_all):
                yield AnalyzedFrame(frame)
                continue
            found = next(analyses)
            self.batch = max(1, min(self._max_batch, int(_BATCH_S / max(found.time_s, 1e-3))))
            boxes = raw = smooth = None
            if self._redactor:
                mask = self._redactor.update(found, frame.time_s, frame.image)
                boxes = mask.at(frame.time_s, found.size_wh)
            if counts:
                raw = self._options.select(found)
                tracked = self._tracker.update(raw.faces, frame.time_s, frame.image)
                raw = replace(raw, faces=tracked)
                smooth = self._smoother.update(raw, frame.time_s)
            yield AnalyzedFrame(frame, raw, smooth, boxes)


class FrameInterpolator:
    """Holds frames that are not analysed until the next one that is, and interpolates them."""

    def __init__(self) -> None:
        self._waiting: deque[AnalyzedFrame] = deque()
        self._waiting_bytes = 0
        self._before: Analysis | None = None
        self._since_s = 0.0

    def add(self, item: AnalyzedFrame) -> Iterator[OutputFrame]:
        """Adds the next frame and yields those that are ready, in order."""
        frame = item.frame
        if item.smooth is None:
            self._waiting.append(item)
            self._waiting_bytes += frame.image.nbytes
            if len(self._waiting) > _WAITING_FRAMES or self._waiting_bytes > _WAITING_BYTES:
                yield self._pop()
            return
        span_s = frame.time_s - self._since_s
        while self._waiting:
            passed_s = self._waiting[0].frame.time_s - self._since_s
            fraction = passed_s / span_s if span_s > 0 else 0.0
            yield self._pop(item.smooth, min(1.0, max(0.0, fraction)))
        self._before, self._since_s = item.smooth, frame.time_s
        yield OutputFrame(frame, item.raw, item.smooth, item.blur_boxes)

    def rest(self) -> Iterator[OutputFrame]:
        """Yields the frames that still wait at the end."""
        while self._waiting:
            yield self._pop()

    def _pop(self, after: Analysis | None = None, fraction: float = 0.0) -> OutputFrame:
        """Without a later analysis, a frame gets the last one unchanged."""
        item = self._waiting.popleft()
        self._waiting_bytes -= item.frame.image.nbytes
        if self._before is None:
            raise RuntimeError("The first frame of a video is always analysed.")
        shown = self._before
        if after is None:
            self._since_s = item.frame.time_s  # boxes move on from here, without a jump
        else:
            shown = interpolate(shown, after, fraction)
        return OutputFrame(item.frame, None, shown, item.blur_boxes)


class AnalysisStream:
    """Frames in order, decoded and analysed ahead of the consumer; iterable once.

    A context manager: at its end both threads are gone, even if the iteration was left early.
    Failures of a thread are raised by the iteration.
    """

    def __init__(
        self,
        reader: VideoReader,
        frame_analyzer: VideoFrameAnalyzer,
        sampler: FrameSampler,
        *,
        is_sparse: bool,
    ) -> None:
        """Prepares the threads; ``is_sparse`` omits frames that are not analysed."""
        self._reader, self._frame_analyzer, self._sampler = reader, frame_analyzer, sampler
        self._is_sparse = is_sparse
        analyzes_all = is_sparse or frame_analyzer.analyzes_all
        self._stride = 1 if analyzes_all else sampler.stride(reader.info.fps)
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
        self._decoded.cancel()
        self._done.cancel()
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
            except BaseException as error:  # noqa: BLE001 - raised again by the iteration
                failure = error
            end(failure)

        return threading.Thread(target=run, name=f"video-{name}", daemon=True)

    def _decode(self) -> None:
        chosen = self._sampler.should_analyze if self._is_sparse else None
        with closing(self._reader.frames(chosen)) as frames:
            for frame in frames:
                counts = self._is_sparse or self._sampler.should_analyze(frame.index, frame.time_s)
                self._decoded.put((frame, counts))

    def _analyze(self) -> None:
        interpolator = FrameInterpolator()
        while taken := self._decoded.take(self._frame_analyzer.batch * self._stride, _FILL_S):
            for item in self._frame_analyzer.analyze(taken):
                for ready in interpolator.add(item):
                    self._done.put(ready)
        for ready in interpolator.rest():
            self._done.put(ready)
