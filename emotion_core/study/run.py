"""The videos of a study, analysed one after another; none is analysed twice."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from emotion_core.errors import EmotionError
from emotion_core.study.store import ReadingsStore, StoredReadings, hash_file, need_parquet
from emotion_core.study.tables import StudyRecord
from emotion_core.video.io.still import as_video, is_photo, settings_for_still
from emotion_core.video.pipeline import tabulate_video

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from emotion_core.analyzer import Analyzer
    from emotion_core.study.assignment import StudyVideo
    from emotion_core.video.types import VideoProgress, VideoSettings

    OnVideoProgress = Callable[[StudyVideo, VideoProgress], None]


@dataclass(frozen=True, eq=False, slots=True)
class StudyRun:
    """How the videos of a study are analysed, and where their readings are kept.

    Attributes:
        folder: The folder with the videos.
        analyzer: What finds and reads their faces.
        settings: How each video is analysed.
        readings: The folder where the readings of each video are kept.
        on_progress: Is called while a video is analysed.
    """

    folder: Path
    analyzer: Analyzer
    settings: VideoSettings
    readings: Path
    on_progress: OnVideoProgress | None = None
    _seen: dict[str, str] = field(default_factory=dict, init=False)
    """Files by their hash."""

    def __post_init__(self) -> None:
        need_parquet()

    def analyze(self, videos: Sequence[StudyVideo]) -> Iterator[tuple[StudyRecord, bool]]:
        """Analyses videos one after another.

        Yields:
            Each video's record, and whether it was analysed before. One that fails is a record
            with an error, and is tried again in the next run.

        Raises:
            EmotionError: Readings cannot be written.
        """
        store = ReadingsStore(self.readings, self.analyzer.info, self.settings)
        for video in videos:
            try:
                sha256 = hash_file(self.folder / video.file)
            except OSError as error:
                reason = error.strerror or error
                yield StudyRecord(video, error=f"The file cannot be read ({reason})."), False
                continue
            known = store.load(sha256)
            try:
                found = known or self._analyze_one(video)
            except EmotionError as error:
                yield StudyRecord(video, sha256, error=str(error)), False
                continue
            if known is None:
                found = store.save(sha256, found)
            yield self._record(video, sha256, found), known is not None

    def _analyze_one(self, video: StudyVideo) -> StoredReadings:
        def report(progress: VideoProgress) -> None:
            if self.on_progress is not None:
                self.on_progress(video, progress)

        settings = self._settings_of(video)
        with as_video(self.folder / video.file) as path:
            result = tabulate_video(path, self.analyzer, settings, on_progress=report)
        return StoredReadings.of_result(result)

    def _record(self, video: StudyVideo, sha256: str, found: StoredReadings) -> StudyRecord:
        start_s = self._settings_of(video).from_s
        record = StudyRecord(video, sha256, found.frames, found.facts, start_s)
        return with_twin(record, self._seen)

    def _settings_of(self, video: StudyVideo) -> VideoSettings:
        is_still = is_photo(self.folder / video.file)
        return settings_for_still(self.settings) if is_still else self.settings


def with_twin(record: StudyRecord, seen: dict[str, str]) -> StudyRecord:
    """Says in a record if an earlier video of the study is the same file.

    Args:
        record: Of a video that was analysed.
        seen: Names of earlier videos by the hash of the file; the record's is added.
    """
    twin = seen.setdefault(record.sha256, record.video.file)
    if twin == record.video.file:
        return record
    warning = f"{record.facts.get('warning', '')} The same file as {twin}.".strip()
    return replace(record, facts={**record.facts, "warning": warning})
