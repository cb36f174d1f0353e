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
    from emotion_core.training.emotion.config import TrainConfig
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


def learn_from_teachers(
    faces: FaceSet, teachers: Sequence[EmotionTeacher], config: TrainConfig
) -> FaceSet:
    """Mixes the teachers' mean probabilities into the targets, and fills missing ratings.

    Args:
        faces: Rows of zeros in their targets become the teachers' probabilities alone. Valence and
            arousal that are NaN become the teachers' mean if ``config.teacher_va`` says so.
        teachers: See the images as they are and mirrored.
        config: Has the weight of their probabilities.

    Source: G. Hinton et al., "Distilling the Knowledge in a Neural Network", 2015; with temperature
    1, and mixed into the targets once instead of a separate loss.
    """
    read = [predict_both_ways(teacher.classifier, faces) for teacher in teachers]
    predicted, seen_va = (np.mean(values, axis=0) for values in zip(*read, strict=True))
    share = config.teacher_share
    mixed = (1 - share) * faces.targets + share * predicted
    unlabelled = ~faces.targets.any(axis=1)
    mixed[unlabelled] = predicted[unlabelled]
    va = np.where(np.isnan(faces.va), seen_va, faces.va) if config.teacher_va else faces.va
    return replace(faces, targets=mixed.astype(np.float32), va=va.astype(np.float32))


def predict_both_ways(
    classifier: EmotionClassifier, faces: FaceSet
) -> tuple[FloatArray, FloatArray]:
    """What a network reads in images and their mirror images, temperature 1.

    Returns:
        ``(N, 9)`` softmax of the logits' mean in the order of ``LABELS``, 0 for classes that the
        network lacks; ``(N, 2)`` mean valence and arousal.
    """
    read = [predict(classifier, faces, mirrored=mirrored) for mirrored in (False, True)]
    # Log-probabilities times the card's temperature are the logits but for a constant per row.
    temperature = np.float32(classifier.card.temperature)
    logits = [np.log(np.maximum(seen, 1e-30)) * temperature for seen, _ in read]
    columns = [LABELS.index(label) for label in classifier.card.labels]
    probabilities = np.zeros((len(faces), len(LABELS)), np.float32)
    probabilities[:, columns] = softmax((logits[0] + logits[1]) / np.float32(2), axis=1)
    return probabilities, (read[0][1] + read[1][1]) / np.float32(2)
