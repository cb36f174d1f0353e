"""A network in training measured through the product's own classifier."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emotion_core.models.card import ModelCard, Task, WeightFile
from emotion_core.models.runtime import TorchNetwork
from emotion_core.recognition.classifier import EmotionClassifier
from emotion_core.training.datasets.face_set import LABELS
from emotion_core.training.evaluation.metrics import to_metrics
from emotion_core.training.evaluation.predict import predict

if TYPE_CHECKING:
    from emotion_core.training.datasets.face_set import FaceSet
    from emotion_core.training.emotion.config import TrainConfig
    from emotion_core.training.evaluation.metrics import Metrics
    from emotion_core.types import Device


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


def validate(network: Any, config: TrainConfig, device: Device, faces: FaceSet) -> Metrics:
    """Measure a network on held-out faces."""
    probabilities, va = predict(make_classifier(network, config, device), faces)
    return to_metrics(probabilities, va, faces)
