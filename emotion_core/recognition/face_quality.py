"""Measures how well the faces of an image are seen: sharpness, light, pose, what is cut or covered.

All thresholds and coefficients were chosen by ``python -m benchmarks.quality``; what they were
measured on, and the error of readings against quality, stand in ``docs/quality.md``.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import repeat
from typing import TYPE_CHECKING

import cv2
import numpy as np
from scipy.special import expit

from emotion_core.actions import POSE
from emotion_core.imaging.grey import to_grey
from emotion_core.models.card import Preprocessing
from emotion_core.models.registry import FERPLUS_TEMPLATE
from emotion_core.quality import FaceQuality
from emotion_core.recognition.alignment import crop_faces
from emotion_core.recognition.cover import estimate_cover
from emotion_core.recognition.pose import estimate_pose

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from emotion_core.types import Faces, FloatArray, Image

ALIGNED = Preprocessing(size_px=64, mean=(0.0,) * 3, std=(1.0,) * 3, template=FERPLUS_TEMPLATE)
"""The crop in which faces are measured: a little more detail than our emotion network sees."""

_BLUR_PX = 5
_MIN_DETAIL = 0.5  # grey levels: noise of a flat patch
_FULL_SIZE_PX, _SHARP, _LIGHT, _SURE, _INSIDE = 32.0, 0.33, (0.15, 0.7), 0.85, 0.1
"""Within these, size, sharpness, brightness, score and share outside made no difference."""

MIN_SIZE_PX, MIN_SHARPNESS, MIN_BRIGHTNESS, MAX_BRIGHTNESS = 18.0, 0.18, 0.06, 0.9
MAX_YAW_DEG, MAX_OUTSIDE, MAX_COVER = 35.0, 0.33, 0.7
"""Beyond these a face is flagged."""

_INTERCEPT = 1.97
_WEIGHTS = np.array([0.0, -2.44, 0.0, -2.25, -0.36, -4.07, -2.38, -1.83])
"""Of a logistic regression on ``FaceMeasures.penalties``: whether the word is right."""


@dataclass(frozen=True, eq=False, slots=True)
class FaceMeasures:
    """What is measured of N faces.

    Attributes:
        size_px: ``(N,)`` shorter side of the box.
        score: ``(N,)`` confidence of the detector.
        pose_deg: ``(N, 3)`` yaw, pitch and roll; NaN if unknown.
        sharpness: ``(N,)`` 0-1.
        brightness: ``(N,)`` 0-1.
        outside: ``(N,)`` share of the face beyond the border of the image; 0 if unknown.
        cover: ``(N,)`` probability that something covers mouth or nose; 0 if unknown.
    """

    size_px: FloatArray
    score: FloatArray
    pose_deg: FloatArray
    sharpness: FloatArray
    brightness: FloatArray
    outside: FloatArray
    cover: FloatArray

    @property
    def penalties(self) -> npt.NDArray[np.float64]:
        """``(N, 8)`` what costs accuracy, 0 for a face as good as can be.

        Pitch from five landmarks is too rough to tell anything.
        """
        yaw = np.nan_to_num(self.pose_deg[:, 0])
        columns = [
            np.log2(_FULL_SIZE_PX / np.clip(self.size_px, 4, _FULL_SIZE_PX)),
            np.maximum(0, _SHARP - self.sharpness),
            np.maximum(0, _LIGHT[0] - self.brightness),
            np.maximum(0, self.brightness - _LIGHT[1]),
            (yaw / 45) ** 2,
            np.maximum(0, _SURE - self.score),
            np.maximum(0, self.outside - _INSIDE),
            self.cover,
        ]
        return np.stack(columns, axis=1).astype(np.float64)

    @property
    def flags(self) -> npt.NDArray[np.bool_]:
        """``(N, len(FACE_FLAGS))`` what lies beyond its threshold, in their order."""
        yaw = np.abs(np.nan_to_num(self.pose_deg[:, 0]))
        columns = [
            self.size_px < MIN_SIZE_PX,
            self.sharpness < MIN_SHARPNESS,
            self.brightness < MIN_BRIGHTNESS,
            self.brightness > MAX_BRIGHTNESS,
            yaw > MAX_YAW_DEG,
            self.outside > MAX_OUTSIDE,
            self.cover > MAX_COVER,
        ]
        return np.stack(columns, axis=1)


def measure_quality(
    images: Sequence[Image],
    faces: Sequence[Faces],
    pitch_deg: Sequence[FloatArray | None],
) -> list[FaceQuality]:
    """Measures the quality of the faces of images.

    Args:
        images: RGB ``(H, W, 3)`` each, 0-255.
        faces: Of each image, in its pixels; of faces without landmarks pose, and what is cut or
            covered, are unknown.
        pitch_deg: ``(N,)`` of the heads in each, as a network sees them, or ``None``: five
            landmarks tell it only roughly.

    Returns:
        One for each image.
    """
    counts = [len(found) for found in faces]
    if not any(counts):
        return [FaceQuality.empty()] * len(counts)
    measures = measure_faces(images, faces)
    quality, flags = to_quality(measures.penalties), measures.flags
    ends = np.cumsum(counts)
    result = []
    for low, high, pitch in zip(ends - counts, ends, pitch_deg, strict=True):
        pose_deg = measures.pose_deg[low:high].copy()
        if pitch is not None:
            pose_deg[:, POSE.index("pitch")] = pitch
        one = measures.sharpness[low:high], measures.brightness[low:high]
        result.append(FaceQuality(pose_deg, *one, quality[low:high], flags[low:high]))
    return result


def to_quality(penalties: npt.NDArray[np.float64]) -> FloatArray:
    """``(N,)`` accuracy by the side of a face as good as can be, 0-1, from ``(N, 8)`` penalties."""
    right = expit(_INTERCEPT + penalties @ _WEIGHTS)
    return np.asarray(right / expit(_INTERCEPT), np.float32).clip(0, 1)


def measure_faces(images: Sequence[Image], faces: Sequence[Faces]) -> FaceMeasures:
    """Measures all faces of images at once; arguments as for ``measure_quality``."""
    boxes = np.concatenate([found.boxes for found in faces])
    crops = np.concatenate(list(map(crop_faces, images, faces, repeat(ALIGNED))))
    grey = to_grey(crops)
    points = np.concatenate([_landmarks(found) for found in faces])
    is_known = ~np.isnan(points[:, 0, 0])
    outside, cover = np.zeros((2, len(boxes)), np.float32)
    if is_known.any():
        sizes_wh = np.repeat(
            [image.shape[1::-1] for image in images], list(map(len, faces)), axis=0
        )
        outside[is_known] = _share_outside(points[is_known], sizes_wh[is_known])
        cover[is_known] = estimate_cover(crops[is_known], grey[is_known])
    return FaceMeasures(
        size_px=(boxes[:, 2:] - boxes[:, :2]).min(axis=1),
        score=np.concatenate([found.scores for found in faces]),
        pose_deg=estimate_pose(points),
        sharpness=np.array([_sharpness(one) for one in grey], np.float32),
        brightness=grey[:, 8:60, 8:56].mean(axis=(1, 2)) / np.float32(255),
        outside=outside,
        cover=cover,
    )


def _landmarks(faces: Faces) -> FloatArray:
    """``(N, 5, 2)``; NaN if they are unknown."""
    if faces.landmarks is None:
        return np.full((len(faces), 5, 2), np.nan, np.float32)
    return faces.landmarks


def _sharpness(grey: FloatArray) -> float:
    """How much of the variation between neighbours is lost when the face is blurred again, 0-1.

    What is already blurred loses little. The measure is the same at any contrast.

    Source: F. Crete, T. Dolmiere, P. Ladret and M. Nicolas, "The Blur Effect: Perception and
    Estimation with a New No-Reference Perceptual Quality Metric", SPIE 6492, 2007; one minus its
    larger blur annoyance.
    """
    across = cv2.blur(grey, (_BLUR_PX, 1))
    down = cv2.blur(grey, (1, _BLUR_PX))
    lost = []
    for before, after in (
        (cv2.absdiff(grey[1:], grey[:-1]), cv2.absdiff(down[1:], down[:-1])),
        (cv2.absdiff(grey[:, 1:], grey[:, :-1]), cv2.absdiff(across[:, 1:], across[:, :-1])),
    ):
        gone = np.maximum(cv2.subtract(before, after), 0)
        lost.append(cv2.sumElems(gone)[0] / (cv2.sumElems(before)[0] + _MIN_DETAIL * before.size))
    return float(min(lost))


_UNIT = np.array([complex(*point) for point in FERPLUS_TEMPLATE])
_CENTRED = _UNIT - _UNIT.mean()
_GRID = np.array(
    [complex(x, y) for x in np.linspace(0.1, 0.9, 7) for y in np.linspace(0.15, 0.95, 7)]
)
"""Places in the aligned face, of which some may lie outside of the image."""

# the least-squares similarity is linear in the landmarks as complex numbers
_TO_GRID = np.outer(_GRID - _UNIT.mean(), _CENTRED.conj()) / (abs(_CENTRED) ** 2).sum() + 1 / len(
    _UNIT
)


def _share_outside(landmarks: FloatArray, sizes_wh: npt.NDArray[np.int64]) -> FloatArray:
    """``(N,)`` share of each face that lies beyond the borders of its image, of ``(N, 2)`` size."""
    points = landmarks[..., 0] + 1j * landmarks[..., 1]
    places = points @ _TO_GRID.T  # (N, 49)
    x, y = places.real, places.imag
    is_out = (x < 0) | (y < 0) | (x > sizes_wh[:, :1]) | (y > sizes_wh[:, 1:])
    return np.asarray(is_out.mean(axis=1), np.float32)
