"""Metrics of a network from its predictions and the ground truth, in plain numpy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from scipy.special import softmax

from emotion_core.errors import DatasetError
from emotion_core.training.datasets.face_set import LABELS, NO_CLASS
from emotion_core.training.evaluation.calibration import (
    confidence_gaps,
    expected_calibration_error,
    to_calibration,
)

if TYPE_CHECKING:
    from emotion_core.training.datasets.face_set import FaceSet, Indices
    from emotion_core.training.evaluation.calibration import CalibrationBin
    from emotion_core.types import FloatArray

Mask = npt.NDArray[np.bool_]

TINY = 1e-12
"""Upper bound of the variance of equal numbers, which rounding makes positive."""


@dataclass(frozen=True, slots=True)
class Metrics:
    """Results of a network on one labelled set. ``dataclasses.asdict`` of it is strict JSON.

    A face that was not found (only possible in photos) counts as wrong in ``accuracy``,
    ``macro_f1``, the recalls and ``accuracy_nine``; the other metrics leave it out. A metric
    without ground truth is ``None``.

    Attributes:
        labels: Order of the rows and columns of ``confusion``.
        n: Faces that the data set's protocol keeps.
        accuracy: Share of them whose best class is the protocol's; candidates are the classes of
            the data set.
        macro_f1: Mean F1 over the classes that occur in the ground truth.
        mean_recall: Mean of ``per_class_recall``, so that rare classes count as much as others.
        per_class_recall: By emotion; classes without a face are left out.
        confusion: Rows are the truth, columns the prediction. Faces that were not found are in no
            column: a row and its class in ``missed_per_class`` add up to the faces of the class.
        missed: Faces among ``n`` that were not found.
        missed_per_class: The same by emotion; classes without one are left out.
        n_nine: Faces of which one of nine classes, including uncertain, has more than half.
        accuracy_nine: Share of those whose best of nine classes is that one.
        ece: Expected calibration error over those, nine classes, 15 bins.
        overconfidence: Mean confidence minus the share that is right, of the faces of ``ece``.
        calibration: The bins of ``ece``, by rising confidence.
        cross_entropy: Mean with the shares of the votes, over the faces that have any.
        n_valence: Faces with a rating of valence.
        valence_ccc: Concordance correlation with the ratings.
        valence_r: Pearson correlation with the ratings.
        valence_rmse: Root of the mean squared difference, on the scale from -1 to 1.
        n_arousal: Faces with a rating of arousal.
        arousal_ccc: As for valence.
        arousal_r: As for valence.
        arousal_rmse: As for valence.
    """

    labels: tuple[str, ...]
    n: int
    accuracy: float | None
    macro_f1: float | None
    mean_recall: float | None
    per_class_recall: dict[str, float]
    confusion: list[list[int]]
    missed: int
    missed_per_class: dict[str, int]
    n_nine: int
    accuracy_nine: float | None
    ece: float | None
    overconfidence: float | None
    calibration: tuple[CalibrationBin, ...]
    cross_entropy: float | None
    n_valence: int
    valence_ccc: float | None
    valence_r: float | None
    valence_rmse: float | None
    n_arousal: int
    arousal_ccc: float | None
    arousal_r: float | None
    arousal_rmse: float | None


def to_metrics(
    probabilities: FloatArray, va: FloatArray, faces: FaceSet, found: Mask | None = None
) -> Metrics:
    """Compares a network's predictions with people's labels of the same faces.

    Args:
        probabilities: ``(N, 9)`` in the order of ``LABELS``, rows sum to 1; 0 for classes that the
            network lacks.
        va: ``(N, 2)`` valence and arousal in [-1, 1].
        faces: The ground truth.
        found: ``(N,)`` false without a prediction, whose rows are ignored; all if ``None``.
    """
    found = np.ones(len(faces), bool) if found is None else found
    kept = faces.has_majority
    truth = faces.majority[kept]
    predicted = to_predicted(probabilities, faces, found)[kept]
    has_prediction = predicted != NO_CLASS
    confusion = to_confusion(truth[has_prediction], predicted[has_prediction], len(LABELS))
    totals = np.bincount(truth, minlength=len(LABELS))
    missed = totals - confusion.sum(axis=1)
    recalls = to_recalls(confusion, totals)
    nine, nine_truth = nine_class_truth(faces)
    right = (probabilities[nine].argmax(axis=1) == nine_truth) & found[nine]
    clear = probabilities[nine & found], nine_truth[found[nine]]
    bins = to_calibration(*clear)
    rated = ~np.isnan(faces.va) & found[:, None]
    agreement: dict[str, Any] = {}
    for i, name in enumerate(("valence", "arousal")):
        agreement |= to_agreement(va[rated[:, i], i], faces.va[rated[:, i], i], name)
    return Metrics(
        labels=tuple(label.value for label in LABELS),
        n=len(truth),
        accuracy=_mean(predicted == truth),
        macro_f1=to_macro_f1(confusion, totals),
        mean_recall=_mean(np.array(list(recalls.values()))),
        per_class_recall=recalls,
        confusion=confusion.tolist(),
        missed=int(missed.sum()),
        missed_per_class={LABELS[i].value: int(missed[i]) for i in np.flatnonzero(missed)},
        n_nine=len(nine_truth),
        accuracy_nine=_mean(right),
        ece=expected_calibration_error(bins),
        overconfidence=_mean(confidence_gaps(*clear)),
        calibration=bins,
        cross_entropy=_cross_entropy(probabilities[found], faces.targets[found]),
        **agreement,
    )


def fit_temperature(logits: FloatArray, faces: FaceSet) -> float:
    """Finds the temperature that makes the nine-class majority likeliest.

    Args:
        logits: ``(N, 9)`` of the faces.
        faces: For validation.

    Raises:
        DatasetError: There is no face on whose class more than half agree.

    Source: C. Guo et al., "On Calibration of Modern Neural Networks", ICML 2017.
    """
    nine, truth = nine_class_truth(faces)
    if not len(truth):
        raise DatasetError(f"{faces.name} has no face with a clear class to fit a temperature to.")
    candidates = np.exp(np.linspace(np.log(0.25), np.log(4), 401))
    rows = np.arange(len(truth))
    losses = [
        -np.log(softmax(logits[nine] / np.float32(t), axis=1)[rows, truth] + 1e-12).mean()
        for t in candidates
    ]
    return round(float(candidates[int(np.argmin(losses))]), 4)


def nine_class_truth(faces: FaceSet) -> tuple[Mask, Indices]:
    """The faces on which more than half agree: ``(N,)`` which, and the class of each of those."""
    clear = faces.targets.max(axis=1) > 0.5
    return clear, np.asarray(faces.targets[clear].argmax(axis=1), np.int64)


def to_predicted(probabilities: FloatArray, faces: FaceSet, found: Mask) -> Indices:
    """The likeliest of the data set's classes; ``NO_CLASS`` for faces that were not found."""
    candidates = np.array([LABELS.index(label) for label in faces.classes], np.int64)
    best = candidates[probabilities[:, candidates].argmax(axis=1)]
    return np.where(found, best, NO_CLASS)


def to_confusion(truth: Indices, predicted: Indices, n_classes: int) -> Indices:
    """Counts pairs: ``(C, C)``, rows the truth, columns the prediction."""
    counts = np.bincount(truth * n_classes + predicted, minlength=n_classes**2)
    return np.asarray(counts.reshape(n_classes, n_classes), np.int64)


def to_recalls(confusion: Indices, totals: Indices) -> dict[str, float]:
    """Share of each emotion's faces that were recognised; emotions without a face are left out.

    Args:
        confusion: ``(9, 9)``, from ``to_confusion``.
        totals: ``(9,)`` faces of each emotion, found or not.
    """
    return {
        LABELS[i].value: float(confusion[i, i] / totals[i]) for i in np.flatnonzero(totals).tolist()
    }


def to_macro_f1(confusion: Indices, totals: Indices) -> float | None:
    """Mean F1 over the emotions that occur in the ground truth; see ``to_recalls``."""
    f1 = 2 * confusion.diagonal() / np.maximum(totals + confusion.sum(axis=0), 1)
    return _mean(f1[totals > 0])


def to_agreement(
    predicted: FloatArray, rated: FloatArray, name: str
) -> dict[str, int | float | None]:
    """Compares two ``(N,)`` series of numbers without gaps; the keys are fields of ``Metrics``.

    Correlations need two numbers, Pearson's also that both series vary; the concordance is
    undefined only if both series are the same constant.

    Source: L. Lin, "A Concordance Correlation Coefficient to Evaluate Reproducibility", Biometrics
    45, 1989, with variances divided by N.
    """
    n, ccc, r = len(rated), None, None
    x, y = predicted.astype(np.float64), rated.astype(np.float64)
    rmse = float(np.sqrt(np.square(x - y).mean())) if n else None
    if n >= 2:
        covariance = float(((x - x.mean()) * (y - y.mean())).mean())
        spread = float(np.sqrt(x.var() * y.var()))
        distance = float(x.var() + y.var() + (x.mean() - y.mean()) ** 2)
        ccc = 2 * covariance / distance if distance > TINY else None
        r = covariance / spread if spread > TINY else None
    return {f"n_{name}": n, f"{name}_ccc": ccc, f"{name}_r": r, f"{name}_rmse": rmse}


def _cross_entropy(probabilities: FloatArray, targets: FloatArray) -> float | None:
    voted = targets.sum(axis=1) > 0
    return _mean(-(targets[voted] * np.log(probabilities[voted] + 1e-12)).sum(axis=1))


def _mean(values: npt.NDArray[np.generic]) -> float | None:
    return float(values.mean()) if len(values) else None
