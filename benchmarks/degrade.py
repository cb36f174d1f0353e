"""Faces made harder to read on purpose: blurred, small, dark, bright, cut off, covered."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from emotion_core.face import Face
    from emotion_core.types import FloatArray, Image

Rng = np.random.Generator

_MASK_COLOURS = (
    (170, 200, 220), (230, 230, 230), (30, 30, 35), (100, 150, 190), (60, 60, 70), (200, 170, 170),
    (120, 140, 110), (40, 70, 130),
)  # fmt: skip


def blur(image: Image, face: Face, rng: Rng) -> Image:
    """Out of focus, by 1 to 12% of the height of the face."""
    sigma = _height(face) * np.exp(rng.uniform(np.log(0.01), np.log(0.12)))
    return _image(cv2.GaussianBlur(image, (0, 0), sigma))


def move(image: Image, face: Face, rng: Rng) -> Image:
    """Moved along a line of 5 to 35% of the height of the face."""
    n = max(3, int(_height(face) * rng.uniform(0.05, 0.35)))
    line = np.zeros((n, n), np.float32)
    line[n // 2] = 1
    turn = cv2.getRotationMatrix2D((n / 2 - 0.5, n / 2 - 0.5), rng.uniform(0, 180), 1)
    line = np.asarray(cv2.warpAffine(line, turn, (n, n)), np.float32)
    return _image(cv2.filter2D(image, -1, line / line.sum()))


def shrink_face(image: Image, face: Face, rng: Rng) -> Image:
    """So small that the face has 12 to 60 pixels, on a wider ground."""
    scale = min(1.0, np.exp(rng.uniform(np.log(12), np.log(60))) / _height(face))
    small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return _image(cv2.copyMakeBorder(small, *(60,) * 4, cv2.BORDER_REPLICATE))


def coarsen(image: Image, face: Face, rng: Rng) -> Image:
    """Enlarged again from a size at which the face had 12 to 60 pixels."""
    scale = min(1.0, np.exp(rng.uniform(np.log(12), np.log(60))) / _height(face))
    small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return _image(cv2.resize(small, image.shape[1::-1], interpolation=cv2.INTER_CUBIC))


def darken(image: Image, face: Face, rng: Rng) -> Image:  # noqa: ARG001
    """At 2 to 40% of its brightness, with noise."""
    gain = np.exp(rng.uniform(np.log(0.02), np.log(0.4)))
    return _image(image * gain + rng.normal(0, rng.uniform(0, 4), image.shape))


def brighten(image: Image, face: Face, rng: Rng) -> Image:  # noqa: ARG001
    """At 1.5 to 6 times its brightness."""
    return _image(image.astype(np.float32) * rng.uniform(1.5, 6) + rng.uniform(0, 40))


def add_noise(image: Image, face: Face, rng: Rng) -> Image:  # noqa: ARG001
    """With noise of 8 to 50 grey levels."""
    return _image(image + rng.normal(0, rng.uniform(8, 50), image.shape))


def cut(image: Image, face: Face, rng: Rng) -> Image:
    """Cut so that 10 to 50% of the face's box are missing at one side."""
    x1, y1, x2, y2 = face.box
    share = rng.uniform(0.1, 0.5)
    left, right = int(x1 + share * (x2 - x1)), int(x2 - share * (x2 - x1))
    top, bottom = int(y1 + share * (y2 - y1)), int(y2 - share * (y2 - y1))
    parts = (image[:, left:], image[:, :right], image[:bottom], image[top:])
    return np.ascontiguousarray(parts[rng.choice(4, p=(0.3, 0.3, 0.3, 0.1))])


def mask(image: Image, face: Face, rng: Rng) -> Image:
    """With a mask drawn over nose and mouth."""
    down, right, centre = _axes(face)
    nose, height = _points(face)[2], float(np.linalg.norm(down))
    width = (face.box[2] - face.box[0]) * rng.uniform(0.42, 0.5) * right
    top, bottom = nose - down * rng.uniform(-0.05, 0.35), centre + down * rng.uniform(0.75, 1.05)
    corners = [top, top + 0.9 * width + 0.15 * down, centre + width, bottom + 0.45 * width]
    corners += [bottom - 0.45 * width, centre - width, top - 0.9 * width + 0.15 * down]
    colour = np.array(_MASK_COLOURS[rng.integers(len(_MASK_COLOURS))]) * rng.uniform(0.7, 1.1)
    layer = image.copy()
    cv2.fillPoly(layer, [np.rint(corners).astype(np.int32)], _rgb(colour), cv2.LINE_AA)
    for fold in (0.3, 0.5, 0.7):
        middle = top + (bottom - top) * fold
        start, end = (np.rint(middle + s * 0.8 * width).astype(int).tolist() for s in (-1, 1))
        cv2.line(layer, start, end, _rgb(0.85 * colour), max(1, int(height / 30)), cv2.LINE_AA)
    return _shade(layer, image, height, rng)


def hold_hand(image: Image, face: Face, rng: Rng) -> Image:
    """With four fingers in the colour of the cheek drawn over the mouth."""
    down, right, centre = _axes(face)
    nose, eye = _points(face)[2], _points(face)[0]
    height, width = float(np.linalg.norm(down)), face.box[2] - face.box[0]
    x, y = np.clip(((nose[0] + eye[0]) / 2, nose[1]), 0, np.array(image.shape[1::-1]) - 1)
    skin = image[int(y), int(x)].astype(np.float64)
    centre = centre + down * rng.uniform(-0.3, 0.3) + right * width * rng.uniform(-0.1, 0.1)
    angle = np.degrees(np.arctan2(right[1], right[0])) + rng.uniform(-40, 40)
    across = np.array([-np.sin(np.radians(angle)), np.cos(np.radians(angle))]) * height * 0.28
    layer = image.copy()
    for finger in range(4):
        place = tuple(np.rint(centre + across * (finger - 1.5)).astype(int).tolist())
        ellipse = (place, (int(0.45 * width), int(0.16 * height)), angle, 0, 360)
        cv2.ellipse(layer, *ellipse, _rgb(skin * rng.uniform(0.85, 1.15)), -1, cv2.LINE_AA)
        cv2.ellipse(layer, *ellipse, _rgb(0.75 * skin), max(1, int(height / 35)), cv2.LINE_AA)
    return _shade(layer, image, height, rng)


DEGRADATIONS: dict[str, Callable[[Image, Face, Rng], Image]] = {
    "out of focus": blur,
    "moved": move,
    "made small": shrink_face,
    "enlarged": coarsen,
    "made dark": darken,
    "made bright": brighten,
    "noisy": add_noise,
    "cut": cut,
    "drawn mask": mask,
    "drawn hand": hold_hand,
}


def _height(face: Face) -> float:
    return face.box[3] - face.box[1]


def _points(face: Face) -> FloatArray:
    if face.landmarks is None:
        raise ValueError("The face needs landmarks.")
    return face.landmarks


def _axes(face: Face) -> tuple[FloatArray, FloatArray, FloatArray]:
    """From the eyes down to the mouth, a unit vector to the right, and the middle of the mouth."""
    points = _points(face)
    centre = points[3:].mean(axis=0)
    down = centre - points[:2].mean(axis=0)
    right = np.array([down[1], -down[0]], np.float32) / max(float(np.linalg.norm(down)), 1e-3)
    return down, right, centre


def _rgb(colour: npt.NDArray[np.float64]) -> list[float]:
    return [float(value) for value in np.clip(colour, 0, 255)]


def _shade(layer: Image, image: Image, height: float, rng: Rng) -> Image:
    """Adds soft light and shadow to what was drawn."""
    noise = rng.normal(0, 1, image.shape[:2]).astype(np.float32)
    soft = cv2.GaussianBlur(noise, (0, 0), max(1.0, height / 10))
    is_drawn = (layer != image).any(axis=2, keepdims=True)
    return _image(layer + 6 * (soft / (soft.std() + 1e-6))[..., None] * is_drawn)


def _image(values: object) -> Image:
    return np.asarray(np.clip(np.asarray(values), 0, 255), np.uint8)
