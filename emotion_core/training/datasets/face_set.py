"""Labelled faces, as all readers return them and training and evaluation use them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

from emotion_core.labels import ALL_EMOTIONS, Emotion, LabelSet
from emotion_core.types import FloatArray, Image

LABELS: LabelSet = ALL_EMOTIONS
"""Order of the columns of ``FaceSet.targets``, and of the outputs of networks trained here."""

EIGHT_EMOTIONS: LabelSet = tuple(label for label in LABELS if label is not Emotion.UNCERTAIN)

NO_CLASS = -1

Channels = Literal[1, 3]
Indices = npt.NDArray[np.int64]


class ImageSource(Protocol):
    """Square images of faces, in memory or read on demand. Safe to use from any thread."""

    def __len__(self) -> int: ...

    def load(self, indices: Indices, size_px: int, channels: Channels) -> Image:
        """Loads some of the images.

        Args:
            indices: Of the images, in the order of the result.
            size_px: Side of the result; areas are averaged when images shrink.
            channels: 3 for RGB, 1 for grey (ITU-R BT.601 luma, as OpenCV converts).

        Returns:
            ``(n, size_px, size_px, channels)``, 0-255.

        Raises:
            DatasetError: A file is missing or not an image; the message names it.
        """


@dataclass(frozen=True, eq=False, slots=True)
class FaceSet:
    """Faces with the labels that people gave them.

    Attributes:
        name: For people, e.g. ``"FER+ Valid"``.
        images: One per face.
        targets: ``(N, 9)`` share of the votes per emotion of ``LABELS``; rows sum to 1, or are all
            zero where nobody named an emotion. A single label is a share of 1.
        majority: ``(N,)`` index into ``LABELS`` of the class by the data set's own protocol;
            ``NO_CLASS`` for faces that the protocol leaves out.
        va: ``(N, 2)`` valence and arousal as people rated them, in [-1, 1]; NaN if unrated.
        classes: The emotions between which the data set's protocol decides.
        files: Name of each face's image inside the data set, for messages and tables.
        actions: ``(N, 54)`` action features in [0, 1] and the pose of the head in degrees, as a
            landmarker saw them, NaN where it saw no face; ``None`` if none was asked.
    """

    name: str
    images: ImageSource
    targets: FloatArray
    majority: Indices
    va: FloatArray
    classes: LabelSet
    files: Sequence[str]
    actions: FloatArray | None = None

    def __post_init__(self) -> None:
        n = len(self.images)
        if self.targets.shape != (n, len(LABELS)) or self.va.shape != (n, 2):
            raise ValueError(f"{self.name}: targets must be (N, 9) and va (N, 2) with N = {n}.")
        if self.majority.shape != (n,) or len(self.files) != n:
            raise ValueError(f"{self.name}: majority and files need {n} entries.")

    def __len__(self) -> int:
        return len(self.images)

    @property
    def has_majority(self) -> npt.NDArray[np.bool_]:
        """``(N,)`` which faces the data set's protocol keeps."""
        return np.asarray(self.majority != NO_CLASS)
