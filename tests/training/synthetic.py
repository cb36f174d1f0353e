"""Faces that are none: patterns that a small network tells apart within a second."""

import cv2
import numpy as np

from emotion_core.training.datasets.face_set import EIGHT_EMOTIONS, LABELS, FaceSet
from emotion_core.training.datasets.image_sources import ArrayImages
from emotion_core.training.emotion.config import TrainConfig

SIDE = 16
"""Of the images, in pixels: the least that a network takes."""

TINY = TrainConfig(
    architecture="tiny-face-net",
    size_px=SIDE,
    epochs=3,
    batch_size=16,
    learning_rate=0.02,
    bf16=False,  # which most processors can only imitate, at a third of the speed
)
"""A training of a fraction of a second on ``make_faces()``."""


def make_pixels(n, *, side=SIDE, channels=1, seed=0):
    """Dark left halves, then dark upper halves: ``(n, side, side[, 3])``."""
    rng = np.random.default_rng(seed)
    shape = (n, side, side) if channels == 1 else (n, side, side, 3)
    pixels = rng.integers(100, 256, shape).astype(np.uint8)
    pixels[: n // 2, :, : side // 2] //= 4
    pixels[n // 2 :, : side // 2] //= 4
    return pixels


def make_faces(n=64, *, side=SIDE, channels=1, seed=0, name="patterns"):
    """Classes 0 and 1, half of each, with no ratings."""
    classes = np.repeat([0, 1], [n // 2, n - n // 2]).astype(np.int64)
    return FaceSet(
        name=name,
        images=ArrayImages(make_pixels(n, side=side, channels=channels, seed=seed)),
        targets=np.eye(len(LABELS), dtype=np.float32)[classes],
        majority=classes,
        va=np.full((n, 2), np.nan, np.float32),
        classes=EIGHT_EMOTIONS,
        files=[f"{i}.png" for i in range(n)],
    )


def write_folders(root, n_by_split):
    """A folder per split and class, as the reader ``folders`` takes it."""
    for number, (split, n) in enumerate(n_by_split.items()):
        pixels = make_pixels(n, seed=number)
        for i, face in enumerate(pixels):
            folder = root / split / ("neutral" if i < n // 2 else "happiness")
            folder.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(folder / f"{split}{i}.png"), face)
    return root
