"""The video of one visitor and what became of it."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from emotion_core.errors import EmotionError
from emotion_core.photos.tables import readable_name
from emotion_core.tracking.smoothing import smooth_frames
from emotion_core.video.tables import people_table
from streamlit_app.shared_file import SharedTempFile

if TYPE_CHECKING:
    from typing import BinaryIO

    import pandas as pd

    from emotion_core.video.types import VideoResult
    from streamlit_app.video.job import VideoJob


@dataclass(frozen=True, eq=False, slots=True)
class UploadedClip:
    """A video on the page.

    Attributes:
        name: Of the visitor's file, readable; empty for the sample.
        file: Its bytes.
    """

    name: str
    file: SharedTempFile


@dataclass(slots=True)
class VideoState:
    """One video at a time: put on the desk, analysed by one job, taken off it again.

    Attributes:
        clip: What is on the desk.
        job: Its analysis; ``None`` while none was begun.
        uploads: Counts what came, so that the page can show an empty upload field again.
        moment: In which chart a picture was clicked, and its time; ``None`` for none.
        brushes: Counts how often another span was chosen in the timeline.
        numbers: Counts how often another span was chosen by numbers.
        views: Counts how often all of a result was asked for again, after a part of it.
        reidentify_error: Why people cannot be recognised after a gap; empty if that was not tried.
    """

    clip: UploadedClip | None = None
    job: VideoJob | None = None
    uploads: int = 0
    moment: tuple[str, float] | None = None
    brushes: int = 0
    numbers: int = 0
    views: int = 0
    reidentify_error: str = ""
    _clicks: dict[str, float | None] = field(default_factory=dict)
    _brushed: list[float] | None = None
    _smoothed: dict[tuple[int, float], tuple[pd.DataFrame, pd.DataFrame]] = field(
        default_factory=dict
    )

    def put(self, name: str, stream: BinaryIO) -> None:
        """Put another video on the desk; what was there is freed.

        Raises:
            EmotionError: There is no room for it on the disk.
        """
        self.clear()
        file = SharedTempFile()
        try:
            with file.in_use() as path, path.open("wb") as copy:
                shutil.copyfileobj(stream, copy, 2**20)
        except OSError as error:
            file.close()
            raise EmotionError(
                f"The video could not be stored on the server ({error.strerror or error}). "
                "Try a smaller one, or try again later."
            ) from error
        self.clip = UploadedClip(readable_name(name), file)

    def clear(self) -> None:
        """End the job and free everything."""
        self.forget_job()
        if self.clip:
            self.clip.file.close()
        self.clip = None
        self.uploads += 1

    def forget_job(self) -> None:
        """End the job and free its result; the video stays."""
        if self.job:
            self.job.close()
        self.job = None
        self._smoothed.clear()
        self.show_all()

    def cancel(self) -> None:
        """End the job; the video stays."""
        if self.job:
            self.job.cancel()

    def show_all(self) -> None:
        """Forget which part of the result was chosen in a chart."""
        self.views += 1
        self.moment = None
        self._clicks.clear()
        self._brushed = None

    def click(self, chart: str, key: str, time_s: float | None) -> None:
        """Take in what is clicked in a chart; it is told again with each other change of it.

        Args:
            chart: Its name.
            key: Changes with what the chart shows.
            time_s: What is clicked now; ``None`` for nothing.
        """
        if self._clicks.get(key) != time_s:
            self.moment = None if time_s is None else (chart, time_s)
        self._clicks[key] = time_s

    def brush(self, span_s: list[float] | None) -> None:
        """Take in the span that is chosen in the timeline; told again with each click."""
        if span_s and span_s != self._brushed:
            self.brushes += 1
        self._brushed = span_s

    def renumber(self) -> None:
        """Another span is chosen by numbers: it takes the place of one in the timeline."""
        self.numbers += 1
        self._brushed = None

    def forget_error(self) -> None:
        """Try again to get what recognises people."""
        self.reidentify_error = ""

    def smoothed(
        self, result: VideoResult, time_constant_s: float
    ) -> tuple[pd.DataFrame, VideoResult]:
        """The table of frames, smoothed, and the result with the people and settings to it.

        The tables are kept for the next run of the page.
        """
        key = (id(result.frames), time_constant_s)
        if key not in self._smoothed:
            smoothed = smooth_frames(result.frames, time_constant_s)
            people = people_table(result.frames, smoothed=smoothed)
            self._smoothed = {key: (smoothed, people)}
        frames, people = self._smoothed[key]
        settings = replace(result.settings, smoothing_s=time_constant_s)
        return frames, replace(result, people=people, settings=settings)
