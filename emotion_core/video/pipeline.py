"""The video pipeline: analyses a video in a first pass, and draws and writes it in a second.

Who is a person, and how an expression goes on, is only known at the end.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from emotion_core.tracking.smoothing import smooth_frames
from emotion_core.video.annotation import FrameInterpolator, annotate_frames
from emotion_core.video.blur_boxes import BlurBoxes
from emotion_core.video.frame_table import FrameTableBuilder, iter_analyses
from emotion_core.video.highlights import MAX_PEOPLE, HighlightCutter
from emotion_core.video.io.reader import VideoReader
from emotion_core.video.io.writer import VideoWriter
from emotion_core.video.sampling import FrameSampler
from emotion_core.video.stream import AnalysisStream, VideoFrameAnalyzer
from emotion_core.video.tables import counted_frames, link_people, moments, people_table
from emotion_core.video.types import VideoProgress, VideoResult, VideoSettings

if TYPE_CHECKING:
    import pandas as pd

    from emotion_core.analyzer import Analyzer
    from emotion_core.recognition.embedding import FaceEmbedder
    from emotion_core.types import FloatArray
    from emotion_core.video.types import VideoFrame, VideoInfo

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
    """Analyses a video, cuts out its highlights, and writes an annotated copy.

    The video is decoded twice. Memory does not grow with the length, except for the rows of the
    table and for what is blurred (some hundred bytes each).

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
    with ExitStack() as stack:
        reader = _read(source, settings, stack)
        writer = None
        if target is not None:
            writer = VideoWriter(Path(target), reader, audio=_open(source, stack))
            stack.enter_context(writer)
        seen = _analyze_frames(source, analyzer, settings, on_progress, embedder)
        result = seen.result
        shown = FrameInterpolator(iter_analyses(seen.smoothed, result.info.size_wh))
        cutter = HighlightCutter(seen.smoothed, moments(result.people, MAX_PEOPLE))
        report = on_progress if writer else None
        progress = ProgressMeter(result.info, settings.to_s, report, is_writing=True)
        annotate_frames(reader, writer, shown, cutter, seen.blur_boxes, progress.report)
    remarks = (*result.info.warnings, writer.fault if writer else "")
    return replace(
        result,
        info=replace(result.info, warnings=tuple(filter(None, remarks))),
        highlights=cutter.highlights(),
        elapsed_s=time.perf_counter() - start,
    )


def tabulate_video(
    source: VideoSource,
    analyzer: Analyzer,
    settings: VideoSettings | None = None,
    *,
    on_progress: OnProgress | None = None,
) -> VideoResult:
    """Analyses a video for its tables alone, without highlights, decoding it once.

    Args:
        source: The video.
        analyzer: Local or remote.
        settings: What is analysed; by default every frame.
        on_progress: See ``analyze_video``.

    Raises:
        VideoDecodeError: The file is not a video, or no frame can be decoded.
        EmotionError: The analyser failed.
    """
    return _analyze_frames(source, analyzer, settings or VideoSettings(), on_progress).result


def find_blur_boxes(
    source: VideoSource, analyzer: Analyzer, settings: VideoSettings
) -> dict[int, FloatArray]:
    """Finds what to blur in each frame that is read.

    Args:
        source: The video.
        analyzer: Local or remote.
        settings: Those of a video whose faces are to be blurred.

    Returns:
        By index of the frame: ``(N, 4)`` x1, y1, x2, y2 in pixels, before the margin of the blur.

    Raises:
        VideoDecodeError: The file is not a video, or no frame can be decoded.
        EmotionError: The analyser failed.
    """
    return _analyze_frames(source, analyzer, settings).blur_boxes


@dataclass(frozen=True, eq=False, slots=True)
class _FirstPass:
    """What is known after all frames were analysed.

    Attributes:
        result: Without highlights.
        smoothed: The table of frames, smoothed.
        blur_boxes: What to blur, by index of the frame: ``(N, 4)`` x1, y1, x2, y2 in pixels.
    """

    result: VideoResult
    smoothed: pd.DataFrame
    blur_boxes: dict[int, FloatArray]


def _analyze_frames(
    source: VideoSource,
    analyzer: Analyzer,
    settings: VideoSettings,
    on_progress: OnProgress | None = None,
    embedder: FaceEmbedder | None = None,
) -> _FirstPass:
    start = time.perf_counter()
    sampler = FrameSampler(settings)
    builder, n_analyzed = FrameTableBuilder(), 0
    hidden = BlurBoxes()
    frame_analyzer = VideoFrameAnalyzer(analyzer, settings, embedder)
    with ExitStack() as stack:
        reader = _read(source, settings, stack)
        progress = ProgressMeter(reader.info, settings.to_s, on_progress)
        for item in stack.enter_context(AnalysisStream(reader, frame_analyzer, sampler)):
            frame = item.frame
            if item.mask is not None:
                hidden.add(frame.index, frame.time_s, item.mask, frame.image.shape[1::-1])
            if item.raw is not None:
                n_analyzed += 1
                builder.add(frame.index, frame.time_s, item.raw)
            progress.report(frame)
    tracklets = frame_analyzer.tracker.tracklets()
    frames = link_people(builder.table(sampler.end_s), tracklets, settings.min_seen_s)
    counted = counted_frames(frames, all_faces=settings.all_faces)
    smoothed = smooth_frames(counted, settings.smoothing_s)
    result = VideoResult(
        info=reader.info,
        settings=settings,
        model=analyzer.info.emotion.title,
        detector=analyzer.info.detector.name,
        frames=frames,
        people=people_table(frames, smoothed=smoothed),
        highlights=(),
        n_frames=sampler.n_frames,
        n_analyzed=n_analyzed,
        elapsed_s=time.perf_counter() - start,
        fault=reader.fault,
        landmarks=builder.landmarks(),
    )
    return _FirstPass(result, smoothed, hidden.boxes)


class ProgressMeter:
    """Reports progress at intervals.

    Args:
        info: Of the video.
        to_s: Time up to which it is read; ``None`` for its end.
        on_progress: Is called; ``None`` for nobody.
        is_writing: Whether an annotated video is being written.
    """

    def __init__(
        self,
        info: VideoInfo,
        to_s: float | None,
        on_progress: OnProgress | None,
        *,
        is_writing: bool = False,
    ) -> None:
        self._info = _until(info, to_s)
        self._on_progress, self._is_writing = on_progress, is_writing
        self._history: deque[tuple[float, int, float]] = deque()

    def report(self, frame: VideoFrame) -> None:
        """Calls ``on_progress`` if the last call is long enough ago.

        The speed is measured from the first frame on: what precedes it takes longer.

        Args:
            frame: The frame that was finished.
        """
        frames, time_s = frame.index + 1, frame.time_s
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
        n_frames = self._info.n_frames
        self._on_progress(VideoProgress(frames, n_frames, time_s, fps, left_s, self._is_writing))

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


def _read(source: VideoSource, settings: VideoSettings, stack: ExitStack) -> VideoReader:
    reader = VideoReader(
        _open(source, stack),
        longest_s=settings.longest_s,
        from_s=settings.from_s,
        to_s=settings.to_s,
    )
    return stack.enter_context(reader)


def _open(source: VideoSource, stack: ExitStack) -> Path | BinaryIO:
    return stack.enter_context(source()) if callable(source) else Path(source)
