"""Drawing of the newest result on the newest frame: boxes, labels, and blurred faces."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import cv2
import numpy as np

from emotion_core.imaging.annotate import blur_all, blur_in_place, draw_in_place
from emotion_core.live.types import MAX_RESULT_AGE_S

if TYPE_CHECKING:
    from emotion_core.live.types import LiveResult
    from emotion_core.types import Analysis, Image


def render(
    image: Image, result: LiveResult | None, now_s: float, *, blur: bool, mirror: bool = False
) -> Image:
    """Renders the current frame as the visitor sees it.

    With ``blur``, shows the newest analysed frame instead: a newer one may contain an unknown face.

    Args:
        image: RGB ``(H, W, 3)``; not changed.
        result: The newest one, possibly of a frame of another size.
        now_s: When ``image`` arrived, by the clock of the result.
        blur: Whether to blur faces; without a result younger than ``MAX_RESULT_AGE_S``, the
            whole frame is blurred.
        mirror: Whether to show the frame like in a mirror; words stay readable.

    Returns:
        ``image`` itself if there is nothing to draw.
    """
    if result is None or now_s - result.frame.arrived_s > MAX_RESULT_AGE_S:
        shown = blur_all(image) if blur else image
        return mirror_image(shown) if mirror else shown
    canvas = redact(result) if blur else image
    analysis = scale_analysis(result.smoothed, (canvas.shape[1], canvas.shape[0]))
    if mirror:
        canvas, analysis = mirror_image(canvas), mirror_analysis(analysis)
    elif canvas is image:
        if not len(analysis):
            return image
        canvas = image.copy()
    return draw_in_place(canvas, analysis)


def redact(result: LiveResult) -> Image:
    """A copy of an analysed frame without recognisable faces; blurred as a whole without a mask."""
    if result.mask is None:
        return blur_all(result.frame.image)
    canvas = result.frame.image.copy()
    blur_in_place(canvas, result.mask.at(result.frame.arrived_s, canvas.shape[1::-1]))
    return canvas


def scale_analysis(analysis: Analysis, size_wh: tuple[int, int]) -> Analysis:
    """Scales an analysis to a frame of another size with the same content."""
    if analysis.size_wh == size_wh:
        return analysis
    factors = np.divide(size_wh, analysis.size_wh).astype(np.float32)
    boxes = analysis.faces.boxes * np.tile(factors, 2)
    faces = replace(analysis.faces, boxes=boxes, landmarks=None)
    return replace(analysis, size_wh=size_wh, faces=faces)


def mirror_analysis(analysis: Analysis) -> Analysis:
    """Moves the boxes of an analysis to where the faces are in the mirrored frame."""
    boxes = analysis.faces.boxes.copy()
    boxes[:, [0, 2]] = analysis.size_wh[0] - boxes[:, [2, 0]]
    return replace(analysis, faces=replace(analysis.faces, boxes=boxes, landmarks=None))


def mirror_image(image: Image) -> Image:
    """An image like in a mirror."""
    return np.asarray(cv2.flip(image, 1), np.uint8)
