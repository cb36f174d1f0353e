"""The faces that a model read most wrongly: sure of another word than the labelled one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from emotion_core.training.datasets.face_set import LABELS
from emotion_core.training.evaluation.metrics import to_predicted

if TYPE_CHECKING:
    from emotion_core.training.datasets.face_set import FaceSet
    from emotion_core.training.evaluation.evaluate import PredictionBuffer


@dataclass(frozen=True, slots=True)
class WrongReading:
    """A face whose word was read wrongly.

    Attributes:
        row: Of the labels.
        file: Its photo.
        label: The labelled word.
        read: The word that was read.
        probability: Of the word that was read, 0-1.
        label_probability: Of the labelled word, 0-1.
    """

    row: int
    file: str
    label: str
    read: str
    probability: float
    label_probability: float


def find_worst(faces: FaceSet, readings: PredictionBuffer, n: int = 20) -> list[WrongReading]:
    """Lists the wrong readings of faces that were found, those furthest from the label first.

    Args:
        faces: The ground truth.
        readings: The predictions.
        n: Maximum number.
    """
    predicted = to_predicted(readings.probabilities, faces, readings.found)
    wrong = np.flatnonzero(readings.found & faces.has_majority & (predicted != faces.majority))
    of_label = readings.probabilities[wrong, faces.majority[wrong]]
    of_read = readings.probabilities[wrong, predicted[wrong]]
    order = np.argsort(of_label - of_read, kind="stable")[:n]
    return [
        WrongReading(
            int(wrong[i]),
            faces.files[wrong[i]],
            str(LABELS[faces.majority[wrong[i]]]),
            str(LABELS[predicted[wrong[i]]]),
            float(of_read[i]),
            float(of_label[i]),
        )
        for i in order.tolist()
    ]
