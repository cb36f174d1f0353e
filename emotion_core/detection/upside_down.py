"""Whether faces may be upside down: a small logistic regression on their aligned pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from emotion_core.imaging.grey import to_grey
from emotion_core.imaging.warp import warp_to_template
from emotion_core.models.registry import FERPLUS_TEMPLATE

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from emotion_core.detection.glance import Place
    from emotion_core.types import FloatArray

_CELLS, _CROP_PX = 12, 24
_TEMPLATE = np.array(FERPLUS_TEMPLATE)
_NOWHERE = np.zeros((1, 5, 2), np.float32)  # landmarks, where a network tells none
_INTERCEPT = 3.95
# fmt: off
_WEIGHTS = np.array([
    [0.12, 0.15, 0.20, 0.07, -0.13, 0.05],
    [-0.03, -0.13, -0.11, 0.00, -0.19, -0.11],
    [-0.01, 0.00, 0.13, 0.11, -0.66, -0.54],
    [0.18, 0.25, 0.23, 0.23, -0.03, -1.06],
    [0.21, 0.06, 0.04, 0.95, 1.51, -0.21],
    [-0.01, -0.15, -0.45, -0.21, -0.09, -0.66],
    [-0.14, 0.05, -0.13, -0.97, -0.08, -0.01],
    [-0.11, 0.03, 0.03, -0.39, 0.49, 1.30],
    [-0.08, -0.15, -0.19, -0.24, 0.28, -0.13],
    [-0.02, -0.10, -0.16, -0.52, 0.53, 0.31],
    [0.03, 0.00, 0.34, 0.35, -0.26, -0.01],
    [0.11, -0.11, -0.02, 0.34, 0.00, -0.08],
], np.float32)
# fmt: on
"""Source: ``python -m benchmarks.upside_down``, on 1,200 portraits as they are and upside down. Of
those that it did not learn from it lets 98% (YuNet's: 99%) of the faces upside down through, and
16% (28%) of the upright ones, which a glance then tells apart."""


def may_be_inverted(places: Sequence[Place]) -> npt.NDArray[np.bool_]:
    """``(N,)`` whether the face at each place may be upside down, its landmarks on their heads."""
    if not places:
        return np.zeros(0, bool)
    return np.asarray(to_cells(places) @ _WEIGHTS.ravel() + _INTERCEPT > 0, bool)


def to_cells(places: Sequence[Place]) -> FloatArray:
    """``(N, 72)`` brightness of 12 rows of 6 cells, left and right averaged, by its deviation."""
    points = [_NOWHERE if face.landmarks is None else face.landmarks for _, face in places]
    crops = [
        warp_to_template(place.image, some[0], _TEMPLATE, _CROP_PX)
        for place, some in zip(places, points, strict=True)
    ]
    grey = to_grey(np.stack(crops))
    cells = np.stack([cv2.resize(one, (_CELLS,) * 2, interpolation=cv2.INTER_AREA) for one in grey])
    halves = (cells + cells[:, :, ::-1])[:, :, : _CELLS // 2].reshape(len(cells), -1) / 2
    centred = halves - halves.mean(axis=1, keepdims=True)
    return np.asarray(centred / (centred.std(axis=1, keepdims=True) + 8), np.float32)
