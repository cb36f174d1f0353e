"""Finding faces: pictures in, ``Faces`` out, whatever the network behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import cv2
import numpy as np

from emotion_core.detection.boxes import rescale, sides
from emotion_core.detection.tiling import (
    HINT_SCORE,
    ScalePass,
    SearchLimits,
    next_scale,
    refine_in_tiles,
)
from emotion_core.imaging.resize import scale_image
from emotion_core.types import DEFAULT_OPTIONS, Faces

if TYPE_CHECKING:
    from collections.abc import Sequence

    from emotion_core.models.card import ModelCard
    from emotion_core.types import AnalyzeOptions, Image

LONGEST_SIDE_PX = (640, 1280)
"""Pictures are enlarged towards the first (at most twice) and shrunk to the second before a
network sees them: small faces in small pictures are found, and a large picture costs little more
than a middling one, unless there are signs of small faces in it."""


class FaceModel(Protocol):
    """Finds faces in pictures of the size it is given. Thread-safe."""

    def find(
        self, images: Sequence[Image], min_score: float, *, quick: bool = False
    ) -> list[Faces]:
        """Faces of each picture, in its pixels; boxes may reach beyond the picture.

        Args:
            images: RGB ``(H, W, 3)`` each, any sizes.
            min_score: Faces below this confidence, 0-1, are left out.
            quick: Whether time counts for more than landmarks.
        """


class FaceDetector:
    """A face network and its looks at a picture: one, and more where they pay.

    Large pictures with signs of small faces are looked at more closely (see ``tiling``);
    pictures without a face once more with a border, for a face that fills them.
    """

    def __init__(self, network: FaceModel, card: ModelCard) -> None:
        self._network = network
        self.card = card

    def detect(
        self,
        images: Sequence[Image],
        options: AnalyzeOptions = DEFAULT_OPTIONS,
    ) -> list[Faces]:
        """Find the faces of each picture.

        Args:
            images: RGB ``(H, W, 3)`` each, any sizes.
            options: Which faces count, and how thoroughly they are searched for. The larger the
                faces that count, the fewer looks a large picture needs.

        Returns:
            One ``Faces`` per picture, from left to right, in its pixels and inside it.
        """
        min_score = options.min_score
        wanted = SearchLimits(min_score, max(1.0, options.min_face_px))
        if options.search_px is not None:
            return self._detect_in_one_look(images, wanted, options.search_px)
        scales = [_working_scale(image) for image in images]
        small = [scale_image(image, s) for image, s in zip(images, scales, strict=True)]
        may_go_on = any(next_scale(scale, wanted.face_px) for scale in scales)
        seen = self._network.find(small, min(min_score, HINT_SCORE) if may_go_on else min_score)
        found = self._look_again(small, [f[f.scores >= min_score] for f in seen], min_score)
        result = []
        for image, scale, first, faces in zip(images, scales, seen, found, strict=True):
            look = ScalePass(scale, rescale(first[first.scores >= HINT_SCORE], scale))
            closer = refine_in_tiles(self._network.find, image, rescale(faces, scale), look, wanted)
            result.append(_inside(closer, image, wanted.face_px))
        return result

    def _detect_in_one_look(
        self, images: Sequence[Image], wanted: SearchLimits, search_px: int
    ) -> list[Faces]:
        scales = [min(1.0, search_px / max(image.shape[:2])) for image in images]
        small = [scale_image(image, s) for image, s in zip(images, scales, strict=True)]
        found = self._network.find(small, wanted.score, quick=True)
        return [
            _inside(rescale(faces, scale), image, wanted.face_px)
            for image, scale, faces in zip(images, scales, found, strict=True)
        ]

    def _look_again(
        self, images: Sequence[Image], found: list[Faces], min_score: float
    ) -> list[Faces]:
        """Search pictures without a face once more with a border, for a face that fills them.

        Only a face that takes up most of the picture counts, so that the second look adds no
        false alarms elsewhere.
        """
        empty = [i for i, faces in enumerate(found) if not len(faces)]
        if not empty:
            return found
        result = list(found)
        views = [_bordered(images[i]) for i in empty]
        again = self._network.find([view for view, _, _ in views], min_score)
        for i, faces, (_, scale, border) in zip(empty, again, views, strict=True):
            faces = rescale(faces, scale, (-border / scale, -border / scale))
            longest = sides(faces).max(axis=1, initial=0)
            result[i] = faces[longest >= 0.6 * min(images[i].shape[:2])]
        return result


def _working_scale(image: Image) -> float:
    longest: int = max(image.shape[0], image.shape[1])
    low, high = LONGEST_SIDE_PX
    if longest > high:
        return high / longest
    return min(2.0, low / longest) if longest < low else 1.0


def _bordered(image: Image) -> tuple[Image, float, int]:
    """Shrink to 320 pixels and add a border of half as much; tell the scale and the border."""
    scale = min(1.0, 320 / max(image.shape[:2]))
    small = scale_image(image, scale)
    border = max(small.shape[:2]) // 2
    view = cv2.copyMakeBorder(
        small, border, border, border, border, cv2.BORDER_CONSTANT, value=(127, 127, 127)
    )
    return np.asarray(view, np.uint8), scale, border


def _inside(faces: Faces, image: Image, face_px: float) -> Faces:
    """Clip boxes to the picture, leave out what is too small, order them from left to right."""
    limit = np.array([image.shape[1], image.shape[0]] * 2, np.float32)
    inside = Faces(np.clip(faces.boxes, 0, limit), faces.scores, faces.landmarks)
    inside = inside[np.flatnonzero((sides(inside) >= face_px).all(axis=1))]
    return inside[np.argsort(inside.boxes[:, 0] + inside.boxes[:, 2], kind="stable")]
