"""The course of a detector's training for TensorBoard: curves, pictures with boxes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from emotion_core.imaging.resize import shrink
from emotion_core.training.engine.event_file import EventFile

if TYPE_CHECKING:
    from collections.abc import Sequence

    from emotion_core.training.detector.epoch_report import DetectorEpochReport
    from emotion_core.training.detector.mosaic import Sample
    from emotion_core.types import Faces, FloatArray, Image

_FACE, _IGNORED = (70, 220, 90), (150, 150, 150)
_COLUMNS = 4
_TILE_PX = 320


class DetectorSummary(EventFile):
    """Writes what ``EventFile`` says; steps are epochs."""

    def write_samples(self, samples: Sequence[Sample]) -> None:
        """Show composed pictures: green boxes and points to learn, grey boxes to ignore."""
        tiles = [
            draw_boxes(draw_boxes(s.image, s.ignored, None, _IGNORED), s.boxes, s.landmarks)
            for s in samples
        ]
        self.add_image("composed pictures", lay_out(tiles), 0)

    def write_found(self, images: Sequence[Image], found: Sequence[Faces], epoch: int) -> None:
        """Show what is found in held-out pictures."""
        tiles = []
        for image, faces in zip(images, found, strict=True):
            marks = np.zeros((len(faces), 10), np.float32)
            if faces.landmarks is not None:
                marks = faces.landmarks.reshape(-1, 10)
            tiles.append(draw_boxes(image, faces.boxes, marks))
        self.add_image("held-out pictures", lay_out(tiles), epoch)

    def write_epoch(self, report: DetectorEpochReport) -> None:
        """Add an epoch to all curves."""
        for name, value in report.losses.items():
            self.add_scalar(f"loss/{name}", value, report.epoch)
        self.add_scalar("learning rate", report.learning_rate, report.epoch)
        if report.ap is not None:
            self.add_scalar("validation/average precision", report.ap, report.epoch)
        self.flush()


def draw_boxes(
    image: Image,
    boxes: FloatArray,
    landmarks: FloatArray | None,
    colour: tuple[int, int, int] = _FACE,
) -> Image:
    """Draw boxes ``(N, 4)`` and known landmarks ``(N, 10)`` on a copy of a picture."""
    canvas = image.copy()
    width = max(1, max(image.shape[:2]) // 320)
    for x1, y1, x2, y2 in np.rint(boxes).astype(int).tolist():
        cv2.rectangle(canvas, (x1, y1), (x2, y2), colour, width)
    points = np.zeros((0, 2)) if landmarks is None else landmarks.reshape(-1, 2)
    for x, y in np.rint(points[np.isfinite(points).all(axis=1)]).astype(int).tolist():
        cv2.circle(canvas, (x, y), width, colour, cv2.FILLED)
    return canvas


def lay_out(pictures: Sequence[Image]) -> Image:
    """Pictures side by side in four columns, each at most 320 pixels long: RGB ``(H, W, 3)``."""
    rows = -(-len(pictures) // _COLUMNS)
    grid = np.zeros((max(1, rows) * _TILE_PX, _COLUMNS * _TILE_PX, 3), np.uint8)
    for i, picture in enumerate(pictures):
        tile = shrink(picture, _TILE_PX)
        top, left = i // _COLUMNS * _TILE_PX, i % _COLUMNS * _TILE_PX
        grid[top : top + tile.shape[0], left : left + tile.shape[1]] = tile
    return grid
