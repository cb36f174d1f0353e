"""A study as it was analysed, and all tables that are made of it."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, fields
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from emotion_core.errors import EmotionError
from emotion_core.study.assignment import KEYS
from emotion_core.study.checks import check_study
from emotion_core.study.compare import compare_groups
from emotion_core.study.curves import group_curve
from emotion_core.study.edits import Edits, ExcludeVideo
from emotion_core.study.events import no_events
from emotion_core.study.kept import KeptParts
from emotion_core.study.parts import PartMaker
from emotion_core.study.readings import measures_of
from emotion_core.study.settings import StudySettings
from emotion_core.study.summary import group_summary, with_missing

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from emotion_core.study.assignment import StudyVideo
    from emotion_core.study.parts import VideoPart, VideoPeople

_KEPT = (*KEYS, "video", "frames", "frames_seen", "frames_counted")
"""What ``participants`` tells of a video that was excluded."""


@dataclass(frozen=True, eq=False, slots=True)
class StudyRecord:
    """What is known of one video of a study.

    Attributes:
        video: The video, its participant and its stimulus.
        sha256: Hash of the file; empty if it could not be read.
        frames: The table of frames as it was analysed, without edits, or what loads it; ``None`` if
            the analysis failed.
        facts: Columns of ``all_videos``: width, height, fps, duration_s, codec, frames_read,
            frames_analyzed, model, detector, warning.
        start_s: Where the analysed part of the video begins.
        error: One sentence if it failed, else empty.
    """

    video: StudyVideo
    sha256: str = ""
    frames: pd.DataFrame | Callable[[], pd.DataFrame] | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    start_s: float = 0.0
    error: str = ""

    def load(self) -> pd.DataFrame:
        """The table of frames.

        Raises:
            EmotionError: The analysis failed.
        """
        if self.frames is None:
            raise EmotionError(self.error or f"{self.video.file} was not analysed.")
        return self.frames() if callable(self.frames) else self.frames


@dataclass(frozen=True, eq=False, slots=True)
class Study:
    """Everything that the tables of a study are made of.

    Attributes:
        records: In the order of the tables.
        settings: How the tables are made.
        edits: What people decided.
        events: As ``read_events`` gives them.
        about: How the videos were analysed, for methods: version, networks, settings.

    Raises:
        EmotionError: See ``check_study``.
    """

    records: tuple[StudyRecord, ...]
    settings: StudySettings = field(default_factory=StudySettings)
    edits: Edits = field(default_factory=Edits)
    events: pd.DataFrame = field(default_factory=no_events)
    about: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_study([record.video for record in self.records], self.settings, self.edits)


@dataclass(frozen=True, eq=False, slots=True)
class StudyTables:
    """The tables of a study; ``docs/study.md`` and the code book explain their columns.

    Attributes:
        all_frames: One row per analysed frame and face of all videos.
        all_people: One row per person and video.
        all_videos: One row per video, also of those that failed.
        participants: One row per participant, stimulus and condition.
        participant_curves: Each participant's curves on the common clock.
        group_curves: Mean curves with bands, per stimulus and condition.
        group_summary: Means over participants, per stimulus and condition.
        comparisons: Of stimuli and conditions; exploratory.
        event_windows: Means around events.
    """

    all_frames: pd.DataFrame
    all_people: pd.DataFrame
    all_videos: pd.DataFrame
    participants: pd.DataFrame
    participant_curves: pd.DataFrame
    group_curves: pd.DataFrame
    group_summary: pd.DataFrame
    comparisons: pd.DataFrame
    event_windows: pd.DataFrame

    def items(self) -> Iterator[tuple[str, pd.DataFrame]]:
        """Names and tables."""
        return ((entry.name, getattr(self, entry.name)) for entry in fields(self))


def make_tables(
    study: Study,
    kept: KeptParts | None = None,
    *,
    curves_of: Collection[str] | None = None,
    with_frames: bool = True,
) -> StudyTables:
    """Makes all tables of a study; the same study gives the same tables.

    Args:
        study: The study.
        kept: Parts that were made before, of which those that still hold are not made again.
        curves_of: Measures of which ``group_curves`` has curves; ``None`` for all.
        with_frames: Whether ``all_frames`` has rows; it is large.

    Raises:
        EmotionError: An edit names a person who is not there, or no video could be analysed.
    """
    kept = KeptParts() if kept is None else kept
    maker = PartMaker(study, kept)
    if not maker.files:
        reason = next((record.error for record in study.records if record.error), "")
        raise EmotionError(f"No video of the study could be analysed. {reason}".strip())
    frames, people, parts = {}, {}, {}
    for file in maker.files:  # all of one video together, whose frames are loaded once
        people[file], parts[file] = maker.people(file), maker.part(file)
        if with_frames:
            frames[file] = maker.frames(file)
        elif not frames:
            frames[file] = maker.no_frames(file)
    videos = [record.video for record in study.records]
    participants = _participants(study, people, parts)
    members: dict[tuple[str, str], list[str]] = defaultdict(list)
    for person, stimulus, condition in participants[list(KEYS)].itertuples(index=False):
        members[stimulus, condition].append(person)
    tables = StudyTables(
        all_frames=_join(videos, frames),
        all_people=_join(videos, {file: one.table for file, one in people.items()}),
        all_videos=pd.DataFrame([_video_row(record, people, study) for record in study.records]),
        participants=participants,
        participant_curves=_join(videos, {file: part.curve for file, part in parts.items()}),
        group_curves=_group_curves(study, parts, members, kept, curves_of),
        group_summary=group_summary(participants, members, study.settings, kept),
        comparisons=compare_groups(participants, kept),
        event_windows=_join(
            videos, {f: part.windows for f, part in parts.items() if part.windows is not None}
        ),
    )
    kept.forget_others()
    return tables


def _participants(
    study: Study, people: Mapping[str, VideoPeople], parts: Mapping[str, VideoPart]
) -> pd.DataFrame:
    """One row per participant, stimulus and condition."""
    summaries = []
    for record in study.records:
        file = record.video.file
        values = _keys(record.video)
        if file in parts:
            values.update(parts[file].summary, **people[file].shares)
        if _exclusion(study, file) is not None:
            values = {name: values[name] if name in _KEPT else np.nan for name in values}
        summaries.append({**values, "note": _note(record, study, values)})
    return with_missing(pd.DataFrame(summaries), [record.video for record in study.records])


def _group_curves(
    study: Study,
    parts: Mapping[str, VideoPart],
    members: Mapping[tuple[str, str], list[str]],
    kept: KeptParts,
    curves_of: Collection[str] | None,
) -> pd.DataFrame:
    """Mean curves of each stimulus and condition; only those of which a video has changed anew."""
    measures = measures_of(next(iter(parts.values())).curve)
    if curves_of is not None:
        measures = [name for name in measures if name in curves_of] or measures[:1]
    tables = []
    for (stimulus, condition), people in members.items():
        own = [
            parts[r.video.file]
            for r in study.records
            if (r.video.stimulus, r.video.condition) == (stimulus, condition)
            and r.video.file in parts
        ]
        for measure in measures:
            settings = study.settings
            curve = kept.get(
                ("group", stimulus, condition, measure),
                (*own, len(people), settings.draws, settings.seed),
                partial(group_curve, [part.curve for part in own], measure, len(people), settings),
            )
            tables.append(curve.assign(stimulus=stimulus, condition=condition))
    names = ["stimulus", "condition", "measure", "time_s", "participants", "n", "mean"]
    return pd.concat(tables, ignore_index=True)[[*names, "low", "high"]]


def _video_row(
    record: StudyRecord, people: Mapping[str, VideoPeople], study: Study
) -> dict[str, Any]:
    row: dict[str, Any] = _keys(record.video) | {"sha256": record.sha256} | dict(record.facts)
    found = people.get(record.video.file)
    if found is not None:
        row |= {"people": len(found.table), "participant_track": found.track}
    excluded = _exclusion(study, record.video.file)
    return row | {
        "is_excluded": excluded is not None,
        "exclusion": excluded.reason if excluded else "",
        "error": record.error,
    }


def _exclusion(study: Study, file: str) -> ExcludeVideo | None:
    """The edit that excludes a video, if there is one."""
    excluded = [edit for edit in study.edits.of(file) if isinstance(edit, ExcludeVideo)]
    return excluded[-1] if excluded else None


def _note(record: StudyRecord, study: Study, values: Mapping[str, Any]) -> str:
    """Why a participant has no values for a video, or no changes; empty if there are some."""
    if record.error:
        return f"not analysed: {record.error}"
    excluded = _exclusion(study, record.video.file)
    if excluded is not None:
        return f"excluded: {excluded.reason}" if excluded.reason else "excluded"
    if not values["frames_counted"]:
        return "no usable reading" if values["frames_seen"] else "participant not seen"
    return "no reading in the baseline" if values.get("baseline_frames") == 0 else ""


def _keys(video: StudyVideo) -> dict[str, Any]:
    return {**{name: getattr(video, name) for name in KEYS}, "video": video.file}


def _join(videos: list[StudyVideo], tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """One table of many, with whose and of what each is in the first columns."""
    here = [video for video in videos if video.file in tables]
    if not here:
        return pd.DataFrame(columns=[*KEYS, "video"])
    parts = []
    for video in here:
        part = tables[video.file].copy(deep=False)
        part.attrs = {}
        parts.append(part)
    joined, counts = pd.concat(parts, ignore_index=True), list(map(len, parts))
    for place, name in enumerate((*KEYS, "video")):
        words = np.repeat(np.array([_keys(video)[name] for video in here], object), counts)
        joined.insert(place, name, pd.Series(words, dtype="str"))
    return joined
