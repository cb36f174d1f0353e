"""The video of one visitor and its analysis."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from emotion_core.errors import EmotionError
from emotion_core.files import archive
from emotion_core.files.archive import has_suffix
from emotion_core.photos.tables import readable_name
from emotion_core.video.io.demuxer import SUFFIXES
from streamlit_app.shared_file import SharedTempFile
from streamlit_app.video.job_queue import JobState
from streamlit_app.video.moment_labels import MomentLabels
from streamlit_app.video.selection import ResultSmoother, TimelineSelection
from streamlit_app.visits import RETURN_S

if TYPE_CHECKING:
    from pathlib import Path
    from typing import BinaryIO

    from streamlit_app.video.comparison_job import ComparisonJob
    from streamlit_app.video.job import VideoJob


@dataclass(frozen=True, eq=False, slots=True)
class UploadedClip:
    """A video on the page.

    Attributes:
        name: Readable name of the visitor's file.
        file: Content of the file.
    """

    name: str
    file: SharedTempFile


@dataclass(slots=True)
class VideoState:
    """The one video on the page, and its analysis.

    Attributes:
        clip: The video.
        job: Its analysis; ``None`` before it begins.
        kept: A finished analysis, shown until ``job`` has succeeded.
        uploads: Counts the videos; part of the upload field's key, so that it is empty again.
        selection: Selection in the charts of the result.
        smoother: Smooths the result.
        remark: What was passed over in an uploaded ZIP archive; empty otherwise.
        reidentify_error: Why people cannot be re-identified; empty if that was not tried.
        labels: What the visitor says of faces in the video.
        comparisons: Readings of the result's faces by other models, by the models' names.
    """

    return_s: ClassVar[float] = RETURN_S

    clip: UploadedClip | None = None
    job: VideoJob | None = None
    kept: VideoJob | None = None
    uploads: int = 0
    selection: TimelineSelection = field(default_factory=TimelineSelection)
    smoother: ResultSmoother = field(default_factory=ResultSmoother)
    remark: str = ""
    reidentify_error: str = ""
    labels: MomentLabels = field(default_factory=MomentLabels)
    comparisons: dict[str, ComparisonJob] = field(default_factory=dict)

    def put(self, name: str, stream: BinaryIO) -> None:
        """Replaces the video; frees the one before. Of a ZIP archive, the first video is taken.

        Raises:
            EmotionError: There is no space for it on the disk, or no video in the archive.
        """
        self.clear()
        file = SharedTempFile()
        try:
            with file.in_use() as path:
                if has_suffix(name, (archive.SUFFIX,)):
                    name = self._unpack(stream, path)
                else:
                    with path.open("wb") as copy:
                        shutil.copyfileobj(stream, copy, 2**20)
        except EmotionError:
            file.close()
            raise
        except OSError as error:
            file.close()
            raise EmotionError(
                f"The video could not be stored on the server ({error.strerror or error}). "
                "Try a smaller one, or try again later."
            ) from error
        self.clip = UploadedClip(readable_name(name), file)

    def _unpack(self, stream: BinaryIO, target: Path) -> str:
        """Unpacks the first video of a ZIP archive; returns its name."""
        with archive.MediaArchive(stream, SUFFIXES) as opened:
            if not opened.names:
                raise EmotionError("There is no video in the ZIP archive.")
            name, *others = opened.names
            opened.unpack(name, target)
        n_other = len(others) + len(opened.passed_over)
        if n_other:
            self.remark = (
                f"{name} is analysed. Other files in the ZIP archive: {n_other}; the command line "
                "analyses all videos of an archive."
            )
        return name

    def fork(self) -> VideoState:
        """The same video and analysis for another window; both are freed with the last of them."""
        clip, job, kept = self.clip, self.job, self.kept
        if clip is None:
            return VideoState()
        try:
            clip = UploadedClip(clip.name, clip.file.share())
        except EmotionError:  # it was freed in this moment
            return VideoState()
        job, kept = (one.share() if one else None for one in (job, kept))
        comparisons = {name: one.share() for name, one in self.comparisons.items()}
        return VideoState(
            clip,
            job,
            kept,
            remark=self.remark,
            labels=self.labels.fork(),
            comparisons=comparisons,
        )

    @property
    def n_bytes(self) -> int:
        """Size of the files on the disk."""
        files = [one.video for one in (self.job, self.kept) if one]
        files += [self.clip.file] if self.clip else []
        return sum(file.size for file in files)

    def give_way(self) -> None:
        """Ends the job of a visitor who is away if others wait for a place."""
        for job in (self.job, *self.comparisons.values()):
            if job:
                job.give_way()

    def clear(self) -> None:
        """Ends the job and frees everything."""
        self.forget_job()
        self.remark = ""
        if self.clip:
            self.clip.file.close()
        self.clip = None
        self.labels = MomentLabels()
        self.uploads += 1

    def forget_job(self) -> None:
        """Ends the job and frees its result and a kept one; the video stays."""
        for job in (self.job, self.kept):
            if job:
                job.close()
        self.job = self.kept = None
        self._forget_comparisons()
        self.smoother = ResultSmoother()
        self.selection.clear()

    def analyze_again(self) -> None:
        """Makes room for a new job; a finished result is kept until that has succeeded."""
        job, self.job = self.job, None
        if job and job.state is JobState.DONE and not self.kept:
            self.kept = job
        elif job:
            job.close()

    def settle(self) -> None:
        """Lets go of the kept result if the job has succeeded, and of a cancelled job for it."""
        if not self.job or not self.kept:
            return
        if self.job.state is JobState.DONE:
            self.kept.close()
            self.kept = None
            self._forget_comparisons()
            self.selection.clear()
        elif self.job.state is JobState.CANCELLED:
            self.job.close()
            self.job, self.kept = self.kept, None

    def _forget_comparisons(self) -> None:
        for one in self.comparisons.values():
            one.close()
        self.comparisons.clear()

    def forget_error(self) -> None:
        """Tries to load the model that re-identifies people again."""
        self.reidentify_error = ""
