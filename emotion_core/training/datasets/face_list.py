"""Faces with one label each, collected one by one into a ``FaceSet``."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from emotion_core.training.datasets.face_set import LABELS, NO_CLASS, FaceSet
from emotion_core.training.datasets.image_sources import FileImages

if TYPE_CHECKING:
    from collections.abc import Iterable

    from emotion_core.labels import Emotion, LabelSet
    from emotion_core.training.datasets.face_set import ImageSource
    from emotion_core.types import FloatArray

NOT_RATED = (math.nan, math.nan)


class FaceSetBuilder:
    """Grows by one face at a time.

    Attributes:
        files: Name of each face's image inside the data set.
    """

    def __init__(self) -> None:
        self.files: list[str] = []
        self._emotions: list[Emotion | None] = []
        self._va: list[tuple[float, float]] = []

    def __len__(self) -> int:
        return len(self.files)

    def add(self, file: str, emotion: Emotion | None, va: tuple[float, float] = NOT_RATED) -> None:
        """Add a face.

        Args:
            file: Name of its image inside the data set.
            emotion: ``None`` where nobody named one.
            va: Valence and arousal in [-1, 1]; NaN where nobody rated them.
        """
        self.files.append(file)
        self._emotions.append(emotion)
        self._va.append(va)

    def to_face_set(
        self,
        name: str,
        images: ImageSource | Path,
        classes: LabelSet,
        boxes: FloatArray | None = None,
    ) -> FaceSet:
        """The faces with their images.

        Args:
            name: For a reader, e.g. ``"RAF-DB train"``.
            images: One per face, or the folder of their files.
            boxes: Of faces in files, see ``FileImages``.
            classes: The protocol's; faces of another emotion, such as uncertain, are left out of
                ``majority``.
        """
        targets = np.zeros((len(self), len(LABELS)), np.float32)
        majority = np.full(len(self), NO_CLASS, np.int64)
        for i, emotion in enumerate(self._emotions):
            if emotion is not None:
                targets[i, LABELS.index(emotion)] = 1
            if emotion in classes:
                majority[i] = LABELS.index(emotion)
        va = np.array(self._va, np.float32).reshape(-1, 2)
        if isinstance(images, Path):
            images = FileImages((images / file for file in self.files), boxes)
        return FaceSet(name, images, targets, majority, va, classes, self.files)


def list_names(folder: Path) -> list[str]:
    """The names of what lies in a folder, sorted; quicker than ``Path.iterdir`` for many files."""
    with os.scandir(folder) as entries:
        return sorted(entry.name for entry in entries)


def find_missing(folder: Path, files: Iterable[str]) -> list[str]:
    """Tell which files are not there; folders are listed once each, no file is opened.

    Args:
        folder: Where the files should lie.
        files: Paths inside it.
    """
    listed: dict[str, set[str]] = {}
    missing = []
    for file in files:
        parent, name = os.path.split(file)
        if parent not in listed:
            location = folder / parent
            listed[parent] = set(list_names(location)) if location.is_dir() else set()
        if name not in listed[parent]:
            missing.append(file)
    return missing
