"""Face detection: images in, ``Faces`` out, whatever the network behind it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple, Protocol

import cv2
import numpy as np

from emotion_core.detection.boxes import (
    ACROSS_PASSES,
    concat,
    nms_faces,
    rescale,
    sides,
    sort_by_score,
)
from emotion_core.detection.tiling import (
    HINT_SCORE,
    ScalePass,
    TileAxis,
    refine_in_tiles,
)
from emotion_core.imaging.resize import scale_image
from emotion_core.types import DEFAULT_MIN_SCORE, DEFAULT_OPTIONS, Faces

if TYPE_CHECKING:
    from collections.abc import Sequence

    from emotion_core.models.card import ModelCard
    from emotion_core.types import AnalyzeOptions, Image

LONGEST_SIDE_PX = (640, 1280)
"""Images are enlarged towards the first (at most twice) and shrunk to the second before a network
sees them: small faces in small images are found, and a large image costs little more than a medium
one, unless there are signs of small faces in it."""


_MAX_ASPECT = 2.5
"""Images with a longer side of more than this many shorter ones are searched in pieces that have no
more: shrunk to 1280 pixels as a whole, a chat of 1080 by 14000 has 99 pixels left across, and its
43 faces of 60 pixels were all missed."""

_FILLING_PX = 160
"""Longest side at which an image without a face is searched for one that fills it. Of 250 close
photographs in which none was found before, this finds 184; at 128 pixels 149, at 256 pixels 183."""

_FILLING_SHARE = 0.6  # minimum longer side of such a face, in shorter sides of the image

_FILLING_GAIN, _FILLING_SURE, _FILLING_MIN_PX = 0.1, 0.64, 64.0
"""What its score gains, up to which score, as the face may still be a turned one, and from which
longer side on: where most of a photo would be a face, it more often is one. Of 137 scenes without a
face none scored 0.5, of 822 squares cut from them four, of those 250 photographs 184. In 548
squares of 40 pixels the gain would have made 17 false faces instead of eight."""

_MIN_LONG_PX = 32  # a line across a page is no long image
_PIECES = 8  # of a long image at a time, which bounds memory


class FaceModel(Protocol):
    """A face network that searches images at the size it is given. Thread-safe."""

    def find(
        self, images: Sequence[Image], min_score: float, *, quick: bool = False
    ) -> list[Faces]:
        """Finds the faces of each image, in its pixels; boxes may reach beyond the image.

        Args:
            images: RGB ``(H, W, 3)`` each, any sizes.
            min_score: Minimum confidence, 0-1.
            quick: Whether speed matters more than precise landmarks.
        """


class FoundFaces(NamedTuple):
    """What a search of an image gives.

    Attributes:
        faces: Those that count, from left to right.
        hints: What its first pass saw that scores less, but at least ``HINT_SCORE``.
    """

    faces: Faces
    hints: Faces


class FaceDetector:
    """A face network with its search strategy: a single pass, and more where they pay.

    Long images, such as panoramas and screenshots of chats, are searched in pieces. Large images
    with signs of small faces are searched again in tiles (see ``tiling``), images without a face
    once more with a border, for a face that fills them.
    """

    def __init__(self, network: FaceModel, card: ModelCard) -> None:
        self._network = network
        self.card = card

    def detect(
        self,
        images: Sequence[Image],
        options: AnalyzeOptions = DEFAULT_OPTIONS,
    ) -> list[Faces]:
        """Finds the faces of each image.

        Args:
            images: RGB ``(H, W, 3)`` each, any sizes.
            options: Which faces count, and how thoroughly to search. The larger the faces that
                count, the fewer passes a large image needs.

        Returns:
            One ``Faces`` per image, from left to right, in its pixels and inside it.
        """
        return [found.faces for found in self.detect_with_hints(images, options)]

    def detect_with_hints(
        self, images: Sequence[Image], options: AnalyzeOptions
    ) -> list[FoundFaces]:
        """Finds the faces of each image as ``detect`` does, and hints of others.

        Quick searches, and those of long images, give no hints.
        """
        options = replace(options, min_face_px=max(1.0, options.min_face_px))
        if options.search_px is not None:
            quick = self._search_quickly(images, options, options.search_px)
            return [FoundFaces(faces, Faces.empty()) for faces in quick]
        found = iter(self._search([image for image in images if not _is_long(image)], options))
        return [
            FoundFaces(self._search_pieces(image, options), Faces.empty())
            if _is_long(image)
            else next(found)
            for image in images
        ]

    def _search_quickly(
        self, images: Sequence[Image], options: AnalyzeOptions, search_px: int
    ) -> list[Faces]:
        scales = [min(1.0, search_px / max(image.shape[:2])) for image in images]
        small = [scale_image(image, s) for image, s in zip(images, scales, strict=True)]
        found = self._network.find(small, options.min_score, quick=True)
        return [
            finish(rescale(faces, scale), image, options.min_face_px)
            for image, scale, faces in zip(images, scales, found, strict=True)
        ]

    def _search_pieces(self, image: Image, options: AnalyzeOptions) -> Faces:
        """Searches a long image in pieces that overlap by its shorter side.

        So every face is whole in one of them; faces that a cut may have left incomplete are
        dropped.
        """
        is_tall = image.shape[0] > image.shape[1]
        short_px, long_px = sorted(image.shape[:2])
        piece_px = max(round(_MAX_ASPECT * short_px), LONGEST_SIDE_PX[1])
        axis = TileAxis(long_px, piece_px, min(short_px, piece_px // 2))
        cuts = [slice(start, start + axis.tile_px) for start in axis.starts.tolist()]
        parts: list[Faces] = []
        for i in range(0, len(cuts), _PIECES):
            group = cuts[i : i + _PIECES]
            views = [image[cut] if is_tall else image[:, cut] for cut in group]
            for cut, (faces, _) in zip(group, self._search(views, options), strict=True):
                placed = rescale(faces, 1, (0, cut.start) if is_tall else (cut.start, 0))
                low, high = placed.boxes[:, int(is_tall)], placed.boxes[:, 2 + int(is_tall)]
                is_whole = (low > cut.start + 1) | (cut.start == 0)
                is_whole &= (high < cut.stop - 1) | (cut.stop >= long_px)
                parts.append(placed[np.flatnonzero(is_whole)])
        return merge_faces(image, options, *parts)

    def _search(self, images: Sequence[Image], options: AnalyzeOptions) -> list[FoundFaces]:
        """Searches images thoroughly that are not long."""
        if not images:
            return []
        min_score = options.min_score
        scales = [_working_scale(image) for image in images]
        small = [scale_image(image, s) for image, s in zip(images, scales, strict=True)]
        first = self._network.find(small, min(min_score, HINT_SCORE))
        sure = [faces[faces.scores >= min_score] for faces in first]
        found = self._retry_with_border(small, scales, sure, min_score)
        result = []
        for image, scale, seen, faces in zip(images, scales, first, found, strict=True):
            coarse = ScalePass(scale, rescale(seen[seen.scores >= HINT_SCORE], scale))
            faces = rescale(faces, scale)
            faces = refine_in_tiles(self._network.find, image, faces, coarse, options)
            hints = coarse.faces[coarse.faces.scores < min_score]
            result.append(FoundFaces(finish(faces, image, options.min_face_px), hints))
        return result

    def _retry_with_border(
        self,
        images: Sequence[Image],
        scales: Sequence[float],
        found: list[Faces],
        min_score: float,
    ) -> list[Faces]:
        """Searches images without a likely face again with a border, for one that fills them.

        Only a face that takes up most of the image counts, so that the second pass adds no false
        alarms elsewhere. Which images are searched does not depend on the minimum score, so that
        a lower one gives the same faces and more.

        Args:
            images: RGB ``(H, W, 3)`` each, 0-255.
            scales: Their pixels per pixel of what they show.
            found: The faces of each that were found before.
            min_score: Minimum score.
        """
        unsure = [i for i, f in enumerate(found) if f.scores.max(initial=0) < DEFAULT_MIN_SCORE]
        if not unsure:
            return found
        result = list(found)
        views = [_add_border(images[i]) for i in unsure]
        least = max(min_score - _FILLING_GAIN, min(min_score, HINT_SCORE))
        again = self._network.find([view for view, _, _ in views], least)
        for i, faces, (_, scale, border) in zip(unsure, again, views, strict=True):
            faces = rescale(faces, scale, (-border / scale, -border / scale))
            longest = sides(faces).max(axis=1, initial=0)
            gain = np.float32(_FILLING_GAIN) * (longest >= _FILLING_MIN_PX * scales[i])
            raised = np.minimum(faces.scores + gain, np.float32(_FILLING_SURE))
            faces = replace(faces, scores=np.maximum(faces.scores, raised))
            is_filling = longest >= _FILLING_SHARE * min(images[i].shape[:2])
            filling = faces[is_filling & (faces.scores >= np.float32(min_score))]
            result[i] = nms_faces(sort_by_score(concat(result[i], filling)), ACROSS_PASSES)
        return result


def _is_long(image: Image) -> bool:
    """Whether a side is so much longer that little would be left of the other in a first pass."""
    low, high = sorted(image.shape[:2])
    return bool(low >= _MIN_LONG_PX and high > max(LONGEST_SIDE_PX[1], _MAX_ASPECT * low))


def _working_scale(image: Image) -> float:
    longest: int = max(image.shape[:2])
    low, high = LONGEST_SIDE_PX
    if longest > high:
        return high / longest
    return min(2.0, low / longest) if longest < low else 1.0


def _add_border(image: Image) -> tuple[Image, float, int]:
    """Shrinks to 160 pixels and adds a border of a quarter; returns view, scale and border."""
    scale = min(1.0, _FILLING_PX / max(image.shape[:2]))
    small = scale_image(image, scale)
    border = max(small.shape[:2]) // 4
    view = cv2.copyMakeBorder(
        small, border, border, border, border, cv2.BORDER_CONSTANT, value=(127, 127, 127)
    )
    return np.asarray(view, np.uint8), scale, border


def merge_faces(image: Image, options: AnalyzeOptions, *parts: Faces) -> Faces:
    """One face of each group of overlapping ones of several passes, the surest, as ``finish``."""
    found = nms_faces(sort_by_score(concat(*parts)), ACROSS_PASSES)
    return finish(found, image, options.min_face_px)


def finish(faces: Faces, image: Image, min_face_px: float) -> Faces:
    """Clips boxes to the image, drops those too small, and sorts them from left to right."""
    limit = np.array([image.shape[1], image.shape[0]] * 2, np.float32)
    inside = Faces(np.clip(faces.boxes, 0, limit), faces.scores, faces.landmarks)
    inside = inside[np.flatnonzero((sides(inside) >= min_face_px).all(axis=1))]
    return inside[np.argsort(inside.boxes[:, 0] + inside.boxes[:, 2], kind="stable")]
