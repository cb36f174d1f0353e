"""Face embeddings: vectors whose cosine tells whether two faces are of one person.

The network is SFace: Y. Zhong, W. Deng, J. Hu, D. Zhao, X. Li and D. Wen, "SFace:
Sigmoid-Constrained Hypersphere Loss for Robust Face Recognition", IEEE Transactions on Image
Processing 30, 2021. Alignment and input are those of ``cv2.FaceRecognizerSF`` (opencv/opencv,
modules/objdetect/src/face_recognize.cpp), except for what lies outside the image, which is black
there and repeats the edge here, and for how large faces are shrunk.
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
"""Maximum number of faces in one forward pass; bounds memory."""


class FaceEmbedder:
    """A recognition network with the card that describes its input. Thread-safe."""

    def __init__(self, network: Network, card: ModelCard) -> None:
        if card.preprocessing is None:
            raise ValueError(f"{card.name} has no preprocessing.")
        self._network = network
        self._preprocessing = card.preprocessing
        self.card = card

    def embed(self, image: Image, faces: Faces) -> FloatArray:
        """Computes an embedding of each face.

        Args:
            image: RGB ``(H, W, 3)``, 0-255.
            faces: In its pixels; those without landmarks are not aligned.

        Returns:
            ``(N, D)``, each row of unit length, so that the product of two rows is their cosine.
            D is 0 if there is no face.
        """
        parts = []
        for start in range(0, len(faces), _BATCH):
            crops = crop_faces(image, faces[start : start + _BATCH], self._preprocessing)
            (output, *_) = self._network.run(to_input(crops, self._preprocessing))
            parts.append(output.reshape(len(crops), -1))
        rows = np.concatenate(parts) if parts else np.zeros((0, 0), np.float32)
        lengths = np.linalg.norm(rows, axis=1, keepdims=True)
        return np.asarray(rows / np.maximum(lengths, 1e-12), np.float32)


def load_embedder(*, on_progress: Progress | None = None) -> FaceEmbedder:
    """Fetches, verifies and loads the recognition network; it runs on the CPU.

    Args:
        on_progress: Called during the download.

    Raises:
        WeightsUnavailableError: Its file is not available.
        WeightsMismatchError: Its file does not match its card.
    """
    (card,) = candidates(Task.EMBEDDING)
    return FaceEmbedder(OnnxNetwork(fetch(card, on_progress=on_progress).path), card)
