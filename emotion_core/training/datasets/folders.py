"""A folder of images for each emotion."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from emotion_core.errors import DatasetError
from emotion_core.imaging.codec import SUFFIXES
from emotion_core.labels import Emotion, to_emotion
from emotion_core.training.datasets.face_list import FaceSetBuilder
from emotion_core.training.datasets.face_set import LABELS
from emotion_core.training.datasets.splits import ALL, SplitMissingError, is_split, to_split

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from emotion_core.training.datasets.face_set import FaceSet


def read_folders(root: Path, split: str) -> FaceSet:
    """Reads images from folders named after emotions.

    Args:
        root: Holds ``<emotion>/`` folders of images, or ``train/``, ``valid/`` (also ``val/``,
            ``validation/``) and ``test/``, each with such folders.
        split: Which one, or ``"all"``. A tree without splits can be read as ``"train"`` and as
            ``"all"``.

    Returns:
        Faces by emotion, then by name; ``classes`` are the emotions with a folder in any split.

    Raises:
        SplitMissingError: The tree has no such split.
        DatasetError: There is no image, or a folder is not named after an emotion.
    """
    chosen = _choose(root, split)
    faces = FaceSetBuilder()
    for folder in chosen:
        for file, emotion in iter_folder_images(folder):
            faces.add(os.path.relpath(folder / file, root), emotion)
    if not faces:
        raise DatasetError(
            f"{root} holds no image; it needs a folder of images for each emotion, such as "
            f"{Path('happiness') / '1.jpg'}, or train, valid and test with such folders in them."
        )
    trees = [root / name for names in _split_folders(root).values() for name in names] or [root]
    found = {emotion for tree in trees for _, emotion in list_classes(tree)}
    classes = tuple(e for e in LABELS if e in found and e is not Emotion.UNCERTAIN)
    return faces.to_face_set(f"{root.resolve().name} {split}", root, classes)


def iter_folder_images(folder: Path) -> Iterator[tuple[str, Emotion]]:
    """Yields the images in or below a folder's emotion folders, as paths in it, sorted by name.

    Raises:
        DatasetError: A folder is not named after an emotion.
    """
    for name, emotion in list_classes(folder):
        for parent, inner, files in os.walk(folder / name):
            inner[:] = sorted(i for i in inner if not _is_hidden(i))
            for file in sorted(files):
                if is_image_file(file):
                    yield os.path.relpath(Path(parent) / file, folder), emotion


def list_classes(folder: Path) -> list[tuple[str, Emotion]]:
    """Lists the folders in a folder with the emotions that they are named after.

    Raises:
        DatasetError: A folder is not named after an emotion.
    """
    try:
        return [(name, to_emotion(name)) for name in _list_folders(folder)]
    except ValueError as error:
        raise DatasetError(
            f"{folder} must hold folders that are named after emotions: {error}"
        ) from error


def is_image_file(file: str) -> bool:
    """Whether a file name is that of a visible image."""
    return not _is_hidden(file) and Path(file).suffix[1:].lower() in SUFFIXES


def _choose(root: Path, split: str) -> Sequence[Path]:
    """The folders that hold the emotion folders of a split."""
    splits = _split_folders(root)
    if not splits:
        if split not in (ALL, "train"):
            raise SplitMissingError(
                f"{root} is not split into train, valid and test; read all of it as the split "
                f"{ALL!r}, or put its emotion folders into such folders."
            )
        return [root]
    if split != ALL and split not in splits:
        raise SplitMissingError(f"{root} has no split {split!r}; it has: {', '.join(splits)}.")
    chosen = splits if split == ALL else [split]
    return [root / name for one in chosen for name in splits[one]]


def _split_folders(root: Path) -> dict[str, list[str]]:
    """Folders by the split that they are named after."""
    found: dict[str, list[str]] = {}
    for name in _list_folders(root):
        if is_split(name):
            found.setdefault(to_split(name), []).append(name)
    return found


def _list_folders(folder: Path) -> list[str]:
    if not folder.is_dir():
        raise DatasetError(f"There is no folder {folder}.")
    return sorted(e.name for e in os.scandir(folder) if e.is_dir() and not _is_hidden(e.name))


def _is_hidden(name: str) -> bool:
    return name.startswith((".", "__"))  # __MACOSX and the like
