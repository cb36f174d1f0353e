"""Released networks as teachers, whose probabilities are mixed into the training targets."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import softmax

from emotion_core.models.local import describe_file
from emotion_core.training.datasets.face_set import LABELS
from emotion_core.training.emotion.load import load_model
from emotion_core.training.evaluation.evaluate import predict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from emotion_core.recognition.classifier import EmotionClassifier
    from emotion_core.training.datasets.face_set import FaceSet
    from emotion_core.types import FloatArray


@dataclass(frozen=True, eq=False, slots=True)
class EmotionTeacher:
    """A teacher network.

    Attributes:
        name: In the registry, or of the file, without its folder.
        sha256: Of its file.
        classifier: The network with its card.
    """

    name: str
    sha256: str
    classifier: EmotionClassifier


def load_emotion_teacher(name: str, device: str) -> EmotionTeacher:
    """Loads a released network by its name in the registry or its .safetensors or .onnx file.

    Raises:
        UnknownModelError: There is no such network.
        WeightsUnavailableError: Its file is not available.
        WeightsMismatchError: The file is no released network.
    """
    loaded = load_model(name, device)
    known_as = loaded.path.name if Path(name).is_file() else name
    return EmotionTeacher(known_as, describe_file(loaded.path).sha256, loaded.classifier)


def blend_teacher_targets(
    faces: FaceSet, teachers: Sequence[EmotionTeacher], share: float
) -> FaceSet:
    """Mixes the teachers' mean probabilities into the targets.

    Args:
        faces: Rows of zeros in their targets become the teachers' probabilities alone.
        teachers: See the images as they are and mirrored.
        share: Weight of their probabilities, 0-1.

    Source: G. Hinton et al., "Distilling the Knowledge in a Neural Network", 2015; with temperature
    1, and mixed into the targets once instead of a separate loss.
    """
    read = [predict_both_ways(teacher.classifier, faces) for teacher in teachers]
    predicted = np.mean(read, axis=0)
    mixed = (1 - share) * faces.targets + share * predicted
    unlabelled = ~faces.targets.any(axis=1)
    mixed[unlabelled] = predicted[unlabelled]
    return replace(faces, targets=mixed.astype(np.float32))


def predict_both_ways(classifier: EmotionClassifier, faces: FaceSet) -> FloatArray:
    """Softmax of the logits averaged over each image and its mirror image, temperature 1.

    Returns:
        ``(N, 9)`` in the order of ``LABELS``; classes that the network lacks are 0.
    """
    # Log-probabilities times the card's temperature are the logits but for a constant per row.
    logits = [
        np.log(np.maximum(predict(classifier, faces, mirrored=mirrored)[0], 1e-30))
        * np.float32(classifier.card.temperature)
        for mirrored in (False, True)
    ]
    mean = (logits[0] + logits[1]) / np.float32(2)
    columns = [LABELS.index(label) for label in classifier.card.labels]
    probabilities = np.zeros((len(faces), len(LABELS)), np.float32)
    probabilities[:, columns] = softmax(mean, axis=1)
    return probabilities
