"""Emotion classification: faces of many images in, one ``Predictions`` each out, in batches."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

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
    from emotion_core.types import Device, Faces, FloatArray, Image

BATCH = 64
"""Maximum number of faces in one forward pass; bounds memory."""


class FaceReadings(NamedTuple):
    """What a network reads in N faces.

    Attributes:
        predictions: The emotions.
        pitch_deg: ``(N,)`` how far each head is turned up, which an analysis tells in its
            ``quality``; ``None`` if the network has no such output.
    """

    predictions: Predictions
    pitch_deg: FloatArray | None


class EmotionClassifier:
    """An emotion network with the card that describes its input and output. Thread-safe."""

    def __init__(self, network: Network, card: ModelCard) -> None:
        if card.preprocessing is None:
            raise ValueError(f"{card.name} has no preprocessing.")
        self._network = network
        self._shift = np.array(card.logit_shift, np.float32)
        self.preprocessing: Preprocessing = card.preprocessing
        self.card = card

    @property
    def device(self) -> Device:
        """Where the network runs."""
        return self._network.device

    def classify(self, images: Sequence[Image], faces: Sequence[Faces]) -> list[Predictions]:
        """Predicts the emotions of all faces of all images.

        Args:
            images: RGB ``(H, W, 3)`` each.
            faces: Of each image, in its pixels.

        Returns:
            One ``Predictions`` per image, a row per face.
        """
        return [predictions for predictions, _ in self.read(images, faces)]

    def read(self, images: Sequence[Image], faces: Sequence[Faces]) -> list[FaceReadings]:
        """Predicts emotions, as ``classify`` does, and the pitch of heads."""
        predictions, pitch_deg = self._read(_iter_crops(images, faces, self.preprocessing))
        bounds = np.cumsum([0, *(len(found) for found in faces)]).tolist()
        return [
            FaceReadings(predictions[a:b], None if pitch_deg is None else pitch_deg[a:b])
            for a, b in pairwise(bounds)
        ]

    def classify_crops(self, crops: Image) -> Predictions:
        """Predicts the emotions of cropped faces.

        Args:
            crops: ``(N, S, S, 3)`` RGB, 0-255, as ``crop_faces`` makes them.

        Raises:
            WeightsMismatchError: The network returns NaN or infinity.
        """
        return self.read_crops(crops).predictions

    def read_crops(self, crops: Image) -> FaceReadings:
        """Predicts emotions, as ``classify_crops`` does, and the pitch of heads."""
        return self._read(crops[i : i + BATCH] for i in range(0, len(crops), BATCH))

    def _read(self, batches: Iterable[Image]) -> FaceReadings:
        parts = [self._network.run(to_input(crops, self.preprocessing)) for crops in batches]
        outputs = []
        for i, width in enumerate(self.card.output_widths):  # some networks return (N, C, 1, 1)
            rows = [np.asarray(part[i], np.float32).reshape(len(part[i]), width) for part in parts]
            outputs.append(np.concatenate([np.empty((0, width), np.float32), *rows]))
        if not all(np.isfinite(output).all() for output in outputs):
            raise WeightsMismatchError(
                f"{self.card.name} returns values that are not numbers; choose another model."
            )
        logits = outputs[0] / np.float32(self.card.temperature) + self._shift
        probabilities = np.asarray(softmax(logits, axis=1), np.float32)
        if self.card.has_va:
            va = np.clip(outputs[1], -1, 1)
        else:
            va = expected_va(probabilities, self.card.labels)
        actions = pitch_deg = None
        if self.card.has_actions:
            actions, pitch_deg = np.clip(outputs[-2], 0, 1), outputs[-1][:, POSE.index("pitch")]
        labels, source = self.card.labels, self.card.va_source
        predictions = Predictions(labels, probabilities, va[:, 0], va[:, 1], source, actions)
        return FaceReadings(predictions, pitch_deg)


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
