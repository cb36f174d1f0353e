"""YuNet as OpenCV runs it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import cv2
import numpy as np

from emotion_core.detection.boxes import MAX_CANDIDATES, YUNET_OVERLAP
from emotion_core.errors import WeightsMismatchError
from emotion_core.types import Faces

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from emotion_core.types import FloatArray, Image


class OpenCvFaceModel:
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
                str(self._path), "", (320, 320), 0.6, YUNET_OVERLAP.union, MAX_CANDIDATES
            )
        detector: cv2.FaceDetectorYN = self._local.detector
        return detector

    def find(
        self,
        images: Sequence[Image],
        min_score: float,
        *,
        quick: bool = False,  # noqa: ARG002 - it has one way only
    ) -> list[Faces]:
        """See ``detector.FaceModel``."""
        detector = self._detector()
        detector.setScoreThreshold(min_score)
        found = []
        for image in images:
            detector.setInputSize((image.shape[1], image.shape[0]))
            _, rows = detector.detect(cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
            empty = np.zeros((0, 15), np.float32)
            found.append(_from_rows(empty if rows is None else np.asarray(rows, np.float32)))
        return found


def _from_rows(rows: FloatArray) -> Faces:
    """Read OpenCV's rows: x, y, w, h, five points, score."""
    rows = rows[(rows[:, 2] > 0) & (rows[:, 3] > 0)]
    boxes = np.hstack([rows[:, :2], rows[:, :2] + rows[:, 2:4]])
    return Faces(boxes, np.clip(rows[:, 14], 0, 1), rows[:, 4:14].reshape(-1, 5, 2))
