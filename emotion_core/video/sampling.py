"""Sampling: which frames of a video are analysed, and how thoroughly each is searched for faces."""

from __future__ import annotations

import math
from itertools import takewhile
from typing import TYPE_CHECKING

from emotion_core.detection.boxes import iou_matrix

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from emotion_core.types import Analysis, Faces, Image
    from emotion_core.video.types import VideoFrame, VideoSettings

    Search = Callable[[Sequence[Image], int | None], list[Analysis]]
    """Analyses frames at a ``search_px``, see ``AnalyzeOptions``."""

QUICK_PX = (640, 1280)
"""Longest sides at which a frame may be searched in a single quick pass, cheapest first."""

THOROUGH_EVERY_S = 2.0
"""Seconds of video after which a frame is searched thoroughly again.

On a street of 1920 by 1080 pixels with faces from 15 to 113 pixels, and on single faces in 640 by
480 and 960 by 540, this found every face that thorough searches of all frames find, as did 0.5 and
4; quick passes at 640 pixels alone found 56% of the street's.
"""

_SAME_FACE_IOU = 0.4  # boxes of small faces differ from pass to pass
_ROUNDING_S = 0.0011
"""WebM, MKV and FLV round the time stamps of a frame and of the first one to milliseconds."""


class FrameSampler:
    """Decides for each frame, in order, whether it is analysed; counts the frames."""

    def __init__(self, settings: VideoSettings) -> None:
        self._every, self._hz = settings.every, settings.hz
        self._due_s = -math.inf
        self._first = self._last = (0, 0.0)  # index and time
        self.n_frames = 0

    @property
    def end_s(self) -> float:
        """End of the last frame in seconds; it has the mean duration."""
        (first, first_s), (last, last_s) = self._first, self._last
        return last_s + (last_s - first_s) / max(1, last - first)

    def should_analyze(self, index: int, time_s: float) -> bool:
        """Decides on the next frame; the first one is always analysed.

        Args:
            index: From 0; damaged frames may be missing.
            time_s: Seconds after the start of the video.
        """
        is_first = self.n_frames == 0
        self.n_frames += 1
        self._last = (index, time_s)
        if is_first:
            self._first = self._last
        if self._hz is None:
            return is_first or index % self._every == 0
        # Due times are multiples of the period, so that a rate that does not divide that of the
        # video is kept on average.
        is_due = time_s + _ROUNDING_S >= self._due_s
        if is_due:
            self._due_s = (math.floor((time_s + _ROUNDING_S) * self._hz) + 1) / self._hz
        return is_due


class AdaptiveSearch:
    """Searches the frames of one video, most of them by the quickest sufficient pass.

    A thorough search takes several times as long as a quick pass and finds smaller and larger
    faces. It is used for the first frame, for one every two seconds, and for the one after all
    faces have gone. Its result decides on the passes that follow: the quickest that finds the same
    faces in the same frame, or the thorough search if none does.
    """

    def __init__(self, search: Search) -> None:
        self._search = search
        self._due_s = -math.inf
        self._search_px: int | None = None
        self._had_faces = False

    def analyze(self, frames: Sequence[VideoFrame]) -> Iterator[Analysis]:
        """Analyses frames, in order.

        Args:
            frames: Any number; those that need the same pass are analysed together.

        Yields:
            One per frame.
        """
        start = 0
        while start < len(frames):
            first = frames[start]
            if first.time_s >= self._due_s:
                found = self._search([first.image], None)
                self._search_px = self._quickest_that_finds(found[0].faces, first.image)
                self._due_s = first.time_s + THOROUGH_EVERY_S
                self._had_faces = len(found[0]) > 0
            else:
                batch = takewhile(lambda f: f.time_s < self._due_s, frames[start:])
                found = self._search([frame.image for frame in batch], self._search_px)
                for analysis in found:
                    if self._had_faces and not len(analysis):
                        self._due_s = -math.inf  # all faces have gone: search thoroughly
                    self._had_faces = len(analysis) > 0
            yield from found
            start += len(found)

    def _quickest_that_finds(self, faces: Faces, image: Image) -> int | None:
        if not len(faces):
            return QUICK_PX[0]
        for search_px in QUICK_PX:
            (quick,) = self._search([image], search_px)
            best = iou_matrix(faces.boxes, quick.faces.boxes).max(axis=1, initial=0)
            if (best >= _SAME_FACE_IOU).all():
                return search_px
            if search_px >= max(image.shape[:2]):
                break  # a larger pass would be the same
        return None
