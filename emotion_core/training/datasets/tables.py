"""CSV files of labels: rows with their line numbers, and clear errors."""

from __future__ import annotations

import csv
import io
import itertools
import math
import zlib
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from typing import TYPE_CHECKING, BinaryIO, Literal, Protocol, get_args

from emotion_core.errors import DatasetError
from emotion_core.labels import ALL_EMOTIONS, to_emotion

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import TextIO

    from emotion_core.labels import Emotion

LABELS_FILE = "labels.csv"

_SEPARATORS = ",;\t"
"""Spreadsheets write semicolons where the comma is the decimal sign."""

Half = Literal["a", "b"]
HALVES: tuple[Half, ...] = get_args(Half)

BOX = ("x1", "y1", "x2", "y2")
_POINTS = tuple(f"l{axis}{i}" for i in range(1, 6) for axis in "xy")


@dataclass(frozen=True, slots=True)
class TableRow:
    """One line of a table.

    Attributes:
        location: For messages, e.g. ``"Line 7 of labels.csv"``.
        cells: By column name in lower case, stripped; empty where the line is too short.
        decimals: Signs that may stand for a decimal point.
    """

    location: str
    cells: Mapping[str, str]
    decimals: str = "."


class TableFile(Protocol):
    """A file of a folder (``Path``) or of a ZIP file; ``str`` returns its path."""

    @property
    def name(self) -> str:
        """The name for messages."""

    def open(self, mode: Literal["rb"], /) -> BinaryIO:
        """Opens the file for reading."""


@contextmanager
def open_table(path: TableFile) -> Iterator[TextIO]:
    """Opens a text file for ``csv``; errors while it is read become a ``DatasetError``.

    Raises:
        DatasetError: The file cannot be read, or is no CSV file in UTF-8.
    """
    try:
        with io.TextIOWrapper(path.open("rb"), encoding="utf-8-sig", newline="") as file:
            yield file
    except DatasetError:
        raise
    except OSError as error:
        raise DatasetError(f"{path} cannot be read ({error.strerror or error}).") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(f"{path} is not a CSV file in UTF-8 ({error}).") from error


def read_columns(path: Path) -> list[str]:
    """The names of a table's columns, in lower case and stripped.

    Raises:
        DatasetError: The file cannot be read, is empty, or names a column twice.
    """
    with _open_rows(path) as (columns, _, _):
        return columns


def iter_rows(path: TableFile, needed: Sequence[str]) -> Iterator[TableRow]:
    """Yields the rows of a table, except empty lines.

    Args:
        path: A CSV file whose first line names the columns, in any case; separated by commas,
            semicolons or tabs.
        needed: Required columns, in lower case.

    Raises:
        DatasetError: The file cannot be read, or a column is missing or occurs twice.
    """
    with _open_rows(path) as (columns, lines, decimals):
        for name in needed:
            if name not in columns:
                raise DatasetError(
                    f"{path} has no column {name!r}; its columns are: {', '.join(columns)}."
                )
        for number, line in lines:
            cells = [cell.strip() for cell in line] + [""] * (len(columns) - len(line))
            if any(cells):
                location = f"Line {number} of {path.name}"
                yield TableRow(location, dict(zip(columns, cells, strict=False)), decimals)


@contextmanager
def _open_rows(
    path: TableFile,
) -> Iterator[tuple[list[str], Iterator[tuple[int, list[str]]], str]]:
    """The names of the columns, the lines below them with their numbers, and decimal signs."""
    with open_table(path) as file:
        first = file.readline()
        separator = max(_SEPARATORS, key=first.count)
        reader = csv.reader(itertools.chain([first], file), delimiter=separator)
        columns = [name.strip().lower() for name in next(reader, [])]
        if not columns:
            raise DatasetError(f"{path} is empty; its first line must name the columns.")
        for i, name in enumerate(columns):
            if name and name in columns[:i]:
                raise DatasetError(f"{path} has two columns {name!r}; rename or remove one.")
        decimals = "." if separator == "," else ".,"
        yield columns, ((reader.line_num, line) for line in reader), decimals


def iter_table_images(path: Path) -> Iterator[tuple[str, TableRow]]:
    """Yields the rows of a table with the image that each names in its column image.

    An image that is listed twice would count twice, or be both learnt from and measured on.

    Raises:
        DatasetError: See ``iter_rows``; or an image is outside of the table's folder or listed
            twice.
    """
    locations: dict[str, str] = {}
    for row in iter_rows(path, ["image"]):
        image = to_inner_path(row.cells["image"], row.location)
        first = locations.setdefault(image, row.location)
        if first is not row.location:
            raise DatasetError(
                f"{row.location}: {image} is listed already ({first}); list it once."
            )
        yield image, row


def to_inner_path(text: str, location: str) -> str:
    """Checks that a path leads to a file inside the folder that it is relative to.

    Raises:
        DatasetError: It is empty, absolute, or leaves the folder by "..".
    """
    path = PureWindowsPath(text)  # knows drives and both sorts of slashes
    if not text or path.drive or path.root or ".." in path.parts:
        raise DatasetError(
            f"{location}: {text!r} does not lead to an image inside the folder of the table; "
            "write paths relative to it."
        )
    return text


def to_label(row: TableRow) -> Emotion | None:
    """The emotion in a row's column label or emotion; ``None`` if the cell is empty.

    Raises:
        DatasetError: The word is unknown.
    """
    word = row.cells.get("label") or row.cells.get("emotion")
    try:
        return to_emotion(word) if word else None
    except ValueError as error:
        raise DatasetError(f"{row.location}: {error}") from error


def to_number(row: TableRow, column: str) -> float:
    """A finite number of a row; where commas do not separate cells, they may be decimal signs.

    Raises:
        DatasetError: The cell holds something else.
    """
    text = row.cells[column]
    try:
        value = float(text.replace(row.decimals[-1], "."))
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        hint = " (decimals need a point)" if "," in text else ""
        raise DatasetError(f"{row.location}: {column} must be a number, not {text!r}{hint}.")
    return value


def to_face(row: TableRow) -> tuple[list[float], list[float] | None]:
    """Box (four numbers) and landmarks (ten, or ``None`` if one is missing) of a row.

    Raises:
        DatasetError: A cell holds no number, or the box has no area.
    """
    x1, y1, x2, y2 = box = [to_number(row, side) for side in BOX]
    if not (x1 < x2 and y1 < y2):
        raise DatasetError(f"{row.location}: x1, y1 must be less than x2, y2.")
    known = all(row.cells.get(point) for point in _POINTS)
    return box, [to_number(row, point) for point in _POINTS] if known else None


def to_shares(row: TableRow) -> dict[Emotion, float]:
    """Each emotion's share of the votes in a row's columns p_neutral, p_happiness, ...

    Returns:
        Shares that sum to 1; empty if there are no such columns, or all their cells are empty or 0.

    Raises:
        DatasetError: A cell holds something else than a number of at least 0.
    """
    votes = {e: to_number(row, f"p_{e}") for e in ALL_EMOTIONS if row.cells.get(f"p_{e}")}
    for emotion, vote in votes.items():
        if vote < 0:
            raise DatasetError(f"{row.location}: p_{emotion} must not be negative.")
    total = sum(votes.values())
    return {emotion: vote / total for emotion, vote in votes.items()} if total else {}


def to_rating(row: TableRow, column: str) -> float:
    """A rating in [-1, 1] of a row; NaN if the cell is empty or the column missing.

    Raises:
        DatasetError: The cell holds something else.
    """
    if not row.cells.get(column):
        return math.nan
    value = to_number(row, column)
    if abs(value) > 1:
        raise DatasetError(
            f"{row.location}: {column} must lie between -1 and 1, not be {row.cells[column]!r}."
        )
    return value


def to_half(row: TableRow, column: str) -> Half:
    """Half a or b of a data set, the same for all rows with the same value, e.g. person.

    Half a has the values whose CRC-32 (of UTF-8) is even.

    Raises:
        DatasetError: There is no such column, or its cell is empty.
    """
    column = column.lower()
    if column not in row.cells:
        known = ", ".join(row.cells)
        raise DatasetError(f"{LABELS_FILE} has no column {column!r}; its columns are: {known}.")
    if not row.cells[column]:
        raise DatasetError(f"{row.location}: {column!r} is empty, so that it belongs to no half.")
    return HALVES[zlib.crc32(row.cells[column].encode()) % 2]
