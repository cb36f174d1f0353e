"""The faces of a run: data sets to learn from, and held-out faces for validation."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from emotion_core.errors import DatasetError
from emotion_core.training.datasets import read_faces
from emotion_core.training.datasets.image_sources import join_faces, take_faces
from emotion_core.training.datasets.splits import SplitMissingError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from emotion_core.training.datasets.face_set import FaceSet
    from emotion_core.training.emotion.config import TrainConfig

_LOG = logging.getLogger(__name__)

_HELD_OUT_SHARE = 0.1


@dataclass(frozen=True, slots=True)
class DatasetSource:
    """A data set as a user names it.

    Attributes:
        dataset: Name of its reader.
        root: Its folder or file.
        split: ``"train"``, ``"valid"`` or ``"test"``.
    """

    dataset: str
    root: Path
    split: str = "train"

    def read(self) -> FaceSet:
        """Reads the faces; raises ``DatasetError`` as its reader does."""
        return read_faces(self.dataset, self.root, self.split)


def read_sources(
    main: DatasetSource,
    also: Sequence[DatasetSource],
    valid: DatasetSource | None,
    config: TrainConfig,
    label: Callable[[FaceSet], FaceSet] = lambda faces: faces,
) -> tuple[FaceSet, FaceSet]:
    """Reads the faces that a run learns from and those that it is validated on.

    Args:
        main: The first data set.
        also: Further ones to learn from; one that is given three times counts three times.
        valid: For validation; by default the "valid" split of ``main``, else its "test" split, else
            a tenth of it, drawn by the seed.
        config: Has the seed, and whether ratings of valence and arousal are used.
        label: Adds what teachers say of the faces of each data set to learn from.

    Returns:
        Training faces, without those that teach nothing, and held-out faces.

    Raises:
        DatasetError: A data set is not laid out as its reader expects, or has no usable face.
    """
    first = main.read()
    if valid is None:
        first, held_out = _hold_out(main, first, config.seed)
    else:
        held_out = valid.read()
    others = {source: label(source.read()) for source in dict.fromkeys(also)}
    sets = [label(first), *(others[source] for source in also)]
    faces = join_faces(sets) if also else sets[0]
    return _drop_unlabelled(faces, config), held_out


def _hold_out(main: DatasetSource, faces: FaceSet, seed: int) -> tuple[FaceSet, FaceSet]:
    """Finds faces for validation, and logs it if they are not the "valid" split."""
    for split in ("valid", "test"):
        try:
            found = DatasetSource(main.dataset, main.root, split).read()
        except SplitMissingError:
            continue
        if split == "test":
            _LOG.info("There is no valid split; validating on the test split.")
        return faces, found
    if len(faces) < 2:
        raise DatasetError(f"{faces.name} has too few faces to set some aside; give --valid.")
    order = np.random.default_rng(seed).permutation(len(faces))
    n = max(1, round(len(faces) * _HELD_OUT_SHARE))
    _LOG.info("There is no valid or test split; validating on %d faces drawn by the seed.", n)
    chosen, rest = np.sort(order[:n]), np.sort(order[n:])
    return take_faces(faces, rest), take_faces(faces, chosen)


def _drop_unlabelled(faces: FaceSet, config: TrainConfig) -> FaceSet:
    """Keeps faces with a label or a rating; with a teacher all, since it labels them."""
    of_use = faces.targets.any(axis=1) | bool(config.teacher)
    if config.has_va:
        of_use |= ~np.isnan(faces.va).any(axis=1)
    if faces.actions is not None:
        of_use |= ~np.isnan(faces.actions).any(axis=1)
    if not of_use.any():
        raise DatasetError(f"{faces.name} holds no face with a label to learn from.")
    return faces if of_use.all() else take_faces(faces, np.flatnonzero(of_use))
