"""AffectNet: the first release with its CSV files, and the later one with a file per number."""

from __future__ import annotations

import csv
import math
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
from tqdm import tqdm

from emotion_core.errors import DatasetError
from emotion_core.labels import Emotion, to_label_set
from emotion_core.training.datasets.face_list import FaceSetBuilder, find_missing, list_names
from emotion_core.training.datasets.face_set import EIGHT_EMOTIONS
from emotion_core.training.datasets.folders import is_image_file
from emotion_core.training.datasets.splits import SplitMissingError
from emotion_core.training.datasets.tables import open_table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from emotion_core.training.datasets.face_set import FaceSet

_EIGHT = to_label_set(
    ["neutral", "happy", "sad", "surprise", "fear", "disgust", "anger", "contempt"]
)
_CODES = (*_EIGHT, Emotion.UNCERTAIN, Emotion.UNCERTAIN)  # "none" of the eight, and "uncertain"
"""Emotions by their number; 10 means that there is no face."""

_NO_FACE = 10
_NOT_RATED = -2
_COLUMNS = 9  # path, four of the box, 68 landmarks, expression, valence, arousal
_TABLES = MappingProxyType({"train": "training.csv", "valid": "validation.csv"})
_FOLDERS = MappingProxyType({"train": "train_set", "valid": "val_set"})  # of the later release
_READERS = 8  # threads: reading hundreds of thousands of small files mostly waits for the disk
_HOW = "AffectNet is given to researchers who ask for it on mohammadmahoor.com/affectnet."


def read_affectnet(root: Path, split: str) -> FaceSet:
    """Reads one split of the manually annotated part of AffectNet.

    In the first release, faces labelled "none" or "uncertain" become uncertain, images without a
    face are left out, and the given box is cut from each image.

    Args:
        root: Holds ``training.csv`` and ``validation.csv`` (or the folder
            ``Manually_Annotated_file_lists`` that does) and ``Manually_Annotated_Images``, each
            also below ``Manually_Annotated``; or, of the later release with eight expressions,
            ``train_set`` and ``val_set``.
        split: ``"train"`` or ``"valid"``.

    Raises:
        SplitMissingError: The split is another.
        DatasetError: Something is missing or laid out differently.
    """
    if split not in _TABLES:
        raise SplitMissingError(
            f"AffectNet has no split {split!r}: its test set is not public, results are reported "
            "on valid."
        )
    if any((root / name).is_dir() for name in _FOLDERS.values()):
        return _read_npy_split(root, split)
    return _read_part(root, "Manually_Annotated", _TABLES[split], f"AffectNet {split}")


def read_affectnet_automatic(root: Path, split: str) -> FaceSet:
    """Reads the automatically annotated part of AffectNet, which is for training only.

    Args:
        root: Holds ``automatically_annotated.csv`` (or the folder
            ``Automatically_Annotated_file_lists`` that does) and
            ``Automatically_Annotated_Images``, each also below ``Automatically_Annotated``.
        split: ``"train"``.

    Raises:
        SplitMissingError: The split is another.
        DatasetError: Something is missing or laid out differently.
    """
    if split != "train":
        raise SplitMissingError(
            f"The automatically annotated part of AffectNet has no split {split!r}, only train; "
            "use the data set affectnet to validate."
        )
    table = "automatically_annotated.csv"
    return _read_part(root, "Automatically_Annotated", table, "AffectNet automatic train")


def _read_part(root: Path, part: str, table: str, name: str) -> FaceSet:
    images = f"{part}_Images"
    homes, low = [root, root / part], part.capitalize()
    # Copies of the release differ in the name of the folder of their CSV files.
    lists = ("", f"{part}_file_lists", f"{low}_file_lists", f"{low}_file_list")
    path = _find(
        [home / folder / table for home in homes for folder in lists],
        f"{root} holds neither {table} nor {part}_file_lists/{table}, nor the folder train_set of "
        f"the later release. {_HOW}",
    )
    folder = _find(
        [home / inner for home in homes for inner in (f"{images}/{images}", images)],
        f"{root} holds neither {images} nor {part}/{images}; unpack the images there. {_HOW}",
    )
    faces, boxes = FaceSetBuilder(), []
    for location, cells in _iter_cells(path):
        code = _to_code(cells[6], location)
        if code != _NO_FACE:
            va = (_to_rating(cells[7], location), _to_rating(cells[8], location))
            faces.add(cells[0], _CODES[code], va)
            boxes.append(_to_box(cells[1:5], location))
    if not faces:
        raise DatasetError(f"{path} lists no face.")
    missing = find_missing(folder, faces.files)
    if missing:
        raise DatasetError(
            f"{folder} lacks {missing[0]} ({len(missing)} of {len(faces)} are missing); unpack all "
            "parts of the archive."
        )
    return faces.to_face_set(name, folder, EIGHT_EMOTIONS, np.array(boxes, np.float32))


def _find(candidates: list[Path], message: str) -> Path:
    for path in candidates:
        if path.exists():
            return path
    raise DatasetError(message)


def _iter_cells(path: Path) -> Iterator[tuple[str, list[str]]]:
    """Yields lines with their location; only some copies of the release have a heading."""
    with open_table(path) as file:
        reader = csv.reader(file)
        for cells in reader:
            location = f"Line {reader.line_num} of {path.name}"
            if cells and cells[0] != "subDirectory_filePath":
                if len(cells) != _COLUMNS:
                    raise DatasetError(f"{location} has {len(cells)} columns, not {_COLUMNS}.")
                yield location, cells


def _to_code(text: str, location: str) -> int:
    if text not in [str(code) for code in range(_NO_FACE + 1)]:
        raise DatasetError(f"{location}: expression must be 0 to {_NO_FACE}, not {text!r}.")
    return int(text)


def _to_rating(text: str | float, location: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if value == _NOT_RATED:
        return math.nan
    if not -1 <= value <= 1:
        raise DatasetError(
            f"{location}: valence and arousal must be -2 or lie in [-1, 1], not {text}."
        )
    return value


def _to_box(cells: list[str], location: str) -> tuple[float, float, float, float]:
    """The box as x1, y1, x2, y2; NaN if a side is below 1 px, which stands for no face."""
    try:
        x, y, width, height = map(float, cells)
    except ValueError as error:
        raise DatasetError(f"{location}: the box of the face must be four numbers.") from error
    if width < 1 or height < 1:
        return (math.nan, math.nan, math.nan, math.nan)
    return (x, y, x + width, y + height)


def _read_npy_split(root: Path, split: str) -> FaceSet:
    """Reads the later release, with ``images/N.jpg`` and ``annotations/N_exp.npy`` etc."""
    folder = root / _FOLDERS[split]
    for inner in ("images", "annotations"):
        if not (folder / inner).is_dir():
            raise DatasetError(f"There is no folder {folder / inner}; unpack AffectNet again.")
    files = sorted(filter(is_image_file, list_names(folder / "images")), key=_by_number)
    if not files:
        raise DatasetError(f"{folder / 'images'} holds no image.")
    stems = [str(folder / "annotations" / Path(file).stem) for file in files]
    faces = FaceSetBuilder()
    with ThreadPoolExecutor(_READERS) as pool:
        bar = tqdm(pool.map(_read, stems), total=len(files), unit="face", disable=None, leave=False)
        for file, (code, valence, arousal) in zip(files, bar, strict=True):
            faces.add(f"{folder.name}/images/{file}", _CODES[code], (valence, arousal))
    return faces.to_face_set(f"AffectNet {split}", root, EIGHT_EMOTIONS)


def _by_number(file: str) -> tuple[int, str]:
    stem = Path(file).stem
    return (int(stem), file) if stem.isdecimal() else (-1, file)


def _read(stem: str) -> tuple[int, float, float]:
    code = _read_number(f"{stem}_exp.npy")
    if code not in range(len(_EIGHT)):
        raise DatasetError(f"{stem}_exp.npy holds {code}, not a number from 0 to 7.")
    paths = (f"{stem}_val.npy", f"{stem}_aro.npy")
    valence, arousal = (_to_rating(_read_number(path), path) for path in paths)
    return int(code), valence, arousal


def _read_number(path: str) -> float:
    """The one number in a file, which may be stored as text."""
    try:
        return float(np.load(path, allow_pickle=False).item())
    except FileNotFoundError as error:
        raise DatasetError(f"There is no file {path}; unpack AffectNet again.") from error
    except (ValueError, EOFError, OSError) as error:
        raise DatasetError(f"{path} does not hold one number ({error}).") from error
