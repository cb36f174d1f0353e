"""Images that are both in the measured split of a data set and in its training split.

FER2013 was collected by web searches whose results overlap. What a network says about an image that
it has memorised tells nothing about unseen faces.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from emotion_core.training.datasets.image_sources import take_faces

if TYPE_CHECKING:
    from collections.abc import Iterator

    from emotion_core.training.datasets.face_set import FaceSet, ImageSource

_SIDE_PX = 48
_AT_ONCE = 512


def drop_duplicates(faces: FaceSet, learnt: FaceSet) -> FaceSet:
    """The faces whose image is not in the training split.

    Images are equal if all their pixels are, in grey and at 48 pixels; images that were cropped,
    scaled or compressed again are not recognised.

    Raises:
        DatasetError: An image cannot be read.
    """
    known = set(_iter_marks(learnt.images))
    is_new = [mark not in known for mark in _iter_marks(faces.images)]
    kept = take_faces(faces, np.flatnonzero(is_new))
    return replace(kept, name=f"{faces.name} without what {learnt.name} holds")


def _iter_marks(images: ImageSource) -> Iterator[bytes]:
    """Yields a hash of each image's pixels, in order."""
    for start in range(0, len(images), _AT_ONCE):
        chosen = np.arange(start, min(start + _AT_ONCE, len(images)))
        for image in images.load(chosen, _SIDE_PX, 1):
            yield hashlib.sha256(image.tobytes()).digest()
