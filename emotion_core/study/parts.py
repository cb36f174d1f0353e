"""What the tables of a study have of each video, kept until something about it changes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from emotion_core.study.baseline import baseline_row, neutral_parts, with_changes
from emotion_core.study.curves import to_clock
from emotion_core.study.edited_frames import edit_frames, people_rows
from emotion_core.study.edits import NeutralSpan
from emotion_core.study.events import event_windows, events_of, with_event
from emotion_core.study.readings import measures_of, participant_readings
from emotion_core.study.summary import SHARE, reading_summary
from emotion_core.tracking.smoothing import smooth_frames
from emotion_core.video.tables import counted_frames, people_table

if TYPE_CHECKING:
    from collections.abc import Hashable

    from emotion_core.study.baseline import NeutralPart
    from emotion_core.study.kept import KeptParts
    from emotion_core.study.settings import StudySettings
    from emotion_core.study.tables import Study


@dataclass(frozen=True, eq=False, slots=True)
class VideoPart:
    """The participant's readings of one video.

    Attributes:
        curve: On the common clock, see ``to_clock``.
        summary: See ``reading_summary``, with the baseline.
        windows: Around events, see ``event_windows``; ``None`` if the video has none.
    """

    curve: pd.DataFrame
    summary: dict[str, float]
    windows: pd.DataFrame | None


@dataclass(frozen=True, eq=False, slots=True)
class VideoPeople:
    """The people of one video.

    Attributes:
        table: One row per person, with name and is_participant behind the number.
        track: The participant's number; ``None`` if nobody is.
        shares: Shares of time and switches of the participant; empty if nobody is seen.
    """

    table: pd.DataFrame
    track: int | None
    shares: dict[str, float]

    @classmethod
    def of_table(cls, table: pd.DataFrame) -> VideoPeople:
        """What the tables need of the people in a table of them."""
        chosen = table[table["is_participant"]].to_dict("records")
        if not chosen:
            return cls(table, None, {})
        row = {str(name): value for name, value in chosen[0].items()}
        shares = {name: float(value) for name, value in row.items() if name.startswith(SHARE)}
        return cls(table, int(row["track"]), {**shares, "switches": int(row["changes"])})


class PartMaker:
    """Makes the parts of a study's tables, video by video.

    Args:
        study: The study.
        kept: Parts that were made before.
    """

    def __init__(self, study: Study, kept: KeptParts) -> None:
        self._study, self._kept, self._settings = study, kept, study.settings
        records = study.records
        self._records = {one.video.file: one for one in records if one.frames is not None}
        videos = [record.video for record in records]
        self._neutral = neutral_parts(videos, study.settings.baseline, study.edits)
        self._last: tuple[str, pd.DataFrame] | None = None
        self._baselines: dict[str, dict[str, float]] = {}
        self._events = {
            file: events_of(study.events, record.video) for file, record in self._records.items()
        }

    @property
    def files(self) -> list[str]:
        """The videos that were analysed, in order."""
        return list(self._records)

    def people(self, file: str) -> VideoPeople:
        """The people of a video."""
        return self._kept.get(
            ("people", file),
            self._people_key(file),
            lambda: _people_of(self._edited(file), self._settings),
        )

    def part(self, file: str) -> VideoPart:
        """Curve, summary and windows of a video."""
        return self._kept.get(("part", file), self._part_key(file), lambda: self._make_part(file))

    def frames(self, file: str) -> pd.DataFrame:
        """The rows of ``all_frames`` of a video."""
        frames = self._edited(file)
        return with_changes(frames, self._baseline(file)) if self._neutral else frames

    def no_frames(self, file: str) -> pd.DataFrame:
        """The columns of ``all_frames`` without rows, as a video has them."""
        key = _joined(self._source_key(file), bool(self._neutral))
        return self._kept.get("columns", key, lambda: self.frames(file).iloc[:0].copy())

    def changed_files(self) -> list[str]:
        """Videos of which something has to be made."""
        return [
            file
            for file in self._records
            if not self._kept.has(("people", file), self._people_key(file))
            or not self._kept.has(("part", file), self._part_key(file))
        ]

    def _make_part(self, file: str) -> VideoPart:
        settings, frames = self._settings, self.frames(file)
        readings = participant_readings(frames)
        curve = to_clock(readings, settings.clock_hz, settings.min_cover)
        summary = reading_summary(readings, curve)
        if self._neutral:
            summary |= self._baseline(file)
        events = self._events[file]
        windows = event_windows(frames, events, settings.window_s) if len(events) else None
        return VideoPart(curve, summary, windows)

    def _edited(self, file: str) -> pd.DataFrame:
        """The table of frames with edits and events; the last one is kept."""
        if self._last is None or self._last[0] != file:
            record = self._records[file]
            frames = edit_frames(
                record.load(),
                self._study.edits.of(file),
                record.start_s,
                all_faces=self._settings.all_faces,
            )
            self._last = file, with_event(frames, self._events[file])
        return self._last[1]

    def _baseline(self, file: str) -> dict[str, float]:
        """The baseline of a video."""
        if file not in self._baselines:
            name, key = ("baseline", file), self._baseline_key(file)
            self._baselines[file] = self._kept.get(name, key, lambda: self._make_baseline(file))
        return self._baselines[file]

    def _make_baseline(self, file: str) -> dict[str, float]:
        neutral, measures = self._neutral[file], measures_of(self._edited(file))
        source = neutral.source if neutral.source in self._records else None
        return baseline_row(None if source is None else self._edited(source), measures, neutral)

    # What each part is made of

    def _source_key(self, file: str) -> Hashable:
        record = self._records[file]
        if not callable(record.frames):
            return None
        edits = [e for e in self._study.edits.of(file) if not isinstance(e, NeutralSpan)]
        return record.frames, record.start_s, tuple(edits), self._settings.all_faces

    def _people_key(self, file: str) -> Hashable:
        return _joined(self._source_key(file), self._settings.smoothing_s)

    def _baseline_key(self, file: str) -> Hashable:
        neutral: NeutralPart | None = self._neutral.get(file)
        if neutral is None or neutral.source not in self._records:
            return neutral, None
        return _joined(self._source_key(neutral.source), neutral)

    def _part_key(self, file: str) -> Hashable:
        events = self._events[file]
        rows = tuple(zip(events["time_s"].tolist(), events["label"].tolist(), strict=True))
        settings = self._settings
        how = (settings.clock_hz, settings.min_cover, rows, settings.window_s if rows else None)
        return _joined(self._source_key(file), self._baseline_key(file), how)


def _joined(*keys: Hashable) -> Hashable:
    """One key of several; ``None`` if one of them is not known."""
    return None if None in keys else keys


def _people_of(edited: pd.DataFrame, settings: StudySettings) -> VideoPeople:
    rows = people_rows(edited)
    counted = counted_frames(rows, all_faces=settings.all_faces)
    table = people_table(rows, smoothed=smooth_frames(counted, settings.smoothing_s))
    firsts = edited[edited["person"].notna()].drop_duplicates("person").set_index("person")
    names = firsts["name"].reindex(table["track"]).to_numpy(object)
    is_participant = firsts["is_participant"].reindex(table["track"]).to_numpy(bool)
    table.insert(1, "name", pd.Series(names, table.index, dtype="str"))
    table.insert(2, "is_participant", is_participant)
    return VideoPeople.of_table(table)
