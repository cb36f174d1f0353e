"""Tone mapping: HDR images (PQ and HLG) as an ordinary screen would show them."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    from emotion_core.types import FloatArray, Image

PQ, HLG = 16, 18
"""Transfer characteristics as numbered in ITU-T H.273."""

HDR_NOTE = "Its HDR colours are shown as on an ordinary screen."

_WHITE_NITS = 203
"""Light of diffuse white in HDR. Source: ITU-R BT.2408."""

_HLG_PEAK_NITS, _HLG_GAMMA = 1000, 1.2  # ITU-R BT.2100, table 5

_KNEE = 0.5
"""Light up to this part of diffuse white stays as it is, which leaves faces in ordinary light
unchanged; above, it approaches 1 without reaching it."""

_SDR_GAMMA = 2.4  # ITU-R BT.1886

_TO_BT709 = np.array(
    [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]],
    np.float32,
)
"""Linear RGB with the primaries of BT.2020 to those of BT.709. Source: ITU-R BT.2087."""

_STEPS = 4095


def to_sdr(rgb: npt.NDArray[np.uint16], curve: int) -> Image:
    """Tone-maps an image.

    Args:
        rgb: ``(H, W, 3)`` with the primaries of BT.2020, full range, 0-65535.
        curve: ``PQ`` or ``HLG``.

    Returns:
        RGB ``(H, W, 3)`` as in BT.709, 0-255.
    """
    light = _light_table(curve)[rgb]  # 1 is diffuse white
    if curve == HLG:  # its light depends on the luminance of the scene
        weights = np.array([0.2627, 0.6780, 0.0593], np.float32)
        scene = (light @ weights)[..., None]
        light *= np.maximum(scene, 1e-6) ** np.float32(_HLG_GAMMA - 1)
        light *= np.float32(_HLG_PEAK_NITS / _WHITE_NITS)
    light = np.maximum(np.asarray(cv2.transform(light, _TO_BT709), np.float32), 0)
    brightest = np.maximum(light.max(axis=2, keepdims=True), _KNEE)
    above = brightest - np.float32(_KNEE)
    mapped = _KNEE + (1 - _KNEE) * above / (above + np.float32(1 - _KNEE))
    light *= mapped / brightest  # all three alike, which keeps the hue
    steps = np.rint(np.clip(light, 0, 1) * _STEPS).astype(np.uint16)
    return _sdr_table()[steps]


@cache
def _light_table(curve: int) -> FloatArray:
    """Linear light of each of 65536 values: of diffuse white for PQ, of the scene's peak for HLG.

    Source: ITU-R BT.2100, tables 4 and 5.
    """
    signal = np.linspace(0, 1, 65536)
    if curve == PQ:
        m1, m2 = 2610 / 16384, 2523 / 4096 * 128
        c1, c2, c3 = 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32
        root = signal ** (1 / m2)
        nits = 10_000 * (np.maximum(root - c1, 0) / (c2 - c3 * root)) ** (1 / m1)
        return np.asarray(nits / _WHITE_NITS, np.float32)
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    upper = (np.exp((signal - c) / a) + b) / 12
    return np.asarray(np.where(signal <= 0.5, signal**2 / 3, upper), np.float32)


@cache
def _sdr_table() -> Image:
    return np.asarray(np.rint(255 * np.linspace(0, 1, _STEPS + 1) ** (1 / _SDR_GAMMA)), np.uint8)
