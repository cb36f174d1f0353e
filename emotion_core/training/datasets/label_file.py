"""A CSV file that names images, their emotions, and their valence and arousal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emotion_core.errors import DatasetError
from emotion_core.training.datasets.photo_labels import (
    find_label_file,
    to_face_set,
    to_photo_label,
)
from emotion_core.training.datasets.splits import ALL, SplitMissingError, to_split
from emotion_core.training.datasets.tables import LABELS_FILE, iter_table_images, read_columns

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from emotion_core.training.datasets.face_set import FaceSet
    from emotion_core.training.datasets.photo_labels import PhotoLabel
    from emotion_core.training.datasets.tables import TableRow


def read_label_file(root: Path, split: str) -> FaceSet:
    """Reads the faces that a CSV file lists.

    Its first line names the columns: ``image``, a path relative to the file; ``label`` or
    ``emotion``, a word; ``p_neutral`` and so on, each emotion's share of the votes, where several
    people named one; ``valence`` and ``arousal`` in [-1, 1]; ``split``. All but ``image`` may be
    missing, and cells may be empty, except those of ``split``. Other columns are ignored.

    Args:
        root: The file, or a folder that holds it as ``labels.csv``.
        split: Which one, or ``"all"``. A file without the column ``split`` can be read as
            ``"train"`` and as ``"all"``.

    Returns:
        Faces in the order of the file; ``classes`` are the eight emotions. Faces that are uncertain
        or have no label have no ``majority``.

    Raises:
        SplitMissingError: The file has no such split.
        DatasetError: The file or an image is missing, or a line is invalid.
    """
    path = find_label_file(root)
    name = path.resolve().parent.name if path.name == LABELS_FILE else path.stem
    return to_face_set(path.parent, list(_iter_split(path, split)), f"{name} {split}")


def _iter_split(path: Path, split: str) -> Iterator[PhotoLabel]:
    """The images of one split; at least one."""
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
            yield to_photo_label(image, row)
    if not found:
        raise DatasetError(f"{path} lists no image.")
    if split not in (*found, ALL):
        raise SplitMissingError(
            f"{path} has no line of the split {split!r}; it has: {', '.join(sorted(found))}."
        )


def _to_split(row: TableRow) -> str:
    try:
        return to_split(row.cells["split"])
    except DatasetError as error:
        raise DatasetError(f"{row.location}: {error}") from error
