"""Who is seen in which video: participant, stimulus and condition from file names or a table."""

from __future__ import annotations

import csv
import io
import re
from collections import defaultdict
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import pandas as pd

from emotion_core.errors import EmotionError
from emotion_core.photos.tables import restore_cell

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

KEYS = ("participant", "stimulus", "condition")
"""Columns with which every table of a study begins, together with the video's name."""

_FIELD = re.compile(r"\{(\w*)\}|(\*)")


@dataclass(frozen=True, slots=True)
class StudyVideo:
    """One video of a study.

    Attributes:
        file: Its path below the study's folder, with forward slashes; unique in the study.
        participant: Who is seen.
        stimulus: What the participant saw or did.
        condition: Group or condition; empty if the study has none.

    Raises:
        EmotionError: A name is empty.
    """

    file: str
    participant: str
    stimulus: str
    condition: str = ""

    def __post_init__(self) -> None:
        if not (self.file and self.participant and self.stimulus):
            raise EmotionError(f"{self.file or 'A video'} needs a participant and a stimulus.")


def assign_by_pattern(
    files: Iterable[str], pattern: str
) -> tuple[tuple[StudyVideo, ...], tuple[str, ...]]:
    """Reads participant, stimulus and condition from file names.

    Args:
        files: Paths below the study's folder, with forward slashes.
        pattern: Text with ``{participant}``, ``{stimulus}`` and, optionally, ``{condition}``; each
            stands for as few characters as fit, and ``*`` for any. With a slash it is compared with
            the whole path, otherwise with the name; without an ending it fits any ending.

    Returns:
        The videos in order, and the files whose names do not fit.

    Raises:
        EmotionError: The pattern is wrong, or two files are the same participant and stimulus.
    """
    expression = _to_expression(pattern)
    found, unmatched = [], []
    for file in files:
        match = expression.fullmatch(file if "/" in pattern else PurePosixPath(file).name)
        if match is None:
            unmatched.append(file)
        else:
            found.append(StudyVideo(file, **match.groupdict()))
    return unique_videos(found), tuple(unmatched)


def assign_by_table(
    files: Iterable[str], table: Path, data: bytes | None = None
) -> tuple[tuple[StudyVideo, ...], tuple[str, ...]]:
    """Reads participant, stimulus and condition from a CSV file.

    Args:
        files: Paths below the study's folder, with forward slashes.
        table: Columns file (a path below the folder), participant, stimulus and, optionally,
            condition; commas or semicolons separate the cells.
        data: Content of the table; ``None`` to read the file.

    Returns:
        The videos in the order of the table, also of files that do not exist, so that they are
        reported as failed; and the files that the table does not name.

    Raises:
        EmotionError: The table cannot be read, lacks a column or a cell, or names a file twice.
    """
    rows = read_csv_text(table, ("file", "participant", "stimulus"), data)
    found = []
    for number, row in zip(rows.index, rows.to_dict("records"), strict=True):
        file = row["file"].replace("\\", "/").removeprefix("./")
        try:
            video = StudyVideo(file, row["participant"], row["stimulus"], row.get("condition", ""))
        except EmotionError as error:
            raise EmotionError(f"{table}, line {number}: {error}") from error
        found.append(video)
    named = [video.file for video in found]
    if twice := {file for file in named if named.count(file) > 1}:
        raise EmotionError(f"{table} names {sorted(twice)[0]} twice.")
    return unique_videos(found), tuple(file for file in files if file not in set(named))


def unique_videos(videos: Sequence[StudyVideo]) -> tuple[StudyVideo, ...]:
    """The videos as they are, if each has a participant, stimulus and condition of its own.

    Raises:
        EmotionError: Two are the same; both files are named.
    """
    by_key = defaultdict(list)
    for video in videos:
        by_key[video.participant, video.stimulus, video.condition].append(video.file)
    for (participant, stimulus, _), files in by_key.items():
        if len(files) > 1:
            raise EmotionError(
                f"{files[0]} and {files[1]} are both participant {participant}, stimulus "
                f"{stimulus}. Tell them apart by a condition, or leave one out."
            )
    return tuple(videos)


def read_csv_text(path: Path, needed: Sequence[str], data: bytes | None = None) -> pd.DataFrame:
    """Reads a CSV file as text, with names of columns in lower case.

    Args:
        path: A file in UTF-8 with commas or semicolons.
        needed: Columns that it must have.
        data: Content of the file, of which only the name is taken from ``path`` then.

    Returns:
        Cells without spaces around them, a missing one empty, and without the apostrophes of
        ``table_to_csv``; the index is the line in the file.

    Raises:
        EmotionError: The file cannot be read, a column is missing or there twice, or a line has
            more cells than there are columns.
    """
    try:
        text = (path.read_bytes() if data is None else data).decode("utf-8-sig")
        first_line = text.partition("\n")[0]
        separator = ";" if first_line.count(";") > first_line.count(",") else ","
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
        numbered = [
            (reader.line_num, [restore_cell(cell.strip()) for cell in cells]) for cells in reader
        ]
    except OSError as error:
        raise EmotionError(f"{path} cannot be read ({error.strerror or error}).") from error
    except (ValueError, csv.Error) as error:
        raise EmotionError(f"{path} is no CSV file in UTF-8 ({error}).") from error
    lines = {number: cells for number, cells in numbered if any(cells)}
    header = [name.lower() for name in lines.pop(min(lines, default=0), [])]
    while header and not header[-1]:
        header.pop()
    if twice := [name for name in header if header.count(name) > 1]:
        raise EmotionError(f'{path} has two columns "{twice[0]}".')
    for number, cells in lines.items():
        if any(cells[len(header) :]):
            raise EmotionError(f"{path}, line {number} has more cells than there are columns.")
        cells[len(header) :] = [""] * (len(header) - len(cells))
    rows = pd.DataFrame(list(lines.values()), list(lines), header, dtype=object)
    if missing := [name for name in needed if name not in rows]:
        raise EmotionError(
            f"{path} has no column {missing[0]}; its first line must name the columns "
            f"{', '.join(needed)}."
        )
    return rows


def _to_expression(pattern: str) -> re.Pattern[str]:
    fields = [name for name, star in _FIELD.findall(pattern) if not star]
    if unknown := [name for name in fields if name not in KEYS]:
        raise EmotionError(
            f"{{{unknown[0]}}} in the pattern is unknown; it may have {{participant}}, "
            "{stimulus} and {condition}."
        )
    if {"participant", "stimulus"} - set(fields) or len(set(fields)) < len(fields):
        raise EmotionError(
            "The pattern needs {participant} and {stimulus} once each, such as "
            "{participant}_{stimulus}.mp4."
        )
    parts, end = [], 0
    for match in _FIELD.finditer(pattern):
        parts.append(re.escape(pattern[end : match.start()]))
        parts.append(".*?" if match[2] else f"(?P<{match[1]}>[^/]+?)")
        end = match.end()
    tail = re.escape(pattern[end:])
    ending = "" if "." in pattern.rpartition("/")[2] else r"\.[^./]+"
    return re.compile("".join(parts) + tail + ending, re.IGNORECASE)
