"""How far several raters agree about the same faces.

Source: J. Cohen, "A Coefficient of Agreement for Nominal Scales", Educational and Psychological
Measurement 20, 1960; K. Krippendorff, "Content Analysis", 4th edition, 2019, chapter 12.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from emotion_core.labels import ALL_EMOTIONS
from emotion_core.photos.comparison import to_kappa

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Literal

    import numpy.typing as npt

    from emotion_core.training.datasets.photo_labels import PhotoLabel


@dataclass(frozen=True, slots=True)
class RaterAgreement:
    """Agreement of raters; 1 is perfect, 0 what chance gives; ``None`` where it is not defined.

    Attributes:
        raters: Their names.
        n_shared: Faces that two or more of them labelled.
        kappa: Cohen's kappa of the words of each two raters that share faces.
        alpha: Krippendorff's alpha of the words, of all raters together.
        alpha_valence: The same of valence, by squared differences.
        alpha_arousal: The same of arousal.
    """

    raters: tuple[str, ...]
    n_shared: int
    kappa: Mapping[tuple[str, str], float | None]
    alpha: float | None
    alpha_valence: float | None
    alpha_arousal: float | None


def to_agreement_of(labels: Sequence[PhotoLabel]) -> RaterAgreement:
    """Measures agreement from rows of single raters, as ``read_rated_labels`` returns them.

    "Cannot tell" (uncertain) is a word like the others.
    """
    raters = tuple(sorted({label.rater for label in labels}))
    faces = {face: i for i, face in enumerate(dict.fromkeys(label.face for label in labels))}
    words, valence, arousal = (np.full((len(raters), len(faces)), np.nan) for _ in range(3))
    for label in labels:
        cell = raters.index(label.rater), faces[label.face]
        if label.emotion is not None:
            words[cell] = ALL_EMOTIONS.index(label.emotion)
        valence[cell], arousal[cell] = label.valence, label.arousal
    rated = ~np.isnan(words)
    kappa = {}
    for i, k in combinations(range(len(raters)), 2):
        both = rated[i] & rated[k]
        if both.any():
            pair = words[:, both].astype(np.int64)
            kappa[raters[i], raters[k]] = to_kappa(pair[i], pair[k])
    return RaterAgreement(
        raters,
        int(((rated | ~np.isnan(valence) | ~np.isnan(arousal)).sum(axis=0) > 1).sum()),
        kappa,
        _to_alpha(words, "nominal"),
        _to_alpha(valence, "interval"),
        _to_alpha(arousal, "interval"),
    )


def _to_alpha(
    ratings: npt.NDArray[np.float64], level: Literal["nominal", "interval"]
) -> float | None:
    """Alpha of ``(raters, faces)``; ``None`` without faces that two rated, or with one value."""
    shared = ratings[:, (~np.isnan(ratings)).sum(axis=0) > 1]
    if len(np.unique(shared[~np.isnan(shared)])) < 2:
        return None
    import krippendorff

    return float(krippendorff.alpha(shared, level_of_measurement=level))
