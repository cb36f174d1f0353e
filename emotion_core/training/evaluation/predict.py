"""A network on the faces of a data set, as the product reads its crops."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from emotion_core.training.engine.read_ahead import iter_ahead

if TYPE_CHECKING:
    from collections.abc import Callable

    from emotion_core.recognition.classifier import EmotionClassifier
    from emotion_core.training.datasets.face_set import FaceSet
    from emotion_core.types import FloatArray, Image

_CHUNK = 512
"""Pictures that are in memory at once, times the batches read ahead."""


def predict(
    classifier: EmotionClassifier,
    faces: FaceSet,
    *,
    mirrored: bool = False,
    on_faces: Callable[[int], object] | None = None,
) -> tuple[FloatArray, FloatArray]:
    """Read all faces of a set, whole, as the product reads its crops.

    Args:
        classifier: Its card says the size.
        faces: The pictures.
        mirrored: Whether to show each of them mirrored.
        on_faces: Told how many more have been read.

    Returns:
        ``(N, C)`` probabilities in the order of the card's labels, and ``(N, 2)`` valence and
        arousal.
    """
    size_px = classifier.preprocessing.size_px

    def load(start: int) -> Image:
        chosen = np.arange(start, min(start + _CHUNK, len(faces)))
        crops = faces.pictures.load(chosen, size_px, 3)
        return np.ascontiguousarray(crops[:, :, ::-1]) if mirrored else crops

    probabilities = np.zeros((len(faces), len(classifier.card.labels)), np.float32)
    va = np.zeros((len(faces), 2), np.float32)
    starts = range(0, len(faces), _CHUNK)
    for start, crops in zip(starts, iter_ahead(load, starts, ahead=1), strict=True):
        read = classifier.classify_crops(crops)
        probabilities[start : start + len(crops)] = read.probabilities
        va[start : start + len(crops)] = np.stack([read.valence, read.arousal], axis=1)
        if on_faces:
            on_faces(len(crops))
    return probabilities, va
