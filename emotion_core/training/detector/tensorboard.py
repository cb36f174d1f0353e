"""Progress of a detector's training in TensorBoard: curves, and images with boxes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from emotion_core.imaging.resize import shrink

if TYPE_CHECKING:
    from collections.abc import Sequence

    from emotion_core.training.detector.epoch_report import DetectorEpochReport
    from emotion_core.training.detector.mosaic import Mosaic
    from emotion_core.types import Faces, FloatArray, Image

_FACE, _IGNORED = (70, 220, 90), (150, 150, 150)
_COLUMNS = 4
_TILE_PX = 320


def write_mosaics(summary: Any, mosaics: Sequence[Mosaic]) -> None:
    """Shows composed images: green boxes and points to learn, grey boxes to ignore."""
    tiles = [
        draw_boxes(draw_boxes(s.image, s.ignored, None, _IGNORED), s.boxes, s.landmarks)
        for s in mosaics
    ]
    summary.add_image("composed images", lay_out(tiles), 0, dataformats="HWC")


def write_found(summary: Any, images: Sequence[Image], found: Sequence[Faces], epoch: int) -> None:
    """Shows what is found in held-out images."""
    tiles = [
        draw_boxes(image, faces.boxes, faces.landmarks)
        for image, faces in zip(images, found, strict=True)
    ]
    summary.add_image("held-out images", lay_out(tiles), epoch, dataformats="HWC")


def write_detector_epoch(summary: Any, report: DetectorEpochReport) -> None:
    """Adds an epoch to all curves."""
    for name, value in report.losses.items():
        summary.add_scalar(f"loss/{name}", value, report.epoch)
    summary.add_scalar("learning rate", report.learning_rate, report.epoch)
    if report.ap is not None:
        summary.add_scalar("validation/average precision", report.ap, report.epoch)
    summary.flush()


def draw_boxes(
    image: Image,
    boxes: FloatArray,
    landmarks: FloatArray | None,
    colour: tuple[int, int, int] = _FACE,
) -> Image:
    """Draws boxes ``(N, 4)`` and known landmarks, ten numbers a face, on a copy of an image."""
    canvas = image.copy()
    width = max(1, max(image.shape[:2]) // 320)
    for x1, y1, x2, y2 in np.rint(boxes).astype(int).tolist():
        cv2.rectangle(canvas, (x1, y1), (x2, y2), colour, width)
    points = np.zeros((0, 2)) if landmarks is None else landmarks.reshape(-1, 2)
    for x, y in np.rint(points[np.isfinite(points).all(axis=1)]).astype(int).tolist():
        cv2.circle(canvas, (x, y), width, colour, cv2.FILLED)
    return canvas


def lay_out(images: Sequence[Image]) -> Image:
    """Arranges images in four columns, each at most 320 pixels long: RGB ``(H, W, 3)``."""
    rows = -(-len(images) // _COLUMNS)
    grid = np.zeros((max(1, rows) * _TILE_PX, _COLUMNS * _TILE_PX, 3), np.uint8)
    for i, image in enumerate(images):
        tile = shrink(image, _TILE_PX)
        top, left = i // _COLUMNS * _TILE_PX, i % _COLUMNS * _TILE_PX
        grid[top : top + tile.shape[0], left : left + tile.shape[1]] = tile
    return grid
