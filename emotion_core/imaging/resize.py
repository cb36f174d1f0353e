"""Resizing of images."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from emotion_core.types import Image


def scale_image(image: Image, scale: float) -> Image:
    """Scales an image.

    Args:
        image: RGB ``(H, W, 3)``, 0-255; returned as it is at a scale of 1.
        scale: Pixels of the result per pixel of the image.
    """
    return image if scale == 1 else resize(image, _scaled_size(image, scale))


def shrink(image: Image, max_px: int) -> Image:
    """Downscales the image until its longest side fits.

    Args:
        image: RGB ``(H, W, 3)``, 0-255.
        max_px: Maximum of the longest side, at least 1.
    """
    return scale_image(image, min(1.0, max_px / max(image.shape[:2])))


def resize(image: Image, size_wh: tuple[int, int]) -> Image:
    """Resizes an image: averages areas where it shrinks, else interpolates.

    It is halved while possible, which takes a quarter of the time.

    Args:
        image: RGB ``(H, W, 3)``, 0-255.
        size_wh: Pixels, at least 1.
    """
    while min(image.shape[0] // size_wh[1], image.shape[1] // size_wh[0]) >= 2:
        even = image[: image.shape[0] // 2 * 2, : image.shape[1] // 2 * 2]
        image = _resize(even, (even.shape[1] // 2, even.shape[0] // 2))
    return _resize(image, size_wh)


def fit(image: Image, size_wh: tuple[int, int]) -> Image:
    """Scales an image to fit into another size, padded with black.

    Args:
        image: RGB ``(H, W, 3)``, 0-255; returned as it is if it has that size.
        size_wh: Pixels.
    """
    width, height = size_wh
    if image.shape[:2] == (height, width):
        return image
    scale = min(width / image.shape[1], height / image.shape[0])
    inner_w, inner_h = np.minimum(_scaled_size(image, scale), size_wh).tolist()
    left, top = (width - inner_w) // 2, (height - inner_h) // 2
    canvas = np.zeros((height, width, 3), np.uint8)
    canvas[top : top + inner_h, left : left + inner_w] = _resize(image, (inner_w, inner_h))
    return canvas


def _scaled_size(image: Image, scale: float) -> tuple[int, int]:
    return max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))


def _resize(image: Image, size_wh: tuple[int, int]) -> Image:
    is_smaller = size_wh[0] < image.shape[1] or size_wh[1] < image.shape[0]
    method = cv2.INTER_AREA if is_smaller else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, size_wh, interpolation=method), np.uint8)
