"""AffectNet's release with eight expressions: a picture and some small ``.npy`` files per face."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
from tqdm import tqdm

from emotion_core.errors import DatasetError
from emotion_core.labels import to_label_set
from emotion_core.training.datasets.face_list import FaceSetBuilder, list_names
from emotion_core.training.datasets.face_set import EIGHT_EMOTIONS
from emotion_core.training.datasets.folders import is_picture
from emotion_core.training.datasets.image_sources import FilePictures

if TYPE_CHECKING:
    from emotion_core.training.datasets.face_set import FaceSet

_CODES = to_label_set(
    ["neutral", "happy", "sad", "surprise", "fear", "disgust", "anger", "contempt"]
)
_FOLDERS = MappingProxyType({"train": "train_set", "valid": "val_set"})
_READERS = 8  # threads: reading hundreds of thousands of small files mostly waits for the disk


def has_npy_layout(root: Path) -> bool:
    """Whether a folder holds this release."""
    return any((root / name).is_dir() for name in _FOLDERS.values())


def read_npy_split(root: Path, split: str) -> FaceSet:
    """Read the annotations of one split and list its pictures.

    Args:
        root: Holds ``train_set`` and ``val_set``, each with ``images/N.jpg`` and
            ``annotations/N_exp.npy``, ``N_val.npy`` and ``N_aro.npy``.
        split: ``"train"`` or ``"valid"``.

    Raises:
        DatasetError: Something is missing or not laid out so.
    """
    folder = root / _FOLDERS[split]
    for inner in ("images", "annotations"):
        if not (folder / inner).is_dir():
            raise DatasetError(f"There is no folder {folder / inner}; unpack AffectNet again.")
    files = sorted(filter(is_picture, list_names(folder / "images")), key=_by_number)
    if not files:
        raise DatasetError(f"{folder / 'images'} holds no picture.")
    stems = [str(folder / "annotations" / Path(file).stem) for file in files]
    faces = FaceSetBuilder()
    with ThreadPoolExecutor(_READERS) as pool:
        bar = tqdm(pool.map(_read, stems), total=len(files), unit="face", disable=None, leave=False)
        for file, (code, valence, arousal) in zip(files, bar, strict=True):
            faces.add(f"{folder.name}/images/{file}", _CODES[code], (valence, arousal))
    pictures = FilePictures(root / file for file in faces.files)
    return faces.to_face_set(f"AffectNet {split}", pictures, EIGHT_EMOTIONS)


def _by_number(file: str) -> tuple[int, str]:
    stem = Path(file).stem
    return (int(stem), file) if stem.isdecimal() else (-1, file)


def _read(stem: str) -> tuple[int, float, float]:
    code = _read_number(f"{stem}_exp.npy")
    if code not in range(len(_CODES)):
        raise DatasetError(f"{stem}_exp.npy holds {code}, not a number from 0 to 7.")
    return int(code), _read_rating(f"{stem}_val.npy"), _read_rating(f"{stem}_aro.npy")


def _read_rating(path: str) -> float:
    value = _read_number(path)
    if value == -2:  # not rated
        return math.nan
    if not -1 <= value <= 1:
        raise DatasetError(f"{path} holds {value}, which is neither -2 nor in [-1, 1].")
    return value


def _read_number(path: str) -> float:
    """The one number in a file, which may be stored as text."""
    try:
        return float(np.load(path, allow_pickle=False).item())
    except FileNotFoundError as error:
        raise DatasetError(f"There is no file {path}; unpack AffectNet again.") from error
    except (ValueError, EOFError, OSError) as error:
        raise DatasetError(f"{path} does not hold one number ({error}).") from error
