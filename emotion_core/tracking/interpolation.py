"""Faces of pictures that were not analysed, from the analysed ones around them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from emotion_core.types import Analysis, Faces, Predictions

if TYPE_CHECKING:
    from emotion_core.types import FloatArray


def interpolate(before: Analysis, after: Analysis, share: float) -> Analysis:
    """The faces of a picture between two analysed ones, each moved on towards its later place.

    Args:
        before: The earlier picture; faces with track ids.
        after: The later one, by the same network; faces with track ids.
        share: How far on the way, from 0 to 1.

    Returns:
        Boxes, scores, landmarks and readings changed linearly; from left to right. A person who is
        only in ``before`` is kept as it is below a share of 0.5, one who is only in ``after`` from
        0.5. Its ``time_s`` is 0: nothing was analysed.

    Raises:
        ValueError: ``share`` is out of range, faces have no track ids, or labels differ.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"share must lie in [0, 1], not {share}.")
    if before.predictions.labels != after.predictions.labels:
        raise ValueError("Both pictures must be read by the same network.")
    old, new = _rows_by_id(before, 0), _rows_by_id(after, len(before))
    lone = old if share < 0.5 else new
    ids = [i for i in {**old, **new} if (i in old and i in new) or i in lone]
    start = np.array([old[i] if i in old else new[i] for i in ids], np.intp)
    end = np.array([new[i] if i in new else old[i] for i in ids], np.intp)

    def mix(*parts: FloatArray) -> FloatArray:
        rows = np.concatenate(parts).astype(np.float64)
        return ((1 - share) * rows[start] + share * rows[end]).astype(np.float32)

    points = [a.faces.landmarks for a in (before, after) if len(a)]
    known = [p for p in points if p is not None]
    faces = Faces(
        mix(before.faces.boxes, after.faces.boxes),
        mix(before.faces.scores, after.faces.scores),
        mix(*known) if known and len(known) == len(points) else None,
        np.array(ids, np.int64),
    )
    one, two = before.predictions, after.predictions
    read = Predictions(
        one.labels,
        mix(one.probabilities, two.probabilities),
        mix(one.valence, two.valence),
        mix(one.arousal, two.arousal),
        one.va_source,
    )
    order = np.argsort(faces.boxes[:, 0] + faces.boxes[:, 2], kind="stable")
    return Analysis(before.size_wh, faces[order], read[order], before.model, 0.0)


def _rows_by_id(analysis: Analysis, offset: int) -> dict[int, int]:
    if analysis.faces.track_ids is None:
        if len(analysis):
            raise ValueError("Faces need track ids.")
        return {}
    return {int(track): offset + i for i, track in enumerate(analysis.faces.track_ids)}
