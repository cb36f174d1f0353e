"""A published YuNet as a teacher that marks faces in unlabelled images."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from emotion_core.detection.boxes import iou_matrix
from emotion_core.errors import UnknownModelError, WeightsMismatchError, WeightsUnavailableError
from emotion_core.imaging.resize import shrink
from emotion_core.models.card import Task
from emotion_core.models.download import fetch
from emotion_core.models.local import describe_file
from emotion_core.models.registry import find_card
from emotion_core.training.detector.samples import DetectionSample, SampleKind, short_sides

if TYPE_CHECKING:
    from emotion_core.types import FloatArray, Image

CERTAIN, POSSIBLE = 0.7, 0.3
"""Minimum scores of certain and of possible faces."""

_OVERLAP, _MAX_FACES = 0.3, 2000
_MIN_PX = 14
_MAX_PX = 2048  # of an image for the teacher, which takes time and memory by its area
_PORTRAIT_PX = 640
_PADS = (0.15, 0.4)
_VIEWS = ((0.15, 160), (0.15, 270), (0.3, 160), (0.3, 270))  # border, longer side in pixels


class PseudoLabeller:
    """A published YuNet. Thread-safe: OpenCV's object has state, so each thread has its own.

    Args:
        path: Its ONNX file.
        name: For users.

    Attributes:
        sha256: Of its file.

    Raises:
        WeightsMismatchError: The file is no YuNet.
    """

    def __init__(self, path: Path, name: str) -> None:
        self.name = name
        self.sha256 = describe_file(path).sha256
        self._path, self._local = path, threading.local()
        try:
            self(np.zeros((64, 64, 3), np.uint8))
        except cv2.error as error:
            raise WeightsMismatchError(f"{path.name} is no YuNet ({error.err}).") from error

    def __call__(self, image: Image, *, scale: float = 1.0, pad: float = 0.0) -> FloatArray:
        """Finds faces.

        Args:
            image: RGB ``(H, W, 3)``, 0-255.
            scale: The image is enlarged by this first.
            pad: Width of a border that repeats the edge, as a fraction of the longer side.

        Returns:
            ``(N, 15)`` x1, y1, x2, y2 clipped to the image, ten landmark coordinates, score; best
            first.
        """
        border = round(pad * max(image.shape[:2]))
        bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
        bgr = cv2.copyMakeBorder(bgr, border, border, border, border, cv2.BORDER_REPLICATE)
        if scale != 1.0:
            how = cv2.INTER_LINEAR if scale > 0.5 else cv2.INTER_AREA
            bgr = cv2.resize(bgr, None, fx=scale, fy=scale, interpolation=how)
        net = self._net()
        net.setInputSize((bgr.shape[1], bgr.shape[0]))
        found = net.detect(bgr)[1]
        if found is None:
            return np.zeros((0, 15), np.float32)
        faces = np.asarray(found, np.float32)
        faces[:, 2:4] += faces[:, :2]
        faces[:, :14] = faces[:, :14] / scale - border
        height, width = image.shape[:2]
        faces[:, :4] = np.clip(faces[:, :4], 0, [width, height, width, height])
        return faces[np.argsort(-faces[:, 14])]

    def _net(self) -> cv2.FaceDetectorYN:
        if not hasattr(self._local, "net"):
            self._local.net = cv2.FaceDetectorYN.create(
                str(self._path), "", (320, 320), POSSIBLE, _OVERLAP, _MAX_FACES
            )
        net: cv2.FaceDetectorYN = self._local.net
        return net


def load_pseudo_labeller(name: str) -> PseudoLabeller:
    """Loads a teacher by the name of a YuNet in the registry, or by its ONNX file.

    Raises:
        UnknownModelError: There is no YuNet of that name.
        WeightsUnavailableError: Its file is not available.
        WeightsMismatchError: The file is no YuNet.
    """
    path = Path(name)
    if path.suffix == ".onnx":
        if not path.is_file():
            raise WeightsUnavailableError(f"There is no teacher's file {path}.")
        return PseudoLabeller(path, path.name)
    card = find_card(name, Task.DETECTION)
    if card.architecture != "opencv-yunet":
        raise UnknownModelError(
            f"{name} cannot teach; give --teacher yunet or a YuNet's ONNX file."
        )
    try:
        return PseudoLabeller(fetch(card).path, name)
    except WeightsUnavailableError as error:
        raise WeightsUnavailableError(
            f"{error} Without it, give the teacher's file, --teacher FILE.onnx, or none, --teacher "
            "none."
        ) from error


def mark(teacher: PseudoLabeller, image: Image, kind: SampleKind) -> FloatArray:
    """What the teacher finds in an image: ``(N, 15)``, as of its call."""
    if kind is SampleKind.PORTRAITS:
        return _mark_portrait(teacher, image)
    return teacher(image, scale=min(2.0, _MAX_PX / max(image.shape[:2])))


def _mark_portrait(teacher: PseudoLabeller, image: Image) -> FloatArray:
    """Finds the faces of a tight portrait by adding a border, a wider one if no face was certain.

    The landmarks of the best face are means over several views, mirrored ones among them: those of
    one view lie 6% of the eye distance off the mean of eighteen (250 portraits).
    """
    small = shrink(image, _PORTRAIT_PX)
    found = np.zeros((0, 15), np.float32)
    for pad in _PADS:
        found = teacher(small, pad=pad)
        if (found[:, 14] >= CERTAIN).any():
            found[0, 4:14] = _mean_landmarks(small, teacher, found[0])
            break
    found[:, :14] *= max(image.shape[:2]) / max(small.shape[:2])
    return found


def _mean_landmarks(image: Image, teacher: PseudoLabeller, face: FloatArray) -> FloatArray:
    """Averages a face's landmarks over views in which the teacher sees the same face."""
    width = image.shape[1]
    mirrored = np.ascontiguousarray(image[:, ::-1])
    views = [face[4:14].reshape(5, 2)]
    for pad, longest_px in _VIEWS:
        scale = longest_px / max(image.shape[:2])
        for view in (image, mirrored):
            for face_in_view in teacher(view, scale=scale, pad=pad)[:1]:
                points = face_in_view[4:14].reshape(5, 2)
                if view is mirrored:
                    points = (points * (-1, 1) + (width, 0))[[1, 0, 2, 4, 3]]
                eyes = np.linalg.norm(views[0][0] - views[0][1])
                if np.linalg.norm(points - views[0], axis=1).mean() < 0.4 * eyes:
                    views.append(points)
    return np.asarray(np.mean(views, axis=0), np.float32).reshape(10)


def join_labels(sample: DetectionSample, found: FloatArray) -> DetectionSample | None:
    """Adds the faces that the teacher found to the labels of an image.

    Args:
        sample: To learn from, or a portrait.
        found: ``(N, 15)`` from ``mark``.

    Returns:
        A portrait with the faces that are certain, or ``None`` if there is none. Otherwise all
        faces marked by hand, with landmarks where the teacher finds the same face, and faces that
        were not marked. Uncertain ones are ignored.
    """
    if sample.kind is SampleKind.PORTRAITS:
        certain = found[:, 14] >= CERTAIN
        if not certain.any():
            return None
        boxes, marks, ignored = found[certain, :4], found[certain, 4:14], found[~certain, :4]
        return replace(sample, boxes=boxes, landmarks=marks, ignored=ignored)
    shared = iou_matrix(sample.boxes, found[:, :4])  # (N, M)
    known = np.vstack([sample.boxes, sample.ignored])
    alone = iou_matrix(known, found[:, :4]).max(axis=0, initial=0) < 0.3
    certain = alone & (found[:, 14] >= CERTAIN + 0.1) & (short_sides(found[:, :4]) >= _MIN_PX)
    return replace(
        sample,
        boxes=np.vstack([sample.boxes, found[certain, :4]]),
        landmarks=np.vstack([_fill_landmarks(sample, found, shared), found[certain, 4:14]]),
        ignored=np.vstack([sample.ignored, found[alone & ~certain, :4]]),
    )


def _fill_landmarks(sample: DetectionSample, found: FloatArray, shared: FloatArray) -> FloatArray:
    """Takes the teacher's landmarks for the faces that lack them and that it finds, too."""
    marks = sample.landmarks.copy()
    for i, row in enumerate(shared):
        if np.isfinite(marks[i]).all() or not row.size:
            continue
        best = int(row.argmax())
        if row[best] >= 0.45 and found[best, 14] >= 0.5:
            marks[i] = found[best, 4:14]
    return marks
