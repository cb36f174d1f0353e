"""Faces with one label each, collected one by one into a ``FaceSet``."""

from __future__ import annotations

import math
import os
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from emotion_core.training.datasets.face_set import LABELS, NO_CLASS, FaceSet
from emotion_core.training.datasets.image_sources import FileImages

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from emotion_core.labels import Emotion, LabelSet
    from emotion_core.training.datasets.face_set import ImageSource
    from emotion_core.types import FloatArray

NOT_RATED = (math.nan, math.nan)
_NO_SHARES: Mapping[Emotion, float] = MappingProxyType({})


class FaceSetBuilder:
    """Collects faces one by one.

    Attributes:
        files: Name of each face's image inside the data set.
    """

    def __init__(self) -> None:
        self.files: list[str] = []
        self._emotions: list[Emotion | None] = []
        self._shares: list[Mapping[Emotion, float]] = []
        self._va: list[tuple[float, float]] = []

    def __len__(self) -> int:
        return len(self.files)

    def add(
        self,
        file: str,
        emotion: Emotion | None,
        va: tuple[float, float] = NOT_RATED,
        shares: Mapping[Emotion, float] = _NO_SHARES,
    ) -> None:
        """Adds a face.

        Args:
            file: Name of its image inside the data set.
            emotion: ``None`` if it has no label.
            va: Valence and arousal in [-1, 1]; NaN if unrated.
            shares: Each emotion's share of the votes; by default all of them are for ``emotion``.
        """
        self.files.append(file)
        self._emotions.append(emotion)
        self._shares.append(shares or ({} if emotion is None else {emotion: 1.0}))
        self._va.append(va)

    def to_face_set(
        self,
        name: str,
        images: ImageSource | Path,
        classes: LabelSet,
        boxes: FloatArray | None = None,
    ) -> FaceSet:
        """Builds the ``FaceSet``.

        Args:
            name: For people, e.g. ``"RAF-DB train"``.
            images: One per face, or the folder of their files.
            boxes: Of faces in files, see ``FileImages``.
            classes: Of the protocol; faces of other emotions, such as uncertain, have no
                ``majority``.
        """
        targets = np.zeros((len(self), len(LABELS)), np.float32)
        majority = np.full(len(self), NO_CLASS, np.int64)
        for i, (emotion, shares) in enumerate(zip(self._emotions, self._shares, strict=True)):
            for voted, share in shares.items():
                targets[i, LABELS.index(voted)] = share
            if emotion in classes:
                majority[i] = LABELS.index(emotion)
        va = np.array(self._va, np.float32).reshape(-1, 2)
        if isinstance(images, Path):
            images = FileImages((images / file for file in self.files), boxes)
        return FaceSet(name, images, targets, majority, va, classes, self.files)


def list_names(folder: Path) -> list[str]:
    """Sorted names of a folder's entries; faster than ``Path.iterdir`` for many files."""
    with os.scandir(folder) as entries:
        return sorted(entry.name for entry in entries)


def find_missing(folder: Path, files: Iterable[str]) -> list[str]:
    """Which of the files are missing in a folder; folders are listed once, no file is opened."""
    listed: dict[str, set[str]] = {}
    missing = []
    for file in files:
        parent, name = os.path.split(file)
        if parent not in listed:
            path = folder / parent
            listed[parent] = set(list_names(path)) if path.is_dir() else set()
        if name not in listed[parent]:
            missing.append(file)
    return missing
