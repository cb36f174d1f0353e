"""RAF-DB, the part with basic emotions."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from emotion_core.errors import DatasetError
from emotion_core.labels import Emotion
from emotion_core.training.datasets.face_list import FaceSetBuilder, find_missing, list_names
from emotion_core.training.datasets.face_set import LABELS
from emotion_core.training.datasets.folders import is_image_file
from emotion_core.training.datasets.splits import SplitMissingError
from emotion_core.training.datasets.tables import open_table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from emotion_core.training.datasets.face_set import FaceSet

_EMOTIONS = MappingProxyType(
    {
        "1": Emotion.SURPRISE,
        "2": Emotion.FEAR,
        "3": Emotion.DISGUST,
        "4": Emotion.HAPPINESS,
        "5": Emotion.SADNESS,
        "6": Emotion.ANGER,
        "7": Emotion.NEUTRAL,
    }
)
"""Source: the data set's readme, and S. Li et al., "Reliable Crowdsourcing and Deep
Locality-Preserving Learning for Expression Recognition in the Wild", CVPR 2017."""

_CLASSES = tuple(label for label in LABELS if label in _EMOTIONS.values())
_LIST = Path("EmoLabel", "list_patition_label.txt")  # spelt so by its authors
_ALIGNED = Path("Image", "aligned")


def read_rafdb(root: Path, split: str) -> FaceSet:
    """Reads one split of RAF-DB's basic emotions.

    Args:
        root: The folder ``basic`` or its parent, with ``EmoLabel/list_patition_label.txt`` and
            ``Image/aligned/``; or Kaggle's form, ``DATASET/train/1`` to ``DATASET/test/7``.
        split: ``"train"`` or ``"test"``.

    Raises:
        SplitMissingError: The split is another.
        DatasetError: Something is missing or laid out differently.
    """
    if split not in ("train", "test"):
        raise SplitMissingError(
            f"RAF-DB has no split {split!r}; it has train and test, and results are reported on "
            "test."
        )
    for folder in (root, root / "basic"):
        if (folder / _LIST).is_file():
            return _read_official(folder, split)
    for folder in (root, root / "DATASET"):
        if (folder / split / "1").is_dir():
            return _read_folders(folder, split)
    raise DatasetError(
        f"{root} holds neither {_LIST} nor DATASET/{split}/1; RAF-DB is given to researchers who "
        "ask for it on www.whdeng.cn/RAF/model1.html: unpack its part basic."
    )


def _read_official(folder: Path, split: str) -> FaceSet:
    faces = FaceSetBuilder()
    for name, emotion in _iter_labels(folder / _LIST):
        if name.startswith(f"{split}_"):
            faces.add(f"{name.removesuffix('.jpg')}_aligned.jpg", emotion)
    if not faces:
        raise DatasetError(f"{folder / _LIST} names no image of the split {split}.")
    missing = find_missing(folder / _ALIGNED, faces.files)
    if missing:
        raise DatasetError(
            f"{folder / _ALIGNED} lacks {missing[0]} ({len(missing)} of {len(faces)} are missing); "
            "unpack Image/aligned.zip there."
        )
    return faces.to_face_set(f"RAF-DB {split}", folder / _ALIGNED, _CLASSES)


def _iter_labels(path: Path) -> Iterator[tuple[str, Emotion]]:
    with open_table(path) as file:
        for number, line in enumerate(file, start=1):
            words = line.split()
            if not words:
                continue
            if len(words) != 2 or words[1] not in _EMOTIONS:
                raise DatasetError(
                    f"Line {number} of {path.name} is not: file name, a number from 1 to 7."
                )
            yield words[0], _EMOTIONS[words[1]]


def _read_folders(folder: Path, split: str) -> FaceSet:
    faces = FaceSetBuilder()
    for number, emotion in _EMOTIONS.items():
        class_folder = folder / split / number
        if not class_folder.is_dir():
            raise DatasetError(f"{folder / split} has no folder {number} ({emotion}).")
        for file in list_names(class_folder):
            if is_image_file(file):
                faces.add(f"{split}/{number}/{file}", emotion)
    if not faces:
        raise DatasetError(f"{folder / split} holds no image.")
    return faces.to_face_set(f"RAF-DB {split}", folder, _CLASSES)
