"""Who resembles whom: faces to vectors whose cosine tells whether they are of one person.

The network is SFace: Y. Zhong, W. Deng, J. Hu, D. Zhao, X. Li and D. Wen, "SFace:
Sigmoid-Constrained Hypersphere Loss for Robust Face Recognition", IEEE Transactions on Image
Processing 30, 2021. Alignment and input are those of ``cv2.FaceRecognizerSF`` (opencv/opencv,
modules/objdetect/src/face_recognize.cpp), up to what lies outside the picture, which there is black
and here repeats the edge, and to the way in which large faces are shrunk.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from emotion_core.models.card import Task
from emotion_core.models.download import fetch
from emotion_core.models.registry import candidates
from emotion_core.models.runtime import OnnxNetwork
from emotion_core.recognition.alignment import crop_faces, to_input

if TYPE_CHECKING:
    from emotion_core.models.card import ModelCard
    from emotion_core.models.download import Progress
    from emotion_core.models.runtime import Network
    from emotion_core.types import Faces, FloatArray, Image

_BATCH = 32
"""Faces in one forward pass at most; bounds memory whatever the number of faces."""


class FaceEmbedder:
    """A recognition network with the card that tells what goes in. Thread-safe."""

    def __init__(self, network: Network, card: ModelCard) -> None:
        if card.preprocessing is None:
            raise ValueError(f"{card.name} has no preprocessing.")
        self._network = network
        self._preprocessing = card.preprocessing
        self.card = card

    def embed(self, image: Image, faces: Faces) -> FloatArray:
        """Describe each face by a vector.

        Args:
            image: RGB ``(H, W, 3)``, 0-255.
            faces: In its pixels; with landmarks, else they are cut out unaligned.

        Returns:
            ``(N, D)``, each row of unit length, so that a product of two rows is their cosine.
            Without a face D is 0.
        """
        parts = []
        for first in range(0, len(faces), _BATCH):
            some = faces[np.arange(first, min(first + _BATCH, len(faces)))]
            crops = crop_faces(image, some, self._preprocessing)
            (output, *_) = self._network.run(to_input(crops, self._preprocessing))
            parts.append(output.reshape(len(some), -1))
        rows = np.concatenate(parts) if parts else np.zeros((0, 0), np.float32)
        lengths = np.linalg.norm(rows, axis=1, keepdims=True)
        return np.asarray(rows / np.maximum(lengths, 1e-12), np.float32)


def load_embedder(*, on_progress: Progress | None = None) -> FaceEmbedder:
    """Fetch, verify and load the recognition network; it runs on the CPU.

    Args:
        on_progress: Told of the download.

    Raises:
        WeightsUnavailableError: Its file is not to be had.
        WeightsMismatchError: Its file is not what its card says.
    """
    (card,) = candidates(Task.EMBEDDING)
    return FaceEmbedder(OnnxNetwork(fetch(card, on_progress=on_progress).path), card)
