"""Finding faces: pictures in, ``Faces`` out, whatever the network behind it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Protocol

import cv2
import numpy as np

from emotion_core.errors import WeightsMismatchError
from emotion_core.types import DEFAULT_MIN_SCORE, Faces

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from emotion_core.model_card import ModelCard
    from emotion_core.runtime import Network
    from emotion_core.types import FloatArray, Image

LONGEST_SIDE_PX = (640, 1280)
"""Pictures are enlarged towards the first (at most twice) and shrunk to the second before a
network sees them: small faces in small pictures are found, and a large picture costs no more than
a middling one."""

_NMS_IOU = 0.3
_OWN_NMS_IOU, _OWN_NMS_INSIDE = 0.45, 0.7
_COARSE_PX = 192
_MAX_CANDIDATES = 5000
_STRIDE_PX = 32
_PASS_PIXELS = 2_500_000  # in one pass: bounds memory, and more is no faster on two cores


class FaceNetwork(Protocol):
    """Finds faces in pictures of the size it is given. Thread-safe."""

    def find(self, images: Sequence[Image], min_score: float) -> list[Faces]:
        """Faces of each picture, in its pixels; boxes may reach beyond the picture."""


class FaceDetector:
    """A face network, the scale it works at, and a second look at pictures that a face fills."""

    def __init__(self, network: FaceNetwork, card: ModelCard) -> None:
        self._network = network
        self.card = card

    def detect(
        self, images: Sequence[Image], *, min_score: float = DEFAULT_MIN_SCORE
    ) -> list[Faces]:
        """Find the faces of each picture.

        Args:
            images: RGB ``(H, W, 3)`` each, any sizes.
            min_score: Detections below this confidence, 0-1, are left out.

        Returns:
            One ``Faces`` per picture, from left to right, in its pixels and inside it.
        """
        scales = [_working_scale(image) for image in images]
        small = [_scale(image, s) for image, s in zip(images, scales, strict=True)]
        found = self._network.find(small, min_score)
        found = self._look_again(small, found, min_score)
        return [
            _to_picture(faces, scale, image)
            for faces, scale, image in zip(found, scales, images, strict=True)
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
            faces = _moved(faces, scale, border)
            sides = (faces.boxes[:, 2:] - faces.boxes[:, :2]).max(axis=1, initial=0)
            result[i] = faces[sides >= 0.6 * min(images[i].shape[:2])]
        return result


class OpenCvFaceNetwork:
    """YuNet through ``cv2.FaceDetectorYN``: CPU only, one picture at a time.

    The OpenCV object carries state from call to call, so every thread gets its own.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._local = threading.local()
        try:
            self._detector()  # a file that cannot be read is known now, not at the first picture
        except cv2.error as error:
            raise WeightsMismatchError(f"{path.name} cannot be run ({error.err}).") from error

    def _detector(self) -> cv2.FaceDetectorYN:
        if not hasattr(self._local, "detector"):
            self._local.detector = cv2.FaceDetectorYN.create(
                str(self._path), "", (320, 320), 0.6, _NMS_IOU, _MAX_CANDIDATES
            )
        detector: cv2.FaceDetectorYN = self._local.detector
        return detector

    def find(self, images: Sequence[Image], min_score: float) -> list[Faces]:
        """See ``FaceNetwork``."""
        detector = self._detector()
        detector.setScoreThreshold(min_score)
        found = []
        for image in images:
            detector.setInputSize((image.shape[1], image.shape[0]))
            _, rows = detector.detect(cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
            empty = np.zeros((0, 15), np.float32)
            found.append(_from_rows(empty if rows is None else np.asarray(rows, np.float32)))
        return found


class BatchedFaceNetwork:
    """The project's own network: pictures of one size in one pass, boxes decoded by the graph.

    Every picture is looked at as it is and, for faces that fill it, shrunk to a small one.
    Outputs of the graph for P places: ``scores (B, P)``, ``boxes (B, P, 4)`` x1, y1, x2, y2 and
    ``landmarks (B, P, 10)``, in pixels of its input.
    """

    def __init__(self, network: Network) -> None:
        self._network = network

    def find(self, images: Sequence[Image], min_score: float) -> list[Faces]:
        """See ``FaceNetwork``."""
        found = self._candidates(images, min_score)
        large = [i for i, image in enumerate(images) if max(image.shape[:2]) > _COARSE_PX]
        scales = [_COARSE_PX / max(images[i].shape[:2]) for i in large]
        small = [_scale(images[i], scale) for i, scale in zip(large, scales, strict=True)]
        again = self._candidates(small, min_score)
        for i, scale, faces in zip(large, scales, again, strict=True):
            found[i] = _joined(found[i], _moved(faces, scale, 0))
        return [_suppress(faces) for faces in found]

    def _candidates(self, images: Sequence[Image], min_score: float) -> list[Faces]:
        """Everything confident in each picture, overlapping or not."""
        found = [Faces.empty()] * len(images)
        groups: dict[tuple[int, int], list[int]] = {}
        for i, image in enumerate(images):
            height, width = (-(-side // _STRIDE_PX) * _STRIDE_PX for side in image.shape[:2])
            groups.setdefault((height, width), []).append(i)
        for (height, width), members in groups.items():
            step = max(1, _PASS_PIXELS // (height * width))
            for start in range(0, len(members), step):
                part = members[start : start + step]
                for i, faces in zip(part, self._pass(images, part, (height, width)), strict=True):
                    found[i] = _confident(*faces, min_score)
        return found

    def _pass(
        self, images: Sequence[Image], members: Sequence[int], size_hw: tuple[int, int]
    ) -> Iterator[tuple[FloatArray, FloatArray, FloatArray]]:
        """Scores, boxes and landmarks of some pictures, padded to one size, in one pass."""
        padded = np.zeros((len(members), *size_hw, 3), np.uint8)
        for row, i in zip(padded, members, strict=True):
            height, width = images[i].shape[:2]
            row[:height, :width] = images[i]
        batch = np.asarray(cv2.dnn.blobFromImages(list(padded)), np.float32)
        scores, boxes, points = self._network.run(batch)
        return zip(scores, boxes, points, strict=True)


def _confident(
    scores: FloatArray, boxes: FloatArray, points: FloatArray, min_score: float
) -> Faces:
    """The places of one picture that may be faces, best first."""
    chosen = np.flatnonzero(scores >= min_score)
    chosen = chosen[np.argsort(-scores[chosen], kind="stable")][:_MAX_CANDIDATES]
    return Faces(boxes[chosen], np.clip(scores[chosen], 0, 1), points[chosen].reshape(-1, 5, 2))


def _joined(first: Faces, second: Faces) -> Faces:
    """Both, best first."""
    boxes = np.concatenate([first.boxes, second.boxes])
    scores = np.concatenate([first.scores, second.scores])
    points = [f.landmarks for f in (first, second) if f.landmarks is not None]
    faces = Faces(boxes, scores, np.concatenate(points) if len(points) == 2 else None)
    return faces[np.argsort(-scores, kind="stable")]


def _suppress(faces: Faces) -> Faces:
    """Of faces that overlap, keep the best.

    Overlap is a large share of both boxes together, or of the smaller one alone: parts of a face
    that fills the picture look like faces too.

    Args:
        faces: Best first.
    """
    boxes = faces.boxes
    area = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    left = np.arange(len(faces))
    kept = []
    while len(left):
        best, left = left[0], left[1:]
        kept.append(best)
        low = np.maximum(boxes[best, :2], boxes[left, :2])
        high = np.minimum(boxes[best, 2:], boxes[left, 2:])
        both = np.clip(high - low, 0, None).prod(axis=1)
        union = area[best] + area[left] - both
        smaller = np.minimum(area[best], area[left])
        left = left[(both <= _OWN_NMS_IOU * union) & (both <= _OWN_NMS_INSIDE * smaller)]
    return faces[np.array(kept, np.int64)]


def _from_rows(rows: FloatArray) -> Faces:
    """Read OpenCV's rows: x, y, w, h, five points, score."""
    rows = rows[(rows[:, 2] > 0) & (rows[:, 3] > 0)]
    boxes = np.hstack([rows[:, :2], rows[:, :2] + rows[:, 2:4]])
    return Faces(boxes, np.clip(rows[:, 14], 0, 1), rows[:, 4:14].reshape(-1, 5, 2))


def _working_scale(image: Image) -> float:
    longest: int = max(image.shape[0], image.shape[1])
    low, high = LONGEST_SIDE_PX
    if longest > high:
        return high / longest
    return min(2.0, low / longest) if longest < low else 1.0


def _scale(image: Image, scale: float) -> Image:
    if scale == 1:
        return image
    height, width = image.shape[:2]
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, size, interpolation=method), np.uint8)


def _bordered(image: Image) -> tuple[Image, float, int]:
    """Shrink to 320 pixels and add a border of half as much; tell the scale and the border."""
    scale = min(1.0, 320 / max(image.shape[:2]))
    small = _scale(image, scale)
    border = max(small.shape[:2]) // 2
    view = cv2.copyMakeBorder(
        small, border, border, border, border, cv2.BORDER_CONSTANT, value=(127, 127, 127)
    )
    return np.asarray(view, np.uint8), scale, border


def _moved(faces: Faces, scale: float, border: int) -> Faces:
    points = None if faces.landmarks is None else (faces.landmarks - border) / np.float32(scale)
    return Faces((faces.boxes - border) / np.float32(scale), faces.scores, points)


def _to_picture(faces: Faces, scale: float, image: Image) -> Faces:
    """Bring faces into the picture's pixels, clip boxes to it, order them from left to right."""
    faces = _moved(faces, scale, 0)
    limit = np.array([image.shape[1], image.shape[0]] * 2, np.float32)
    boxes = np.clip(faces.boxes, 0, limit)
    inside = Faces(boxes, faces.scores, faces.landmarks)
    sides = boxes[:, 2:] - boxes[:, :2]
    inside = inside[np.flatnonzero((sides >= 1).all(axis=1))]
    return inside[np.argsort(inside.boxes[:, 0] + inside.boxes[:, 2], kind="stable")]
