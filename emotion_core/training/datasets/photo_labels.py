"""Labelled photos: ``labels.csv``, subsets of its rows, and faces marked by hand."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from emotion_core.errors import DatasetError
from emotion_core.training.datasets.face_list import FaceSetBuilder, find_missing
from emotion_core.training.datasets.face_set import EIGHT_EMOTIONS
from emotion_core.training.datasets.splits import to_split
from emotion_core.training.datasets.tables import (
    BOX,
    LABELS_FILE,
    Half,
    TableRow,
    iter_rows,
    iter_table_images,
    read_columns,
    to_face,
    to_half,
    to_label,
    to_rating,
    to_shares,
)
from emotion_core.types import Faces

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from emotion_core.labels import Emotion
    from emotion_core.training.datasets.face_set import FaceSet


@dataclass(frozen=True, slots=True)
class PhotoLabel:
    """What people said about a photo.

    Attributes:
        image: Path inside the folder.
        emotion: ``None`` if nobody named one.
        shares: Each emotion's share of the votes, which sum to 1; empty if they are not known.
        valence: -1 to 1; NaN if unrated.
        arousal: -1 to 1; NaN if unrated.
        row: The complete row of the file.
    """

    image: str
    emotion: Emotion | None
    shares: Mapping[Emotion, float]
    valence: float
    arousal: float
    row: TableRow


def read_photo_labels(root: Path) -> list[PhotoLabel]:
    """Reads the photos of a folder and their labels; whether the files exist is not checked.

    Args:
        root: A folder with ``labels.csv``, or the file, with the columns image, emotion (or label),
            valence and arousal. Some of the last three may be missing, and cells may be empty.

    Raises:
        DatasetError: The file is missing, or a line is invalid; the message names it.
    """
    path = find_label_file(root)
    columns = read_columns(path)
    if not {"emotion", "label", "valence", "arousal"}.intersection(columns):
        raise DatasetError(
            f"{path} does not say what the photos show: it has no column 'emotion', 'valence' or "
            f"'arousal'; its columns are: {', '.join(columns)}."
        )
    return [to_photo_label(image, row) for image, row in iter_table_images(path)]


def find_label_file(root: Path) -> Path:
    """Finds ``labels.csv`` in a folder; the path of a file is returned as it is.

    Raises:
        DatasetError: There is none.
    """
    path = root / LABELS_FILE if root.is_dir() else root
    if not path.is_file():
        raise DatasetError(
            f"There is no file {path}; it must list the images in a column 'image' and what they "
            "show in the columns 'emotion', 'valence' and 'arousal'."
        )
    return path


def to_photo_label(image: str, row: TableRow) -> PhotoLabel:
    """Converts a row to the label of an image.

    Raises:
        DatasetError: A label or rating is invalid.
    """
    va = (to_rating(row, "valence"), to_rating(row, "arousal"))
    return PhotoLabel(image, to_label(row), to_shares(row), *va, row)


def keep_half(labels: Sequence[PhotoLabel], half: Half, column: str) -> list[PhotoLabel]:
    """Keeps one of two halves that share no value of a column, e.g. no person; see ``to_half``."""
    return [label for label in labels if to_half(label.row, column) == half]


def keep_split(labels: Sequence[PhotoLabel], split: str) -> list[PhotoLabel]:
    """Keeps the photos of a split, by the column split.

    Raises:
        DatasetError: There is no such column, it names another split, or no photo is left.
    """
    if labels and "split" not in labels[0].row.cells:
        raise DatasetError("The table of labels has no column 'split'; leave out --split.")
    kept = [label for label in labels if to_split(label.row.cells["split"]) == to_split(split)]
    if not kept:
        raise DatasetError(f"No photo is of the split {split!r}.")
    return kept


def keep_only(labels: Sequence[PhotoLabel], path: Path) -> list[PhotoLabel]:
    """Keeps the photos that another CSV file names in its column image.

    Raises:
        DatasetError: The file is missing, has no such column, or names none of the photos.
    """
    names = {row.cells["image"] for row in iter_rows(path, ["image"])}
    kept = [label for label in labels if label.image in names]
    if labels and not kept:
        raise DatasetError(
            f"{path} names none of the {len(labels)} photos that {LABELS_FILE} lists; write them "
            f"in its column image as there, e.g. {labels[0].image}."
        )
    return kept


def read_box_table(path: Path, needed: Collection[str]) -> dict[str, Faces]:
    """Reads faces marked by hand: image, x1, y1, x2, y2 in pixels of the upright photo.

    With the columns lx1, ly1 to lx5, ly5 (eyes, nose tip, mouth corners; of each pair the one that
    is left in the image first) faces are aligned; otherwise the square around the box is cut out.

    Args:
        path: One row per photo.
        needed: Photos that must have a box.

    Raises:
        DatasetError: The file is missing, a line is invalid, or a photo has no box.
    """
    boxes: dict[str, Faces] = {}
    for row in iter_rows(path, ["image", *BOX]):
        box, points = to_face(row)
        if row.cells["image"] in boxes:
            raise DatasetError(
                f"{row.location}: {row.cells['image']} already has a box; give one per photo."
            )
        boxes[row.cells["image"]] = Faces(
            np.array([box], np.float32),
            np.ones(1, np.float32),
            None if points is None else np.array(points, np.float32).reshape(1, 5, 2),
        )
    without = [name for name in needed if name not in boxes]
    if without:
        raise DatasetError(
            f"{path.name} has no box for {len(without)} of {len(needed)} photos, e.g. {without[0]};"
            f" add --only {path.name} to measure the photos that it lists."
        )
    return boxes


def to_face_set(folder: Path, labels: Sequence[PhotoLabel], name: str, hint: str = "") -> FaceSet:
    """Builds a ``FaceSet`` of labelled images; ``classes`` are the eight emotions.

    Args:
        folder: Holds the images.
        labels: Of the images.
        name: For people.
        hint: What to do about missing images, for the error.

    Raises:
        DatasetError: No image is listed, or a listed one is missing.
    """
    if not labels:
        raise DatasetError(f"{folder / LABELS_FILE} names no photo to measure.")
    missing = find_missing(folder, [label.image for label in labels])
    if missing:
        location = next(label.row.location for label in labels if label.image == missing[0])
        raise DatasetError(
            f"{location}: there is no image {missing[0]} in {folder} "
            f"({len(missing)} of {len(labels)} are missing){hint}."
        )
    faces = FaceSetBuilder()
    for label in labels:
        faces.add(label.image, label.emotion, (label.valence, label.arousal), label.shares)
    return faces.to_face_set(name, folder, EIGHT_EMOTIONS)
