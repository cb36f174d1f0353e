"""Two models on the same labelled faces: whether one reads them better, and where they differ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from emotion_core.photos.comparison import to_kappa
from emotion_core.training.datasets.face_set import LABELS
from emotion_core.training.evaluation.bootstrap import MetricDraws, draw_metrics, to_range
from emotion_core.training.evaluation.metrics import Metrics, to_metrics, to_predicted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from emotion_core.training.datasets.face_set import FaceSet
    from emotion_core.training.evaluation.bootstrap import Range
    from emotion_core.training.evaluation.evaluate import PredictionBuffer

PAIRED = ("accuracy", "mean_recall", "macro_f1", "overconfidence", "valence_ccc", "arousal_ccc")
"""Fields of ``Metrics`` that are compared."""


@dataclass(frozen=True, slots=True)
class PairedDifference:
    """How much a metric of a second model exceeds that of the first, on the same faces.

    Attributes:
        name: A field of ``Metrics``, or ``recall of EMOTION``.
        first: Of the first model.
        second: Of the second model.
        interval: 95% interval of ``second - first``; ``None`` with fewer than two units.
    """

    name: str
    first: float
    second: float
    interval: Range | None

    @property
    def difference(self) -> float:
        """``second - first``."""
        return self.second - self.first

    @property
    def is_gain(self) -> bool:
        """Whether the whole interval lies above zero."""
        return self.interval is not None and self.interval[0] > 0


@dataclass(frozen=True, slots=True)
class PairedReport:
    """Two models on the same labelled faces.

    Attributes:
        names: The first and the second model.
        differences: Metrics side by side.
        both_right: Faces whose emotion both read as labelled.
        only_first: Faces that only the first one reads as labelled.
        only_second: Faces that only the second one reads as labelled.
        both_wrong: The others.
        mcnemar_p: Probability of a difference at least as large between ``only_first`` and
            ``only_second`` if both models were equally good; faces count as independent.
        kappa: Agreement of both models' words with each other, corrected for chance; ``None`` if
            that is not defined.
    """

    names: tuple[str, str]
    differences: tuple[PairedDifference, ...]
    both_right: int
    only_first: int
    only_second: int
    both_wrong: int
    mcnemar_p: float
    kappa: float | None


def compare_readings(
    names: tuple[str, str],
    first: PredictionBuffer,
    second: PredictionBuffer,
    faces: FaceSet,
    people: Sequence[str],
) -> PairedReport:
    """Compares the predictions of two models with the labels of the same faces.

    Args:
        names: Of the models.
        first: Predictions of the first one for N faces.
        second: Predictions of the second one.
        faces: The ground truth.
        people: The person or photo of each face, which are drawn for intervals.

    Source: Q. McNemar, "Note on the Sampling Error of the Difference Between Correlated
    Proportions", Psychometrika 12, 1947, here with the exact binomial distribution; J. Cohen, "A
    Coefficient of Agreement for Nominal Scales", Educational and Psychological Measurement, 1960.
    """
    from scipy.stats import binomtest

    kept = faces.has_majority
    truth = faces.majority[kept]
    words = [to_predicted(r.probabilities, faces, r.found)[kept] for r in (first, second)]
    one, two = (predicted == truth for predicted in words)
    only_first, only_second = int((one & ~two).sum()), int((two & ~one).sum())
    divided = only_first + only_second
    return PairedReport(
        names,
        to_differences(first, second, faces, people),
        int((one & two).sum()),
        only_first,
        only_second,
        int((~one & ~two).sum()),
        float(binomtest(only_second, divided).pvalue) if divided else 1.0,
        to_kappa(*words),
    )


def to_differences(
    first: PredictionBuffer,
    second: PredictionBuffer,
    faces: FaceSet,
    people: Sequence[str],
) -> tuple[PairedDifference, ...]:
    """The metrics of two models side by side, with intervals of their differences."""
    a, b = (to_metrics(r.probabilities, r.va, faces, r.found) for r in (first, second))
    draws_a, draws_b = (
        draw_metrics(r.probabilities, r.va, faces, r.found, people) for r in (first, second)
    )
    found = [_difference(name, a, b, draws_a, draws_b) for name in PAIRED]
    recalls = [
        PairedDifference(
            f"recall of {label}",
            a.per_class_recall[label],
            b.per_class_recall[label],
            to_range(draws_b.recalls[:, i] - draws_a.recalls[:, i]),
        )
        for i, label in enumerate(LABELS)
        if label in a.per_class_recall
    ]
    return (*(one for one in found if one is not None), *recalls)


def _difference(
    name: str, a: Metrics, b: Metrics, draws_a: MetricDraws, draws_b: MetricDraws
) -> PairedDifference | None:
    first, second = getattr(a, name), getattr(b, name)
    if first is None or second is None:
        return None
    interval = to_range(getattr(draws_b, name) - getattr(draws_a, name))
    return PairedDifference(name, first, second, interval)
