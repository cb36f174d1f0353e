"""Drawing of an analysis on its image: boxes, labels, and blurred faces."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

import cv2
import numpy as np

from emotion_core.face import format_confidence
from emotion_core.imaging.palette import EMOTION_COLOURS, ink_on, to_rgb
from emotion_core.quality import join_flags

if TYPE_CHECKING:
    from collections.abc import Mapping

    from emotion_core.types import Analysis, FloatArray, Image

_MAX_NAME = 24
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_MIN_SIDE_PX = 360
"""Images whose longer side is smaller are enlarged first, so that labels are legible."""

_UNUSABLE = "#3A403C"
"""Colour of faces whose readings do not count."""

_Rect = tuple[int, int, int, int]


def annotate(image: Image, analysis: Analysis) -> Image:
    """Marks every face with its box, emotion, probability, valence and arousal.

    Args:
        image: The RGB image that was analysed, ``(H, W, 3)``.
        analysis: Its analysis.

    Returns:
        An annotated copy; an integer multiple of the size of ``image`` if that is too small for
        labels.
    """
    return draw_in_place(image.copy(), analysis)


def draw_in_place(
    canvas: Image, analysis: Analysis, names: Mapping[int, str] | None = None
) -> Image:
    """Draws like ``annotate``, but on the image itself: saves a copy in videos.

    Args:
        canvas: The RGB image that was analysed, ``(H, W, 3)``.
        analysis: Its analysis.
        names: Of people by track; others have their number.

    Returns:
        ``canvas``, or an enlarged image if that is too small for labels.
    """
    factor = max(1, -(-_MIN_SIDE_PX // max(canvas.shape[:2])))
    if factor > 1:
        size = (canvas.shape[1] * factor, canvas.shape[0] * factor)
        canvas = np.asarray(cv2.resize(canvas, size, interpolation=cv2.INTER_CUBIC), np.uint8)
    boxes = [tuple(box) for box in np.rint(analysis.faces.boxes * factor).astype(int).tolist()]
    unit = _unit_for(canvas, analysis.faces.boxes * factor)
    read = zip(analysis.predictions.top, analysis.is_usable, strict=True)
    colours = [EMOTION_COLOURS[emotion] if is_usable else _UNUSABLE for emotion, is_usable in read]
    for box, colour in zip(boxes, colours, strict=True):
        _draw_box(canvas, box, colour, unit)
    taken = list(boxes)
    for i, (box, colour) in enumerate(zip(boxes, colours, strict=True)):
        rect, lines = _place_label(canvas, box, label_variants(analysis, i, names), unit, taken)
        _draw_label(canvas, rect, lines, colour, unit)
        taken.append(rect)
    return canvas


def blur_faces(image: Image, boxes: FloatArray) -> Image:
    """Blurs each face, with a margin, to at most eight by eight smoothed colours.

    Args:
        image: RGB ``(H, W, 3)``.
        boxes: ``(N, 4)`` x1, y1, x2, y2 in pixels.
    """
    result = image.copy()
    blur_in_place(result, boxes)
    return result


def blur_all(image: Image) -> Image:
    """Blurs a whole image like a face, to eight by eight smoothed colours."""
    return blur_faces(image, np.array([[0, 0, image.shape[1], image.shape[0]]], np.float32))


def blur_in_place(canvas: Image, boxes: FloatArray) -> None:
    """Blurs faces like ``blur_faces``, in the image itself."""
    height, width = canvas.shape[:2]
    for x1, y1, x2, y2 in boxes:
        dx, dy = 0.15 * (x2 - x1), 0.2 * (y2 - y1)
        left, top = max(0, int(x1 - dx)), max(0, int(y1 - dy))
        right, bottom = min(width, int(np.ceil(x2 + dx))), min(height, int(np.ceil(y2 + dy)))
        part = canvas[top:bottom, left:right]
        if part.size:
            size = (part.shape[1], part.shape[0])
            grid = [min(8, max(1, side // 3)) for side in size]
            coarse = cv2.resize(part, grid, interpolation=cv2.INTER_AREA)
            canvas[top:bottom, left:right] = cv2.resize(coarse, size)  # bilinear


def label_variants(
    analysis: Analysis, face: int, names: Mapping[int, str] | None = None
) -> list[list[str]]:
    """Labels of one face as lines of text, the fullest version first.

    Faces carry their number, as in the tables: that of the person in a video, and in an image with
    several faces that of the face. Of an unusable face they tell why in place of numbers.
    """
    predictions, ids = analysis.predictions, analysis.faces.track_ids
    emotion = f"{predictions.top[face]} {format_confidence(predictions.confidence[face])}"
    va = f"V {predictions.valence[face]:+.2f}  A {predictions.arousal[face]:+.2f}"
    if analysis.quality is not None and not analysis.is_usable[face]:
        emotion = f"{predictions.top[face]}?"
        va = join_flags(analysis.quality.flags_of(face)) or "hard to read"
    if ids is None and len(analysis) == 1:
        return [[emotion, va], [emotion]]
    number = f"{face + 1 if ids is None else ids[face]}"
    numbered = [[f"{number} {emotion}", va], [f"{number} {emotion}"], [number]]
    if ids is None:
        return numbered
    name = _drawable((names or {}).get(int(ids[face]), "")) or f"Person {number}"
    return [[f"{name}: {emotion}", va], *numbered]


def _drawable(name: str) -> str:
    """A name in the letters that OpenCV's font has; empty if nothing is left of it."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().strip()
    return plain[:_MAX_NAME]


def _unit_for(canvas: Image, boxes: FloatArray) -> float:
    """Scale of lines and text: grows with the image, shrinks with the faces of a crowd."""
    by_image: float = min(canvas.shape[:2]) / 500
    widths = boxes[:, 2] - boxes[:, 0]
    by_face = float(np.median(widths)) / 70 if len(widths) > 1 else by_image
    return max(1.0, min(by_image, by_face))


def _draw_box(canvas: Image, box: _Rect, colour: str, unit: float) -> None:
    """Draws a line of the emotion's colour inside a dark one, visible on any background."""
    width = max(2, round(2 * unit))
    for thickness, rgb in ((width + max(2, width // 2 * 2), (20, 20, 20)), (width, to_rgb(colour))):
        cv2.rectangle(canvas, box[:2], box[2:], rgb, thickness, cv2.LINE_AA)


def _place_label(
    canvas: Image, box: _Rect, variants: list[list[str]], unit: float, taken: list[_Rect]
) -> tuple[_Rect, list[str]]:
    """Finds the fullest label, above or below its box, that covers no other face or label."""
    height, width = canvas.shape[:2]
    others = [rect for rect in taken if rect != box]
    scale, thickness, line_h, pad = _text_size(unit)
    for lines in variants:
        widths = [cv2.getTextSize(line, _FONT, scale, thickness)[0][0] for line in lines]
        label_w, label_h = max(widths) + 2 * pad, len(lines) * line_h + 2 * pad
        left = int(np.clip(box[0], 0, max(0, width - label_w)))
        for top in (box[1] - label_h, box[3]):
            rect = (left, top, left + label_w, top + label_h)
            if 0 <= top <= height - label_h and not any(_overlap(rect, r) for r in others):
                return rect, lines
    top = int(np.clip(box[1], 0, max(0, height - label_h)))  # the shortest label on its face
    return (left, top, left + label_w, top + label_h), lines


def _draw_label(canvas: Image, rect: _Rect, lines: list[str], colour: str, unit: float) -> None:
    cv2.rectangle(canvas, rect[:2], rect[2:], to_rgb(colour), cv2.FILLED)
    scale, thickness, line_h, pad = _text_size(unit)
    ink = to_rgb(ink_on(colour))
    (_, text_h), _ = cv2.getTextSize("0", _FONT, scale, thickness)
    for i, line in enumerate(lines):
        baseline = rect[1] + pad + i * line_h + (line_h + text_h) // 2
        origin = (rect[0] + pad, baseline)
        cv2.putText(canvas, line, origin, _FONT, scale, ink, thickness, cv2.LINE_AA)


def _text_size(unit: float) -> tuple[float, int, int, int]:
    """Scale and thickness of OpenCV's font, line height and padding in pixels."""
    return 0.5 * unit, max(1, round(unit)), round(18 * unit), round(4 * unit)


def _overlap(a: _Rect, b: _Rect) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
