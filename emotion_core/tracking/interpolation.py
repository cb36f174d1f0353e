"""Interpolation: faces of frames that were not analysed, from the analysed frames around them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from emotion_core.quality import FaceQuality
from emotion_core.types import Analysis, Faces, Predictions

if TYPE_CHECKING:
    from emotion_core.types import FloatArray


def interpolate(before: Analysis, after: Analysis, fraction: float) -> Analysis:
    """Interpolates the faces of a frame between two analysed ones.

    Args:
        before: The earlier frame; faces with track ids.
        after: The later one, analysed by the same network; faces with track ids.
        fraction: Position between them, from 0 to 1.

    Returns:
        Linearly interpolated boxes, scores, landmarks and predictions, with the quality in the
        nearer frame, from left to right. A person
        who is only in ``before`` is kept unchanged below a fraction of 0.5, one who is only in
        ``after`` from 0.5 on. Its ``time_s`` is 0: nothing was analysed.

    Raises:
        ValueError: ``fraction`` is out of range, faces have no track ids, or labels differ.
    """
    if not 0 <= fraction <= 1:
        raise ValueError(f"fraction must lie in [0, 1], not {fraction}.")
    if before.predictions.labels != after.predictions.labels:
        raise ValueError("Both frames must be analysed by the same network.")
    old, new = _rows_by_id(before, 0), _rows_by_id(after, len(before))
    lone = old if fraction < 0.5 else new
    ids = [i for i in {**old, **new} if (i in old and i in new) or i in lone]
    start = np.array([old.get(i, new.get(i)) for i in ids], np.intp)
    end = np.array([new.get(i, old.get(i)) for i in ids], np.intp)

    def mix(*parts: FloatArray) -> FloatArray:
        rows = np.concatenate(parts).astype(np.float64)
        return ((1 - fraction) * rows[start] + fraction * rows[end]).astype(np.float32)

    non_empty = [a.faces for a in (before, after) if len(a)]
    landmarks = [faces.landmarks for faces in non_empty if faces.landmarks is not None]
    faces = Faces(
        mix(before.faces.boxes, after.faces.boxes),
        mix(before.faces.scores, after.faces.scores),
        mix(*landmarks) if landmarks and len(landmarks) == len(non_empty) else None,
        np.array(ids, np.int64),
    )
    one, two = before.predictions, after.predictions
    predictions = Predictions(
        one.labels,
        mix(one.probabilities, two.probabilities),
        mix(one.valence, two.valence),
        mix(one.arousal, two.arousal),
        one.va_source,
    )
    order = np.argsort(faces.boxes[:, 0] + faces.boxes[:, 2], kind="stable")
    quality = None
    if before.quality is not None and after.quality is not None:
        both = FaceQuality.join([before.quality, after.quality])
        quality = both[start if fraction < 0.5 else end]
    mixed = Analysis(before.size_wh, faces, predictions, before.model, 0.0, quality)
    return mixed[order]


def _rows_by_id(analysis: Analysis, offset: int) -> dict[int, int]:
    track_ids = analysis.faces.track_ids
    if track_ids is None and len(analysis):
        raise ValueError("Faces need track ids.")
    return {} if track_ids is None else {t: offset + i for i, t in enumerate(track_ids.tolist())}
