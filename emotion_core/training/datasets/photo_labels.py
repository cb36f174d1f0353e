"""Labelled faces: ``labels.csv``, subsets of its rows, and faces marked by hand."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

import numpy as np

from emotion_core.errors import DatasetError
from emotion_core.training.datasets.face_list import FaceSetBuilder, find_missing
from emotion_core.training.datasets.face_set import EIGHT_EMOTIONS
from emotion_core.training.datasets.image_sources import ArrayImages
from emotion_core.training.datasets.splits import to_split
from emotion_core.training.datasets.tables import (
    BOX,
    LABELS_FILE,
    Half,
    TableRow,
    iter_rows,
    read_columns,
    to_face,
    to_half,
    to_inner_path,
    to_label,
    to_number,
    to_rating,
    to_shares,
)
from emotion_core.types import Faces

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from emotion_core.labels import Emotion
    from emotion_core.training.datasets.face_set import FaceSet

Box = tuple[float, float, float, float]
FaceKey = tuple[str, float | None, Box | None]

PERSON = "person"
"""Column that names the person in a photo, if there is one."""


@dataclass(frozen=True, slots=True)
class PhotoLabel:
    """What people said about a face in a photo or in a frame of a video.

    Attributes:
        image: Path of the photo or video inside the folder.
        emotion: ``None`` if nobody named one, or raters were divided.
        shares: Each emotion's share of the votes, which sum to 1; empty if they are not known.
        valence: -1 to 1; NaN if unrated.
        arousal: -1 to 1; NaN if unrated.
        row: The complete row of the file; of several raters the first.
        time_s: Seconds of the frame; ``None`` in a photo.
        box: x1, y1, x2, y2 of the face in pixels; ``None`` for the largest face.
        rater: Who said it; empty if that is not known, or if it is what several said.
    """

    image: str
    emotion: Emotion | None
    shares: Mapping[Emotion, float] = field(default_factory=dict)
    valence: float = math.nan
    arousal: float = math.nan
    row: TableRow = field(default_factory=lambda: TableRow("", {}))
    time_s: float | None = None
    box: Box | None = None
    rater: str = ""

    @property
    def face(self) -> FaceKey:
        """Image, time and box, which tell the face from all others."""
        return self.image, self.time_s, self.box

    @property
    def unit(self) -> str:
        """Whose faces are alike: the person if the table names one, or else the file."""
        return self.row.cells.get(PERSON) or self.image


def read_photo_labels(root: Path) -> list[PhotoLabel]:
    """Reads the faces of a folder and what people said of each; whether files exist is not checked.

    Args:
        root: A folder with ``labels.csv``, or the file, with the columns image, emotion (or label),
            valence and arousal; some of the last three may be missing, and cells may be empty.
            With x1, y1, x2, y2 a row is about that face; time_s names the frame of a video, and
            rater who said it: rows of several raters about one face are joined, see
            ``join_raters``.

    Raises:
        DatasetError: The file is missing, or a line is invalid; the message names it.
    """
    return join_raters(read_rated_labels(root))


def read_rated_labels(root: Path) -> list[PhotoLabel]:
    """Reads the rows of ``labels.csv`` as they are, each what one rater said of one face.

    Raises:
        DatasetError: See ``read_photo_labels``; or a rater labelled a face twice.
    """
    path = find_label_file(root)
    columns = read_columns(path)
    if not {"emotion", "label", "valence", "arousal"}.intersection(columns):
        raise DatasetError(
            f"{path} does not say what the photos show: it has no column 'emotion', 'valence' or "
            f"'arousal'; its columns are: {', '.join(columns)}."
        )
    labels: list[PhotoLabel] = []
    locations: dict[object, str] = {}
    for row in iter_rows(path, ["image"]):
        label = to_photo_label(to_inner_path(row.cells["image"], row.location), row)
        first = locations.setdefault((label.face, label.rater), row.location)
        if first is not row.location:
            raise DatasetError(
                f"{row.location}: {label.image} is listed already ({first}); list it once, or give "
                "each face its box and each rater a name."
            )
        labels.append(label)
    return labels


def join_raters(labels: Sequence[PhotoLabel]) -> list[PhotoLabel]:
    """Joins what several raters said of one face, in the order of the faces' first rows.

    The emotion is the word that most of them chose, ``None`` if two are equally frequent; valence
    and arousal are the means of those that were given.
    """
    faces: dict[FaceKey, list[PhotoLabel]] = {}
    for label in labels:
        faces.setdefault(label.face, []).append(label)
    return [rated[0] if len(rated) == 1 else _join(rated) for rated in faces.values()]


def _join(labels: Sequence[PhotoLabel]) -> PhotoLabel:
    votes: Counter[Emotion] = Counter()
    for label in labels:
        votes.update(label.shares or ({label.emotion: 1.0} if label.emotion else {}))
    total = votes.total()
    shares = {emotion: vote / total for emotion, vote in votes.items()} if total else {}
    most = [emotion for emotion, share in shares.items() if share == max(shares.values())]
    return replace(
        labels[0],
        emotion=most[0] if len(most) == 1 else None,
        shares=shares,
        valence=_mean_of_given([label.valence for label in labels]),
        arousal=_mean_of_given([label.arousal for label in labels]),
        rater="",
    )


def _mean_of_given(ratings: Sequence[float]) -> float:
    given = [rating for rating in ratings if not math.isnan(rating)]
    return fmean(given) if given else math.nan


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
    """Converts a row to the label of a face.

    Raises:
        DatasetError: A label, rating, time or box is invalid.
    """
    box: Box | None = None
    if given := [name for name in BOX if row.cells.get(name)]:
        if len(given) < len(BOX):
            raise DatasetError(f"{row.location}: a box needs all of x1, y1, x2 and y2.")
        x1, y1, x2, y2 = to_face(row)[0]
        box = (x1, y1, x2, y2)
    time_s = to_number(row, "time_s") if row.cells.get("time_s") else None
    va = (to_rating(row, "valence"), to_rating(row, "arousal"))
    rater = row.cells.get("rater", "")
    return PhotoLabel(image, to_label(row), to_shares(row), *va, row, time_s, box, rater)


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
    return _to_builder(labels).to_face_set(name, folder, EIGHT_EMOTIONS)


def to_truth(labels: Sequence[PhotoLabel]) -> FaceSet:
    """The ground truth of labelled faces without their images; ``classes`` are eight emotions."""
    images = ArrayImages(np.zeros((len(labels), 1, 1), np.uint8))
    return _to_builder(labels).to_face_set("labels", images, EIGHT_EMOTIONS)


def _to_builder(labels: Sequence[PhotoLabel]) -> FaceSetBuilder:
    faces = FaceSetBuilder()
    for label in labels:
        faces.add(label.image, label.emotion, (label.valence, label.arousal), label.shares)
    return faces
