"""Reading emotions: faces of many pictures in, one ``Predictions`` per picture out, in batches."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from emotion_core.errors import WeightsMismatchError
from emotion_core.labels import VALENCE_AROUSAL
from emotion_core.recognition.alignment import crop_faces, to_input
from emotion_core.types import Predictions

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from emotion_core.labels import LabelSet
    from emotion_core.models.card import ModelCard, Preprocessing
    from emotion_core.models.runtime import Network
    from emotion_core.types import Faces, FloatArray, Image

BATCH = 64
"""Faces in one forward pass at most; bounds memory whatever the number of faces."""


class EmotionClassifier:
    """An emotion network with the card that tells what goes in and what comes out. Thread-safe."""

    def __init__(self, network: Network, card: ModelCard) -> None:
        if card.preprocessing is None:
            raise ValueError(f"{card.name} has no preprocessing.")
        self._network = network
        self.preprocessing: Preprocessing = card.preprocessing
        self.card = card

    def classify(self, images: Sequence[Image], faces: Sequence[Faces]) -> list[Predictions]:
        """Read the emotions of all faces of all images.

        Args:
            images: RGB ``(H, W, 3)`` each.
            faces: Of each image, in its pixels.

        Returns:
            One ``Predictions`` per image, a row per face.
        """
        everything = self._read(_iter_crops(images, faces, self.preprocessing))
        bounds = np.cumsum([0, *(len(found) for found in faces)]).tolist()
        return [everything[start:end] for start, end in pairwise(bounds)]

    def classify_crops(self, crops: Image) -> Predictions:
        """Read the emotions of faces that are cut out already.

        Args:
            crops: ``(N, S, S, 3)`` RGB, 0-255, as ``crop_faces`` makes them.

        Raises:
            WeightsMismatchError: The network gives values that are no numbers.
        """
        return self._read(crops[i : i + BATCH] for i in range(0, len(crops), BATCH))

    def _read(self, batches: Iterable[Image]) -> Predictions:
        parts = [self._network.run(to_input(crops, self.preprocessing)) for crops in batches]
        widths = (len(self.card.labels), 2)[: 1 + self.card.has_va]
        outputs = [_joined([part[i] for part in parts], width) for i, width in enumerate(widths)]
        if not all(np.isfinite(output).all() for output in outputs):
            raise WeightsMismatchError(
                f"{self.card.name} gives values that are no numbers; choose another network."
            )
        probabilities = softmax(outputs[0] / np.float32(self.card.temperature))
        if self.card.has_va:
            va = np.clip(outputs[1], -1, 1)
        else:
            va = expected_va(probabilities, self.card.labels)
        return Predictions(self.card.labels, probabilities, va[:, 0], va[:, 1], self.card.va_source)


def _iter_crops(
    images: Sequence[Image], faces: Sequence[Faces], how: Preprocessing
) -> Iterator[Image]:
    """The faces of all images, ``BATCH`` at a time; no more are cut out before they are needed."""
    waiting = np.empty((0, how.size_px, how.size_px, 3), np.uint8)
    for image, found in zip(images, faces, strict=True):
        for start in range(0, len(found), BATCH):
            some = found[np.arange(start, min(start + BATCH, len(found)))]
            waiting = np.concatenate([waiting, crop_faces(image, some, how)])
            if len(waiting) >= BATCH:
                yield waiting[:BATCH]
                waiting = waiting[BATCH:]
    if len(waiting):
        yield waiting


def expected_va(probabilities: FloatArray, labels: LabelSet) -> FloatArray:
    """Valence and arousal as the expectation of per-emotion coordinates.

    Args:
        probabilities: ``(N, C)``, rows sum to 1.
        labels: Order of the columns.

    Returns:
        ``(N, 2)`` valence, arousal in [-1, 1]. Source of the coordinates: ``VALENCE_AROUSAL``.
    """
    coordinates = np.array([VALENCE_AROUSAL[label] for label in labels], np.float32)
    return np.asarray(np.clip(probabilities @ coordinates, -1, 1), np.float32)


def _joined(parts: list[FloatArray], width: int) -> FloatArray:
    """Stack the batches; flatten trailing ones such as ``(N, C, 1, 1)``."""
    rows = [np.asarray(part, np.float32).reshape(len(part), width) for part in parts]
    return np.concatenate(rows) if rows else np.empty((0, width), np.float32)


def softmax(logits: FloatArray) -> FloatArray:
    """Softmax of each row of ``(N, C)``."""
    if not len(logits):
        return logits
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), np.float32)
