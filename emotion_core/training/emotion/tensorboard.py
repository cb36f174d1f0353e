"""Progress of a training run in TensorBoard: curves, the confusion matrix, sample faces."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torchvision.utils import make_grid

from emotion_core.imaging.codec import decode_image
from emotion_core.networks.architectures import find_architecture
from emotion_core.training.emotion.augment import augment
from emotion_core.training.evaluation.plots import confusion_chart

if TYPE_CHECKING:
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
_GRID = 8


def write_faces(summary: Any, faces: FaceSet, config: TrainConfig) -> None:
    """Shows training faces as augmentation leaves them."""
    summary.add_image("faces, augmented", to_sample_grid(faces, config), 0, dataformats="HWC")


def write_emotion_epoch(summary: Any, report: EmotionEpochReport) -> None:
    """Adds an epoch to all curves, and its confusion matrix."""
    epoch, metrics = report.epoch, report.metrics
    summary.add_scalar("loss/training", report.loss, epoch)
    summary.add_scalar("learning rate", report.learning_rate, epoch)
    if metrics:
        for tag, name in _SCALARS:
            value = getattr(metrics, name)
            if value is not None:
                summary.add_scalar(tag, value, epoch)
        for word, recall in metrics.per_class_recall.items():
            summary.add_scalar(f"recall/{word}", recall, epoch)
    if metrics and metrics.n:
        summary.add_image("validation/confusion", draw_confusion(metrics), epoch, dataformats="HWC")
    summary.flush()


def draw_confusion(metrics: Metrics) -> Image:
    """Renders the confusion matrix, without empty rows: RGB ``(H, W, 3)``."""
    png = io.BytesIO()
    confusion_chart(metrics).configure(background="white", padding=16).save(png, format="png")
    return decode_image(png.getvalue()).pixels


def to_sample_grid(faces: FaceSet, config: TrainConfig) -> Image:
    """Augments up to 64 faces, drawn by the seed, in 8 columns: RGB ``(H, W, 3)``."""
    chosen = np.random.default_rng(config.seed).permutation(len(faces))[: _GRID**2]
    channels = find_architecture(config.architecture).channels
    images = torch.from_numpy(faces.images.load(chosen, config.size_px, channels))
    planes = images.permute(0, 3, 1, 2).float()
    changed = augment(planes, config, torch.Generator().manual_seed(config.seed))
    blank = torch.zeros(max(0, _GRID - len(changed)), *changed.shape[1:])
    grid = make_grid(torch.cat([changed, blank]), _GRID, padding=0)
    return np.asarray(grid.round().byte().permute(1, 2, 0).numpy())
