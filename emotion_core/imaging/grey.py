"""Colours to grey."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from emotion_core.types import FloatArray, Image


def to_grey(images: Image | FloatArray) -> FloatArray:
    """ITU-R BT.601 luma of images, as in OpenCV and Pillow.

    Args:
        images: ``(N, H, W, 3)`` RGB.

    Returns:
        ``(N, H, W)`` in the range of the images; whole numbers if theirs are integers.
    """
    grey = np.empty(images.shape[:-1], np.float32)
    for target, image in zip(grey, images, strict=True):
        target[:] = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    return grey
