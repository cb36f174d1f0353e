"""FER+: the images of FER2013 with ten people's votes each."""

from __future__ import annotations

import csv
import io
import zipfile
import zlib
from types import MappingProxyType
from typing import TYPE_CHECKING

import cv2
import numpy as np
import numpy.typing as npt

from emotion_core.errors import DatasetError
from emotion_core.labels import to_label_set
from emotion_core.training.datasets.face_set import EIGHT_EMOTIONS, LABELS, NO_CLASS, FaceSet
from emotion_core.training.datasets.image_sources import ArrayImages
from emotion_core.training.datasets.splits import SplitMissingError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from emotion_core.types import FloatArray

_COLUMNS = to_label_set(
    ["neutral", "happy", "surprise", "sad", "anger", "disgust", "fear", "contempt", "unknown"]
)
"""Votes in FER+'s ``label.csv`` after file name and box; the last column, not a face, follows."""

_FOLDERS = MappingProxyType(
    {"train": "FER2013Train", "valid": "FER2013Valid", "test": "FER2013Test"}
)
_SIDE_PX = 48


def read_ferplus(root: Path, split: str) -> FaceSet:
    """Reads one split of FER+ into memory: all faces with a vote left after ``_drop_single_votes``.

    Args:
        root: Holds ``FER2013Train``, ``FER2013Valid`` and ``FER2013Test`` as folders or zip files,
            each with ``label.csv`` and its images of 48x48 pixels.
        split: ``"train"``, ``"valid"`` or ``"test"``.

    Raises:
        SplitMissingError: There are other splits, but not this one.
        DatasetError: Something is missing or laid out differently.
    """
    if split not in _FOLDERS:
        raise SplitMissingError(f"FER+ has no split {split!r}; it has train, valid and test.")
    name = _FOLDERS[split]
    if (root / name).is_dir():
        return _read_split(name, lambda file: (root / name / file).read_bytes())
    archive = root / f"{name}.zip"
    if not archive.is_file():
        others = [path for other in _FOLDERS.values() for path in root.glob(f"{other}*")]
        raise (SplitMissingError if others else DatasetError)(
            f"{root} holds neither a folder {name} nor {name}.zip; FER+ is made by the scripts of "
            "github.com/microsoft/FERPlus from Kaggle's fer2013.csv."
        )
    try:
        with zipfile.ZipFile(archive) as opened:
            return _read_split(name, lambda file: opened.read(f"{name}/{file}"))
    except (zipfile.BadZipFile, zlib.error, RuntimeError) as error:  # the last if encrypted
        raise DatasetError(f"{archive} is not a readable zip file.") from error


def _read_split(name: str, read: Callable[[str], bytes]) -> FaceSet:
    files, faces, targets, majority = [], [], [], []
    for number, row in enumerate(csv.reader(io.StringIO(_read_table(name, read)))):
        votes = _parse_votes(name, number, row)
        target = to_target(votes)
        if target is None:
            continue
        files.append(f"{name}/{row[0]}")
        faces.append(_decode(files[-1], _fetch(name, row[0], read)))
        targets.append(target)
        majority.append(find_majority(votes))
    if not faces:
        raise DatasetError(f"{name}/label.csv names no face with votes.")
    return FaceSet(
        name=f"FER+ {name.removeprefix('FER2013')}",
        images=ArrayImages(np.stack(faces)),
        targets=np.stack(targets),
        majority=np.array(majority, np.int64),
        va=np.full((len(faces), 2), np.nan, np.float32),
        classes=EIGHT_EMOTIONS,
        files=files,
    )


def _read_table(name: str, read: Callable[[str], bytes]) -> str:
    try:
        return _fetch(name, "label.csv", read).decode()
    except UnicodeDecodeError as error:
        raise DatasetError(f"{name}/label.csv is not text in UTF-8 ({error}).") from error


def _decode(file: str, data: bytes) -> npt.NDArray[np.uint8]:
    face = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE) if data else None
    if face is None or face.shape != (_SIDE_PX, _SIDE_PX):
        raise DatasetError(f"{file} is not an image of 48x48 pixels.")
    return np.asarray(face, np.uint8)


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
    """Makes a soft target of ten FER+ votes ``(10,)``, in the order of ``label.csv``.

    Returns:
        ``(9,)`` shares in the order of ``LABELS``, "unknown" counted as uncertain; ``None`` if no
        emotion has more than a single vote.

    Source: microsoft/FERPlus, src/ferplus.py (outlier removal, mode "probability").
    """
    kept = _drop_single_votes(votes)[:-1]
    if not kept.sum():
        return None
    target = np.zeros(len(LABELS), np.float32)
    target[[LABELS.index(emotion) for emotion in _COLUMNS]] = kept
    return np.asarray(target / target.sum(), np.float32)


def find_majority(votes: npt.NDArray[np.int64]) -> int:
    """Applies the official majority rule to ten FER+ votes ``(10,)`` in the order of ``label.csv``.

    Single votes are dropped; then the winner needs more than half of what is left, and must be one
    of the eight emotions.

    Returns:
        Index into ``LABELS``, or ``NO_CLASS`` where the rule drops the face.

    Source: microsoft/FERPlus, src/ferplus.py (mode "majority").
    """
    kept = _drop_single_votes(votes)
    winner = int(kept.argmax())
    if 2 * kept[winner] <= kept.sum() or winner >= len(_COLUMNS) - 1:
        return NO_CLASS
    return LABELS.index(_COLUMNS[winner])
