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

    from emotion_core.types import Image


class OpenCvFaceModel:
    """YuNet through ``cv2.FaceDetectorYN``: CPU only, one image at a time.

    The OpenCV object carries state from call to call, so every thread gets its own.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._local = threading.local()
        try:
            self._detector()  # reports an unreadable file now, not at the first image
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
        quick: bool = False,  # noqa: ARG002 - there is only one way
    ) -> list[Faces]:
        """See ``detector.FaceModel``."""
        detector = self._detector()
        detector.setScoreThreshold(min_score)
        found = []
        for image in images:
            detector.setInputSize((image.shape[1], image.shape[0]))
            _, rows = detector.detect(cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
            # (N, 15): x, y, width, height, five points, score
            table = np.asarray(np.zeros((0, 15)) if rows is None else rows, np.float32)
            table = table[(table[:, 2] > 0) & (table[:, 3] > 0)]
            boxes = np.hstack([table[:, :2], table[:, :2] + table[:, 2:4]])
            landmarks = table[:, 4:14].reshape(-1, 5, 2)
            found.append(Faces(boxes, np.clip(table[:, 14], 0, 1), landmarks))
        return found
