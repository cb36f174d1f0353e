"""The analysis of one video as a job."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from emotion_core.imaging.annotate import annotate
from emotion_core.imaging.codec import encode_jpeg
from emotion_core.imaging.resize import shrink
from emotion_core.live.overlay import scale_analysis
from emotion_core.types import DEFAULT_OPTIONS, Analysis, AnalyzeOptions
from emotion_core.video.pipeline import analyze_video
from streamlit_app.video.job_queue import FileJob

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from emotion_core.analyzer import Analyzer
    from emotion_core.models.card import AnalyzerInfo
    from emotion_core.recognition.embedding import FaceEmbedder
    from emotion_core.types import Image
    from emotion_core.video.pipeline import OnProgress
    from emotion_core.video.types import VideoResult, VideoSettings
    from streamlit_app.shared_file import SharedTempFile
    from streamlit_app.video.job_queue import JobQueue

_PREVIEW_PX = 480
_PREVIEW_PERIOD_S = 0.4


@dataclass(frozen=True, slots=True)
class JobSpec:
    """Everything that determines the result of an analysis.

    Attributes:
        emotion: Name of the emotion model in use.
        detector: Name of the face detector in use.
        settings: Settings of the analysis.
        reidentify: Whether people are re-identified after a gap.
    """

    emotion: str
    detector: str
    settings: VideoSettings
    reidentify: bool

    def finds_the_same_as(self, other: JobSpec) -> bool:
        """Whether two analyses find the same; smoothing is applied later."""
        unsmoothed = replace(self.settings, smoothing_s=other.settings.smoothing_s)
        return replace(self, settings=unsmoothed) == other


class VideoJob(FileJob["VideoResult"]):
    """Analyses a video in a thread, and draws the result on it.

    Attributes:
        spec: Everything that determines the result.
        preview: A small JPEG of a frame that was just analysed; empty before the first, and if
            faces are to be blurred.

    Raises:
        EmotionError: The system cannot start another thread.
    """

    def __init__(
        self,
        source: SharedTempFile,
        spec: JobSpec,
        analyzer: Analyzer,
        queue: JobQueue,
        embedder: FaceEmbedder | None = None,
    ) -> None:
        self.spec = spec
        self.preview = b""
        self._analyzer, self._embedder = _CancellableAnalyzer(analyzer, self), embedder
        super().__init__(source, queue, self._analyze)

    def _analyze(self, source: Path, target: Path, on_progress: OnProgress) -> VideoResult:
        return analyze_video(
            source,
            self._analyzer,
            self.spec.settings,
            target=target,
            on_progress=on_progress,
            embedder=self._embedder,
        )


class _CancellableAnalyzer:
    """An analyzer that stops when its job is cancelled, and makes its previews."""

    def __init__(self, analyzer: Analyzer, job: VideoJob) -> None:
        self._analyzer, self._job = analyzer, job
        self._last_s = 0.0

    @property
    def info(self) -> AnalyzerInfo:
        return self._analyzer.info

    def analyze(
        self, images: Sequence[Image], options: AnalyzeOptions = DEFAULT_OPTIONS
    ) -> list[Analysis]:
        self._job.raise_if_cancelled()
        analyses = self._analyzer.analyze(images, options)
        now = time.monotonic()
        may_show = not self._job.spec.settings.blur  # faces are blurred later
        if may_show and analyses and now - self._last_s >= _PREVIEW_PERIOD_S:
            self._last_s = now
            small = shrink(images[-1], _PREVIEW_PX)
            drawn = annotate(small, scale_analysis(analyses[-1], (small.shape[1], small.shape[0])))
            self._job.preview = encode_jpeg(drawn, quality=80)
        return analyses
