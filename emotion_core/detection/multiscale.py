"""A face network run at several scales: images in, candidates and then faces out."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import cv2
import numpy as np

from emotion_core.detection.boxes import SAME_FACE, YUNET_OVERLAP
from emotion_core.detection.candidates import (
    BOX,
    SCORE,
    image_indices,
    nms,
    no_candidates,
    sort_and_cap,
    threshold_candidates,
    to_faces,
    to_image_coords,
    with_mean_landmarks,
)
from emotion_core.imaging.resize import scale_image

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from emotion_core.detection.candidates import Candidates
    from emotion_core.detection.multiscale_torch import TorchMultiScaleRunner
    from emotion_core.models.runtime import Network
    from emotion_core.types import Faces, Image

    AnyRunner: TypeAlias = "MultiScaleRunner | TorchMultiScaleRunner"

STRIDE_PX = 32
"""Height and width of a network's input are multiples of it."""

BATCH_PIXELS = 600_000
"""Pixels in one forward pass. On a CPU a tile of 640 pixels took 15 ms alone and 22 in a pass of
six: what stays in its caches is faster."""

_COARSE_PX = 192
_LANDMARKS_PX = 128
"""An extra scale for landmarks only, whose errors differ from scale to scale: 5.0% of the eye
distance instead of 5.5 on portraits. Two, 160 and 96, gave 4.8%, and readings no better."""
_MEAN_SCORE = 0.6
"""Minimum score of candidates whose landmarks are averaged; fixed, so that predictions do not
change with the minimum score of the caller."""

_LARGE = 0.25
"""Fraction of an image's longer side: the network cannot see smaller faces at that scale."""


class MultiScaleRunner:
    """Runs a network on arrays at several scales: images of one size in one pass.

    Outputs of the network for P anchors: ``scores (B, P)``, ``boxes (B, P, 4)`` x1, y1, x2, y2 and
    ``landmarks (B, P, 10)``, in pixels of its input.
    """

    def __init__(self, network: Network) -> None:
        self._network = network

    def run(
        self, images: Sequence[Image], sizes_px: Sequence[int | None], min_score: float
    ) -> Candidates:
        """Finds all candidates in each image, overlapping or not.

        Args:
            images: RGB ``(H, W, 3)`` each, any sizes.
            sizes_px: One pass each: the longest side to which it shrinks images, ``None`` for no
                shrinking. Images that are not larger are left out of a pass.
            min_score: Minimum confidence, 0-1.

        Returns:
            In pixels of each image; boxes may reach beyond it.
        """
        tables = []
        for size_px in sizes_px:
            scales = [scale_for(image.shape, size_px) for image in images]
            chosen = [i for i, scale in enumerate(scales) if scale]
            found = self._run_views([scale_image(images[i], scales[i]) for i in chosen], min_score)
            tables.append(to_image_coords(found, chosen, [scales[i] for i in chosen]))
        return sort_and_cap(*tables)

    def _run_views(self, views: Sequence[Image], min_score: float) -> Candidates:
        tables = []
        padded = [tuple(-(-side // STRIDE_PX) * STRIDE_PX for side in v.shape[:2]) for v in views]
        for size_hw, members in batches_by_shape(padded, BATCH_PIXELS):
            batch = np.zeros((len(members), 3, *size_hw), np.float32)
            for row, i in zip(batch, members, strict=True):
                height, width = views[i].shape[:2]
                for plane, channel in zip(row, cv2.split(views[i]), strict=True):
                    plane[:height, :width] = channel  # twice as fast as all three transposed
            scores, boxes, points = self._network.run(batch)
            found = threshold_candidates(scores, boxes, points, min_score)
            tables.append(to_image_coords(found, members))
        return np.concatenate([no_candidates(), *tables])


def batches_by_shape(
    sizes_hw: Sequence[tuple[int, ...]], max_pixels: int
) -> Iterator[tuple[tuple[int, ...], list[int]]]:
    """Groups images of the same size into batches.

    Args:
        sizes_hw: Height and width of each image.
        max_pixels: Maximum of a batch; a single image may have more.

    Yields:
        Size and indices of the images of one batch.
    """
    groups: dict[tuple[int, ...], list[int]] = {}
    for i, size_hw in enumerate(sizes_hw):
        groups.setdefault(size_hw, []).append(i)
    for (height, width), members in groups.items():
        step = max(1, max_pixels // (height * width))
        for start in range(0, len(members), step):
            yield (height, width), members[start : start + step]


def scale_for(shape: tuple[int, ...], size_px: int | None) -> float:
    """Pixels of a pass per pixel of an image; 0 if the image is left out of the pass."""
    if size_px is None:
        return 1.0
    longest: int = max(shape[:2])
    return size_px / longest if longest > size_px else 0.0


class MultiScaleFaceModel:
    """A network that takes a batch and decodes its boxes itself.

    Every image is searched as it is and, with the project's own network, which does not see faces
    that fill the image, also shrunk; landmarks are then means over candidates and scales.

    Args:
        runner: Runs the network.
        is_yunet: Whether to return what ``cv2.FaceDetectorYN`` does: one pass, boxes that share
            0.3 are one face.
    """

    def __init__(self, runner: AnyRunner, *, is_yunet: bool = False) -> None:
        self._runner, self._is_yunet = runner, is_yunet

    def find(
        self, images: Sequence[Image], min_score: float, *, quick: bool = False
    ) -> list[Faces]:
        """See ``detector.FaceModel``."""
        if self._is_yunet:
            found = self._runner.run(images, (None,), min_score)
            return to_faces(nms(found, YUNET_OVERLAP), len(images))
        found = self._runner.run(images, (None, _COARSE_PX), min(min_score, _MEAN_SCORE))
        kept = nms(found[found[:, SCORE] >= min_score], SAME_FACE)
        found = found[found[:, SCORE] >= _MEAN_SCORE]
        if not quick:
            found = self._add_landmarks(images, found)
        return to_faces(with_mean_landmarks(kept, found), len(images))

    def _add_landmarks(self, images: Sequence[Image], found: Candidates) -> Candidates:
        """Adds the candidates of an extra scale in images with a large face."""
        min_px = np.array([_LARGE * max(image.shape[:2]) for image in images])
        boxes, image = found[:, BOX], image_indices(found)
        longest = (boxes[:, 2:] - boxes[:, :2]).max(axis=1)
        large = np.unique(image[longest >= min_px[image]]).tolist()
        if not large:
            return found
        extra = self._runner.run([images[i] for i in large], (_LANDMARKS_PX,), _MEAN_SCORE)
        return sort_and_cap(found, to_image_coords(extra, large))
