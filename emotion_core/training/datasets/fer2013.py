"""FER2013 as Kaggle publishes it: one CSV file of pixels, or folders of images."""

from __future__ import annotations

from pathlib import Path, PurePath
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from emotion_core.errors import DatasetError
from emotion_core.labels import to_label_set
from emotion_core.training.datasets.face_list import FaceSetBuilder
from emotion_core.training.datasets.face_set import LABELS
from emotion_core.training.datasets.folders import iter_folder_images
from emotion_core.training.datasets.image_sources import ArrayImages
from emotion_core.training.datasets.splits import SplitMissingError
from emotion_core.training.datasets.tables import iter_rows

if TYPE_CHECKING:
    import numpy.typing as npt

    from emotion_core.training.datasets.face_set import FaceSet
    from emotion_core.training.datasets.tables import TableRow

_CODES = to_label_set(["angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"])
"""Emotions by their number in the CSV file."""

_CLASSES = tuple(label for label in LABELS if label in _CODES)
_TABLES = ("fer2013.csv", "fer2013/fer2013.csv", "icml_face_data.csv")
_USAGES = MappingProxyType({"train": "Training", "valid": "PublicTest", "test": "PrivateTest"})
_FOLDERS = MappingProxyType(
    {"train": ("train",), "valid": ("valid", "val", "validation"), "test": ("test",)}
)
_SIDE_PX = 48


def read_fer2013(root: Path, split: str) -> FaceSet:
    """Reads one split of FER2013.

    Args:
        root: Holds ``fer2013.csv`` or ``icml_face_data.csv``, whose public test is the split
            ``"valid"`` and whose private test is ``"test"``; or ``train/`` and ``test/`` with a
            folder of images per emotion. There, images named after the public or the private test
            are split likewise, unless there is a folder ``valid``.
        split: ``"train"``, ``"valid"`` or ``"test"``.

    Raises:
        SplitMissingError: There is no such split.
        DatasetError: Something is missing or laid out differently.
    """
    if split not in _USAGES:
        raise SplitMissingError(f"FER2013 has no split {split!r}; it has train, valid and test.")
    for name in _TABLES:
        if (root / name).is_file():
            return _read_table(root / name, split)
    if (root / "train").is_dir() or (root / "test").is_dir():
        return _read_folders(root, split)
    raise DatasetError(
        f"{root} holds neither {_TABLES[0]} nor {_TABLES[2]} nor folders train and test; "
        "python -m emotion_core data download fer2013 fetches it from Kaggle."
    )


def _read_table(path: Path, split: str) -> FaceSet:
    faces, pixels = FaceSetBuilder(), []
    for row in iter_rows(path, ["emotion", "pixels", "usage"]):
        usage = row.cells["usage"]
        if usage not in _USAGES.values():
            raise DatasetError(
                f"{row.location}: Usage must be one of {', '.join(_USAGES.values())}, "
                f"not {usage!r}."
            )
        if usage == _USAGES[split]:
            code = row.cells["emotion"]
            if code not in [str(i) for i in range(len(_CODES))]:
                raise DatasetError(f"{row.location}: emotion must be 0 to 6, not {code!r}.")
            faces.add(row.location, _CODES[int(code)])
            pixels.append(_to_face(row))
    if not faces:
        raise DatasetError(f"{path} has no line whose Usage is {_USAGES[split]}.")
    return faces.to_face_set(f"FER2013 {split}", ArrayImages(np.stack(pixels)), _CLASSES)


def _to_face(row: TableRow) -> npt.NDArray[np.uint8]:
    try:
        values = bytes(map(int, row.cells["pixels"].split()))
    except ValueError:
        values = b""
    if len(values) != _SIDE_PX**2:
        raise DatasetError(f"{row.location}: pixels must be 2304 numbers from 0 to 255.")
    return np.frombuffer(values, np.uint8).reshape(_SIDE_PX, _SIDE_PX)


def _read_folders(root: Path, split: str) -> FaceSet:
    folder = next((root / name for name in _FOLDERS[split] if (root / name).is_dir()), None)
    has_valid = any((root / name).is_dir() for name in _FOLDERS["valid"])
    if folder is None and split == "valid":
        folder = root / "test"  # the public test lies there, too
    if folder is None or not folder.is_dir():
        raise SplitMissingError(f"{root} has no folder {split}.")
    faces = FaceSetBuilder()
    for file, emotion in iter_folder_images(folder):
        if split == "train" or has_valid or _is_of(split, file):
            faces.add(f"{folder.name}/{file}", emotion)
    if split == "valid" and not faces:
        raise SplitMissingError(
            f"{root} has no folder valid, and no file in test is named {_USAGES[split]}_*."
        )
    if not faces:
        raise DatasetError(f"{folder} holds no image in folders named after emotions.")
    return faces.to_face_set(f"FER2013 {split}", root, _CLASSES)


def _is_of(split: str, file: str) -> bool:
    """Whether a file of the folder test belongs to a split, judged by its name."""
    return PurePath(file).name.startswith(_USAGES["valid"]) == (split == "valid")
