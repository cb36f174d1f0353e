"""Analysis of the frames of one stream: search, tracking, smoothing, redaction."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from emotion_core.detection.doubt import find_doubt
from emotion_core.live.types import LiveResult
from emotion_core.tracking.redaction import FaceRedactor, widen_for_redaction
from emotion_core.tracking.roll import RollFollower
from emotion_core.tracking.smoothing import Smoother
from emotion_core.tracking.tracker import FaceTracker

if TYPE_CHECKING:
    from emotion_core.analyzer import Analyzer
    from emotion_core.live.types import LiveFrame, LiveSettings
    from emotion_core.types import Analysis, AnalyzeOptions

SEARCH_PX = 640
"""Longest side at which a frame is searched in a single pass; that of most webcams."""

THOROUGH_EVERY_S = 1.0
"""Interval of thorough searches while no face is found, or none surely."""

_THOROUGH_MAX_PX = 1280
"""A thorough search would cut larger frames into tiles, which would block all streams."""


class LiveFrameAnalyzer:
    """Analyses the frames of one stream, in order. Not thread-safe."""

    def __init__(self, analyzer: Analyzer) -> None:
        self._analyzer = analyzer
        self._tracker = FaceTracker()
        self._smoothing_s = 0.0
        self._smoother = Smoother(0.0)
        self._redactor = FaceRedactor()
        self._rolls = RollFollower()
        self._found_s = self._thorough_s = -math.inf

    def analyze(self, frame: LiveFrame, settings: LiveSettings) -> LiveResult:
        """Analyses a frame, tracks its faces and smooths predictions.

        Raises:
            Exception: Whatever the analyzer raises.
        """
        options = settings.analyze_options
        searched = widen_for_redaction(options, blur=settings.blur)
        (found,) = self._analyzer.analyze([frame.image], self._how_to_search(frame, searched))
        self._rolls.update(found.faces)
        if found.faces.scores.max(initial=0) >= find_doubt(self._analyzer.info.detector).sure_score:
            self._found_s = frame.time_s
        mask = None
        if settings.blur:
            mask = self._redactor.update(found, frame.arrived_s, frame.image)
        analysis = options.select(found)
        tracked = self._tracker.update(analysis.faces, frame.time_s, frame.image)
        analysis = replace(analysis, faces=tracked)
        if settings.smoothing_s != self._smoothing_s:
            self._smoothing_s = settings.smoothing_s
            self._smoother = Smoother(settings.smoothing_s)
        smoothed = self._smoother.update(analysis, frame.time_s)
        return LiveResult(frame, analysis, self._drop_brief(smoothed), mask)

    def _drop_brief(self, analysis: Analysis) -> Analysis:
        """Leaves out faces that were not seen for long enough to count as people."""
        confirmed = list(self._tracker.confirmed_ids())
        is_person = np.isin(np.asarray(analysis.faces.track_ids), confirmed)
        return analysis[is_person]

    def _how_to_search(self, frame: LiveFrame, options: AnalyzeOptions) -> AnalyzeOptions:
        """A quick search, or at times one that may find a face that fills the frame or is turned.

        Large frames are then searched quickly, but at all right angles. A second detector would
        take as long again, and frames would wait.
        """
        options = replace(
            options, search_px=SEARCH_PX, rolls_deg=self._rolls.rolls_deg, for_redaction=False
        )
        if frame.time_s - max(self._found_s, self._thorough_s) < THOROUGH_EVERY_S:
            return options
        self._thorough_s = frame.time_s
        if max(frame.image.shape[:2]) > _THOROUGH_MAX_PX:
            return replace(options, rolls_deg=(90.0, 180.0, 270.0))
        return replace(options, search_px=None)
