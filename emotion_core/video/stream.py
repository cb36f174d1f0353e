"""Decoding and analysis of a video in two threads, ahead of the consumer.

ONNX Runtime, OpenCV and libav release Python's lock, so both threads and the consumer really run at
the same time.
"""

from __future__ import annotations

import threading
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

from emotion_core.tracking.redaction import FaceRedactor, widen_for_redaction
from emotion_core.tracking.roll import RollFollower
from emotion_core.tracking.tracker import FaceTracker
from emotion_core.video.byte_queue import ByteBoundedQueue, QueueCancelledError
from emotion_core.video.sampling import AdaptiveSearch, FrameSampler

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from emotion_core.analyzer import Analyzer
    from emotion_core.recognition.embedding import FaceEmbedder
    from emotion_core.tracking.redaction import RedactionMask
    from emotion_core.types import Analysis, Image
    from emotion_core.video.io.reader import VideoReader
    from emotion_core.video.types import VideoFrame, VideoSettings

_QUEUE_BYTES = 64_000_000
"""Frames in each of the two queues, 23 of 1280 by 720; more made nothing faster."""

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
        raw: As predicted, with track ids; ``None`` if the frame was only searched for what to blur.
        mask: What to blur; ``None`` for nothing.
    """

    frame: VideoFrame
    raw: Analysis | None
    mask: RedactionMask | None


class VideoFrameAnalyzer:
    """Analyses the frames of one video in order: finds, classifies and tracks the faces.

    If faces are to be blurred, all frames are searched for them, whether their results count or
    not: between two frames a face may appear anywhere.

    Attributes:
        tracker: Has all tracklets after the last frame.
        batch: Frames to analyse together: one until it is known how long one takes.
    """

    def __init__(
        self, analyzer: Analyzer, settings: VideoSettings, embedder: FaceEmbedder | None
    ) -> None:
        self._options = settings.analyze_options
        searched = widen_for_redaction(self._options, blur=settings.blur)

        def search(images: Sequence[Image], search_px: int | None) -> list[Analysis]:
            rolls_deg = self._rolls.rolls_deg
            options = replace(searched, search_px=search_px, rolls_deg=rolls_deg)
            found = analyzer.analyze(images, options)
            for analysis in found:
                self._rolls.update(analysis.faces)
            return found

        self._rolls = RollFollower()
        self._search = AdaptiveSearch(search)
        self.tracker = FaceTracker(embedder, keeps_tracklets=True)
        self._redactor = FaceRedactor() if settings.blur else None
        self._max_batch = _BATCH[analyzer.info.device]
        self.batch = 1

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
        analyses = self._search.analyze([frame for frame, _ in taken])
        for (frame, counts), found in zip(taken, analyses, strict=True):
            self.batch = max(1, min(self._max_batch, int(_BATCH_S / max(found.time_s, 1e-3))))
            mask = raw = None
            if self._redactor:
                mask = self._redactor.update(found, frame.time_s, frame.image)
            if counts:
                raw = self._options.select(found)
                tracked = self.tracker.update(raw.faces, frame.time_s, frame.image)
                raw = replace(raw, faces=tracked)
            yield AnalyzedFrame(frame, raw, mask)


class AnalysisStream:
    """Frames in order, decoded and analysed ahead of the consumer; iterable once.

    Without redaction, frames that are not analysed are left out.

    A context manager: at its end both threads are gone, even if the iteration was left early.
    Failures of a thread are raised by the iteration.
    """

    def __init__(
        self, reader: VideoReader, frame_analyzer: VideoFrameAnalyzer, sampler: FrameSampler
    ) -> None:
        self._reader, self._frame_analyzer, self._sampler = reader, frame_analyzer, sampler
        self._decoded = ByteBoundedQueue[tuple["VideoFrame", bool]](
            _QUEUE_BYTES, lambda item: item[0].image.nbytes
        )
        self._done = ByteBoundedQueue[AnalyzedFrame](
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

    def __iter__(self) -> Iterator[AnalyzedFrame]:
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
        decide = self._sampler.should_analyze
        needs_all = self._frame_analyzer.analyzes_all
        with closing(self._reader.frames(None if needs_all else decide)) as frames:
            for frame in frames:
                counts = not needs_all or decide(frame.index, frame.time_s)
                self._decoded.put((frame, counts))

    def _analyze(self) -> None:
        while taken := self._decoded.take(self._frame_analyzer.batch, _FILL_S):
            for item in self._frame_analyzer.analyze(taken):
                self._done.put(item)
