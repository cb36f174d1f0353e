"""The study of one visitor: its videos, who is in them, what was decided, and its tables."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from emotion_core.errors import EmotionError
from emotion_core.study.edits import Edits
from emotion_core.study.kept import KeptParts
from emotion_core.study.methods import about_study
from emotion_core.study.parts import PartMaker
from emotion_core.study.project import read_project
from emotion_core.study.readings import PLANE
from emotion_core.study.run import with_twin
from emotion_core.study.settings import StudySettings
from emotion_core.study.synthetic import is_synthetic, synthetic_study
from emotion_core.study.tables import Study, make_tables
from streamlit_app.study.clips import StudyClip, edits_that_hold
from streamlit_app.study.decisions import Decisions
from streamlit_app.study.names import ClipNames
from streamlit_app.study.runner import StudyRunner
from streamlit_app.video.job_queue import JobState
from streamlit_app.visits import STUDY_RETURN_S

if TYPE_CHECKING:
    from collections.abc import Collection, Hashable, Iterable

    from emotion_core.analyzer import Analyzer
    from emotion_core.reporting.cursor_charts import CursorCharts
    from emotion_core.study.assignment import StudyVideo
    from emotion_core.study.edits import Edit
    from emotion_core.study.tables import StudyTables
    from emotion_core.video.types import VideoSettings
    from streamlit_app.study.drawing import AnnotationJob
    from streamlit_app.video.job_queue import JobQueue

_ENDED = (JobState.DONE, JobState.FAILED, JobState.CANCELLED)
_QUICK_ROWS = 30_000


@dataclass(slots=True)
class StudyState(Decisions):
    """Everything of a study on the page.

    Attributes:
        clips: The videos in order.
        runner: Analyses them; ``None`` before the first, and in a project.
        about: How the videos are analysed, see ``about_study``.
        names: Who is in which video.
        settings: How tables are made.
        uploads: Counts what was uploaded; part of the upload fields' keys.
        remarks: What was passed over in uploads.
        is_project: Whether this is a project that was opened, without media.
        has_shown: Whether the results were opened since the queue ended.
        portraits: Faces of the video whose people are shown, by track.
        idle_edits: Edits of videos or people that were not there when tables were made last.
        measure: Of which the page shows curves.
        course: Charts of the video whose events are set, with what they were made of.
        drawing: Draws the annotated video that was asked for last.
    """

    return_s: ClassVar[float] = STUDY_RETURN_S

    clips: list[StudyClip] = field(default_factory=list)
    runner: StudyRunner | None = None
    about: dict[str, Any] = field(default_factory=dict)
    names: ClipNames = field(default_factory=ClipNames)
    settings: StudySettings = field(default_factory=StudySettings)
    uploads: int = 0
    remarks: list[str] = field(default_factory=list)
    is_project: bool = False
    has_shown: bool = False
    portraits: tuple[StudyClip, dict[int, bytes]] | None = None
    idle_edits: tuple[Edit, ...] = ()
    measure: str = PLANE[0]
    course: tuple[Hashable, CursorCharts] | None = None
    drawing: AnnotationJob | None = None
    _made: tuple[Hashable, StudyTables] | None = None
    _kept: KeptParts = field(default_factory=KeptParts)

    @property
    def is_working(self) -> bool:
        """Whether a video waits or is analysed."""
        return any(clip.state in (JobState.WAITING, JobState.RUNNING) for clip in self.clips)

    @property
    def ended(self) -> list[StudyClip]:
        """Videos whose analysis has ended in any way."""
        return [clip for clip in self.clips if clip.state in _ENDED]

    def add(self, clips: Iterable[StudyClip]) -> None:
        """Appends videos, reads who is in them from their names, and analyses them, too."""
        new = list(clips)
        self.clips += new
        self.names.read([clip.name for clip in new])
        self._enqueue(new)

    def use(self, queue: JobQueue, analyzer: Analyzer, settings: VideoSettings) -> bool:
        """Begins the analysis; all videos of a study are analysed as its first one is.

        Args:
            queue: For the videos of all visitors.
            analyzer: What finds and reads faces now.
            settings: How a video would be analysed now.

        Returns:
            Whether that is how the videos are analysed.

        Raises:
            EmotionError: The system cannot start another thread.
        """
        about = about_study(analyzer.info, settings)
        new = [clip for clip in self.clips if clip.state is JobState.WAITING]
        if self.runner is None and new:
            self.runner, self.about = StudyRunner(queue, analyzer, settings), about
            self.runner.add(new)
        return self.about == about

    def _enqueue(self, clips: Iterable[StudyClip]) -> None:
        if self.runner:
            self.runner.add(clips)

    def analyze_again(self) -> None:
        """Forgets all readings, so that all videos are analysed anew, as is chosen now."""
        clips = [clip.anew() for clip in self.clips if clip.file is not None]
        self._close(self.clips)
        self.clips, self.runner, self._made = clips, None, None

    def cancel(self, clips: Iterable[StudyClip]) -> None:
        """Ends the analysis of some videos; the others go on."""
        for clip in clips:
            clip.cancel()

    def retry(self, clips: Iterable[StudyClip]) -> None:
        """Tries cancelled and failed videos again."""
        self._enqueue([clip for clip in clips if clip.retry()])

    def remove(self, clips: Iterable[StudyClip]) -> None:
        """Removes videos, and what was decided about them."""
        gone = list(clips)
        names = {clip.name for clip in gone}
        self._close(gone)
        self.clips = [clip for clip in self.clips if clip not in gone]
        self.edits = Edits(tuple(edit for edit in self.edits.items if edit.video not in names))
        self.events = self.events[~self.events["file"].isin(list(names))].reset_index(drop=True)
        self._undone = []
        if not self.clips:
            self.clear()

    # what comes of it

    def study(self) -> Study:
        """The study of the videos whose analysis has ended; frames are loaded when asked for.

        Raises:
            EmotionError: Two videos are of the same participant and stimulus, or none is there.
        """
        seen: dict[str, str] = {}
        named = self._named()
        found = (clip.record(video) for clip, video in named)
        records = tuple(with_twin(one, seen) if one.frames is not None else one for one in found)
        edits = edits_that_hold(self.edits, [clip for clip, _ in named])
        self.idle_edits = tuple(edit for edit in self.edits.items if edit not in edits.items)
        return Study(records, self.settings, edits, self.events, self.about)

    def tables(self) -> StudyTables:
        """The tables of ``study`` as far as the page shows them, kept until something changes.

        all_frames is left empty, and group_curves has ``measure`` only.

        Raises:
            EmotionError: See ``study`` and ``make_tables``.
        """
        if self._made is None or not self.is_current:
            tables = make_tables(
                self.study(), self._kept, curves_of=[self.measure], with_frames=False
            )
            self._made = self._key(), tables
        return self._made[1]

    def files(self, *, with_frames: bool = False) -> tuple[Study, StudyTables]:
        """The study and all of its tables, for files; what the page has made is not made again.

        Args:
            with_frames: Whether all_frames has rows.

        Raises:
            EmotionError: See ``study`` and ``make_tables``.
        """
        study = self.study()
        return study, make_tables(study, self._kept.copy(), with_frames=with_frames)

    @property
    def has_rows(self) -> bool:
        """Whether tables have a video: one that has ended and of which it is known who it shows."""
        return any(self.names.is_known(clip.name) for clip in self.ended)

    @property
    def is_current(self) -> bool:
        """Whether the tables are those that were made last."""
        return self._made is not None and self._made[0] == self._key()

    @property
    def is_quick(self) -> bool:
        """Whether tables are made in about two seconds: of few rows something has changed."""
        rows = {clip.name: clip.n_rows for clip in self.ended}
        if sum(rows.values()) <= _QUICK_ROWS:
            return True
        try:
            changed = PartMaker(self.study(), self._kept).changed_files()
        except EmotionError:  # which is told once tables are made
            return True
        return sum(rows[file] for file in changed) <= _QUICK_ROWS

    def _key(self) -> Hashable:
        """What the tables are made of."""
        names = tuple(self.names.of(clip.name) for clip in self.ended)
        ended = tuple((id(clip), clip.state) for clip in self.ended)
        events = tuple(self.events.itertuples(index=False, name=None))
        return ended, names, self.settings, self.edits, events, self.measure

    def _named(self) -> list[tuple[StudyClip, StudyVideo]]:
        """The videos that have ended and of which participant and stimulus are known."""
        by_name = {clip.name: clip for clip in self.ended}
        return [(by_name[video.file], video) for video in self.names.videos(by_name)]

    # projects and visits

    def open_project(self, name: str, data: bytes) -> None:
        """Replaces everything by a project.

        Raises:
            EmotionError: The file is no project; then everything stays.
        """
        self._show(read_project(Path(name), data))

    def open_sample(self) -> None:
        """Replaces everything by a study of made readings, named synthetic."""
        self._show(synthetic_study())

    @property
    def is_synthetic(self) -> bool:
        """Whether nobody was filmed: the sample, or a project of it."""
        return is_synthetic(self.about)

    def _show(self, study: Study) -> None:
        self.clear()
        self.clips = list(map(StudyClip.of_record, study.records))
        videos = (record.video for record in study.records)
        self.names = ClipNames({v.file: (v.participant, v.stimulus, v.condition) for v in videos})
        self.settings, self.edits, self.events = study.settings, study.edits, study.events
        self.about, self.is_project = dict(study.about), True

    def fork(self) -> StudyState:
        """The same study for another window, where other things may be decided."""
        return replace(
            self,
            clips=[clip.share() for clip in self.clips],
            names=self.names.copy(),
            has_shown=False,
            remarks=list(self.remarks),
            _undone=list(self._undone),
            drawing=self.drawing and self.drawing.share(),
            _kept=self._kept.copy(),
        )

    @property
    def n_bytes(self) -> int:
        """Size of the videos, of their readings, and of the annotated video."""
        readings = sum(clip.n_bytes for clip in list(self.clips))
        return readings + (self.drawing.video.size if self.drawing else 0)

    def give_way(self) -> None:
        """Pauses the analysis, and ends a drawing, if others wait for a place."""
        if self.runner:
            self.runner.give_way()
        if self.drawing:
            self.drawing.give_way()

    def draw(self, job: AnnotationJob | None) -> None:
        """Replaces what draws the annotated video; frees the one before."""
        if self.drawing:
            self.drawing.close()
        self.drawing = job

    def _close(self, clips: Collection[StudyClip]) -> None:
        for clip in clips:
            clip.close()
        if self.drawing and self.drawing.clip in clips:
            self.draw(None)

    def clear(self) -> None:
        """Ends the analysis and frees everything."""
        self._close(self.clips)
        fresh = StudyState(uploads=self.uploads + 1)
        for entry in fields(self):
            setattr(self, entry.name, getattr(fresh, entry.name))
