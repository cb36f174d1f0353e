"""Training images for the face detector, composed from others at many scales."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from emotion_core.training.detector.augment import Matrix, cover_part, degrade, draw_badge, paint
from emotion_core.training.detector.samples import SampleKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from emotion_core.training.detector.samples import DetectionSample
    from emotion_core.types import FloatArray, Image

SMALLEST_PX, LARGEST_PX = 9.0, 360.0
"""Range of face sizes (square root of the area) in composed images, in pixels."""

FLIPPED = np.array([2, 3, 0, 1, 4, 5, 8, 9, 6, 7])
"""Source of each landmark coordinate when an image is mirrored."""

_LARGE_PX = 90.0
_MIN_VISIBLE = 0.35
_GRIDS = (1, 1, 1, 1, 2, 2, 3)
_KIND_ODDS = {SampleKind.BOXES: 0.52, SampleKind.PORTRAITS: 0.36, SampleKind.SCENES: 0.12}
_MAX_ENLARGEMENT = 3.0


@dataclass(frozen=True, eq=False, slots=True)
class Mosaic:
    """One composed image.

    Attributes:
        image: RGB ``(S, S, 3)``, 0-255.
        boxes: ``(N, 4)`` x1, y1, x2, y2 in pixels, inside the image.
        landmarks: ``(N, 10)`` x, y in pixels, NaN where not known; may lie outside.
        ignored: ``(M, 4)`` boxes that count neither as face nor as background.
    """

    image: Image
    boxes: FloatArray
    landmarks: FloatArray
    ignored: FloatArray


class MosaicSampler:
    """Composes training images, each from its own random generator; files are read on demand.

    Args:
        samples: To learn from; plain colours stand in for a kind that is missing.
        size_px: Side of the composed images.
    """

    def __init__(self, samples: Sequence[DetectionSample], size_px: int) -> None:
        self._by_kind = {kind: [p for p in samples if p.kind is kind] for kind in SampleKind}
        self._size_px = size_px

    def compose(self, rng: np.random.Generator) -> Mosaic:
        """Composes one training image: a grid of parts, randomly mirrored, covered and degraded.

        Raises:
            DatasetError: An image cannot be read.
        """
        mosaic = self._assemble(rng)
        if rng.random() < 0.5:
            mosaic = mirror(mosaic)
        image = cover_part(mosaic.image, mosaic.boxes, rng)
        return Mosaic(degrade(image, rng), mosaic.boxes, mosaic.landmarks, mosaic.ignored)

    def _assemble(self, rng: np.random.Generator) -> Mosaic:
        size = self._size_px
        canvas = np.empty((size, size, 3), np.uint8)
        boxes, marks, ignored = [], [], []
        for x1, y1, x2, y2 in _cells(int(rng.choice(_GRIDS)), size, rng):
            part = self._fill((x2 - x1, y2 - y1), rng)
            corner = np.array([x1, y1], np.float32)
            canvas[y1:y2, x1:x2] = part.image
            boxes.append(part.boxes + np.tile(corner, 2))
            marks.append(part.landmarks + np.tile(corner, 5))
            ignored.append(part.ignored + np.tile(corner, 2))
        return Mosaic(canvas, np.vstack(boxes), np.vstack(marks), np.vstack(ignored))

    def _pick(self, kind: SampleKind, rng: np.random.Generator) -> DetectionSample | None:
        samples = self._by_kind[kind]
        return samples[rng.integers(len(samples))] if samples else None

    def _fill(self, size_wh: tuple[int, int], rng: np.random.Generator) -> Mosaic:
        """Fills one part of the grid with a scene, or with a face at a random scale."""
        kind = list(_KIND_ODDS)[rng.choice(len(_KIND_ODDS), p=list(_KIND_ODDS.values()))]
        background = self._background(size_wh, rng)
        sample = self._pick(kind, rng)
        if sample is None or not len(sample.boxes):
            return _bare(background)
        largest = min(LARGEST_PX, 1.25 * min(size_wh))
        smallest = SMALLEST_PX if kind is SampleKind.BOXES else 1.5 * SMALLEST_PX
        if rng.random() < 0.5:
            smallest = _LARGE_PX  # selfies, which would be rare among many small faces
        target = math.exp(rng.uniform(math.log(smallest), math.log(max(largest, smallest))))
        n = 1
        if kind is SampleKind.PORTRAITS and target < min(size_wh) / 5:
            n = int(rng.integers(2, 7))
        others = [self._pick(kind, rng) or sample for _ in range(n - 1)]
        return _paste(background, [sample, *others], target, rng)

    def _background(self, size_wh: tuple[int, int], rng: np.random.Generator) -> Image:
        """A scene without faces at a random scale, or a plain colour."""
        colour = rng.integers(0, 256, 3, dtype=np.uint8)
        plain = np.broadcast_to(colour, (size_wh[1], size_wh[0], 3)).copy()
        sample = self._pick(SampleKind.SCENES, rng)
        if sample is None or rng.random() < 0.1:
            return plain
        scene = sample.file.read_shrunk(2 * self._size_px)
        minimum = max(size_wh[0] / scene.shape[1], size_wh[1] / scene.shape[0])
        scale = math.exp(rng.uniform(math.log(minimum), math.log(max(1.2, 1.5 * minimum))))
        canvas = paint(plain, scene, _window(scene, size_wh, scale, rng))
        if rng.random() < 0.35:
            _add_distractors(canvas, scene, rng)
        if rng.random() < 0.35:
            for _ in range(int(rng.integers(1, 5))):
                draw_badge(canvas, rng)
        return canvas


def _paste(
    canvas: Image, samples: Sequence[DetectionSample], target: float, rng: np.random.Generator
) -> Mosaic:
    """Pastes images so that a face of each has the target size; later ones if there is room."""
    size_wh = (canvas.shape[1], canvas.shape[0])
    taken: list[FloatArray] = []
    parts = []
    for sample in samples:
        matrix = _matrix_for(sample, target, size_wh, rng)
        image, reduction = sample.file.read_scaled(math.hypot(matrix[0, 0], matrix[1, 0]))
        drawn = matrix * (reduction, reduction, 1)
        bounds = _bounds_of(image, drawn)
        if not any(_touch(bounds, other) for other in taken):
            taken.append(bounds)
            blended = sample.kind is SampleKind.PORTRAITS and rng.random() < 0.5
            canvas = paint(canvas, image, drawn, blended=blended)
            parts.append(move_labels(sample, matrix, size_wh))
        target = min(target * math.exp(rng.uniform(-0.3, 0.3)), LARGEST_PX)
    boxes, marks, ignored = (np.vstack(group) for group in zip(*parts, strict=True))
    return Mosaic(canvas, boxes, marks, ignored)


def _bare(image: Image) -> Mosaic:
    none = np.zeros((0, 4), np.float32)
    return Mosaic(image, none, np.zeros((0, 10), np.float32), none)


def _cells(n: int, size: int, rng: np.random.Generator) -> list[tuple[int, int, int, int]]:
    """Cuts the square into n x n parts of uneven size: x1, y1, x2, y2 each."""
    jitter = size / n * 0.25

    def cuts() -> list[int]:
        inner = [round(size * i / n + rng.uniform(-jitter, jitter)) for i in range(1, n)]
        return [0, *inner, size]

    xs, ys = cuts(), cuts()
    return [(xs[i], ys[j], xs[i + 1], ys[j + 1]) for i in range(n) for j in range(n)]


def _matrix_for(
    sample: DetectionSample, target: float, size_wh: tuple[int, int], rng: np.random.Generator
) -> Matrix:
    """A map that brings one face to about the target size, at a random position, turned a little.

    A face may be cut by the edge; images are not enlarged more than three times.
    """
    box = sample.boxes[rng.integers(len(sample.boxes))].astype(np.float64)
    side = max(4.0, math.sqrt(max(1.0, float((box[2] - box[0]) * (box[3] - box[1])))))
    scale = min(_MAX_ENLARGEMENT, target / side)
    turn = math.radians(float(np.clip(rng.normal(0, 9), -35, 35))) if rng.random() < 0.6 else 0.0
    cos, sin = scale * math.cos(turn), scale * math.sin(turn)
    linear = np.array([[cos, -sin], [sin, cos]])
    centre = np.array([(box[0] + box[2]) / 2, (box[1] + box[3]) / 2])
    edge = 0.0 if rng.random() < 0.25 else min(0.5, scale * side / 2 / min(size_wh))
    goal = np.array([rng.uniform(edge, 1 - edge) * length for length in size_wh])
    return np.hstack([linear, (goal - linear @ centre)[:, None]])


def _window(
    image: Image, size_wh: tuple[int, int], scale: float, rng: np.random.Generator
) -> Matrix:
    """A map that shows a random part of an image at a scale."""
    slack_x = image.shape[1] * scale - size_wh[0]
    slack_y = image.shape[0] * scale - size_wh[1]
    return np.array([[scale, 0, -rng.random() * slack_x], [0, scale, -rng.random() * slack_y]])


def _add_distractors(canvas: Image, scene: Image, rng: np.random.Generator) -> None:
    """Pastes small pieces of a scene, so that the edge of a piece does not indicate a face."""
    height, width = canvas.shape[:2]
    for _ in range(int(rng.integers(1, 5))):
        side = int(min(width, height, math.exp(rng.uniform(math.log(16), math.log(120)))))
        x, y = int(rng.integers(0, width - side + 1)), int(rng.integers(0, height - side + 1))
        minimum = side / min(scene.shape[:2])
        scale = minimum * math.exp(rng.uniform(0, math.log(3)))
        matrix = _window(scene, (side, side), scale, rng)
        piece = canvas[y : y + side, x : x + side]
        piece[:] = paint(piece, scene, matrix)


def _bounds_of(image: Image, matrix: Matrix) -> FloatArray:
    height, width = image.shape[:2]
    corners = np.array([[0, 0, 1], [width, 0, 1], [0, height, 1], [width, height, 1]]) @ matrix.T
    return np.asarray(np.concatenate([corners.min(axis=0), corners.max(axis=0)]), np.float32)


def _touch(a: FloatArray, b: FloatArray) -> bool:
    return bool((a[:2] < b[2:]).all() and (b[:2] < a[2:]).all())


def move_labels(
    sample: DetectionSample, matrix: Matrix, size_wh: tuple[int, int]
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Transforms the labels of an image as ``paint`` transforms its pixels.

    Returns:
        Boxes ``(N, 4)`` clipped to the canvas, landmarks ``(N, 10)``, ignored boxes ``(M, 4)``:
        those of the image, and faces that are too small or mostly cut off, all clipped.
    """
    moved = _move_boxes(sample.boxes, matrix)
    boxes = _clip(moved, size_wh)
    marks = sample.landmarks.reshape(-1, 5, 2) @ matrix[:, :2].T + matrix[:, 2]
    area = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    visible = area / np.maximum((moved[:, 2:] - moved[:, :2]).prod(axis=1), 1e-6)
    sides = (moved[:, 2:] - moved[:, :2]).min(axis=1, initial=1e9)
    kept = (visible >= _MIN_VISIBLE) & (sides >= SMALLEST_PX * 0.8)
    ignored = np.vstack([_clip(_move_boxes(sample.ignored, matrix), size_wh), boxes[~kept]])
    ignored = ignored[(ignored[:, 2:] > ignored[:, :2]).all(axis=1)]
    return boxes[kept], marks.reshape(-1, 10)[kept].astype(np.float32), ignored


def _move_boxes(boxes: FloatArray, matrix: Matrix) -> FloatArray:
    """Moves centres and scales sides: a face that is turned a little keeps its proportions."""
    scale = math.hypot(matrix[0, 0], matrix[1, 0])
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2 @ matrix[:, :2].T + matrix[:, 2]
    half = (boxes[:, 2:] - boxes[:, :2]) * scale / 2
    return np.asarray(np.hstack([centre - half, centre + half]), np.float32)


def _clip(boxes: FloatArray, size_wh: tuple[int, int]) -> FloatArray:
    return np.clip(boxes, 0, np.array([*size_wh, *size_wh], np.float32))


def mirror(mosaic: Mosaic) -> Mosaic:
    """Flips horizontally; left and right landmarks are swapped."""
    width = mosaic.image.shape[1]
    marks = mosaic.landmarks[:, FLIPPED].copy()
    marks[:, 0::2] = width - marks[:, 0::2]
    flipped = [
        np.stack([width - b[:, 2], b[:, 1], width - b[:, 0], b[:, 3]], axis=1)
        for b in (mosaic.boxes, mosaic.ignored)
    ]
    return Mosaic(np.ascontiguousarray(mosaic.image[:, ::-1]), flipped[0], marks, flipped[1])
