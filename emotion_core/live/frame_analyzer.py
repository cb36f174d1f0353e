"""Frame to reading, with the state of one stream: who is who, smoothing, how closely to look."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from emotion_core.live.types import LiveResult
from emotion_core.tracking.redaction import FaceRedactor, widen_for_redaction
from emotion_core.tracking.smoothing import Smoother
from emotion_core.tracking.tracker import FaceTracker

if TYPE_CHECKING:
    from emotion_core.analyzer import Analyzer
    from emotion_core.live.types import LiveSettings
    from emotion_core.types import Analysis, AnalyzeOptions, Image

SEARCH_PX = 640
"""Longest side at which a frame is searched in one look; that of most webcams."""

THOROUGH_EVERY_S = 1.0
"""Where nothing is found, one frame in so many seconds is searched thoroughly."""

_THOROUGH_MOST_PX = 1280
"""Larger frames are cut into tiles by a thorough search, which would hold up all streams."""


@dataclass(frozen=True, eq=False, slots=True)
class LiveFrame:
    """A frame as it came in.

    Attributes:
        index: From 0.
        frame_s: When, by the stream's clock.
        time_s: Seconds after the first frame of the stream.
        image: RGB ``(H, W, 3)``, 0-255; nobody changes it.
    """

    index: int
    frame_s: float
    time_s: float
    image: Image


class LiveFrameAnalyzer:
    """Reads the frames of one stream, in order. One thread at a time."""

    def __init__(self, analyzer: Analyzer) -> None:
        self._analyzer = analyzer
        self._tracker = FaceTracker()
        self._smoothing_s = -1.0
        self._smoother = Smoother(0.0)
        self._cover = FaceRedactor()
        self._found_s = -math.inf
        self._thorough_s = -math.inf

    def read(self, frame: LiveFrame, settings: LiveSettings) -> LiveResult:
        """Analyse a frame, tell who is who, smooth.

        Raises:
            Exception: Whatever the analyzer raises.
        """
        asked = settings.analyze_options
        found = self._analyze(frame, widen_for_redaction(asked, blur=settings.blur))
        cover = None
        if settings.blur:
            cover = self._cover.update(found, frame.frame_s, frame.image)
        raw = asked.select(found)
        faces = self._tracker.update(raw.faces, frame.time_s, frame.image)
        analysis = replace(raw, faces=faces)
        if settings.smoothing_s != self._smoothing_s:
            self._smoothing_s = settings.smoothing_s
            self._smoother = Smoother(settings.smoothing_s)
        return LiveResult(
            frame.index,
            frame.time_s,
            frame.frame_s,
            analysis,
            self._smoother.update(analysis, frame.time_s),
            cover,
            frame.image,
        )

    def _analyze(self, frame: LiveFrame, searched: AnalyzeOptions) -> Analysis:
        search_px = None if self._is_thorough_look_due(frame) else SEARCH_PX
        (analysis,) = self._analyzer.analyze([frame.image], replace(searched, search_px=search_px))
        if len(analysis):
            self._found_s = frame.time_s
        return analysis

    def _is_thorough_look_due(self, frame: LiveFrame) -> bool:
        """A face that fills the frame may be seen by a thorough search only."""
        last_s = max(self._found_s, self._thorough_s)
        if max(frame.image.shape[:2]) > _THOROUGH_MOST_PX:
            return False
        if frame.time_s - last_s < THOROUGH_EVERY_S:
            return False
        self._thorough_s = frame.time_s
        return True
