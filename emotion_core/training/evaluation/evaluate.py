"""Measures a network on a labelled data set, through the product's own classifier."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from tqdm import tqdm

from emotion_core.training.datasets.face_set import LABELS
from emotion_core.training.engine.read_ahead import iter_ahead
from emotion_core.training.evaluation.bootstrap import to_intervals
from emotion_core.training.evaluation.calibration import expected_calibration_error, to_calibration
from emotion_core.training.evaluation.metrics import Metrics, nine_class_truth, to_metrics
from emotion_core.training.evaluation.profile import (
    BATCH,
    NetworkSize,
    Speed,
    measure_emotion_speed,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from emotion_core.labels import LabelSet
    from emotion_core.models.card import ModelCard
    from emotion_core.recognition.classifier import EmotionClassifier
    from emotion_core.training.datasets.face_set import FaceSet
    from emotion_core.training.emotion.load import LoadedModel
    from emotion_core.training.evaluation.bootstrap import Intervals
    from emotion_core.training.evaluation.groups import GroupMetrics
    from emotion_core.training.evaluation.metrics import Mask
    from emotion_core.types import FloatArray, Image


_CHUNK = 512
"""Images per chunk; a few chunks are in memory at once."""


@dataclass(frozen=True, eq=False, slots=True)
class PredictionBuffer:
    """Predictions of a network for N faces.

    Attributes:
        probabilities: ``(N, 9)`` in the order of ``LABELS``; 0 for classes that the network lacks.
        va: ``(N, 2)`` valence and arousal, -1 to 1.
        found: ``(N,)`` false without a prediction; such rows are zeros.
    """

    probabilities: FloatArray
    va: FloatArray
    found: Mask

    @classmethod
    def empty(cls, n: int) -> PredictionBuffer:
        """Room for N faces."""
        return cls(
            np.zeros((n, len(LABELS)), np.float32),
            np.zeros((n, 2), np.float32),
            np.zeros(n, np.bool_),
        )

    def fill(
        self, rows: slice | list[int], labels: LabelSet, probabilities: FloatArray, va: FloatArray
    ) -> None:
        """Stores predictions for some faces; columns of ``probabilities`` are ``labels``."""
        wide = np.zeros((len(probabilities), len(LABELS)), np.float32)
        wide[:, [LABELS.index(label) for label in labels]] = probabilities
        self.probabilities[rows] = wide
        self.va[rows] = va
        self.found[rows] = True


@dataclass(frozen=True, slots=True)
class MissedPhotos:
    """Photos that count as wrong because there is no prediction for them.

    Attributes:
        no_face: Names of those in which no face was found.
        unreadable: Names of those that cannot be read or decoded, with the reason.
    """

    no_face: tuple[str, ...] = ()
    unreadable: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, eq=False, slots=True)
class EmotionReport:
    """All results of one network on one labelled set.

    Attributes:
        card: Of the network.
        faces: The ground truth.
        readings: The predictions.
        metrics: How well they agree.
        intervals: Uncertainty of the metrics by chance.
        framing: How faces became the network's input, one sentence.
        size: Of the network.
        speed: Of the network; ``None`` if it was not measured.
        ece_raw: ``metrics.ece`` without calibration.
        photo_ms: Median milliseconds per photo, detection and reading; ``None`` without a pipeline.
        missed: Photos without a prediction; ``None`` for a data set of faces.
        groups: The metrics of each group of people, if they were asked for.
        units: The person, or else the photo, of each face; empty if not known.
    """

    card: ModelCard
    faces: FaceSet
    readings: PredictionBuffer
    metrics: Metrics
    intervals: Intervals
    framing: str
    size: NetworkSize
    speed: Speed | None = None
    ece_raw: float | None = None
    photo_ms: float | None = None
    missed: MissedPhotos | None = None
    groups: tuple[GroupMetrics, ...] = ()
    units: tuple[str, ...] = ()


def evaluate(model: LoadedModel, faces: FaceSet) -> EmotionReport:
    """Measures a network on the faces of a data set, which are used whole and resized.

    Raises:
        DatasetError: An image cannot be read.
    """
    classifier = model.classifier
    size_px = classifier.preprocessing.size_px
    readings = predict_faces(classifier, faces)
    first = np.arange(min(BATCH, len(faces)))
    evidence = (readings.probabilities, readings.va, faces, readings.found)
    crops = faces.images.load(first, size_px, 3)
    return EmotionReport(
        card=classifier.card,
        faces=faces,
        readings=readings,
        metrics=to_metrics(*evidence),
        intervals=to_intervals(*evidence),
        framing=f"The images of the data set are taken as they are, resized to {size_px} pixels.",
        size=model.count(),
        speed=measure_emotion_speed(classifier, model.network, crops),
        ece_raw=uncalibrated_error(readings, faces, classifier.card),
    )


def predict_faces(classifier: EmotionClassifier, faces: FaceSet) -> PredictionBuffer:
    """Predicts all faces of a data set, with a progress bar.

    Raises:
        DatasetError: An image cannot be read.
    """
    readings = PredictionBuffer.empty(len(faces))
    with tqdm(total=len(faces), unit="face", disable=None, leave=False) as bar:
        probabilities, va = predict(classifier, faces, on_faces=bar.update)
    readings.fill(slice(None), classifier.card.labels, probabilities, va)
    return readings


def predict(
    classifier: EmotionClassifier,
    faces: FaceSet,
    *,
    mirrored: bool = False,
    on_faces: Callable[[int], object] | None = None,
) -> tuple[FloatArray, FloatArray]:
    """Predicts all faces of a set, used whole, as the product does for its crops.

    Args:
        classifier: Its card has the size.
        faces: The images.
        mirrored: Whether to mirror each of them.
        on_faces: Called with the number of faces just predicted.

    Returns:
        ``(N, C)`` probabilities in the order of the card's labels, and ``(N, 2)`` valence and
        arousal.
    """
    size_px = classifier.preprocessing.size_px

    def load(start: int) -> Image:
        chosen = np.arange(start, min(start + _CHUNK, len(faces)))
        crops = faces.images.load(chosen, size_px, 3)
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


def uncalibrated_error(readings: PredictionBuffer, faces: FaceSet, card: ModelCard) -> float | None:
    """Expected calibration error of the same predictions with temperature 1.

    The softmax of logits is, but for a factor per face, the power ``temperature`` of the softmax of
    logits divided by the temperature. For posed material it is not, and there is none.
    """
    if card.material != "everyday":
        return None
    nine, truth = nine_class_truth(faces)
    found = readings.found[nine]
    powers = readings.probabilities[nine & readings.found] ** np.float32(card.temperature)
    bins = to_calibration(powers / powers.sum(axis=1, keepdims=True), truth[found])
    return expected_calibration_error(bins)
