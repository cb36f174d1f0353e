"""The faces of labelled photos and videos, as features of the network to adapt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from tqdm import tqdm

from emotion_core.adaptation.fit import LabelledFeatures
from emotion_core.training.datasets.labelled_images import (
    find_labelled_face,
    iter_labelled_images,
)
from emotion_core.training.datasets.photo_labels import to_truth
from emotion_core.types import DEFAULT_OPTIONS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from emotion_core.adaptation.network import BaseNetwork
    from emotion_core.detection.paired import Detector
    from emotion_core.training.datasets.face_set import FaceSet
    from emotion_core.training.datasets.photo_labels import PhotoLabel
    from emotion_core.types import FloatArray


@dataclass(frozen=True, eq=False, slots=True)
class LabelledFaces:
    """Labelled faces that were found, and those that were not.

    Attributes:
        labels: Of the N faces that were found.
        truth: The same as ground truth for metrics.
        features: ``(N, D)`` of the network.
        no_face: Photos in which a labelled face was not found.
        unreadable: Photos that cannot be read, with the reason.
    """

    labels: Sequence[PhotoLabel]
    truth: FaceSet
    features: FloatArray
    no_face: tuple[str, ...] = ()
    unreadable: tuple[tuple[str, str], ...] = ()

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def units(self) -> list[str]:
        """The person, or else the photo, of each face."""
        return [label.unit for label in self.labels]

    @property
    def evidence(self) -> LabelledFeatures:
        """What a fit needs of them."""
        return LabelledFeatures(self.features, self.truth.majority, self.truth.va, self.units)


def make_labelled_faces(
    labels: Sequence[PhotoLabel],
    features: FloatArray,
    no_face: Sequence[str] = (),
    unreadable: Sequence[tuple[str, str]] = (),
) -> LabelledFaces:
    """Puts labels and features ``(N, D)`` of the same faces together."""
    return LabelledFaces(labels, to_truth(labels), features, tuple(no_face), tuple(unreadable))


def read_labelled_faces(
    base: BaseNetwork, detector: Detector, folder: Path, labels: Sequence[PhotoLabel]
) -> LabelledFaces:
    """Finds the labelled faces of a folder and reads their features, with a progress bar.

    Args:
        base: The network to adapt.
        detector: Finds faces.
        folder: Holds the photos and videos.
        labels: One a face, of one or more raters.
    """
    features: dict[int, FloatArray] = {}
    no_face: list[str] = []
    unreadable: list[tuple[str, str]] = []
    with tqdm(total=len(labels), unit="face", disable=None, leave=False) as bar:
        for batch in iter_labelled_images(folder, labels):
            bar.update(sum(len(rows) for rows, _ in batch))
            unreadable += [(labels[r[0]].image, why) for r, why in batch if isinstance(why, str)]
            readable = [(rows, image) for rows, image in batch if not isinstance(image, str)]
            found = detector.detect([image for _, image in readable], DEFAULT_OPTIONS)
            for (rows, image), faces in zip(readable, found, strict=True):
                which = {row: find_labelled_face(faces, labels[row]) for row in rows}
                here = {row: face for row, face in which.items() if face is not None}
                if len(here) < len(rows):
                    no_face.append(labels[rows[0]].image)
                if here:
                    chosen = faces[np.array(list(here.values()))]
                    read = base.read_features(image, chosen)
                    features |= zip(here, read, strict=True)
    known = sorted(features)
    width = base.head.weight.shape[1]
    stacked = np.array([features[row] for row in known], np.float32).reshape(-1, width)
    return make_labelled_faces([labels[row] for row in known], stacked, no_face, unreadable)
