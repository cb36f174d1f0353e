"""Who is in which video of a study: from file names, from a table, or typed."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from emotion_core.study.assignment import (
    StudyVideo,
    assign_by_pattern,
    assign_by_table,
    unique_videos,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

_UNKNOWN = ("", "", "")


@dataclass(slots=True)
class ClipNames:
    """Participant, stimulus and condition of videos; what is unknown is empty.

    Attributes:
        known: By the videos' names.
        pattern: How file names are read.
    """

    known: dict[str, tuple[str, str, str]] = field(default_factory=dict)
    pattern: str = "{participant}_{stimulus}"

    def of(self, name: str) -> tuple[str, str, str]:
        """Participant, stimulus and condition of a video."""
        return self.known.get(name, _UNKNOWN)

    def is_known(self, name: str) -> bool:
        """Whether participant and stimulus of a video are known, so that tables have it."""
        return all(self.of(name)[:2])

    def read(self, names: Iterable[str], pattern: str | None = None) -> None:
        """Reads who is in videos from their file names; if that fails they keep what they have.

        Args:
            names: Of the videos.
            pattern: Is used from now on; ``None`` for the one that is in use.

        Raises:
            EmotionError: The pattern is wrong.
        """
        if pattern is not None:
            assign_by_pattern([], pattern)
            self.pattern = pattern
        for name in names:  # one by one, since two may be of the same participant and stimulus
            self._take(assign_by_pattern([name], self.pattern)[0])

    def read_table(self, names: Iterable[str], file_name: str, data: bytes) -> list[str]:
        """Reads who is in videos from a CSV file, see ``assign_by_table``.

        Args:
            names: Of the videos.
            file_name: Of the table.
            data: Its content.

        Returns:
            Videos that it names and that are not there.

        Raises:
            EmotionError: The table is wrong.
        """
        here = set(names)
        found, _ = assign_by_table(here, Path(file_name), data)
        self._take(found)
        return [video.file for video in found if video.file not in here]

    def videos(self, names: Iterable[str]) -> tuple[StudyVideo, ...]:
        """Those of the videos of which participant and stimulus are known.

        Raises:
            EmotionError: Two are of the same participant, stimulus and condition.
        """
        known = filter(self.is_known, names)
        return unique_videos([StudyVideo(name, *self.of(name)) for name in known])

    def copy(self) -> ClipNames:
        """The same for another window."""
        return ClipNames(dict(self.known), self.pattern)

    def _take(self, videos: Iterable[StudyVideo]) -> None:
        for video in videos:
            self.known[video.file] = (video.participant, video.stimulus, video.condition)
