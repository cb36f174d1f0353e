"""Fits the last layer of a network to labelled faces.

A multinomial logistic regression on the frozen features, whose starting point is the network: the
new logits are ``a * z + W x + b`` of the network's calibrated logits ``z`` and its standardised
features ``x``, with a Gaussian prior on ``W``, ``log a`` and ``b``. No label changes nothing, and
with many the network's own words hardly count. Since ``z`` is linear in the features, all of it is
one linear layer again. How strong the prior on ``W`` is and the temperature come from
cross-validation in which the faces of a person, or of a photo, stay together.

Emotions with fewer labels than ``MIN_LABELS`` are not learned: their logits keep their place
relative to the mean of the others.

Valence and arousal: a ridge regression of what is missing to the rating (both before the tanh).

Source of the balanced weights: G. King and L. Zeng, "Logistic Regression in Rare Events Data",
Political Analysis 9, 2001 (weighting of a sample selected by its classes).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.special import log_softmax

from emotion_core.adaptation.folds import iter_folds
from emotion_core.adaptation.head import EmotionHead
from emotion_core.errors import EmotionError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from emotion_core.training.datasets.face_set import Indices
    from emotion_core.types import FloatArray

ClassPrior = Literal["balanced", "labels"]

MIN_LABELS = 5
"""Labels of an emotion from which on it is learned."""

MIN_RATINGS = 20
"""Ratings of valence or arousal from which on they are learned."""

STRENGTHS = (100.0, 30.0, 10.0, 3.0, 1.0, 0.3, 0.1)
"""Precisions of the prior on ``W``, strongest first; a face's features have a mean square of 1."""

_FOLDS = 4
_TEMPERATURES = np.exp(np.linspace(np.log(0.25), np.log(4), 81))
_MAX_RATING = 0.97  # beyond it atanh, and with it a single rating, would count too much
_TINY_SD = 1e-6

_Float = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False, slots=True)
class LabelledFeatures:
    """What is known of N labelled faces.

    Attributes:
        features: ``(N, D)`` of the network.
        truth: ``(N,)`` index into ``ALL_EMOTIONS``; ``NO_CLASS`` where there is no clear word.
        va: ``(N, 2)`` rated valence and arousal; NaN where unrated.
        units: The person, or else the photo, of each face.
    """

    features: FloatArray
    truth: Indices
    va: FloatArray
    units: Sequence[str]

    def __len__(self) -> int:
        return len(self.features)

    def take(self, rows: npt.NDArray[np.intp]) -> LabelledFeatures:
        """Some of the faces."""
        units = [self.units[i] for i in rows]
        return replace(
            self,
            features=self.features[rows],
            truth=self.truth[rows],
            va=self.va[rows],
            units=units,
        )


def find_learned(truth: Indices) -> Indices:
    """The emotions with enough labels to be learned, as indices into ``ALL_EMOTIONS``."""
    words, counts = np.unique(truth[truth >= 0], return_counts=True)
    return words[counts >= MIN_LABELS]


def fit_words(
    base: EmotionHead, faces: LabelledFeatures, prior: ClassPrior, learned: Indices
) -> EmotionHead:
    """Fits the logits; valence and arousal stay.

    Args:
        base: Of the network.
        faces: Labelled.
        prior: ``"balanced"``: all emotions count alike; ``"labels"``: as often as they occur.
        learned: The emotions to learn, see ``find_learned``; those with fewer than two labels among
            ``faces`` are left out.

    Raises:
        EmotionError: Fewer than two emotions can be learned.
    """
    learned = np.array([k for k in learned if (faces.truth == k).sum() >= 2], np.int64)
    if len(learned) < 2:
        raise EmotionError("Adapting needs labels of two emotions or more, of several people.")
    faces = faces.take(np.flatnonzero(np.isin(faces.truth, learned)))
    problem = _Problem.of(base, faces, learned, prior)
    losses = np.zeros(len(STRENGTHS))
    outside = np.zeros((len(STRENGTHS), len(faces), len(base.bias)), np.float32)
    for train, test in iter_folds(faces.truth, faces.units, _FOLDS):
        for i, fitted in enumerate(problem.iter_path(train)):
            outside[i, test] = problem.to_logits(fitted, test)
            losses[i] += problem.loss(outside[i], test)
    best = int(losses.argmin())
    *_, fitted = problem.iter_path(np.arange(len(faces)), STRENGTHS[: best + 1])
    temperature = _fit_temperature(outside[best], problem)
    return base.with_words(problem.fold(base, fitted, temperature))


def fit_va(
    base: EmotionHead, faces: LabelledFeatures, column: int, *, min_ratings: int = MIN_RATINGS
) -> EmotionHead:
    """Fits valence (column 0) or arousal (column 1); the rest stays.

    Args:
        base: Of the network.
        faces: Rated.
        column: Which of the two.
        min_ratings: Fewer are refused.

    Raises:
        EmotionError: There are too few ratings.
    """
    from sklearn.linear_model import Ridge

    rated = np.flatnonzero(~np.isnan(faces.va[:, column]))
    if len(rated) < min_ratings:
        raise EmotionError(f"Adapting valence and arousal needs at least {min_ratings} ratings.")
    faces = faces.take(rated)
    raw = base.to_raw_va(faces.features)[:, column].astype(np.float64)
    missing = np.arctanh(np.clip(faces.va[:, column], -_MAX_RATING, _MAX_RATING)) - raw
    scaled, mean, scale = _standardise(faces.features)
    losses = np.zeros(len(STRENGTHS))
    for train, test in iter_folds(None, faces.units, _FOLDS):
        for i, strength in enumerate(STRENGTHS):
            ridge = Ridge(strength).fit(scaled[train], missing[train])
            read = np.tanh(raw[test] + ridge.predict(scaled[test]))
            losses[i] += np.square(read - faces.va[test, column]).sum()
    ridge = Ridge(STRENGTHS[int(losses.argmin())]).fit(scaled, missing)
    change = (ridge.coef_ / scale).astype(np.float32)
    weight = np.zeros((2, faces.features.shape[1]), np.float32)
    bias = np.zeros(2, np.float32)
    weight[column], bias[column] = change, ridge.intercept_ - mean @ change
    if base.va_weight is None or base.va_bias is None:
        raise ValueError("The network has no outputs for valence and arousal.")
    return replace(base, va_weight=base.va_weight + weight, va_bias=base.va_bias + bias)


@dataclass(frozen=True, eq=False, slots=True)
class _Fitted:
    """``log a``, ``W (r, k)`` and ``b (k,)`` in one vector."""

    vector: _Float
    k: int

    def split(self) -> tuple[float, _Float, _Float]:
        return (
            self.vector[0],
            self.vector[1 + self.k :].reshape(-1, self.k),
            self.vector[1:][: self.k],
        )


@dataclass(frozen=True, eq=False, slots=True)
class _Problem:
    """N faces of k emotions with r standardised features, in which all else is a linear map."""

    x: _Float  # (N, r)
    z: _Float  # (N, 9) calibrated logits
    hot: _Float  # (N, k)
    weights: _Float  # (N,) mean 1
    learned: Indices  # (k,)
    axes: _Float  # (D, r) from features
    mean: _Float  # (D,)

    @classmethod
    def of(
        cls, base: EmotionHead, faces: LabelledFeatures, learned: Indices, prior: ClassPrior
    ) -> _Problem:
        scaled, mean, scale = _standardise(faces.features)
        axes = np.eye(scaled.shape[1]) / scale
        if len(faces) < scaled.shape[1]:  # the same solution in the space that the faces span
            _, _, across = np.linalg.svd(scaled, full_matrices=False)
            scaled, axes = scaled @ across.T, axes @ across.T
        which = np.searchsorted(learned, faces.truth)
        hot = np.eye(len(learned))[which]
        weights = np.ones(len(faces))
        if prior == "balanced":
            weights = len(faces) / (len(learned) * np.bincount(which))[which]
        z = base.to_scaled_logits(faces.features).astype(np.float64)
        return cls(scaled, z, hot, weights, learned, axes, mean)

    def iter_path(
        self, rows: npt.NDArray[np.intp], strengths: Sequence[float] = STRENGTHS
    ) -> Iterator[_Fitted]:
        """Yields the fit to some rows at each strength, each from the last one."""
        k = len(self.learned)
        part = (self.x[rows], self.z[rows][:, self.learned], self.hot[rows], self.weights[rows])
        vector = np.zeros(1 + k + self.x.shape[1] * k)
        for strength in strengths:
            found: Any = minimize(
                _objective,
                vector,
                (*part, strength),
                jac=True,
                method="L-BFGS-B",
                options={"maxiter": 200, "ftol": 1e-6},
            )
            vector = found.x
            yield _Fitted(vector, k)

    def to_logits(self, fitted: _Fitted, rows: npt.NDArray[np.intp]) -> FloatArray:
        log_scale, w, b = fitted.split()
        logits = np.exp(log_scale) * self.z[rows]
        logits[:, self.learned] += self.x[rows] @ w + b
        return np.asarray(logits, np.float32)

    def loss(self, logits: FloatArray, rows: npt.NDArray[np.intp]) -> float:
        """Weighted cross-entropy between the learned emotions."""
        logs = log_softmax(logits[rows][:, self.learned].astype(np.float64), axis=1)
        return float(-(self.weights[rows] * (self.hot[rows] * logs).sum(axis=1)).sum())

    def fold(self, base: EmotionHead, fitted: _Fitted, temperature: float) -> EmotionHead:
        """The fit as a last layer."""
        log_scale, w, b = fitted.split()
        scale = np.exp(log_scale) / base.temperature
        weight, bias = scale * base.weight, scale * base.bias
        change = (self.axes @ w).T  # (k, D)
        weight[self.learned] += change
        bias[self.learned] += b - change @ self.mean
        floats = (weight.astype(np.float32), bias.astype(np.float32))
        return EmotionHead(*floats, temperature=temperature)


def _objective(
    vector: _Float, x: _Float, z: _Float, hot: _Float, weights: _Float, strength: float
) -> tuple[float, _Float]:
    """Negative log posterior of some faces, and its slope."""
    log_scale, w, b = _Fitted(vector, hot.shape[1]).split()
    scale = np.exp(log_scale)
    logits = scale * z + x @ w + b
    logits -= logits.max(axis=1, keepdims=True)
    powers = np.exp(logits)
    sums = powers.sum(axis=1)
    loss = weights @ (np.log(sums) - (hot * logits).sum(axis=1))
    loss += 0.5 * (strength * np.square(w).sum() + 0.1 * np.square(b).sum() + log_scale**2)
    slope = weights[:, None] * (powers / sums[:, None] - hot)
    slopes = [
        [scale * (slope * z).sum() + log_scale],
        slope.sum(axis=0) + 0.1 * b,
        (x.T @ slope + strength * w).ravel(),
    ]
    return float(loss), np.concatenate(slopes)


def _standardise(features: FloatArray) -> tuple[_Float, _Float, float]:
    """Features with mean 0 and a mean square of 1 a face; also the mean and the one scale."""
    mean = features.mean(axis=0, dtype=np.float64)
    centred = features - mean
    scale = max(_TINY_SD, float(np.sqrt(np.square(centred).sum(axis=1).mean())))
    return centred / scale, mean, scale


def _fit_temperature(logits: FloatArray, problem: _Problem) -> float:
    """The temperature at which logits outside of the folds fit best, between all emotions."""
    truth = problem.learned[problem.hot.argmax(axis=1)]
    rows = np.arange(len(truth))
    losses = [
        -(problem.weights * log_softmax(logits / t, axis=1)[rows, truth]).sum()
        for t in _TEMPERATURES
    ]
    return round(float(_TEMPERATURES[int(np.argmin(losses))]), 4)
