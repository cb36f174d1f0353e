"""A video from file to result: every picture analysed, drawn and written in one pass."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from emotion_core.imaging.annotate import blur_in_place, draw_in_place
from emotion_core.tracking.smoothing import smooth_frames
from emotion_core.video.highlights import HighlightTracker
from emotion_core.video.io.reader import VideoReader
from emotion_core.video.io.writer import VideoWriter
from emotion_core.video.sampling import FrameSampler
from emotion_core.video.stream import AnalysisStream, VideoFrameAnalyzer
from emotion_core.video.tables import FrameTableBuilder, people_table
from emotion_core.video.types import VideoProgress, VideoResult, VideoSettings

if TYPE_CHECKING:
    from emotion_core.analyzer import Analyzer
    from emotion_core.recognition.embedding import FaceEmbedder
    from emotion_core.video.stream import OutputFrame
    from emotion_core.video.types import VideoInfo

VideoSource = str | Path | Callable[[], BinaryIO]
"""A file's path, or what gives a new, independent handle of it at each call."""

OnProgress = Callable[[VideoProgress], None]

_REPORT_EVERY_S = 0.1
_SPEED_OVER_S = 4.0


def analyze_video(
    source: VideoSource,
    analyzer: Analyzer,
    settings: VideoSettings | None = None,
    *,
    target: str | Path | None = None,
    on_progress: OnProgress | None = None,
    embedder: FaceEmbedder | None = None,
) -> VideoResult:
    """Analyse a video and write it anew with its faces marked.

    Memory does not grow with the length, but for the rows of the table (some hundred bytes each).

    Args:
        source: The video.
        analyzer: The core.
        settings: What is analysed and how it is shown; by default every picture, unblurred.
        target: Where the annotated MP4 is written; ``None`` for none. Of a video that breaks off
            it has all up to there. After an exception it is not complete.
        on_progress: Told how far it is, ten times a second at most. What it raises ends
            everything at once and is raised again.
        embedder: Recognises people after longer gaps.

    Raises:
        VideoDecodeError: The file is no video, or not a single picture can be decoded.
        EmotionError: The analyser failed, or ``target`` cannot be written.
    """
    start = time.perf_counter()
    settings = settings or VideoSettings()
    schedule = FrameSampler(settings)
    with ExitStack() as stack:
        reader = stack.enter_context(
            VideoReader(_open(source, stack), longest_s=settings.longest_s)
        )
        writer = None
        if target is not None:
            writer = VideoWriter(Path(target), reader, sound=_open(source, stack))
            stack.enter_context(writer)
        consumer = _Consumer(writer)
        progress = _Progress(reader.info, on_progress)
        readings = VideoFrameAnalyzer(analyzer, settings, embedder)
        stream = AnalysisStream(reader, readings, schedule, is_sparse=target is None)
        for item in stack.enter_context(stream):
            consumer.take(item)
            progress.report(item.frame.index + 1, item.frame.time_s)
    frames = consumer.log.table(schedule.end_s)
    return VideoResult(
        info=reader.info,
        settings=settings,
        model=analyzer.info.emotion.name,
        detector=analyzer.info.detector.name,
        frames=frames,
        people=people_table(frames, smoothed=smooth_frames(frames, settings.smoothing_s)),
        moments=consumer.keeper.moments(),
        n_frames=schedule.n_frames,
        n_analyzed=consumer.n_analyzed,
        elapsed_s=time.perf_counter() - start,
        fault=reader.fault,
    )


class _Consumer:
    """Takes pictures in order: notes what was read, draws, writes."""

    def __init__(self, writer: VideoWriter | None) -> None:
        self._writer = writer
        self.log = FrameTableBuilder()
        self.keeper = HighlightTracker()
        self.n_analyzed = 0

    def take(self, item: OutputFrame) -> None:
        frame, canvas = item.frame, item.frame.image
        if item.hidden is not None:
            blur_in_place(canvas, item.hidden)
        if item.raw is not None:
            self.n_analyzed += 1
            self.log.add(frame.index, frame.time_s, item.raw)
            self.keeper.add(frame, item.shown, canvas)
        if self._writer is not None:
            self._writer.write(frame, draw_in_place(canvas, item.shown))


class _Progress:
    """Tells how far a video is, now and then."""

    def __init__(self, info: VideoInfo, on_progress: OnProgress | None) -> None:
        self._info, self._on_progress = info, on_progress
        self._history: deque[tuple[float, int, float]] = deque()

    def report(self, frames: int, time_s: float) -> None:
        """Call ``on_progress`` if the last call is long enough ago.

        The speed is counted from the first picture on: what comes before it takes longer.

        Args:
            frames: Pictures finished.
            time_s: Place in the video.
        """
        now, history = time.monotonic(), self._history
        if history and now - history[-1][0] < _REPORT_EVERY_S:
            return
        history.append((now, frames, time_s))
        if self._on_progress is None or len(history) < 2:
            return
        while len(history) > 2 and now - history[0][0] > _SPEED_OVER_S:
            history.popleft()
        then, frames_then, time_s_then = history[0]
        fps = (frames - frames_then) / (now - then)
        speed = (time_s - time_s_then) / (now - then)
        self._on_progress(
            VideoProgress(
                frames, self._info.n_frames, time_s, fps, self._left(frames, time_s, fps, speed)
            )
        )

    def _left(self, frames: int, time_s: float, fps: float, speed: float) -> float | None:
        """Seconds, by the number of pictures, else by the length; a header may be wrong on both."""
        n_frames, duration_s = self._info.n_frames, self._info.duration_s
        if n_frames and n_frames >= frames and fps > 0:
            return (n_frames - frames) / fps
        if duration_s and duration_s >= time_s and speed > 0:
            return (duration_s - time_s) / speed
        return None


def _open(source: VideoSource, stack: ExitStack) -> Path | BinaryIO:
    return stack.enter_context(source()) if callable(source) else Path(source)
