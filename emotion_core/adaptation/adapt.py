"""Adapts a network to labelled faces, and measures beforehand whether that helps.

Every figure is of faces that the adapted layer did not learn from: nested cross-validation repeats
the whole fit, with its choice of strength and temperature, for each fifth of the people or photos.
An output is only changed if the 95% interval of its gain lies above zero; intervals come from
drawing people or photos anew, before and after on the same draws.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import softmax

from emotion_core.adaptation.fit import (
    MIN_LABELS,
    MIN_RATINGS,
    ClassPrior,
    find_learned,
    fit_va,
    fit_words,
)
from emotion_core.adaptation.folds import iter_folds
from emotion_core.labels import ALL_EMOTIONS
from emotion_core.training.evaluation.bootstrap import to_intervals
from emotion_core.training.evaluation.evaluate import PredictionBuffer
from emotion_core.training.evaluation.metrics import to_metrics
from emotion_core.training.evaluation.paired import to_differences

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from emotion_core.adaptation.faces import LabelledFaces
    from emotion_core.adaptation.fit import LabelledFeatures
    from emotion_core.adaptation.head import EmotionHead
    from emotion_core.training.datasets.face_set import Indices
    from emotion_core.training.evaluation.metrics import Metrics
    from emotion_core.training.evaluation.paired import PairedDifference

VALUES = ("valence", "arousal")
_FOLDS = 5
_DECISIVE = {"balanced": "mean_recall", "labels": "accuracy"}


@dataclass(frozen=True, eq=False, slots=True)
class Adaptation:
    """A last layer that was adapted to labels, and whether it reads other faces better.

    Attributes:
        head: The adapted layer; the network's own for outputs that are not in ``used``.
        prior: How emotions were weighted.
        used: Outputs that it changes: ``"emotions"``, ``"valence"``, ``"arousal"``; empty if
            adapting is refused.
        reasons: Why each of the other outputs stays, in a sentence.
        counts: Labels of each emotion.
        n_rated: Ratings of valence and of arousal.
        n_units: People, or photos, that the labels are of.
        before: Of the network as it was.
        after: Of adapted layers on faces that they did not learn from.
        differences: The same side by side, with intervals.
        outside: How ``head`` reads the labelled faces, each by a layer fitted without its person or
            photo.
    """

    head: EmotionHead
    prior: ClassPrior
    used: tuple[str, ...]
    reasons: tuple[str, ...]
    counts: dict[str, int]
    n_rated: tuple[int, int]
    n_units: int
    before: Metrics
    after: Metrics
    differences: tuple[PairedDifference, ...]
    outside: PredictionBuffer = field(default_factory=partial(PredictionBuffer.empty, 0))

    @property
    def refusal(self) -> str:
        """Why nothing is adapted; empty if something is."""
        return "" if self.used else " ".join(self.reasons)

    @property
    def n_labels(self) -> int:
        """Faces with a clear emotion."""
        return sum(self.counts.values())


def adapt(base: EmotionHead, faces: LabelledFaces, prior: ClassPrior = "balanced") -> Adaptation:
    """Fits the last layer of a network to labelled faces.

    Args:
        base: The last layer as it is.
        faces: Labelled faces with their features.
        prior: ``"balanced"``: all emotions count alike, whatever was labelled, and their mean
            recall decides; ``"labels"``: they count as often as labelled, and accuracy decides.

    Returns:
        The adapted layer with its figures, or the old one with the reasons for refusal.
    """
    evidence, truth = faces.evidence, faces.truth
    before, after = _read(base, faces), _read(base, faces)
    learned = find_learned(evidence.truth)
    tried = []
    if len(learned) >= 2 and _has_units(evidence, evidence.truth >= 0):
        _predict_words(base, evidence, prior, learned, after)
        tried.append("emotions")
    rated = [np.flatnonzero(~np.isnan(evidence.va[:, column])) for column in range(len(VALUES))]
    for column, name in enumerate(VALUES):
        enough = len(rated[column]) >= MIN_RATINGS and _has_units(evidence, rated[column])
        if base.va_weight is not None and enough:
            _predict_va(base, evidence, column, after)
            tried.append(name)
    differences = to_differences(before, after, truth, evidence.units)
    reasons = _find_reasons(tried, differences, prior)
    if "emotions" not in tried:
        reasons["emotions"] = _too_few(evidence.truth)
    elif not reasons.get("emotions") and _is_chance(after, faces):
        reasons["emotions"] = _CHANCE
    used = tuple(name for name in tried if name not in reasons)
    head = fit_words(base, evidence, prior, learned) if "emotions" in used else base
    for column, name in enumerate(VALUES):
        if name in used:
            head = head.with_va(fit_va(base, evidence, column), [column])
    counts = np.bincount(evidence.truth[evidence.truth >= 0], minlength=len(ALL_EMOTIONS))
    return Adaptation(
        head=head,
        prior=prior,
        used=used,
        reasons=tuple(reasons.values()),
        counts={str(ALL_EMOTIONS[k]): int(counts[k]) for k in np.flatnonzero(counts)},
        n_rated=(len(rated[0]), len(rated[1])),
        n_units=len(set(evidence.units)),
        before=to_metrics(before.probabilities, before.va, truth),
        after=to_metrics(after.probabilities, after.va, truth),
        differences=differences,
        outside=_keep_used(before, after, used),
    )


def _keep_used(
    before: PredictionBuffer, after: PredictionBuffer, used: Sequence[str]
) -> PredictionBuffer:
    """The readings after adapting, but those before it of outputs that stay."""
    columns = [column for column, name in enumerate(VALUES) if name in used]
    va = before.va.copy()
    va[:, columns] = after.va[:, columns]
    words = after if "emotions" in used else before
    return PredictionBuffer(words.probabilities, va, before.found)


def _has_units(evidence: LabelledFeatures, rows: npt.NDArray[np.generic]) -> bool:
    """Whether some rows are of three people or photos, so that two remain if one is left out."""
    return len(np.unique(np.array(evidence.units, str)[rows])) > 2


def _find_reasons(
    tried: Sequence[str], differences: Sequence[PairedDifference], prior: ClassPrior
) -> dict[str, str]:
    """Why outputs stay that were tried, by their names; those that gain have no reason to."""
    decisive = {"emotions": _DECISIVE[prior], "valence": "valence_ccc", "arousal": "arousal_ccc"}
    found = {one.name: one for one in differences}
    gains = {output: found.get(decisive[output]) for output in tried}
    return {o: _no_gain(o, gain) for o, gain in gains.items() if gain is None or not gain.is_gain}


def _predict_words(
    base: EmotionHead,
    evidence: LabelledFeatures,
    prior: ClassPrior,
    learned: Indices,
    readings: PredictionBuffer,
) -> None:
    """Replaces the probabilities of labelled faces by those of layers that learned from others."""
    rows = np.flatnonzero(evidence.truth >= 0)
    part = evidence.take(rows)
    strata = np.where(np.isin(part.truth, learned), part.truth, learned[0])
    for train, test in iter_folds(strata, part.units, _FOLDS):
        fitted = fit_words(base, part.take(train), prior, learned)
        logits = fitted.to_scaled_logits(part.features[test])
        readings.probabilities[rows[test]] = softmax(logits, axis=1)


def _predict_va(
    base: EmotionHead, evidence: LabelledFeatures, column: int, readings: PredictionBuffer
) -> None:
    """Does the same with valence or arousal of rated faces."""
    rated = np.flatnonzero(~np.isnan(evidence.va[:, column]))
    part = evidence.take(rated)
    for train, test in iter_folds(None, part.units, _FOLDS):
        fitted = fit_va(base, part.take(train), column, min_ratings=2)  # of all there are enough
        readings.va[rated[test], column] = fitted.to_va(part.features[test])[:, column]


def _read(head: EmotionHead, faces: LabelledFaces) -> PredictionBuffer:
    readings = PredictionBuffer.empty(len(faces))
    va = np.zeros((len(faces), 2), np.float32)
    if head.va_weight is not None:
        va = head.to_va(faces.features)
    probabilities = softmax(head.to_scaled_logits(faces.features), axis=1)
    readings.fill(slice(None), ALL_EMOTIONS, probabilities, va)
    return readings


_CHANCE = (
    "The labels cannot be told from the faces better than by chance; check that they are of the "
    "right photos."
)


def _is_chance(readings: PredictionBuffer, faces: LabelledFaces) -> bool:
    """Whether the mean recall may be what guessing gives."""
    found = to_intervals(
        readings.probabilities, readings.va, faces.truth, readings.found, faces.units
    )
    words = np.unique(faces.truth.majority[faces.truth.has_majority])
    return found.mean_recall is None or found.mean_recall[0] <= 1 / len(words)


def _too_few(truth: Indices) -> str:
    words, counts = np.unique(truth[truth >= 0], return_counts=True)
    has = ", ".join(f"{n} of {ALL_EMOTIONS[k]}" for k, n in zip(words, counts, strict=True))
    return (
        f"There are too few labels to learn emotions from ({has or 'none'}): label at least "
        f"{MIN_LABELS} faces of each of two emotions, of several people; 25 of each are better."
    )


def _no_gain(output: str, difference: PairedDifference | None) -> str:
    if difference is None or difference.interval is None:
        return f"Whether the labels help with {output} cannot be told from so few people or photos."
    words = difference.name.replace("_", " ").replace("ccc", "CCC")
    span = "{:+.3f} to {:+.3f}".format(*difference.interval)
    return (
        f"It is not certain that the labels help with {output}: {words} changes by "
        f"{difference.difference:+.3f} (95%: {span}) on faces that were left out. Label more "
        "faces, above all of rare emotions."
    )
