"""Which faces to label first, so that a quarter of an hour teaches the most.

Uncertain readings teach more than sure ones, but a queue of nothing else is all of one kind: the
emotions take turns, the rarest first, and within one a person's next face waits until the others
have had theirs.

Source: margins between the two likeliest classes, T. Scheffer et al., "Active Hidden Markov Models
for Information Extraction", IDA 2001.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from emotion_core.types import FloatArray


def order_for_labels(
    probabilities: FloatArray, people: Sequence[str], is_usable: Sequence[bool] | None = None
) -> list[int]:
    """Orders faces by how much their labels are likely to teach.

    Args:
        probabilities: ``(N, C)`` as read.
        people: The person, or else the photo, of each face.
        is_usable: Whether each face can be read; the others come last. ``None``: all can.

    Returns:
        Rows, those to label first at the beginning.
    """
    n = len(probabilities)
    if n == 0:
        return []
    top = np.sort(probabilities, axis=1)[:, -2:]
    margin = top[:, -1] - top[:, 0] if probabilities.shape[1] > 1 else np.zeros(n)
    read = probabilities.argmax(axis=1)
    usable = np.ones(n, bool) if is_usable is None else np.asarray(is_usable, bool)
    by_margin = sorted(range(n), key=lambda i: (not usable[i], margin[i]))
    turns = _count_turns(by_margin, [(int(read[i]), people[i]) for i in range(n)])
    frequency = np.bincount(read)
    within = sorted(by_margin, key=lambda i: (not usable[i], turns[i]))
    rounds = _count_turns(within, read.tolist())
    return sorted(within, key=lambda i: (not usable[i], rounds[i], frequency[read[i]], read[i]))


def _count_turns(order: Sequence[int], kinds: Sequence[object]) -> dict[int, int]:
    """How many of the same kind come before each row."""
    seen: dict[object, int] = {}
    turns = {}
    for i in order:
        turns[i] = seen.get(kinds[i], 0)
        seen[kinds[i]] = turns[i] + 1
    return turns
