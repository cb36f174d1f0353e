"""Pictures that a data set holds twice: in the split that is measured and in the one learnt from.

FER2013 was collected by web searches whose results overlap. Where a network has learnt a picture
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
    """The faces whose picture is not among those learnt from.

    Pictures count as the same where every pixel is, in grey and brought to 48 pixels; such as were
    cut, scaled or compressed anew are not recognised.

    Raises:
        DatasetError: A picture cannot be read.
    """
    known = set(_iter_marks(learnt.pictures))
    is_new = [mark not in known for mark in _iter_marks(faces.pictures)]
    kept = take_faces(faces, np.flatnonzero(is_new))
    return replace(kept, name=f"{faces.name} without what {learnt.name} holds")


def _iter_marks(pictures: ImageSource) -> Iterator[bytes]:
    """What is the same for two pictures only if their pixels are, in order."""
    for start in range(0, len(pictures), _AT_ONCE):
        chosen = np.arange(start, min(start + _AT_ONCE, len(pictures)))
        for picture in pictures.load(chosen, _SIDE_PX, 1):
            yield hashlib.sha256(picture.tobytes()).digest()
