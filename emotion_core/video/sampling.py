"""Which pictures of a video are analysed, and how thoroughly each is searched for faces."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from emotion_core.detection.boxes import iou_matrix

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from emotion_core.types import Analysis, Faces, Image
    from emotion_core.video.types import VideoFrame, VideoSettings

    Search = Callable[[Sequence[Image], int | None], list[Analysis]]
    """Analyses pictures at a ``search_px``, see ``Analyzer.analyze``."""

QUICK_PX = (640, 1280)
"""Longest sides at which a picture may be searched in one quick look, cheapest first."""

THOROUGH_EVERY_S = 2.0
"""Seconds of video after which a picture is searched thoroughly again.

On a street of 1920 by 1080 pixels with faces from 15 to 113 pixels, and on single faces in 640 by
480 and 960 by 540, this found every face that thorough searches of all pictures find, as did 0.5
and 4; quick looks at 640 pixels alone found 56 % of the street's.
"""

_SAME_FACE = 0.4  # intersection over union: two looks place the box of a small face differently
_ROUNDING_S = 0.0011
"""WebM, MKV and FLV round the time stamps of a picture and of the first one to milliseconds."""


class FrameSampler:
    """Says of each picture, in order, whether it is analysed; counts the pictures."""

    def __init__(self, settings: VideoSettings) -> None:
        self._every, self._hz = settings.every, settings.hz
        self._due_s = -math.inf
        self._last_index, self._last_s = 0, 0.0
        self.n_frames = 0

    @property
    def end_s(self) -> float:
        """When the last picture is over, in seconds; it counts for as long as the mean one."""
        return self._last_s * (1 + 1 / max(1, self._last_index))

    def stride(self, fps: float) -> int:
        """Pictures per analysed one, about.

        Args:
            fps: Of the video; 0 where it is not known.
        """
        return self._every if self._hz is None else max(1, round(fps / self._hz))

    def is_wanted(self, index: int, time_s: float) -> bool:
        """Decide on the next picture; the first that is asked about is always wanted.

        Args:
            index: From 0; damaged pictures may be missing.
            time_s: Seconds after the first picture.
        """
        is_first = self.n_frames == 0
        self.n_frames += 1
        self._last_index, self._last_s = index, time_s
        if self._hz is None:
            return is_first or index % self._every == 0
        # Due times are those of a clock that started with the video, so that a rate that does
        # not divide that of the video is kept on the average.
        wanted = time_s + _ROUNDING_S >= self._due_s
        if wanted:
            self._due_s = (math.floor((time_s + _ROUNDING_S) * self._hz) + 1) / self._hz
        return wanted


class AdaptiveSearch:
    """Searches the pictures of one video, most of them by the quickest look that will do.

    A thorough search takes several times as long as a quick look and sees smaller and larger
    faces. It is spent on the first picture, on one every two seconds, and on the one after all
    faces have gone. What it finds decides on the looks that follow: the quickest that finds the
    same faces in the same picture, and the thorough search where none does.
    """

    def __init__(self, search: Search) -> None:
        self._search = search
        self._due_s = -math.inf
        self._search_px: int | None = None
        self._had_faces = False

    def analyze(self, frames: Sequence[VideoFrame]) -> Iterator[Analysis]:
        """Analyse pictures, in order.

        Args:
            frames: Any number; those that need the same look are analysed together.

        Yields:
            One per picture.
        """
        start = 0
        while start < len(frames):
            if self._is_due(frames[start]):
                found = [self._look_thoroughly(frames[start])]
            else:
                end = start + 1
                while end < len(frames) and not self._is_due(frames[end]):
                    end += 1
                found = self._search([f.image for f in frames[start:end]], self._search_px)
                self._watch(found)
            yield from found
            start += len(found)

    def _is_due(self, frame: VideoFrame) -> bool:
        return frame.time_s >= self._due_s

    def _watch(self, found: Sequence[Analysis]) -> None:
        """Ask for a thorough search where there were faces and now is none."""
        for analysis in found:
            if self._had_faces and not len(analysis):
                self._due_s = -math.inf
            self._had_faces = len(analysis) > 0

    def _look_thoroughly(self, frame: VideoFrame) -> Analysis:
        (best,) = self._search([frame.image], None)
        self._search_px = self._quickest_that_finds(best.faces, frame.image)
        self._due_s = frame.time_s + THOROUGH_EVERY_S
        self._had_faces = len(best) > 0
        return best

    def _quickest_that_finds(self, faces: Faces, image: Image) -> int | None:
        if not len(faces):
            return QUICK_PX[0]
        for search_px in QUICK_PX:
            (quick,) = self._search([image], search_px)
            if _finds_all(faces, quick.faces):
                return search_px
            if search_px >= max(image.shape[:2]):
                break  # a larger look would be the same one
        return None


def _finds_all(wanted: Faces, found: Faces) -> bool:
    """Whether each wanted face overlaps one that was found."""
    best = iou_matrix(wanted.boxes, found.boxes).max(axis=1, initial=0)
    return bool((best >= _SAME_FACE).all())
