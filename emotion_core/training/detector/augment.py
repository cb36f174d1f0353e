"""Changes to the pixels of training images: affine maps, covered faces, light and degradation."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import cv2
import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from emotion_core.types import FloatArray, Image

Matrix = npt.NDArray[np.float64]
"""A 2x3 affine map from pixels of one image to pixels of another, counted from pixel edges."""


def _ellipse_fade(side: int) -> FloatArray:
    axis = (np.arange(side) + 0.5) / side * 2 - 1
    radius = np.hypot(axis[:, None], axis[None])
    return np.clip((1.12 - radius) / 0.15, 0, 1).astype(np.float32)


_FADE = _ellipse_fade(64)


def paint(canvas: Image, image: Image, matrix: Matrix, *, blended: bool = False) -> Image:
    """Draws an image through an affine map onto a copy of a canvas; averages areas when it shrinks.

    Args:
        canvas: RGB ``(H, W, 3)``, 0-255.
        image: RGB, any size.
        matrix: Pixels of ``image`` to pixels of ``canvas``, counted from pixel edges.
        blended: Whether the image fades out towards an ellipse instead of ending at an edge.
    """
    scale = math.hypot(matrix[0, 0], matrix[1, 0])
    image = np.ascontiguousarray(image)
    if scale < 0.6:
        height, width = image.shape[:2]
        new_w, new_h = max(1, round(width * scale)), max(1, round(height * scale))
        image = np.asarray(cv2.resize(image, (new_w, new_h), interpolation=cv2.INTER_AREA))
        matrix = matrix.copy()
        matrix[:, 0] *= width / new_w
        matrix[:, 1] *= height / new_h
    centred = matrix.copy()
    centred[:, 2] += matrix[:, :2].sum(axis=1) / 2 - 0.5  # OpenCV counts from pixel centres
    size_wh = (canvas.shape[1], canvas.shape[0])
    if blended:
        drawn = cv2.warpAffine(image, centred, size_wh, borderMode=cv2.BORDER_REPLICATE)
        fade = cv2.resize(_FADE, (image.shape[1], image.shape[0]))
        share = cv2.warpAffine(fade, centred, size_wh)
        return np.asarray(cv2.blendLinear(drawn, canvas, share, 1 - share), np.uint8)
    return np.asarray(
        cv2.warpAffine(
            image,
            centred,
            size_wh,
            dst=canvas.copy(),
            flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_TRANSPARENT,
        ),
        np.uint8,
    )


def cover_part(image: Image, boxes: FloatArray, rng: np.random.Generator) -> Image:
    """Hides a part of some faces behind a plain patch, as hands, masks and other heads do."""
    if not len(boxes) or rng.random() > 0.2:
        return image
    image = image.copy()
    x1, y1, x2, y2 = boxes[rng.integers(len(boxes))]
    width, height = (x2 - x1) * rng.uniform(0.3, 0.9), (y2 - y1) * rng.uniform(0.2, 0.45)
    left, top = x1 + (x2 - x1 - width) * rng.random(), y1 + (y2 - y1 - height) * rng.random()
    colour = tuple(int(c) for c in rng.integers(0, 256, 3))
    cv2.rectangle(image, (int(left), int(top)), (int(left + width), int(top + height)), colour, -1)
    return image


def degrade(image: Image, rng: np.random.Generator) -> Image:
    """Changes light and colour; at random makes it grey, blurred, noisy or badly compressed."""
    image = _relight(image, rng)
    if rng.random() < 0.15:
        grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        image = np.asarray(cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB), np.uint8)
    if rng.random() < 0.15:
        sigma = rng.uniform(0.5, 1.8)
        image = np.asarray(cv2.GaussianBlur(image, (0, 0), sigma), np.uint8)
    if rng.random() < 0.12:
        noise = rng.integers(0, int(rng.integers(4, 48)), image.shape, dtype=np.uint8)
        image = np.asarray(cv2.add(cv2.subtract(image, noise), noise[::-1]), np.uint8)
    if rng.random() < 0.2:
        quality = int(rng.integers(20, 80))
        coded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        image = np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), np.uint8)
    return image


def _relight(image: Image, rng: np.random.Generator) -> Image:
    """Changes brightness, contrast, gamma, exposure and colour cast by one table per channel."""
    if rng.random() < 0.15:
        return image
    levels = np.arange(256, dtype=np.float32) / 255
    gamma = math.exp(rng.uniform(-0.6, 0.6))
    contrast, shift = rng.uniform(0.6, 1.3), rng.uniform(-0.15, 0.15)
    cast = rng.uniform(0.88, 1.12, 3).astype(np.float32)
    curve = np.asarray((levels**gamma - 0.5) * contrast + 0.5 + shift, np.float32)
    if rng.random() < 0.25:
        curve = _expose(curve, rng)
    table = np.clip(curve[:, None] * cast * 255, 0, 255).astype(np.uint8)  # (256, 3)
    return np.asarray(cv2.LUT(image, table[None]), np.uint8)


def _expose(curve: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Simulates underexposure or overexposure, sometimes with a flare."""
    gain = math.exp(rng.uniform(math.log(0.08), math.log(3.2)))
    veil = rng.uniform(0, 0.5) if gain > 0.7 and rng.random() < 0.5 else 0.0
    return np.asarray(np.clip(curve, 0, 1) * gain + veil, np.float32)


def draw_badge(canvas: Image, rng: np.random.Generator) -> None:
    """Draws a round object that is no face: a disc with a rim, spokes, dots or letters."""
    height, width = canvas.shape[:2]
    radius = int(math.exp(rng.uniform(math.log(6), math.log(max(7, min(height, width) / 2)))))
    centre = np.array([rng.integers(0, width), rng.integers(0, height)])
    colours = [tuple(int(v) for v in rng.integers(0, 256, 3)) for _ in range(3)]
    axes = (radius, max(3, int(radius * rng.uniform(0.75, 1.25))))
    middle = (int(centre[0]), int(centre[1]))
    cv2.ellipse(canvas, middle, axes, 0, 0, 360, colours[0], cv2.FILLED, cv2.LINE_AA)
    rim = max(1, int(radius * rng.uniform(0.04, 0.25)))
    cv2.ellipse(canvas, middle, axes, 0, 0, 360, colours[1], rim, cv2.LINE_AA)
    for _ in range(int(rng.integers(0, 7))):
        a, b = (centre + rng.uniform(-0.65, 0.65, (2, 2)) * radius).astype(int).tolist()
        thickness = max(1, int(radius * rng.uniform(0.03, 0.2)))
        match int(rng.integers(3)):
            case 0:
                cv2.line(canvas, a, b, colours[2], thickness, cv2.LINE_AA)
            case 1:
                cv2.circle(canvas, a, thickness * 2, colours[2], cv2.FILLED, cv2.LINE_AA)
            case _:
                letter = chr(int(rng.integers(48, 91)))
                size = radius / 40
                cv2.putText(canvas, letter, a, 0, size, colours[2], thickness, cv2.LINE_AA)
