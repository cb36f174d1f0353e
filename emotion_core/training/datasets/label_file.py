"""A CSV file that names pictures, their emotions, and their valence and arousal."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from emotion_core.errors import DatasetError
from emotion_core.training.datasets.face_list import FaceSetBuilder, find_missing
from emotion_core.training.datasets.face_set import EIGHT_EMOTIONS
from emotion_core.training.datasets.image_sources import FilePictures
from emotion_core.training.datasets.splits import ALL, SplitMissingError, to_split
from emotion_core.training.datasets.tables import (
    LABELS_FILE,
    iter_table_images,
    read_columns,
    to_label,
    to_rating,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from emotion_core.training.datasets.face_set import FaceSet
    from emotion_core.training.datasets.tables import TableRow


def read_label_file(root: Path, split: str) -> FaceSet:
    """Read faces that a CSV file lists.

    Its first line names the columns: ``image``, a path relative to the file; ``label`` or
    ``emotion``, a word; ``valence`` and ``arousal`` in [-1, 1]; ``split``. All but ``image`` may be
    missing, and cells may be empty, except those of ``split``. Further columns are not read.

    Args:
        root: The file, or a folder that holds it as ``labels.csv``.
        split: Which one, or ``"all"``. A file without the column ``split`` is all for training: it
            can be read as ``"train"`` and as ``"all"``.

    Returns:
        Faces in the order of the file; ``classes`` are the eight emotions, faces that are
        uncertain, or without a label, are left out of ``majority``.

    Raises:
        SplitMissingError: The file has no such split.
        DatasetError: The file or a picture is missing, or a line is not as said above.
    """
    path = find_label_file(root)
    faces, places = FaceSetBuilder(), []
    for file, row in _iter_split(path, split):
        va = (to_rating(row, "valence"), to_rating(row, "arousal"))
        faces.add(file, to_label(row), va)
        places.append(row.place)
    missing = find_missing(path.parent, faces.files)
    if missing:
        place = places[faces.files.index(missing[0])]
        raise DatasetError(
            f"{place}: there is no picture {missing[0]} in {path.parent} "
            f"({len(missing)} of {len(faces)} are missing)."
        )
    pictures = FilePictures(path.parent / file for file in faces.files)
    return faces.to_face_set(f"{_name(path)} {split}", pictures, EIGHT_EMOTIONS)


def find_label_file(root: Path) -> Path:
    """The CSV file that is meant by itself or by its folder.

    Raises:
        DatasetError: There is none.
    """
    path = root / LABELS_FILE if root.is_dir() else root
    if not path.is_file():
        raise DatasetError(
            f"There is no file {path}; it must list the pictures in a column 'image' and what they "
            "show in the columns 'emotion', 'valence' and 'arousal'."
        )
    return path


def _iter_split(path: Path, split: str) -> Iterator[tuple[str, TableRow]]:
    """The pictures and lines of one split; at least one."""
    is_split = "split" in read_columns(path)
    if not is_split and split not in (ALL, "train"):
        raise SplitMissingError(
            f"{path} has no column 'split'; read all of it as the split {ALL!r}, or add the column."
        )
    found = set()
    for image, row in iter_table_images(path):
        of_row = _to_split(row) if is_split else split
        found.add(of_row)
        if split in (of_row, ALL):
            yield image, row
    if not found:
        raise DatasetError(f"{path} lists no picture.")
    if split not in (*found, ALL):
        raise SplitMissingError(
            f"{path} has no line of the split {split!r}; it has: {', '.join(sorted(found))}."
        )


def _name(path: Path) -> str:
    return path.resolve().parent.name if path.name == LABELS_FILE else path.stem


def _to_split(row: TableRow) -> str:
    try:
        return to_split(row.cells["split"])
    except DatasetError as error:
        raise DatasetError(f"{row.place}: {error}") from error
