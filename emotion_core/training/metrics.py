"""Figures of a classifier, from its logits and the truth; plain numpy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from emotion_core.labels import Emotion
from emotion_core.training.config import LABELS

if TYPE_CHECKING:
    from emotion_core.training.datasets import FaceSet
    from emotion_core.types import FloatArray

Indices = npt.NDArray[np.int64]

_BINS = 15


@dataclass(frozen=True, slots=True)
class Figures:
    """What a network gives on one labelled set.

    Attributes:
        n: Faces that the majority rule keeps; the eight-class figures are over these.
        accuracy: Share of them whose best of the eight emotions is the majority's.
        macro_f1: Mean F1 of the eight emotions.
        per_class_recall: By emotion; an emotion with no face is left out.
        confusion: Rows are the truth, columns the prediction, in the order of ``LABELS``.
        n_nine: Faces where one of nine classes, uncertain among them, has more than half the votes.
        accuracy_nine: Share of those whose best of nine is the majority's.
        ece: Expected calibration error over those, nine classes, 15 bins, after ``temperature``.
        ece_raw: The same with temperature 1.
        cross_entropy: Mean over all faces against the votes, after ``temperature``.
        temperature: By which the logits were divided.
    """

    n: int
    accuracy: float
    macro_f1: float
    per_class_recall: dict[str, float]
    confusion: list[list[int]]
    n_nine: int
    accuracy_nine: float
    ece: float
    ece_raw: float
    cross_entropy: float
    temperature: float


def measure(logits: FloatArray, faces: FaceSet, temperature: float) -> Figures:
    """Compare a network's logits ``(N, 9)`` with the votes of the same faces."""
    kept = faces.has_majority
    truth = faces.majority[kept]
    emotions = [i for i, label in enumerate(LABELS) if label is not Emotion.UNCERTAIN]
    predicted = np.asarray(emotions)[logits[kept][:, emotions].argmax(axis=1)]
    confusion = to_confusion(truth, predicted, len(LABELS))
    nine, nine_truth = _nine_class_truth(faces)
    nine_logits = logits[nine]
    probabilities = to_probabilities(logits, temperature)
    return Figures(
        n=len(truth),
        accuracy=float((predicted == truth).mean()),
        macro_f1=to_macro_f1(confusion),
        per_class_recall=to_recalls(confusion),
        confusion=confusion.tolist(),
        n_nine=len(nine_truth),
        accuracy_nine=float((nine_logits.argmax(axis=1) == nine_truth).mean()),
        ece=expected_calibration_error(probabilities[nine], nine_truth),
        ece_raw=expected_calibration_error(to_probabilities(nine_logits, 1.0), nine_truth),
        cross_entropy=float(-(faces.targets * np.log(probabilities + 1e-12)).sum(axis=1).mean()),
        temperature=temperature,
    )


def fit_temperature(logits: FloatArray, faces: FaceSet) -> float:
    """Find the temperature that makes the nine-class majority likeliest.

    Args:
        logits: ``(N, 9)`` of the validation faces.
        faces: Those faces.

    Source: C. Guo et al., "On Calibration of Modern Neural Networks", ICML 2017.
    """
    nine, truth = _nine_class_truth(faces)
    candidates = np.exp(np.linspace(np.log(0.25), np.log(4), 401))
    rows = np.arange(len(truth))
    losses = [
        -np.log(to_probabilities(logits[nine], float(t))[rows, truth] + 1e-12).mean()
        for t in candidates
    ]
    return round(float(candidates[int(np.argmin(losses))]), 4)


def _nine_class_truth(faces: FaceSet) -> tuple[npt.NDArray[np.bool_], Indices]:
    clear = faces.targets.max(axis=1) > 0.5
    return clear, np.asarray(faces.targets[clear].argmax(axis=1), np.int64)


def to_probabilities(logits: FloatArray, temperature: float) -> FloatArray:
    """Softmax of logits ``(N, C)`` divided by the temperature."""
    scaled = logits / temperature
    powers = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), np.float32)


def to_confusion(truth: Indices, predicted: Indices, n_classes: int) -> Indices:
    """Count pairs: ``(C, C)``, rows the truth, columns the prediction."""
    counts = np.bincount(truth * n_classes + predicted, minlength=n_classes**2)
    return np.asarray(counts.reshape(n_classes, n_classes), np.int64)


def to_recalls(confusion: Indices) -> dict[str, float]:
    """Share of each emotion's faces that were recognised; emotions without a face are left out."""
    totals = confusion.sum(axis=1)
    return {
        LABELS[i].value: float(confusion[i, i] / totals[i]) for i in range(len(totals)) if totals[i]
    }


def to_macro_f1(confusion: Indices) -> float:
    """Mean F1 over the emotions that occur in the truth."""
    hits = confusion.diagonal()
    totals = confusion.sum(axis=1)
    f1 = 2 * hits / np.maximum(totals + confusion.sum(axis=0), 1)
    return float(f1[totals > 0].mean())


def expected_calibration_error(probabilities: FloatArray, truth: Indices) -> float:
    """Mean gap between confidence and accuracy, over 15 equal bins of confidence.

    Source: C. Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, equation 3.
    """
    confidence = probabilities.max(axis=1)
    correct = probabilities.argmax(axis=1) == truth
    bins = np.minimum((confidence * _BINS).astype(int), _BINS - 1)
    gaps = np.bincount(bins, weights=correct - confidence, minlength=_BINS)
    return float(np.abs(gaps).sum() / max(len(truth), 1))
