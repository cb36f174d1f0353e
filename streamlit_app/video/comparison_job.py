"""The reading of a video's faces by another model, in a thread."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from emotion_core.types import Predictions
from emotion_core.video.second_reading import choose_readings, read_again
from streamlit_app.video.job_queue import BackgroundJob

if TYPE_CHECKING:
    from emotion_core.local_analyzer import LocalAnalyzer
    from emotion_core.video.types import VideoResult
    from streamlit_app.shared_file import SharedTempFile
    from streamlit_app.video.job_queue import JobQueue


@dataclass(frozen=True, eq=False, slots=True)
class ComparedVideo:
    """A video whose faces are read again.

    Attributes:
        name: Readable name of the video.
        clip: The video without drawings.
        result: Its result.
    """

    name: str
    clip: SharedTempFile
    result: VideoResult


class ComparisonJob(BackgroundJob[Predictions]):
    """Reads faces of a result by another model, at once or when it is its turn in the queue.

    Attributes:
        rows: Those faces in the result's table of frames.
        model: Name of the model, as files cite it.
        n_done: Faces that were cut out to be read.

    Raises:
        EmotionError: The system cannot start another thread.
    """

    def __init__(self, video: ComparedVideo, second: LocalAnalyzer, queue: JobQueue) -> None:
        super().__init__(queue)
        self.rows = choose_readings(video.result.frames)
        self.model = second.info.emotion.title
        self.n_done = 0
        self._video, self._classifier = video, second.classifier
        self._start("video-comparison")

    def _work(self) -> Predictions:
        with self._video.clip.in_use() as source:
            return read_again(
                source, self._video.result, self.rows, self._classifier, self._on_progress
            )

    def _on_progress(self, n_done: int) -> None:
        self.n_done = n_done
        self.raise_if_cancelled()
