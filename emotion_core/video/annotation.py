"""The second pass over a video: draws what is known of all of it, and cuts out highlights."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from emotion_core.imaging.annotate import blur_in_place, draw_in_place
from emotion_core.tracking.interpolation import interpolate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from emotion_core.types import Analysis, FloatArray
    from emotion_core.video.highlights import HighlightCutter
    from emotion_core.video.io.reader import VideoReader
    from emotion_core.video.io.writer import VideoWriter
    from emotion_core.video.types import VideoFrame

    TimedAnalysis = tuple[int, float, Analysis]
    """Index of a frame, its time in seconds, and its analysis."""


class FrameInterpolator:
    """What to draw on each frame of a video: interpolated between two analysed frames.

    Args:
        analyses: Of the analysed frames, in order.
        names: Of people by track; others have their number.
    """

    def __init__(
        self, analyses: Iterator[TimedAnalysis], names: Mapping[int, str] | None = None
    ) -> None:
        self._analyses, self.names = analyses, names
        self._before: TimedAnalysis | None = None
        self._after = next(analyses, None)

    def at(self, index: int, time_s: float) -> Analysis | None:
        """The analysis to draw on a frame; ``None`` before the first analysed one.

        After the last analysed frame, faces stay as they were there.

        Args:
            index: Of the frame; not before the one last asked for.
            time_s: Of the frame.
        """
        while self._after is not None and self._after[0] <= index:
            self._before, self._after = self._after, next(self._analyses, None)
        if self._before is None or self._after is None or self._before[0] == index:
            return self._before and self._before[2]
        span_s = self._after[1] - self._before[1]
        fraction = (time_s - self._before[1]) / span_s if span_s > 0 else 0.0
        return interpolate(self._before[2], self._after[2], min(1.0, max(0.0, fraction)))


def annotate_frames(
    reader: VideoReader,
    writer: VideoWriter | None,
    shown: FrameInterpolator,
    cutter: HighlightCutter,
    blur_boxes: Mapping[int, FloatArray],
    on_frame: Callable[[VideoFrame], None],
) -> None:
    """Draws and writes the frames of a video, and cuts highlights out of them.

    Args:
        reader: The video, not read yet.
        writer: Takes all frames; ``None`` to read no more than highlights need.
        shown: What to draw.
        cutter: Cuts highlights before anything is drawn.
        blur_boxes: What to blur, by index of the frame: ``(N, 4)`` x1, y1, x2, y2 in pixels.
        on_frame: Called after each frame that was read.
    """
    wanted = None if writer is not None else lambda index, _: index in cutter.frames
    with closing(reader.frames(wanted)) as frames:
        while writer is not None or cutter.frames:
            frame = next(frames, None)
            if frame is None:
                break
            canvas = frame.image
            if frame.index in blur_boxes:
                blur_in_place(canvas, blur_boxes[frame.index])
            cutter.cut(frame.index, canvas)
            if writer is not None:
                analysis = shown.at(frame.index, frame.time_s)
                if analysis is not None:
                    canvas = draw_in_place(canvas, analysis, shown.names)
                writer.write(frame, canvas)
            on_frame(frame)
