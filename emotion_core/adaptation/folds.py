"""Folds of cross-validation that keep the faces of a person, or of a photo, together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from emotion_core.errors import EmotionError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt

    from emotion_core.training.datasets.face_set import Indices


def iter_folds(
    truth: Indices | None, units: Sequence[str], n: int
) -> Iterator[tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]]:
    """Yields rows to learn from and rows to test on, which share no unit.

    Args:
        truth: ``(N,)`` classes, which folds get in about equal shares; ``None`` for numbers.
        units: The person or photo of each row.
        n: Number of folds; fewer if there are fewer units.

    Raises:
        EmotionError: All rows are of one unit.
    """
    from sklearn.model_selection import GroupKFold, StratifiedGroupKFold

    n = min(n, len(set(units)))
    if n < 2:
        raise EmotionError("Adapting needs labels of more than one photo or person.")
    rows = np.arange(len(units))
    if truth is None:
        yield from GroupKFold(n, shuffle=True, random_state=0).split(rows, groups=units)
        return
    fewest = int(np.unique(truth, return_counts=True)[1].min())
    folds = StratifiedGroupKFold(max(2, min(n, fewest)), shuffle=True, random_state=0)
    yield from folds.split(rows, truth, units)
