"""Whether a mask covers mouth and nose: a small logistic regression on colours and edges."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
from scipy.special import expit

from emotion_core.imaging.grey import to_grey

if TYPE_CHECKING:
    import numpy.typing as npt

    from emotion_core.types import FloatArray, Image

_CELLS = 8

N_FEATURES = 51
_INTERCEPT = -2.17
# fmt: off
_WEIGHTS = np.array([
    0.03, -3.85, 1.71, -0.51, -1.16, 1.90, -0.45, -2.30, -6.26, 0.31, 7.10, -16.27, -0.19,
    0.39, -2.69, 0.64, 3.09, 1.67, -0.18, 10.01, 1.94, 1.17, 5.63, -8.37, 0.53, 7.15, 1.58,
    -0.95, -4.96, -1.80, 0.69, 14.35, -1.49, 1.32, -4.03, -25.93, -0.11, -4.71, -5.40, 0.21,
    -3.42, 5.96, -0.05, -1.68, 0.59, -1.49, -6.56, 3.96, -1.41, -0.98, -0.77,
])
# fmt: on
"""Source: ``python -m benchmarks.quality``, on annotated masks and faces without, on photos of
one face, and masks drawn on them; ``docs/quality.md`` tells how many are found."""


def estimate_cover(crops: Image, grey: FloatArray) -> FloatArray:
    """Estimates the probability that something covers mouth or nose.

    Args:
        crops: ``(N, 64, 64, 3)`` RGB, 0-255, aligned as ``face_quality.ALIGNED`` says.
        grey: ``(N, 64, 64)`` their luma, 0-255.

    Returns:
        ``(N,)`` 0-1.
    """
    logits = cover_features(crops, grey) @ _WEIGHTS + _INTERCEPT
    return np.asarray(expit(logits), np.float32)


def cover_features(crops: Image, grey: FloatArray) -> npt.NDArray[np.float64]:
    """``(N, N_FEATURES)`` how the lower half of a face differs from the skin around the nose.

    Brightness (by the contrast of the face) and two differences of colour in four rows of cells, of
    which left and right are averaged, and edges at the mouth, by those at the eyes and at the chin.
    """
    cells = np.stack([cv2.resize(c, (_CELLS, _CELLS), interpolation=cv2.INTER_AREA) for c in crops])
    rgb = cells.astype(np.float32) / np.float32(255)
    luma = to_grey(rgb)
    planes = np.stack([luma, rgb[..., 2] - luma, rgb[..., 0] - luma], axis=-1)
    skin = planes[:, 2:4, 2:6].mean(axis=(1, 2))
    lower = planes[:, 4:] - skin[:, None, None]
    lower[..., 0] /= (luma.std(axis=(1, 2)) + 0.03)[:, None, None]
    folded = (lower[:, :, :4] + lower[:, :, :3:-1]) / 2  # (N, 4, 4, 3)
    edges = np.log([_edges(one) for one in grey])
    return np.hstack([folded.reshape(len(crops), -1), edges]).astype(np.float64)


def _edges(grey: FloatArray) -> tuple[float, float, float]:
    """Edges at the mouth by those at the eyes and at the chin, across; and by the eyes, down."""
    mouth, eyes, chin = (
        _MIN_EDGE + cv2.mean(cv2.absdiff(grey[a + 1 : b + 1, 8:56], grey[a:b, 8:56]))[0]
        for a, b in _BANDS
    )
    mouth_x, eyes_x = (
        _MIN_EDGE + cv2.mean(cv2.absdiff(grey[a:b, 13:52], grey[a:b, 12:51]))[0]
        for a, b in _BANDS[:2]
    )
    return mouth / eyes, mouth / chin, mouth_x / eyes_x


_BANDS = ((42, 52), (20, 30), (53, 63))
"""Rows of mouth, eyes and chin."""

_MIN_EDGE = 0.75  # grey levels: noise of a flat patch
