"""The newest reading onto the newest frame: boxes, words, and blurred faces."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from emotion_core.imaging.annotate import blur_all, blur_in_place, draw_in_place
from emotion_core.live.types import FRESH_S

if TYPE_CHECKING:
    from emotion_core.live.types import LiveResult
    from emotion_core.types import Analysis, Image


def render(image: Image, result: LiveResult | None, now_s: float, *, blur: bool) -> Image:
    """Makes what the visitor sees of the frame of now.

    Where faces are blurred, the newest frame that was searched for them is shown instead: one that
    was not searched yet may hold a face that nobody knows of.

    Args:
        image: RGB ``(H, W, 3)``; not changed.
        result: The newest finished one, maybe of a frame of another size.
        now_s: When ``image`` came in, by the clock of the result.
        blur: Make faces unrecognisable; without a result younger than ``FRESH_S`` that is done to
            the whole frame.

    Returns:
        ``image`` itself where there is nothing to draw.
    """
    if result is None or now_s - result.frame_s > FRESH_S:
        return blur_all(image) if blur else image
    if blur:
        canvas = cover_faces(result.image, result, result.frame_s)
    elif len(result.smoothed):
        canvas = image.copy()
    else:
        return image
    return draw_in_place(canvas, scaled(result.smoothed, (canvas.shape[1], canvas.shape[0])))


def cover_faces(image: Image, reading: LiveResult, now_s: float) -> Image:
    """A copy of a frame without recognisable faces.

    Args:
        image: RGB ``(H, W, 3)``.
        reading: The newest one; where it does not tell what to blur, all is blurred.
        now_s: When ``image`` came in, by the clock of the reading.
    """
    if reading.cover is None:
        return blur_all(image)
    canvas = image.copy()
    blur_in_place(canvas, reading.cover.at(now_s, (image.shape[1], image.shape[0])))
    return canvas


def scaled(analysis: Analysis, size_wh: tuple[int, int]) -> Analysis:
    """Move an analysis to a frame of another size, which shows the same."""
    if analysis.size_wh == size_wh:
        return analysis
    factors = np.divide(size_wh, analysis.size_wh).astype(np.float32)
    boxes = analysis.faces.boxes * np.tile(factors, 2)
    faces = replace(analysis.faces, boxes=boxes, landmarks=None)
    return replace(analysis, size_wh=size_wh, faces=faces)
