"""The video pipeline: decodes, analyses, draws and writes a video in one pass."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
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
    from emotion_core.video.types import VideoInfo

VideoSource = str | Path | Callable[[], BinaryIO]
"""A file's path, or a function that returns a new, independent handle of it at each call."""

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
    """Analyses a video and writes an annotated copy.

    Memory does not grow with the length, except for the rows of the table (some hundred bytes
    each).

    Args:
        source: The video.
        analyzer: Local or remote.
        settings: What is analysed and how it is shown; by default every frame, unblurred.
        target: Path of the annotated MP4; ``None`` for none. Of a truncated video it has everything
            up to its end. After an exception it is incomplete.
        on_progress: Called at most ten times a second. Its exceptions end the analysis and are
            raised again.
        embedder: Recognises people after longer gaps.

    Raises:
        VideoDecodeError: The file is not a video, or no frame can be decoded.
        EmotionError: The analyser failed, or ``target`` cannot be written.
    """
    start = time.perf_counter()
    settings = settings or VideoSettings()
    sampler = FrameSampler(settings)
    builder, highlights, n_analyzed = FrameTableBuilder(), HighlightTracker(), 0
    with ExitStack() as stack:
        reader = stack.enter_context(
            VideoReader(
                _open(source, stack),
                longest_s=settings.longest_s,
                from_s=settings.from_s,
                to_s=settings.to_s,
            )
        )
        writer = None
        if target is not None:
            writer = VideoWriter(Path(target), reader, audio=_open(source, stack))
            stack.enter_context(writer)
        progress = _Progress(_until(reader.info, settings.to_s), on_progress)
        frame_analyzer = VideoFrameAnalyzer(analyzer, settings, embedder)
        stream = AnalysisStream(reader, frame_analyzer, sampler, is_sparse=target is None)
        for item in stack.enter_context(stream):
            frame, canvas = item.frame, item.frame.image
            if item.blur_boxes is not None:
                blur_in_place(canvas, item.blur_boxes)
            if item.raw is not None:
                n_analyzed += 1
                builder.add(frame.index, frame.time_s, item.raw)
                highlights.add(frame, item.shown, canvas)
            if writer is not None:
                writer.write(frame, draw_in_place(canvas, item.shown))
            progress.report(frame.index + 1, frame.time_s)
    frames = builder.table(sampler.end_s)
    remarks = (*reader.info.warnings, writer.fault if writer else "")
    return VideoResult(
        info=replace(reader.info, warnings=tuple(filter(None, remarks))),
        settings=settings,
        model=analyzer.info.emotion.name,
        detector=analyzer.info.detector.name,
        frames=frames,
        people=people_table(frames, smoothed=smooth_frames(frames, settings.smoothing_s)),
        highlights=highlights.highlights(),
        n_frames=sampler.n_frames,
        n_analyzed=n_analyzed,
        elapsed_s=time.perf_counter() - start,
        fault=reader.fault,
    )


class _Progress:
    """Reports progress at intervals."""

    def __init__(self, info: VideoInfo, on_progress: OnProgress | None) -> None:
        self._info, self._on_progress = info, on_progress
        self._history: deque[tuple[float, int, float]] = deque()

    def report(self, frames: int, time_s: float) -> None:
        """Calls ``on_progress`` if the last call is long enough ago.

        The speed is measured from the first frame on: what precedes it takes longer.

        Args:
            frames: Frames finished.
            time_s: Position in the video.
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
        left_s = self._left(frames, time_s, fps, speed)
        self._on_progress(VideoProgress(frames, self._info.n_frames, time_s, fps, left_s))

    def _left(self, frames: int, time_s: float, fps: float, speed: float) -> float | None:
        """Seconds, by the number of frames, else by the length; a header may be wrong on both."""
        n_frames, duration_s = self._info.n_frames, self._info.duration_s
        if n_frames and n_frames >= frames and fps > 0:
            return (n_frames - frames) / fps
        if duration_s and duration_s >= time_s and speed > 0:
            return (duration_s - time_s) / speed
        return None


def _until(info: VideoInfo, to_s: float | None) -> VideoInfo:
    """The header of a video that is not read beyond a time."""
    if to_s is None or (info.duration_s and info.duration_s <= to_s):
        return info
    return replace(info, duration_s=to_s, n_frames=round(to_s * info.fps) or None)


def _open(source: VideoSource, stack: ExitStack) -> Path | BinaryIO:
    return stack.enter_context(source()) if callable(source) else Path(source)
