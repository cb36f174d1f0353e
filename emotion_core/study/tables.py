"""A study as it was analysed, and all tables that are made of it."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from emotion_core.errors import EmotionError
from emotion_core.study.assignment import KEYS
from emotion_core.study.baseline import baselines, with_changes
from emotion_core.study.checks import check_study
from emotion_core.study.compare import compare_groups
from emotion_core.study.curves import group_curves, to_clock
from emotion_core.study.edited_frames import edit_frames, people_rows
from emotion_core.study.edits import Edits, ExcludeVideo
from emotion_core.study.events import event_windows, events_of, no_events, with_event
from emotion_core.study.readings import participant_readings
from emotion_core.study.settings import StudySettings
from emotion_core.study.summary import SHARE, group_summary, reading_summary
from emotion_core.tracking.smoothing import smooth_frames
from emotion_core.video.tables import counted_frames, people_table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from emotion_core.study.assignment import StudyVideo

_KEPT = (*KEYS, "video", "frames", "frames_seen", "frames_counted")
"""What ``participants`` tells of a video that was excluded."""


@dataclass(frozen=True, eq=False, slots=True)
class StudyRecord:
    """What is known of one video of a study.

    Attributes:
        video: The video, its participant and its stimulus.
        sha256: Hash of the file; empty if it could not be read.
        frames: The table of frames as it was analysed, without edits; ``None`` if the analysis
            failed.
        facts: Columns of ``all_videos``: width, height, fps, duration_s, codec, frames_read,
            frames_analyzed, model, detector, warning.
        start_s: Where the analysed part of the video begins.
        error: One sentence if it failed, else empty.
    """

    video: StudyVideo
    sha256: str = ""
    frames: pd.DataFrame | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    start_s: float = 0.0
    error: str = ""


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


def make_tables(study: Study) -> StudyTables:
    """Makes all tables of a study; the same study gives the same tables.

    Raises:
        EmotionError: An edit names a person who is not there, or no video could be analysed.
    """
    edited = _edit_all(study)
    people = {file: _people_of(frames, study.settings) for file, frames in edited.items()}
    videos = [record.video for record in study.records]
    neutral = baselines(videos, edited, study.settings.baseline, study.edits)
    if neutral:
        edited = {file: with_changes(frames, neutral[file]) for file, frames in edited.items()}
    readings = {file: participant_readings(frames) for file, frames in edited.items()}
    clock = (study.settings.clock_hz, study.settings.min_cover)
    curves = {file: to_clock(rows, *clock) for file, rows in readings.items()}
    summaries = []
    for record in study.records:
        file = record.video.file
        values = _keys(record.video)
        if file in edited:
            values.update(reading_summary(readings[file], curves[file]))
            values.update(_shares(people[file]))
            values.update(neutral.get(file, {}))
        if _exclusion(study, file) is not None:
            values = {name: values[name] if name in _KEPT else np.nan for name in values}
        summaries.append({**values, "note": _note(record, study, values)})
    participants = _with_missing(pd.DataFrame(summaries), videos)
    members: dict[tuple[str, str], list[str]] = defaultdict(list)
    for person, stimulus, condition in participants[list(KEYS)].itertuples(index=False):
        members[stimulus, condition].append(person)
    all_curves = _join(videos, curves)
    return StudyTables(
        all_frames=_join(videos, edited),
        all_people=_join(videos, people),
        all_videos=pd.DataFrame([_video_row(record, people, study) for record in study.records]),
        participants=participants,
        participant_curves=all_curves,
        group_curves=group_curves(all_curves, members, study.settings),
        group_summary=group_summary(participants, members, study.settings),
        comparisons=compare_groups(participants),
        event_windows=_join(videos, _windows_of(study, edited)),
    )


def _edit_all(study: Study) -> dict[str, pd.DataFrame]:
    """Tables of frames with edits and events, by file."""
    edited = {}
    for record in study.records:
        if record.frames is not None:
            video = record.video
            frames = edit_frames(
                record.frames,
                study.edits.of(video.file),
                record.start_s,
                all_faces=study.settings.all_faces,
            )
            edited[video.file] = with_event(frames, events_of(study.events, video))
    if not edited:
        reason = next((record.error for record in study.records if record.error), "")
        raise EmotionError(f"No video of the study could be analysed. {reason}".strip())
    return edited


def _people_of(edited: pd.DataFrame, settings: StudySettings) -> pd.DataFrame:
    """One row per person, with name and is_participant behind the number."""
    rows = people_rows(edited)
    counted = counted_frames(rows, all_faces=settings.all_faces)
    table = people_table(rows, smoothed=smooth_frames(counted, settings.smoothing_s))
    firsts = edited[edited["person"].notna()].drop_duplicates("person").set_index("person")
    names = firsts["name"].reindex(table["track"]).to_numpy(object)
    is_participant = firsts["is_participant"].reindex(table["track"]).to_numpy(bool)
    table.insert(1, "name", pd.Series(names, table.index, dtype="str"))
    table.insert(2, "is_participant", is_participant)
    return table


def _shares(people: pd.DataFrame) -> dict[str, float]:
    """Shares of time and switches of the participant; nothing if nobody is seen."""
    chosen = people[people["is_participant"]]
    if chosen.empty:
        return {}
    row = chosen.iloc[0]
    shares = {str(name): float(row[name]) for name in people.columns if name.startswith(SHARE)}
    return {**shares, "switches": int(row["changes"])}


def _windows_of(study: Study, edited: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    windows = {}
    for record in study.records:
        file = record.video.file
        events = events_of(study.events, record.video)
        if file in edited and len(events):
            windows[file] = event_windows(edited[file], events, study.settings.window_s)
    return windows


def _video_row(
    record: StudyRecord, people: Mapping[str, pd.DataFrame], study: Study
) -> dict[str, Any]:
    row: dict[str, Any] = _keys(record.video) | {"sha256": record.sha256} | dict(record.facts)
    table = people.get(record.video.file)
    if table is not None:
        chosen = table.loc[table["is_participant"], "track"]
        row |= {"people": len(table), "participant_track": chosen.iloc[0] if len(chosen) else None}
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


def _with_missing(participants: pd.DataFrame, videos: list[StudyVideo]) -> pd.DataFrame:
    """Adds a row for each participant without a video that others have.

    These are videos of the conditions in which the participant, or somebody who shares one of the
    participant's conditions, was recorded: all conditions if people go through all of them, and the
    participant's own if groups are compared.
    """
    conditions = defaultdict(set)
    for video in videos:
        conditions[video.participant].add(video.condition)
    there = {(video.participant, video.stimulus, video.condition) for video in videos}
    wanted = dict.fromkeys((video.stimulus, video.condition) for video in videos)
    missing = [
        {"participant": person, "stimulus": stimulus, "condition": condition, "note": "no video"}
        for person, own in conditions.items()
        for stimulus, condition in wanted
        if (person, stimulus, condition) not in there
        and any(condition in others for others in conditions.values() if own & others)
    ]
    table = pd.concat([participants, pd.DataFrame(missing)]) if missing else participants
    counts = [name for name in ("frames", "frames_seen", "frames_counted") if name in table]
    filled = table.assign(**{name: table[name].fillna(0).astype("int64") for name in counts})
    columns = [name for name in filled.columns if name != "note"]
    return filled[[*columns, "note"]].reset_index(drop=True)


def _keys(video: StudyVideo) -> dict[str, Any]:
    return {**{name: getattr(video, name) for name in KEYS}, "video": video.file}


def _join(videos: list[StudyVideo], tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """One table of many, with whose and of what each is in the first columns."""
    parts = []
    for video in videos:
        if video.file in tables:
            table = tables[video.file].reset_index(drop=True)
            keys = pd.DataFrame([_keys(video)] * len(table), columns=[*KEYS, "video"])
            part = pd.concat([keys, table], axis=1)
            part.attrs = {}
            parts.append(part)
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=[*KEYS, "video"])
