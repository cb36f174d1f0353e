"""The course of a run for TensorBoard: curves, the confusion matrix, sample faces."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image as PillowImage
from PIL import ImageDraw, ImageFont

from emotion_core.networks.architectures import find_architecture
from emotion_core.training.datasets.face_set import LABELS
from emotion_core.training.emotion.augment import augment
from emotion_core.training.engine.event_file import EventFile

if TYPE_CHECKING:
    from collections.abc import Sequence

    from emotion_core.training.datasets.face_set import FaceSet
    from emotion_core.training.emotion.config import TrainConfig
    from emotion_core.training.emotion.history import EmotionEpochReport
    from emotion_core.training.evaluation.metrics import Metrics
    from emotion_core.types import Image

_SCALARS = (
    ("validation/accuracy", "accuracy"),
    ("validation/macro-F1", "macro_f1"),
    ("validation/calibration error", "ece"),
    ("loss/validation cross-entropy", "cross_entropy"),
    ("valence/CCC", "valence_ccc"),
    ("arousal/CCC", "arousal_ccc"),
)
_CELL_PX, _MARGIN_PX = 72, 96
_GRID = 8


class Summary(EventFile):
    """Of the training of an emotion network."""

    def write_samples(self, faces: FaceSet, config: TrainConfig) -> None:
        """Show training faces as augmentation leaves them."""
        self.add_image("faces, augmented", to_sample_grid(faces, config), 0)

    def write_epoch(self, report: EmotionEpochReport) -> None:
        """Add an epoch to all curves."""
        self.add_scalar("loss/training", report.loss, report.epoch)
        self.add_scalar("learning rate", report.learning_rate, report.epoch)
        if report.figures:
            self._write_figures(report.figures, report.epoch)
        self.flush()

    def _write_figures(self, figures: Metrics, epoch: int) -> None:
        for tag, name in _SCALARS:
            value = getattr(figures, name)
            if value is not None:
                self.add_scalar(tag, value, epoch)
        for word, recall in figures.per_class_recall.items():
            self.add_scalar(f"recall/{word}", recall, epoch)
        self.add_image("validation/confusion", draw_confusion(figures.confusion), epoch)


def to_sample_grid(faces: FaceSet, config: TrainConfig) -> Image:
    """Augment some faces, drawn by the seed, and lay them out in 8 columns: RGB ``(H, W, 3)``."""
    chosen = np.random.default_rng(config.seed).permutation(len(faces))[: _GRID**2]
    channels = find_architecture(config.architecture).channels
    pictures = torch.from_numpy(faces.pictures.load(chosen, config.size_px, channels))
    planes = pictures.permute(0, 3, 1, 2).float()
    changed = augment(planes, config, torch.Generator().manual_seed(config.seed))
    tiles = changed.round().byte().permute(0, 2, 3, 1).expand(-1, -1, -1, 3).numpy()
    side = config.size_px
    rows = -(-len(tiles) // _GRID)
    grid = np.zeros((rows * side, _GRID * side, 3), np.uint8)
    for i, tile in enumerate(tiles):
        top, left = i // _GRID * side, i % _GRID * side
        grid[top : top + side, left : left + side] = tile
    return grid


def draw_confusion(counts: Sequence[Sequence[int]]) -> Image:
    """Draw a confusion matrix, darker for larger shares of a row, with counts: RGB ``(H, W, 3)``.

    Args:
        counts: Rows are the truth, columns the prediction, in the order of ``LABELS``.
    """
    side = _MARGIN_PX + _CELL_PX * len(counts)
    picture = PillowImage.new("RGB", (side, side), "white")
    draw = ImageDraw.Draw(picture)
    font = ImageFont.load_default(13)
    draw.text((6, 6), "truth below,\nprediction\nto the right", "black", font)
    for i, row in enumerate(counts):
        start = _MARGIN_PX + i * _CELL_PX
        middle = start + _CELL_PX // 2
        draw.text((_MARGIN_PX - 6, middle), LABELS[i], "black", font, anchor="rm")
        draw.text((middle, _MARGIN_PX - 6), LABELS[i], "black", font, anchor="mb")
        total = max(sum(row), 1)
        for j, count in enumerate(row):
            left = _MARGIN_PX + j * _CELL_PX
            shade = 255 - round(200 * count / total)
            box = (left, start, left + _CELL_PX - 1, start + _CELL_PX - 1)
            draw.rectangle(box, (shade, shade, 255))
            place = (left + _CELL_PX // 2, middle)
            draw.text(place, str(count), "white" if shade < 128 else "black", font, anchor="mm")
    return np.asarray(picture, np.uint8)
