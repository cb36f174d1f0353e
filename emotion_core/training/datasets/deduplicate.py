"""Images that a data set holds twice: in the split that is measured and in the one learnt from.

FER2013 was collected by web searches whose results overlap. Where a network has learnt an image
by heart, what it says of it tells nothing about faces that it has never seen.
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
    """The faces whose image is not among those learnt from.

    Images count as the same where every pixel is, in grey and brought to 48 pixels; such as were
    cut, scaled or compressed anew are not recognised.

    Raises:
        DatasetError: An image cannot be read.
    """
    known = set(_iter_marks(learnt.images))
    is_new = [mark not in known for mark in _iter_marks(faces.images)]
    kept = take_faces(faces, np.flatnonzero(is_new))
    return replace(kept, name=f"{faces.name} without what {learnt.name} holds")


def _iter_marks(images: ImageSource) -> Iterator[bytes]:
    """What is the same for two images only if their pixels are, in order."""
    for start in range(0, len(images), _AT_ONCE):
        chosen = np.arange(start, min(start + _AT_ONCE, len(images)))
        for image in images.load(chosen, _SIDE_PX, 1):
            yield hashlib.sha256(image.tobytes()).digest()
