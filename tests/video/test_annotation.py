"""The second pass: what is drawn between analysed frames, and how much of a video is read."""

import numpy as np
import pytest

from emotion_core.video.annotation import FrameInterpolator, annotate_frames
from emotion_core.video.highlights import HighlightCutter
from emotion_core.video.types import HighlightKind, VideoFrame
from tests.video.frame_tables import THREE, make_none, make_one, make_table

_, H, _ = THREE


def moving(index):
    """A face that is two pixels farther to the right in each frame."""
    return make_one(1, H, boxes=[(2 * index, 10, 2 * index + 20, 30)])


def left_edges(every, n, fps=10):
    analyses = ((i, i / fps, moving(i)) for i in range(0, n, every))
    shown = FrameInterpolator(analyses)
    return [float(shown.at(i, i / fps).faces.boxes[0, 0]) for i in range(n)]


def test_boxes_follow_the_face_between_analysed_frames():
    assert left_edges(4, 9) == pytest.approx([0, 2, 4, 6, 8, 10, 12, 14, 16])


def test_after_the_last_analysed_frame_boxes_stay():
    assert left_edges(4, 7) == pytest.approx([0, 2, 4, 6, 8, 8, 8])


def test_before_the_first_analysed_frame_nothing_is_drawn():
    shown = FrameInterpolator(iter([(2, 0.2, moving(2))]))
    assert shown.at(0, 0.0) is None
    assert len(shown.at(2, 0.2)) == 1


def test_frames_of_one_time_are_no_division_by_zero():
    shown = FrameInterpolator(iter([(0, 0.0, moving(0)), (2, 0.0, make_none())]))
    assert len(shown.at(1, 0.0)) == 1


class Reader:
    """Gives grey frames and counts how many were asked for."""

    def __init__(self, n):
        self.n, self.converted = n, []

    def frames(self, wanted=None):
        for i in range(self.n):
            if wanted is None or wanted(i, i / 10):
                self.converted.append(i)
                yield VideoFrame(i, i / 10, i, np.full((120, 160, 3), 10 * i, np.uint8))


def test_without_a_video_only_frames_with_highlights_are_read():
    frames = make_table([(i, i / 10, make_one(1, H, (i / 20, 0))) for i in range(10)])
    cutter = HighlightCutter(frames, {1: {HighlightKind.POSITIVE: 0.4, HighlightKind.INTENSE: 0.6}})
    reader, told = Reader(10), []
    annotate_frames(reader, None, FrameInterpolator(iter(())), cutter, {}, told.append)
    assert reader.converted == [4, 6]
    assert [frame.index for frame in told] == [4, 6]
    assert [(h.kind, h.frame, h.time_s) for h in cutter.highlights()] == [
        (HighlightKind.POSITIVE, 4, 0.4),
        (HighlightKind.INTENSE, 6, 0.6),
    ]
