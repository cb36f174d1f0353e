"""A face network at several scales: images in, candidates and then faces out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self, TypeAlias

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

    from emotion_core.detection.boxes import NmsThresholds
    from emotion_core.detection.candidates import Candidates
    from emotion_core.detection.multiscale_torch import TorchMultiScaleRunner
    from emotion_core.models.runtime import Network
    from emotion_core.types import Faces, FloatArray, Image

    AnyRunner: TypeAlias = "MultiScaleRunner | TorchMultiScaleRunner"

STRIDE_PX = 32
"""Height and width of what the networks take are multiples of it."""

PASS_PIXELS = 600_000
"""In one pass. On a CPU a tile of 640 pixels took 15 ms alone and 22 in a pass of six: what
stays in its caches is faster."""


_COARSE_PX = 192
_LANDMARKS_PX = (160, 96)
"""Further looks for nothing but landmarks, whose errors differ from look to look: 4.9 % of the
eye distance instead of 5.5 on 1,862 portraits, for some 2 ms."""
_MEAN_SCORE = 0.6
"""Least score of places whose landmarks count; fixed, so that a reading does not change with the
least score that is asked for."""

_LARGE = 0.25
"""Of a picture's longer side: smaller faces can no longer be seen in those looks."""


class MultiScaleRunner:
    """Looks by a network that takes and gives arrays: pictures of one size in one pass.

    Outputs of the network for P places: ``scores (B, P)``, ``boxes (B, P, 4)`` x1, y1, x2, y2 and
    ``landmarks (B, P, 10)``, in pixels of its input.
    """

    def __init__(self, network: Network) -> None:
        self._network = network

    def run(
        self, images: Sequence[Image], sizes_px: Sequence[int | None], min_score: float
    ) -> Candidates:
        """Everything confident in each picture, overlapping or not.

        Args:
            images: RGB ``(H, W, 3)`` each, any sizes.
            sizes_px: A look each: the longest side to which pictures are shrunk for it, ``None``
                for as they are. Pictures that are not larger get no such look.
            min_score: Places below this confidence, 0-1, are left out.

        Returns:
            In pixels of each picture; boxes may reach beyond it.
        """
        tables = []
        for size_px in sizes_px:
            scales = [scale_for(image.shape, size_px) for image in images]
            looked = [i for i, scale in enumerate(scales) if scale]
            views = [scale_image(images[i], scales[i]) for i in looked]
            seen = self._see_views(views, min_score)
            tables.append(to_image_coords(seen, looked, [scales[i] for i in looked]))
        return sort_and_cap(*tables)

    def _see_views(self, views: Sequence[Image], min_score: float) -> Candidates:
        tables = []
        padded = [tuple(-(-side // STRIDE_PX) * STRIDE_PX for side in v.shape[:2]) for v in views]
        for size_hw, members in batches_by_shape(padded, PASS_PIXELS):
            outputs = self._pass([views[i] for i in members], size_hw)
            tables.append(to_image_coords(threshold_candidates(*outputs, min_score), members))
        return np.concatenate([no_candidates(), *tables])

    def _pass(
        self, images: Sequence[Image], size_hw: tuple[int, ...]
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Scores, boxes and landmarks of some pictures, padded to one size, in one pass."""
        batch = np.zeros((len(images), 3, *size_hw), np.float32)
        for row, image in zip(batch, images, strict=True):
            height, width = image.shape[:2]
            for plane, channel in zip(row, cv2.split(image), strict=True):
                plane[:height, :width] = channel  # twice as fast as all three transposed
        scores, boxes, points = self._network.run(batch)
        return scores, boxes, points


def batches_by_shape(
    sizes_hw: Sequence[tuple[int, ...]], most_pixels: int
) -> Iterator[tuple[tuple[int, ...], list[int]]]:
    """Which pictures go through a network together: those of one size, some at once.

    Args:
        sizes_hw: Height and width of each picture.
        most_pixels: In one pass; a single picture may have more.

    Yields:
        Size and indices of the pictures of one pass.
    """
    groups: dict[tuple[int, ...], list[int]] = {}
    for i, size_hw in enumerate(sizes_hw):
        groups.setdefault(size_hw, []).append(i)
    for (height, width), members in groups.items():
        step = max(1, most_pixels // (height * width))
        for start in range(0, len(members), step):
            yield (height, width), members[start : start + step]


def scale_for(shape: tuple[int, ...], size_px: int | None) -> float:
    """Pixels of a look per pixel of a picture; 0 where the picture gets no such look."""
    if size_px is None:
        return 1.0
    longest: int = max(shape[:2])
    return size_px / longest if longest > size_px else 0.0


class MultiScaleFaceModel:
    """A network that takes a batch, and decodes its boxes itself.

    Every picture is looked at as it is and, by the project's own network, which does not see faces
    that fill it, also shrunk; its landmarks are means over places and looks.
    """

    def __init__(
        self, runner: AnyRunner, overlap: NmsThresholds = SAME_FACE, *, is_ours: bool = True
    ) -> None:
        self._runner = runner
        self._overlap, self._is_ours = overlap, is_ours

    @classmethod
    def for_yunet(cls, runner: AnyRunner) -> Self:
        """Give what ``cv2.FaceDetectorYN`` gives: one look, boxes that share 0.3 are one face."""
        return cls(runner, YUNET_OVERLAP, is_ours=False)

    def find(
        self, images: Sequence[Image], min_score: float, *, quick: bool = False
    ) -> list[Faces]:
        """See ``detector.FaceModel``."""
        if not self._is_ours:
            seen = self._runner.run(images, (None,), min_score)
            return to_faces(nms(seen, self._overlap), len(images))
        seen = self._runner.run(images, (None, _COARSE_PX), min(min_score, _MEAN_SCORE))
        kept = nms(seen[seen[:, SCORE] >= min_score], self._overlap)
        seen = seen[seen[:, SCORE] >= _MEAN_SCORE]
        if not quick:
            seen = self._look_for_landmarks(images, seen)
        return to_faces(with_mean_landmarks(kept, seen), len(images))

    def _look_for_landmarks(self, images: Sequence[Image], seen: Candidates) -> Candidates:
        """Add what further looks see in pictures with a large face."""
        least = np.array([_LARGE * max(image.shape[:2]) for image in images])
        boxes, picture = seen[:, BOX], image_indices(seen)
        longest = (boxes[:, 2:] - boxes[:, :2]).max(axis=1)
        large = np.unique(picture[longest >= least[picture]]).tolist()
        if not large:
            return seen
        again = self._runner.run([images[i] for i in large], _LANDMARKS_PX, _MEAN_SCORE)
        return sort_and_cap(seen, to_image_coords(again, large))
