"""Square crops of images at any angle and scale."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import cv2
import numpy as np
import numpy.typing as npt

from emotion_core.imaging.resize import resize

if TYPE_CHECKING:
    from emotion_core.types import FloatArray, Image

Matrix = npt.NDArray[np.float64]
"""A 2x3 affine map from pixels of one image to pixels of another."""


def square_matrix(box: FloatArray, margin: float, size_px: int) -> Matrix:
    """Maps the square around a box onto a crop.

    Args:
        box: x1, y1, x2, y2 in pixels of the image.
        margin: By which the square is wider on each side, as a share of its side.
        size_px: Side of the crop.
    """
    x1, y1, x2, y2 = (float(v) for v in box)
    side = max(x2 - x1, y2 - y1, 1.0) * (1 + 2 * margin)
    scale = size_px / side
    left, top = (x1 + x2 - side) / 2, (y1 + y2 - side) / 2
    return np.array([[scale, 0.0, -left * scale], [0.0, scale, -top * scale]])


def fit_similarity(source: Matrix, target: Matrix) -> Matrix:
    """Finds the rotation, scale and shift that map points onto others with least squares.

    Args:
        source: ``(N, 2)`` points, N at least 2.
        target: ``(N, 2)`` where they should be mapped to.

    Returns:
        ``(2, 3)`` matrix; only a shift if all points coincide.

    Source: S. Umeyama, "Least-Squares Estimation of Transformation Parameters Between Two Point
    Patterns", IEEE TPAMI 13(4), 1991; in the plane, without reflection, it has this closed form.
    """
    source_mean, target_mean = source.mean(axis=0), target.mean(axis=0)
    s, t = source - source_mean, target - target_mean
    norm = float((s**2).sum())
    if norm < 1e-6:
        a, b = 1.0, 0.0
    else:
        a = float((s * t).sum()) / norm
        b = float((s[:, 0] * t[:, 1] - s[:, 1] * t[:, 0]).sum()) / norm
    linear = np.array([[a, -b], [b, a]])
    return np.hstack([linear, (target_mean - linear @ source_mean)[:, None]])


def warp_to_template(image: Image, points: FloatArray, template: Matrix, size_px: int) -> Image:
    """Crops a face so that its landmarks lie, by least squares, where a template has them.

    Args:
        image: RGB ``(H, W, 3)``, 0-255.
        points: ``(5, 2)`` landmarks in its pixels.
        template: ``(5, 2)`` fractions of the crop's side.
        size_px: That side.

    Returns:
        ``(S, S, 3)`` RGB, 0-255.
    """
    matrix = fit_similarity(points.astype(np.float64), template * size_px)
    return warp_square(image, matrix, size_px)


def warp_square(image: Image, matrix: Matrix, size_px: int) -> Image:
    """Applies an affine map; averages if it shrinks (anti-aliasing).

    Memory is bounded by the image and the result, however large the square is in the image.

    Args:
        image: RGB ``(H, W, 3)``, 0-255; beyond the image its edge is repeated.
        matrix: From the image to the result, in coordinates of the edges of pixels.
        size_px: Side of the result.

    Returns:
        ``(S, S, 3)`` RGB, 0-255.
    """
    scale = math.hypot(matrix[0, 0], matrix[1, 0])
    if scale < 0.5:
        image, matrix = _shrink(image, matrix, scale, size_px)
    half = np.full(2, 0.5)
    centred = matrix.copy()
    centred[:, 2] += matrix[:, :2] @ half - half  # OpenCV counts from pixel centres
    crop = cv2.warpAffine(image, centred, (size_px, size_px), borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(crop, np.uint8)  # with bilinear interpolation


def _shrink(image: Image, matrix: Matrix, scale: float, size_px: int) -> tuple[Image, Matrix]:
    """Cuts out what the crop shows and shrinks it by area averaging to about the crop's scale."""
    corners = np.array([[0, 0, 1], [1, 0, 1], [0, 1, 1], [1, 1, 1]]) * [size_px, size_px, 1.0]
    points = corners @ cv2.invertAffineTransform(matrix).T
    height, width = image.shape[:2]
    x1, y1 = np.clip(np.floor(points.min(axis=0)) - 2, 0, [width - 1, height - 1]).astype(int)
    x2, y2 = np.clip(np.ceil(points.max(axis=0)) + 2, [x1 + 1, y1 + 1], [width, height]).astype(int)
    part = image[y1:y2, x1:x2]
    new_w, new_h = max(1, round((x2 - x1) * scale)), max(1, round((y2 - y1) * scale))
    small = resize(part, (new_w, new_h))
    back = np.array([(x2 - x1) / new_w, (y2 - y1) / new_h])
    linear = matrix[:, :2] * back
    shift = matrix[:, 2] + matrix[:, :2] @ np.array([x1, y1], np.float64)
    return small, np.hstack([linear, shift[:, None]])
