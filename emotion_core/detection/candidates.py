"""Places of pictures at which a network sees a face: many to a face, before doubles are told apart.

A table holds those of a whole batch of pictures: what follows the network on a GPU would take
longer than it, picture by picture.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np

from emotion_core.detection.boxes import MAX_CANDIDATES, NmsThresholds, batched_nms, iou_matrix
from emotion_core.types import Faces, FloatArray

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

Candidates = FloatArray
"""``(M, 16)``: number of the picture, score, x1, y1, x2, y2, then x, y of five landmarks in pixels
of the picture. Where nothing else is said the rows go by picture, and within one by falling score.
"""

PICTURE, SCORE, BOX, POINTS = 0, 1, slice(2, 6), slice(6, 16)
"""Columns."""

_SAME_PLACE = 0.6  # of the union; 0.45 and 0.75 gave the same landmarks to a tenth of a per cent
_BLOCK = 16  # faces that are compared at once with the places of their pictures


def no_candidates() -> Candidates:
    """A table without a row."""
    return np.zeros((0, 16), np.float32)


def threshold_candidates(
    scores: FloatArray, boxes: FloatArray, points: FloatArray, min_score: float
) -> Candidates:
    """The places of a batch that may be faces, by picture and in the network's order.

    Args:
        scores: ``(B, P)``; rounding may have led them out of 0-1.
        boxes: ``(B, P, 4)`` xyxy.
        points: ``(B, P, 10)`` x, y of five landmarks.
        min_score: Places below it are left out.
    """
    picture, place = np.nonzero(scores >= min_score)
    places = np.empty((len(picture), 16), np.float32)
    places[:, PICTURE] = picture
    places[:, SCORE] = scores[picture, place]
    places[:, BOX] = boxes[picture, place]
    places[:, POINTS] = points[picture, place]
    return places


def to_image_coords(
    places: Candidates, pictures: Sequence[int], scales: Sequence[float] | None = None
) -> Candidates:
    """Bring what was seen in views of pictures into the pictures, in place.

    Args:
        places: By views.
        pictures: Which picture each view shows.
        scales: Pixels of each view per pixel of its picture, if they are not the same.
    """
    if len(places):
        view = image_indices(places)
        places[:, PICTURE] = np.asarray(pictures)[view]
        if scales is not None:
            places[:, 2:] /= np.asarray(scales, np.float32)[view, None]
    return places


def sort_and_cap(*tables: Candidates) -> Candidates:
    """All together by picture and falling score, the best ``MAX_CANDIDATES`` of each picture."""
    places = np.concatenate([no_candidates(), *tables])
    places = places[np.lexsort((-places[:, SCORE], places[:, PICTURE]))]
    if len(places) > MAX_CANDIDATES:
        picture = places[:, PICTURE]
        rank = np.arange(len(places)) - np.searchsorted(picture, picture)
        places = places[rank < MAX_CANDIDATES]
    return places


def image_indices(places: Candidates) -> npt.NDArray[np.intp]:
    """``(M,)`` the number of each place's picture."""
    return places[:, PICTURE].astype(np.intp)


def nms(places: Candidates, overlap: NmsThresholds) -> Candidates:
    """Of places that overlap, the best; see ``boxes.batched_nms``."""
    return places[batched_nms(places[:, BOX], image_indices(places), overlap)]


def with_mean_landmarks(kept: Candidates, seen: Candidates) -> Candidates:
    """Give each place the mean landmarks of all places that fit it, weighted by their scores.

    Places beside each other, and looks at several scales, err differently: on 344 portraits the
    mean lay 6.5 % of the eye distance off a teacher's, those of the best place alone 7.3 %.

    Args:
        kept: One place a face.
        seen: Everything whose landmarks count.
    """
    result = kept.copy()
    for start in range(0, len(kept), _BLOCK):
        some = kept[start : start + _BLOCK]
        low = np.searchsorted(seen[:, PICTURE], some[0, PICTURE], side="left")
        high = np.searchsorted(seen[:, PICTURE], some[-1, PICTURE], side="right")
        near = seen[low:high]
        fits = iou_matrix(some[:, BOX], near[:, BOX]) >= _SAME_PLACE
        fits &= some[:, PICTURE, None] == near[:, PICTURE]
        weights = near[:, SCORE] * fits
        total = weights.sum(axis=1)
        has_any = np.flatnonzero(total > 0)
        means = weights[has_any] @ near[:, POINTS] / total[has_any, None]
        result[start + has_any, POINTS] = means
    return result


def to_faces(places: Candidates, n: int) -> list[Faces]:
    """The places of each of ``n`` pictures as faces."""
    points = places[:, POINTS].reshape(-1, 5, 2)
    faces = Faces(places[:, BOX].copy(), np.clip(places[:, SCORE], 0, 1), points)
    bounds = np.searchsorted(places[:, PICTURE], np.arange(n + 1))
    return [faces[low:high] for low, high in itertools.pairwise(bounds)]
