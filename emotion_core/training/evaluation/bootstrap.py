"""Uncertainty of metrics by chance: 95% intervals from resampling the measured faces.

Each time as many are drawn, with replacement, as there are, and the metric is computed for those;
the middle 95% of the results are its interval. Photos of one person are alike: if people are
known, people are drawn, each with all photos, or the interval would be too narrow. The interval
covers other faces of the same kind, not another training run, other labels or other kinds of
images; if all answers are right or all wrong it has no width, which is too little.

Source: B. Efron and R. Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13 (percentile
method); whole people: A. Davison and D. Hinkley, "Bootstrap Methods and their Application", 1997,
section 3.8.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from emotion_core.training.datasets.face_set import LABELS
from emotion_core.training.evaluation.calibration import confidence_gaps
from emotion_core.training.evaluation.metrics import TINY, nine_class_truth, to_predicted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from emotion_core.training.datasets.face_set import FaceSet
    from emotion_core.training.evaluation.metrics import Mask
    from emotion_core.types import FloatArray

DRAWS = 2000
_SEED = 0
_AT_ONCE = 4_000_000  # numbers drawn at a time; bounds memory at 32 MB

Drawn = Literal["faces", "photos", "people"]
Range = tuple[float, float]
_Sums = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Intervals:
    """95% intervals, low and high, of the fields of the same names in ``metrics.Metrics``.

    An interval is ``None`` if its metric is, or if there are fewer than two to draw from.

    Attributes:
        drawn: What was drawn.
        n: Their number.
        accuracy: Of the data set's classes.
        macro_f1: Classes that do not occur in a draw are left out of its mean.
        mean_recall: The same.
        valence_ccc: Concordance correlation.
        arousal_ccc: The same.
        valence_rmse: Root of the mean squared difference.
        arousal_rmse: The same.
        overconfidence: Mean confidence minus the share that is right.
    """

    drawn: Drawn
    n: int
    accuracy: Range | None
    macro_f1: Range | None
    mean_recall: Range | None
    valence_ccc: Range | None
    arousal_ccc: Range | None
    valence_rmse: Range | None
    arousal_rmse: Range | None
    overconfidence: Range | None

    @property
    def words(self) -> str:
        """One sentence about the origin of the intervals; empty if there are none."""
        if not (self.accuracy or self.valence_ccc or self.arousal_ccc):
            return ""
        return f"95% intervals: from drawing the {self.n:,} {self.drawn} anew {DRAWS:,} times."


@dataclass(frozen=True, eq=False, slots=True)
class MetricDraws:
    """Metrics of each draw: ``(DRAWS,)``, empty if there are fewer than two to draw from.

    Draws of the same faces are the same whatever was predicted, so that differences between two
    models are those on the same faces.

    Attributes:
        drawn: What was drawn.
        n: Their number.
        accuracy: As in ``Intervals``, and so are the others; NaN where a draw has no ground truth.
        macro_f1: Of each draw.
        mean_recall: Of each draw.
        recalls: ``(DRAWS, 9)`` recall of each emotion.
        valence_ccc: Of each draw.
        arousal_ccc: Of each draw.
        valence_rmse: Of each draw.
        arousal_rmse: Of each draw.
        overconfidence: Of each draw.
    """

    drawn: Drawn
    n: int
    accuracy: _Sums
    macro_f1: _Sums
    mean_recall: _Sums
    recalls: _Sums
    valence_ccc: _Sums
    arousal_ccc: _Sums
    valence_rmse: _Sums
    arousal_rmse: _Sums
    overconfidence: _Sums


def draw_metrics(
    probabilities: FloatArray,
    va: FloatArray,
    faces: FaceSet,
    found: Mask,
    people: Sequence[str] | None = None,
) -> MetricDraws:
    """Resamples the faces, with a fixed seed; arguments as for ``to_intervals``."""
    units = np.arange(len(faces))
    if people is not None:
        units = np.unique(np.array(people, str), return_inverse=True)[1]
    n = int(units.max(initial=-1)) + 1
    cells, counts = _count_cells(probabilities, faces, found, units, n)
    moments = [_to_moments(va, faces, found, units, n, k) for k in (0, 1)]
    gaps = _sum_gaps(probabilities, faces, found, units, n)
    sums = _draw(np.hstack([counts, *moments, gaps]))
    sums, gaps = sums[:, :-2], sums[:, -2:]
    flat = np.zeros((len(sums), len(LABELS) * (len(LABELS) + 1)))
    flat[:, cells] = sums[:, : len(cells)]
    confusion = flat.reshape(-1, len(LABELS), len(LABELS) + 1)
    valence, arousal = np.split(sums[:, len(cells) :], 2, axis=1)
    drawn: Drawn = "faces" if people is None else "people" if n < len(faces) else "photos"
    return MetricDraws(
        drawn,
        n,
        _accuracies(confusion),
        _macro_f1s(confusion),
        _mean_recalls(confusion),
        _divide(np.diagonal(confusion, axis1=1, axis2=2), confusion.sum(axis=2)),
        _concordances(valence),
        _concordances(arousal),
        _differences(valence),
        _differences(arousal),
        _divide(gaps[:, 0], gaps[:, 1]),
    )


def to_intervals(
    probabilities: FloatArray,
    va: FloatArray,
    faces: FaceSet,
    found: Mask,
    people: Sequence[str] | None = None,
) -> Intervals:
    """Resamples the faces, with a fixed seed.

    Args:
        probabilities: ``(N, 9)``, and the next three, as for ``to_metrics``.
        va: ``(N, 2)``.
        faces: The ground truth.
        found: ``(N,)``.
        people: The person in each of N photos; ``None`` if unknown.
    """
    draws = draw_metrics(probabilities, va, faces, found, people)
    names = [field.name for field in fields(Intervals)][2:]
    return Intervals(draws.drawn, draws.n, *(to_range(getattr(draws, name)) for name in names))


def to_words(interval: Range) -> str:
    """An interval for people."""
    return f"95%: {interval[0]:.3f} to {interval[1]:.3f}"


def _draw(columns: _Sums) -> _Sums:
    """Sums of the rows that are drawn: ``(U, K)`` to ``(DRAWS, K)``, no draws of fewer than two."""
    n = len(columns)
    if n < 2:
        return np.zeros((0, columns.shape[1]))
    generator = np.random.default_rng(_SEED)
    step = max(1, _AT_ONCE // n)
    parts = []
    for start in range(0, DRAWS, step):
        times = np.empty((min(step, DRAWS - start), n))
        for row in times:
            row[:] = np.bincount(generator.integers(0, n, n), minlength=n)
        parts.append(times @ columns)
    return np.concatenate(parts)


def _count_cells(
    probabilities: FloatArray, faces: FaceSet, found: Mask, units: npt.NDArray[np.intp], n: int
) -> tuple[npt.NDArray[np.intp], _Sums]:
    """Cells of the confusion that occur, and ``(U, K)`` how often; the last column is missed."""
    kept = faces.has_majority
    truth, predicted = faces.majority[kept], to_predicted(probabilities, faces, found)[kept]
    column = np.where(found[kept], predicted, len(LABELS))
    cells, which = np.unique(truth * (len(LABELS) + 1) + column, return_inverse=True)
    counts = np.bincount(units[kept] * len(cells) + which, minlength=n * len(cells))
    return cells, counts.reshape(n, len(cells)).astype(np.float64)


def _to_moments(
    va: FloatArray, faces: FaceSet, found: Mask, units: npt.NDArray[np.intp], n: int, column: int
) -> _Sums:
    """``(U, 6)`` sums of 1, x, y, xx, yy and xy over the rated faces of each unit."""
    rated = ~np.isnan(faces.va[:, column]) & found
    x, y = (values[rated, column].astype(np.float64) for values in (va, faces.va))
    terms = (np.ones_like(x), x, y, x * x, y * y, x * y)
    return np.stack([np.bincount(units[rated], term, n) for term in terms], axis=1)


def _sum_gaps(
    probabilities: FloatArray, faces: FaceSet, found: Mask, units: npt.NDArray[np.intp], n: int
) -> _Sums:
    """``(U, 2)`` sum of the gaps of confidence of each unit, and the number of its faces."""
    nine, truth = nine_class_truth(faces)
    clear = nine & found
    gaps = confidence_gaps(probabilities[clear], truth[found[nine]])
    return np.stack([np.bincount(units[clear], gaps, n), np.bincount(units[clear], None, n)], 1)


def _accuracies(confusion: _Sums) -> _Sums:
    right = np.trace(confusion, axis1=1, axis2=2)
    return _divide(right, confusion.sum(axis=(1, 2)))


def _macro_f1s(confusion: _Sums) -> _Sums:
    right = np.diagonal(confusion, axis1=1, axis2=2)
    truth, predicted = confusion.sum(axis=2), confusion[:, :, :-1].sum(axis=1)
    f1 = _divide(2 * right, truth + predicted)
    return _divide(np.where(truth > 0, f1, 0).sum(axis=1), (truth > 0).sum(axis=1))


def _mean_recalls(confusion: _Sums) -> _Sums:
    truth = confusion.sum(axis=2)
    recalls = _divide(np.diagonal(confusion, axis1=1, axis2=2), truth)
    return _divide(np.where(truth > 0, recalls, 0).sum(axis=1), (truth > 0).sum(axis=1))


def _differences(moments: _Sums) -> _Sums:
    n, xx, yy, xy = moments[:, [0, 3, 4, 5]].T
    return np.asarray(np.sqrt(np.maximum(_divide(xx - 2 * xy + yy, n), 0)))


def _concordances(moments: _Sums) -> _Sums:
    means = _divide(moments[:, 1:], moments[:, :1])
    x, y, xx, yy, xy = means.T
    return _divide(2 * (xy - x * y), xx - x * x + yy - y * y + (x - y) ** 2)


def _divide(above: _Sums, below: _Sums) -> _Sums:
    """Quotients, NaN where there is nothing to divide by."""
    quotients = np.full(np.broadcast_shapes(above.shape, below.shape), np.nan)
    np.divide(above, below, out=quotients, where=below > TINY)
    return quotients


def to_range(values: _Sums) -> Range | None:
    """The middle 95% of values, without those that are NaN; ``None`` if none is left."""
    known = values[~np.isnan(values)]
    if not len(known):
        return None
    low, high = np.percentile(known, (2.5, 97.5))
    return float(low), float(high)
