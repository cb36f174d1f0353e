"""The videos of a study on the page, analysed one after another beside it."""

from __future__ import annotations

import logging
import threading
import time
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING, Any

from emotion_core.errors import EmotionError
from emotion_core.study.edited_frames import check_people, tracks_of
from emotion_core.study.edits import Edits
from emotion_core.study.store import StoredReadings, from_parquet, hash_file, to_parquet
from emotion_core.study.tables import StudyRecord
from emotion_core.video.io.still import settings_for_still
from emotion_core.video.pipeline import tabulate_video
from streamlit_app.video.job_queue import JobState

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd

    from emotion_core.analyzer import Analyzer
    from emotion_core.study.assignment import StudyVideo
    from emotion_core.study.edits import Edit
    from emotion_core.video.types import VideoProgress, VideoSettings
    from streamlit_app.shared_file import SharedTempFile
    from streamlit_app.video.job_queue import JobQueue

_log = logging.getLogger(__name__)


class StudyClip:
    """One video of a study: its file, its analysis, and its readings as a compact table.

    Attributes:
        name: Path of the file as the visitor knows it; unique in the study.
        file: Content of the file; ``None`` in a project, which has no media.
        progress: The latest progress; ``None`` before the first frame.
        error: One sentence if the analysis failed, else empty.
        elapsed_s: How long the analysis took.
        n_people: People seen, once it is done.
        n_rows: Rows of its table of frames, once it is done.
        tracks: Numbers of all people and brief tracks, once it is done.
        facts: See ``StudyRecord``, once it is done.

    Args:
        name: As above.
        file: As above.
        photo_sha256: Hash of the photo that the file was made of; empty for a video.
    """

    def __init__(
        self, name: str, file: SharedTempFile | None = None, photo_sha256: str = ""
    ) -> None:
        self.name, self.file = name, file
        self.progress: VideoProgress | None = None
        self.error = ""
        self.elapsed_s = 0.0
        self.n_people, self.n_rows, self.tracks = 0, 0, frozenset[int]()
        self._state = JobState.WAITING
        self._sha256, self._start_s, self._readings = "", 0.0, b""
        self._photo_sha256 = photo_sha256
        self.facts: dict[str, Any] = {}
        self._owners, self._lock = 1, threading.Lock()
        self._is_active = self._is_cancelled = self._is_put_back = False

    @classmethod
    def of_record(cls, record: StudyRecord) -> StudyClip:
        """A video of a project that was opened."""
        clip = cls(record.video.file)
        clip._sha256, clip._start_s, clip.error = record.sha256, record.start_s, record.error
        clip._state = JobState.FAILED
        if record.frames is not None:
            clip._keep(StoredReadings(record.load(), dict(record.facts)))
        return clip

    @property
    def state(self) -> JobState:
        """The state of the analysis, which is cancelled as soon as that is requested."""
        is_over = self._state in (JobState.DONE, JobState.FAILED)
        return JobState.CANCELLED if self._is_cancelled and not is_over else self._state

    @property
    def is_shared(self) -> bool:
        """Whether it is in several windows."""
        return self._owners > 1

    @property
    def n_bytes(self) -> int:
        """Size of the file and of the readings."""
        return len(self._readings) + (self.file.size if self.file else 0)

    def readings(self) -> StoredReadings:
        """The readings of a video that is done."""
        return from_parquet(self._readings)

    def frames(self) -> pd.DataFrame:
        """The table of frames of a video that is done."""
        return self.readings().frames

    def record(self, video: StudyVideo) -> StudyRecord:
        """What is known of the video once its analysis has ended; frames are loaded when asked for.

        Args:
            video: Who is seen in it.
        """
        if self.state is not JobState.DONE:
            error = self.error or "The analysis was cancelled."
            return StudyRecord(video, self._sha256, error=error)
        return StudyRecord(video, self._sha256, self.frames, self.facts, self._start_s)

    def cancel(self) -> None:
        """Ends the analysis soon; what has ended stays as it is."""
        self._is_cancelled = True

    def put_back(self) -> None:
        """Ends the analysis soon, to begin it again later."""
        self._is_put_back = True

    def retry(self) -> bool:
        """Makes a cancelled or failed video wait again; returns whether it has to be queued."""
        with self._lock:
            if self.state not in (JobState.CANCELLED, JobState.FAILED) or self.file is None:
                return False
            self._is_cancelled, self.error = False, ""
            if self._is_active:  # and has not noticed that it was cancelled
                return False
            self._state, self.progress = JobState.WAITING, None
            return True

    def share(self) -> StudyClip:
        """The same video for one more owner, who closes it, too."""
        with self._lock:
            self._owners += 1
        return self

    def anew(self) -> StudyClip:
        """The same file, not analysed yet.

        Raises:
            EmotionError: There is no file any more.
        """
        if self.file is None:
            raise EmotionError(f"{self.name} is not here; a project has no videos.")
        return StudyClip(self.name, self.file.share(), self._photo_sha256)

    def close(self) -> None:
        """Ends the analysis and frees everything once all owners have closed it."""
        with self._lock:
            self._owners -= 1
            is_last = self._owners == 0
        if is_last:
            self.cancel()
            self._readings = b""
            if self.file:
                self.file.close()

    def raise_if_cancelled(self) -> None:
        """Ends the analysis from inside.

        Raises:
            CancelledError: The video was cancelled, or is to be analysed later.
        """
        if self._is_cancelled or self._is_put_back:
            raise CancelledError

    def run(self, queue: JobQueue, analyzer: Analyzer, settings: VideoSettings) -> None:
        """Analyses the video when it is its turn among those of all visitors."""
        with self._lock:
            if self.state is not JobState.WAITING or self.file is None:
                return
            self._is_active = True
        queue.join(self)
        try:
            with queue.slot(self), self.file.in_use() as path:
                self.raise_if_cancelled()
                self._state, began_s = JobState.RUNNING, time.monotonic()
                if self._photo_sha256:
                    settings = settings_for_still(settings)
                self._sha256 = self._photo_sha256 or hash_file(path)
                self._start_s = settings.from_s
                result = tabulate_video(path, analyzer, settings, on_progress=self._on_progress)
            self.elapsed_s = time.monotonic() - began_s
            self._keep(StoredReadings.of_result(result))
        except CancelledError:
            self._end(JobState.WAITING if self._is_put_back else JobState.CANCELLED)
        except EmotionError as error:
            self._end(JobState.FAILED, str(error))
        except Exception as error:  # noqa: BLE001 - the other videos go on
            _log.warning("A video of a study could not be analysed.", exc_info=error)
            self._end(JobState.FAILED, f"The analysis ended with a fault ({error!r}).")
        finally:
            self._is_active = self._is_put_back = False

    def _keep(self, readings: StoredReadings) -> None:
        frames = readings.frames
        people = frames.loc[~frames["is_brief"], "track"]
        self.n_people, self.n_rows = int(people.nunique()), len(frames)
        self.tracks, self.facts = tracks_of(frames), dict(readings.facts)
        with self._lock:
            if self._owners:  # else nobody would free it
                self._readings = to_parquet(readings)
        self._end(JobState.DONE)

    def _end(self, state: JobState, error: str = "") -> None:
        self.error, self.progress, self._state = error, None, state

    def _on_progress(self, progress: VideoProgress) -> None:
        self.progress = progress
        self.raise_if_cancelled()


def edits_that_hold(edits: Edits, clips: Iterable[StudyClip]) -> Edits:
    """The edits without those of videos and people that are not there (yet)."""
    by_name = {clip.name: clip for clip in clips}

    def holds(edit: Edit) -> bool:
        if not edit.video:
            return True
        if (clip := by_name.get(edit.video)) is None or clip.state is not JobState.DONE:
            return clip is not None
        try:
            check_people(clip.tracks, [edit])
        except EmotionError:
            return False
        return True

    return Edits(tuple(filter(holds, edits.items)))
