"""Emotion classification: faces of many images in, one ``Predictions`` each out, in batches."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import softmax

from emotion_core.actions import POSE
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
"""Maximum number of faces in one forward pass; bounds memory."""


class EmotionClassifier:
    """An emotion network with the card that describes its input and output. Thread-safe."""

    def __init__(self, network: Network, card: ModelCard) -> None:
        if card.preprocessing is None:
            raise ValueError(f"{card.name} has no preprocessing.")
        self._network = network
        self.preprocessing: Preprocessing = card.preprocessing
        self.card = card

    def classify(self, images: Sequence[Image], faces: Sequence[Faces]) -> list[Predictions]:
        """Predicts the emotions of all faces of all images.

        Args:
            images: RGB ``(H, W, 3)`` each.
            faces: Of each image, in its pixels.

        Returns:
            One ``Predictions`` per image, a row per face.
        """
        predictions = self._predict(_iter_crops(images, faces, self.preprocessing))
        bounds = np.cumsum([0, *(len(found) for found in faces)]).tolist()
        return [predictions[start:end] for start, end in pairwise(bounds)]

    def classify_crops(self, crops: Image) -> Predictions:
        """Predicts the emotions of cropped faces.

        Args:
            crops: ``(N, S, S, 3)`` RGB, 0-255, as ``crop_faces`` makes them.

        Raises:
            WeightsMismatchError: The network returns NaN or infinity.
        """
        return self._predict(crops[i : i + BATCH] for i in range(0, len(crops), BATCH))

    def _predict(self, batches: Iterable[Image]) -> Predictions:
        parts = [self._network.run(to_input(crops, self.preprocessing)) for crops in batches]
        outputs = []
        for i, width in enumerate(self.card.output_widths):  # some networks return (N, C, 1, 1)
            rows = [np.asarray(part[i], np.float32).reshape(len(part[i]), width) for part in parts]
            outputs.append(np.concatenate([np.empty((0, width), np.float32), *rows]))
        if not all(np.isfinite(output).all() for output in outputs):
            raise WeightsMismatchError(
                f"{self.card.name} returns values that are not numbers; choose another model."
            )
        logits = outputs[0] / np.float32(self.card.temperature)
        probabilities = np.asarray(softmax(logits, axis=1), np.float32)
        if self.card.has_va:
            va = np.clip(outputs[1], -1, 1)
        else:
            va = expected_va(probabilities, self.card.labels)
        actions = pitch_deg = None
        if self.card.has_actions:
            actions, pitch_deg = np.clip(outputs[-2], 0, 1), outputs[-1][:, POSE.index("pitch")]
        return Predictions(
            self.card.labels,
            probabilities,
            va[:, 0],
            va[:, 1],
            self.card.va_source,
            actions,
            pitch_deg,
        )


def _iter_crops(
    images: Sequence[Image], faces: Sequence[Faces], preprocessing: Preprocessing
) -> Iterator[Image]:
    """Yields the crops of all images, ``BATCH`` at a time; crops no more before they are needed."""
    size_px = preprocessing.size_px
    waiting = np.empty((0, size_px, size_px, 3), np.uint8)
    for image, found in zip(images, faces, strict=True):
        for start in range(0, len(found), BATCH):
            crops = crop_faces(image, found[start : start + BATCH], preprocessing)
            waiting = np.concatenate([waiting, crops])
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
