"""Readers of emotion data sets, each in its official layout."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from emotion_core.errors import DatasetError
from emotion_core.training.datasets.affectnet import read_affectnet, read_affectnet_automatic
from emotion_core.training.datasets.fairface import read_fairface
from emotion_core.training.datasets.fer2013 import read_fer2013
from emotion_core.training.datasets.ferplus import read_ferplus
from emotion_core.training.datasets.folders import read_folders
from emotion_core.training.datasets.label_file import read_label_file
from emotion_core.training.datasets.rafdb import read_rafdb
from emotion_core.training.datasets.splits import to_split

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from emotion_core.training.datasets.face_set import FaceSet

READERS: Mapping[str, Callable[[Path, str], FaceSet]] = MappingProxyType(
    {
        "ferplus": read_ferplus,
        "fer2013": read_fer2013,
        "rafdb": read_rafdb,
        "fairface": read_fairface,
        "affectnet": read_affectnet,
        "affectnet-automatic": read_affectnet_automatic,
        "folders": read_folders,
        "csv": read_label_file,
    }
)
"""Readers by the name that users type; see ``read_faces``."""


def read_faces(dataset: str, root: Path, split: str) -> FaceSet:
    """Reads one split of a data set.

    Args:
        dataset: A name in ``READERS``, in any case.
        root: Folder of the data set, as published; for ``csv`` also the file.
        split: ``"train"``, ``"valid"``, ``"test"`` or a synonym, in any case; ``"all"`` for
            ``folders`` and ``csv``.

    Raises:
        SplitMissingError: The data set exists but has no such split.
        DatasetError: There is no such data set, or its layout is not the published one.
    """
    reader = READERS.get(dataset.lower())
    if reader is None:
        raise DatasetError(f"There is no data set {dataset!r}; there are: {', '.join(READERS)}.")
    if not root.exists():
        raise DatasetError(f"There is no folder {root}; give the folder that holds {dataset}.")
    return reader(root, to_split(split))
