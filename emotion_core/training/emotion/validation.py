"""A network in training measured through the product's own classifier."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from emotion_core.models.card import ModelCard, Task, WeightFile
from emotion_core.models.runtime import TorchNetwork
from emotion_core.recognition.classifier import EmotionClassifier
from emotion_core.training.datasets.face_set import LABELS
from emotion_core.training.emotion.loader import iter_ahead
from emotion_core.training.evaluation.metrics import to_metrics

if TYPE_CHECKING:
    from collections.abc import Callable

    from emotion_core.training.datasets.face_set import FaceSet
    from emotion_core.training.emotion.config import TrainConfig
    from emotion_core.training.evaluation.metrics import Metrics
    from emotion_core.types import Device, FloatArray, Image

_CHUNK = 512
"""Pictures that are in memory at once, times the batches read ahead."""


def make_classifier(network: Any, config: TrainConfig, device: Device) -> EmotionClassifier:
    """Put a network into the classifier that the product uses; temperature 1.

    Args:
        network: An ``EmotionNet``; it is switched to evaluation.
        config: Of its training.
        device: Where it is to run.
    """
    card = ModelCard(
        name=config.architecture,
        task=Task.EMOTION,
        architecture=config.architecture,
        weights=WeightFile("checkpoint", "0" * 64),
        licence="",
        source="a training run",
        labels=LABELS,
        has_va=config.has_va,
        preprocessing=config.preprocessing,
    )
    return EmotionClassifier(TorchNetwork(network, device), card)


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


def validate(network: Any, config: TrainConfig, device: Device, faces: FaceSet) -> Metrics:
    """Measure a network on held-out faces."""
    probabilities, va = predict(make_classifier(network, config, device), faces)
    return to_metrics(probabilities, va, faces)
