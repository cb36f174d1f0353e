"""What an explained face shows, in words and as one image to keep."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import PIL.Image
from PIL import ImageDraw, ImageFont

from emotion_core.face import format_confidence, format_signed
from emotion_core.imaging.palette import INK
from emotion_core.recognition.explanation import AGAINST, FOR

if TYPE_CHECKING:
    from emotion_core.recognition.explanation import OcclusionMap, ReadingSpread
    from emotion_core.types import FloatArray, Image

MAP_LIMITS = (
    "The map shows what the model uses. It does not show what a person would look at, nor what "
    "causes the expression. Parts that stand in for each other, as both eyes do, each seem "
    "unimportant."
)
"""What no occlusion map shows."""

_SIDE_PX, _GAP_PX, _LINE_PX = 320, 12, 20
_GREY = (128, 128, 128)
_TELLING = 0.25
"""Change of the log odds from which on a place is named."""

_FAR = 0.2
"""Distance, as a share of the face's side, from which on a place is none of the named parts."""


def describe_map(found: OcclusionMap) -> str:
    """Tells which part of the face speaks most for the emotion, and which against it."""
    before = format_confidence(found.share)
    if found.drop.max() < _TELLING:
        words = f"No single part of the face speaks for {found.emotion} ({before})."
    else:
        place, share = found.find_strongest()
        after = format_confidence(share)
        effect = f"though it stays {before}" if after == before else f"from {before} to {after}"
        part = name_part(place, found.points)
        words = f"Covering {part} lowers {found.emotion} most, {effect}."
    if found.drop.min() < -_TELLING:
        place, share = found.find_strongest(is_against=True)
        after = format_confidence(share)
        effect = "a little" if after == before else f"to {after}"
        words += f" Covering {name_part(place, found.points)} raises it {effect}."
    return words


def describe_spread(spread: ReadingSpread) -> str:
    """Tells how far a reading hangs on small changes of the image."""
    words = spread.readings.top
    others = [str(word) for word in words[1:] if word is not words[0]]
    n = len(words) - 1
    changes = f"{n} small changes (mirrored, shifted, turned, scaled, lit otherwise)"
    if not others:
        return f"The word stays {words[0]} in all of {changes}."
    most = max(dict.fromkeys(others), key=others.count)
    return (
        f"The word stays {words[0]} in {n - len(others)} of {changes}; most often {most} instead."
    )


def name_part(place: tuple[float, float], points: FloatArray | None) -> str:
    """Names the part of an aligned face at a place; left and right are those of the image.

    Args:
        place: x and y as shares of the face's side, from its upper left corner.
        points: As in ``OcclusionMap``; ``None`` for a face that is not aligned.
    """
    if points is None:
        row = ("upper", "middle", "lower")[min(2, int(3 * place[1]))]
        column = ("left", "middle", "right")[min(2, int(3 * place[0]))]
        return f"the {row} {column}" if row != column else "the middle"
    left, right, nose, *corners = points.astype(np.float64)
    mouth, eyes = np.mean(corners, axis=0), (left + right) / 2
    down, across = (mouth - eyes) / 3, (right - left) / 2
    parts = {
        "the eye on the left": left,
        "the eye on the right": right,
        "the brow on the left": left - down,
        "the brow on the right": right - down,
        "the bridge of the nose": eyes,
        "the forehead": eyes - 2 * down,
        "the nose": nose,
        "the cheek on the left": nose - 1.2 * across,
        "the cheek on the right": nose + 1.2 * across,
        "the mouth": mouth,
        "the corner of the mouth on the left": corners[0],
        "the corner of the mouth on the right": corners[1],
        "the chin": mouth + 1.6 * down,
    }
    away = {part: float(np.hypot(*(np.array(place) - at))) for part, at in parts.items()}
    nearest = min(away, key=lambda part: away[part])
    return nearest if away[nearest] < _FAR else "what is around the face"


def draw_explained(found: OcclusionMap, spread: ReadingSpread, model: str) -> Image:
    """Draws the face, its map, a legend, and what both say.

    Args:
        found: The map.
        spread: Of the same face.
        model: Name of the model.

    Returns:
        RGB ``(H, W, 3)``.
    """
    low, high = spread.interval(found.emotion)
    head = (
        f"{model}: {found.emotion} {format_confidence(found.share)} "
        f"({format_confidence(low)} to {format_confidence(high)})"
    )
    va = ", ".join(
        f"{name} {format_signed(a)} to {format_signed(b)}"
        for name, (a, b) in (("valence", spread.valence), ("arousal", spread.arousal))
    )
    font = ImageFont.load_default(14)
    width = 2 * _SIDE_PX + 3 * _GAP_PX
    told = f"{describe_map(found)} {describe_spread(spread)} {va[0].upper()}{va[1:]}. {MAP_LIMITS}"
    lines = _wrap(told, font, width - 2 * _GAP_PX)
    top = _SIDE_PX + 2 * _GAP_PX + _LINE_PX
    sheet = PIL.Image.new("RGB", (width, top + (len(lines) + 2) * _LINE_PX + _GAP_PX), "white")
    draw = ImageDraw.Draw(sheet)
    draw.text((_GAP_PX, _GAP_PX), head, INK, font)
    below = _GAP_PX + _LINE_PX
    face = PIL.Image.fromarray(found.crop).resize(
        (_SIDE_PX, _SIDE_PX), PIL.Image.Resampling.BICUBIC
    )
    sheet.paste(face, (_GAP_PX, below))
    sheet.paste(PIL.Image.fromarray(found.draw(_SIDE_PX)), (2 * _GAP_PX + _SIDE_PX, below))
    _draw_legend(sheet, draw, (2 * _GAP_PX + _SIDE_PX, top + 6), font)
    for i, line in enumerate(lines, 2):
        draw.text((_GAP_PX, top + i * _LINE_PX - 6), line, INK, font)
    return np.asarray(sheet, np.uint8)


def _draw_legend(
    sheet: PIL.Image.Image,
    draw: ImageDraw.ImageDraw,
    at: tuple[int, int],
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
) -> None:
    share = np.linspace(-1, 1, 140)[None, :, None]
    colour = np.where(share > 0, np.array(FOR), np.array(AGAINST))
    bar = np.array(_GREY) * (1 - np.abs(share)) + colour * np.abs(share)
    x, y = at
    draw.text((x, y), "speaks against", INK, font)
    sheet.paste(PIL.Image.fromarray(bar.repeat(12, axis=0).astype(np.uint8)), (x + 104, y + 2))
    draw.text((x + 252, y), "speaks for", INK, font)


def _wrap(
    text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width_px: int
) -> list[str]:
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if font.getlength(longer) <= width_px:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines
