"""The pose of heads from five landmarks.

A generic head seen under weak perspective (far away, at some scale) is fitted to the landmarks with
least squares; the rotation closest to that fit is the pose. Source: D. DeMenthon and L. Davis,
"Model-Based Object Pose in 25 Lines of Code", IJCV 15, 1995, of which this is the first step. A
network that tells the pose itself may take its place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from emotion_core.types import FloatArray

_HEAD = np.array(
    [
        [-0.784, -0.805, 0.190],
        [0.784, -0.805, 0.190],
        [0.0, 0.015, -0.613],
        [-0.678, 0.798, 0.117],
        [0.678, 0.798, 0.117],
    ]
)
"""Eyes, nose tip, mouth corners around their mean: x to the right, y down, z from the viewer.

Source: least squares over emoscope-face-s' landmarks of 1,072 faces (portraits and FairFace) under
the pose that MediaPipe's landmarker reads; z times 1.3 so that yaw is neither over- nor
underestimated (``python -m benchmarks.quality`` measures the errors, see ``docs/quality.md``)."""

_FIT = np.linalg.pinv(_HEAD)  # (3, 5)


def estimate_pose(landmarks: FloatArray) -> FloatArray:
    """Estimates the pose of heads.

    Args:
        landmarks: ``(N, 5, 2)`` pixels, as in ``Faces``.

    Returns:
        ``(N, 3)`` yaw, pitch and roll in degrees, see ``actions.POSE``; NaN where all landmarks lie
        on one line.
    """
    centred = (landmarks - landmarks.mean(axis=1, keepdims=True)).astype(np.float64)
    across, down = (_FIT @ centred).transpose(2, 0, 1)  # (N, 3) each: x and y of the image
    a, b = (across**2).sum(axis=1), (across * down).sum(axis=1)
    d = (down**2).sum(axis=1)
    root = np.sqrt(np.maximum(a * d - b * b, 0))  # the square root of [[a, b], [b, d]] is this
    scale = np.sqrt(a + d + 2 * root) * root  # times one on its diagonal, in closed form
    with np.errstate(divide="ignore", invalid="ignore"):
        unit_across = (across * (d + root)[:, None] - down * b[:, None]) / scale[:, None]
        unit_down = (down * (a + root)[:, None] - across * b[:, None]) / scale[:, None]
    away = unit_across[:, 0] * unit_down[:, 1] - unit_across[:, 1] * unit_down[:, 0]
    yaw = np.arctan2(-unit_across[:, 2], away)
    pitch = np.arcsin(np.clip(unit_down[:, 2], -1, 1))
    roll = np.arctan2(unit_down[:, 0], unit_across[:, 0])
    return np.asarray(np.degrees(np.stack([yaw, pitch, roll], axis=1)), np.float32)
