"""Images of other sizes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from emotion_core.types import Image


def scale_image(image: Image, scale: float) -> Image:
    """Resizes an image; halved as long as that will do, which takes a quarter of the time.

    Args:
        image: RGB ``(H, W, 3)``, 0-255; returned as it is at a scale of 1.
        scale: Pixels of the result per pixel of the image.
    """
    if scale == 1:
        return image
    height, width = image.shape[:2]
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    while min(image.shape[0] // size[1], image.shape[1] // size[0]) >= 2:
        even = image[: image.shape[0] // 2 * 2, : image.shape[1] // 2 * 2]
        half = (even.shape[1] // 2, even.shape[0] // 2)
        image = np.asarray(cv2.resize(even, half, interpolation=cv2.INTER_AREA), np.uint8)
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, size, interpolation=method), np.uint8)


def shrink(image: Image, longest_px: int) -> Image:
    """Make a picture smaller, if it is larger, so that its longest side has so many pixels.

    Args:
        image: RGB ``(H, W, 3)``, 0-255.
        longest_px: Pixels, at least 1.
    """
    height, width = image.shape[:2]
    scale = longest_px / max(height, width)
    if scale >= 1:
        return image
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def fit(image: Image, size_wh: tuple[int, int]) -> Image:
    """Scale a picture into another size, as large as its shape allows, on black.

    Args:
        image: RGB ``(H, W, 3)``, 0-255; returned as it is where it has that size.
        size_wh: Pixels.
    """
    width, height = size_wh
    if image.shape[:2] == (height, width):
        return image
    scale = min(width / image.shape[1], height / image.shape[0])
    inner = (
        max(1, min(width, round(image.shape[1] * scale))),
        max(1, min(height, round(image.shape[0] * scale))),
    )
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    canvas = np.zeros((height, width, 3), np.uint8)
    left, top = (width - inner[0]) // 2, (height - inner[1]) // 2
    canvas[top : top + inner[1], left : left + inner[0]] = cv2.resize(
        image, inner, interpolation=method
    )
    return canvas
