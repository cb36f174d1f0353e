"""Readers of emotion data sets in their official layouts."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt

from emotion_core.errors import DatasetError
from emotion_core.labels import to_emotion
from emotion_core.training.config import LABELS
from emotion_core.types import FloatArray

Split = Literal["Train", "Valid", "Test"]

_COLUMNS = (
    *("neutral", "happiness", "surprise", "sadness", "anger"),
    *("disgust", "fear", "contempt", "unknown"),
)
"""Votes in FER+'s ``label.csv`` after file name and box; the last column, not a face, follows."""

_NO_MAJORITY = -1
_SIDE_PX = 48


@dataclass(frozen=True, eq=False, slots=True)
class FaceSet:
    """Grey faces with the votes that people gave.

    Attributes:
        faces: ``(N, H, W)`` grey, 0-255.
        targets: ``(N, 9)`` share of the votes per emotion of ``LABELS``, rows sum to 1.
        majority: ``(N,)`` index into ``LABELS`` by the official majority rule, -1 where the rule
            drops the face.
    """

    faces: npt.NDArray[np.uint8]
    targets: FloatArray
    majority: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.faces)

    @property
    def has_majority(self) -> npt.NDArray[np.bool_]:
        """``(N,)`` which faces the majority rule keeps."""
        return np.asarray(self.majority != _NO_MAJORITY)


def read_ferplus(root: Path, split: Split) -> FaceSet:
    """Read one split of FER+.

    Args:
        root: Holds ``FER2013Train``, ``FER2013Valid`` and ``FER2013Test`` as folders or zip files,
            each with ``label.csv`` and its pictures of 48x48 pixels.
        split: Which one.

    Returns:
        All faces of which a vote is left once single votes and votes for "not a face" are dropped.

    Raises:
        DatasetError: Something is missing or not laid out so.
    """
    name = f"FER2013{split}"
    if (root / name).is_dir():
        return _read_split(name, lambda file: (root / name / file).read_bytes())
    archive = root / f"{name}.zip"
    if not archive.is_file():
        raise DatasetError(
            f"{root} holds neither a folder {name} nor {name}.zip; FER+ is made by the scripts of "
            "github.com/microsoft/FERPlus from Kaggle's fer2013.csv."
        )
    try:
        with zipfile.ZipFile(archive) as opened:
            return _read_split(name, lambda file: opened.read(f"{name}/{file}"))
    except zipfile.BadZipFile as error:
        raise DatasetError(f"{archive} is not a readable zip file.") from error


def _read_split(name: str, read: Callable[[str], bytes]) -> FaceSet:
    faces, targets, majority = [], [], []
    for number, row in enumerate(csv.reader(io.StringIO(_fetch(name, "label.csv", read).decode()))):
        votes = _parse_votes(name, number, row)
        target = to_target(votes)
        if target is None:
            continue
        data = np.frombuffer(_fetch(name, row[0], read), np.uint8)
        face = cv2.imdecode(data, cv2.IMREAD_GRAYSCALE) if data.size else None
        if face is None or face.shape != (_SIDE_PX, _SIDE_PX):
            raise DatasetError(f"{name}/{row[0]} is not a picture of 48x48 pixels.")
        faces.append(face)
        targets.append(target)
        majority.append(find_majority(votes))
    if not faces:
        raise DatasetError(f"{name}/label.csv names no face with votes.")
    return FaceSet(
        np.stack(faces).astype(np.uint8), np.stack(targets), np.array(majority, np.int64)
    )


def _fetch(name: str, file: str, read: Callable[[str], bytes]) -> bytes:
    try:
        return read(file)
    except (OSError, KeyError) as error:
        raise DatasetError(f"{name} lacks {file}; unpack or make FER+ again.") from error


def _parse_votes(name: str, number: int, row: list[str]) -> npt.NDArray[np.int64]:
    try:
        votes = np.array([int(cell) for cell in row[2:]], np.int64)
    except ValueError:
        votes = np.zeros(0, np.int64)
    if len(votes) != len(_COLUMNS) + 1 or votes.min() < 0:
        raise DatasetError(
            f"Line {number + 1} of {name}/label.csv is not: file name, box, ten vote counts."
        )
    return votes


def _drop_single_votes(votes: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    return np.where(votes > 1, votes, 0)


def to_target(votes: npt.NDArray[np.int64]) -> FloatArray | None:
    """Make a soft target of ten FER+ votes.

    Args:
        votes: ``(10,)`` counts in the order of ``label.csv``.

    Returns:
        ``(9,)`` shares in the order of ``LABELS``, "unknown" counted as uncertain; ``None`` if no
        emotion has more than a single vote.

    Source: microsoft/FERPlus, src/ferplus.py (outlier removal, mode "probability").
    """
    kept = _drop_single_votes(votes)[:-1]
    if not kept.sum():
        return None
    target = np.zeros(len(LABELS), np.float32)
    for word, count in zip(_COLUMNS, kept, strict=True):
        target[LABELS.index(to_emotion(word))] = count
    return np.asarray(target / target.sum(), np.float32)


def find_majority(votes: npt.NDArray[np.int64]) -> int:
    """Apply the official majority rule to ten FER+ votes.

    Single votes are dropped; then the winner needs more than half of what is left, and must be one
    of the eight emotions.

    Args:
        votes: ``(10,)`` counts in the order of ``label.csv``.

    Returns:
        Index into ``LABELS``, or -1 where the rule drops the face.

    Source: microsoft/FERPlus, src/ferplus.py (mode "majority").
    """
    kept = _drop_single_votes(votes)
    winner = int(kept.argmax())
    if 2 * kept[winner] <= kept.sum() or winner >= len(_COLUMNS) - 1:
        return _NO_MAJORITY
    return LABELS.index(to_emotion(_COLUMNS[winner]))
