"""The camera of the live benchmark: a face clip whose frames carry their number in their pixels."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import av
import cv2
import numpy as np
import numpy.typing as npt

from emotion_core.imaging.codec import decode_image

if TYPE_CHECKING:
    from emotion_core.types import FloatArray, Image

SAMPLE = Path(__file__).resolve().parents[1] / "streamlit_app" / "assets" / "astronaut.jpg"
SIZE_WH = (640, 480)
FPS = 30
N_FRAMES = 300
"""Length of the clip, after which it starts again; delays up to its ten seconds can be told."""

TIME_BASE = Fraction(1, 90_000)
_KEYFRAME_EVERY = 30
_BITS = 9
_BLOCK_PX = 32
_FACE = (slice(60, 330), slice(150, 470))  # rows and columns in which the box is drawn

Luma = npt.NDArray[np.uint8]


@dataclass(frozen=True, eq=False, slots=True)
class CameraClip:
    """What the camera sends and what it looked like.

    Attributes:
        packets: VP8, one per frame.
        faces: ``(N_FRAMES, H, W)`` brightness of the part with the face, as sent.
    """

    packets: list[bytes]
    faces: Luma


def make_clip() -> CameraClip:
    """Renders and encodes the clip: the sample portrait, which sways and comes closer."""
    portrait = decode_image(SAMPLE.read_bytes()).pixels
    encoder = av.CodecContext.create("libvpx", "w")
    encoder.width, encoder.height = SIZE_WH
    encoder.pix_fmt, encoder.time_base = "yuv420p", Fraction(1, FPS)
    encoder.bit_rate, encoder.gop_size = 1_500_000, _KEYFRAME_EVERY
    encoder.options = {"deadline": "realtime", "cpu-used": "4", "lag-in-frames": "0"}
    noise = np.random.default_rng(1).normal(0, 3, (8, *SIZE_WH[::-1], 1)).astype(np.float32)
    packets, faces = [], []
    for index in range(N_FRAMES):
        frame = av.VideoFrame.from_ndarray(_render(portrait, index, noise[index % 8]), "rgb24")
        frame = frame.reformat(format="yuv420p")
        frame.pts, frame.time_base = index, encoder.time_base
        faces.append(luma(frame)[_FACE].copy())
        packets += [bytes(packet) for packet in encoder.encode(frame)]
    if len(packets) != N_FRAMES:
        raise RuntimeError("The encoder left frames out.")
    return CameraClip(packets, np.stack(faces))


def luma(frame: av.VideoFrame) -> Luma:
    """Brightness ``(H, W)`` of a frame of format yuv420p."""
    plane = frame.planes[0]
    rows = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
    return rows[: frame.height, : frame.width]


def read_index(brightness: Luma) -> int | None:
    """Number of the frame, from its pixels; ``None`` where they cannot be read."""
    if brightness.shape != SIZE_WH[::-1]:
        return None
    row = brightness[-_BLOCK_PX + 8 : -8]
    bits = [
        bool(row[:, i * _BLOCK_PX + 8 : (i + 1) * _BLOCK_PX - 8].mean() > 128)
        for i in range(2 * _BITS)
    ]
    straight, inverted = bits[:_BITS], bits[_BITS:]
    if any(a == b for a, b in zip(straight, inverted, strict=True)):
        return None
    index = sum(bit << i for i, bit in enumerate(straight))
    return index if index < N_FRAMES else None


def has_box(brightness: Luma, clip: CameraClip, index: int) -> bool:
    """Whether lines were drawn around the face: many pixels are far from what was sent."""
    change = cv2.absdiff(np.ascontiguousarray(brightness[_FACE]), clip.faces[index])
    return float((change > 70).mean()) > 0.005


def _render(portrait: Image, index: int, noise: FloatArray) -> Image:
    width, height = SIZE_WH
    phase = 2 * np.pi * index / N_FRAMES
    scale = width / portrait.shape[1] * (1 + 0.06 * np.sin(2 * phase))
    shift = (25 * np.sin(3 * phase) - (scale * portrait.shape[1] - width) / 2, 8 * np.sin(phase))
    matrix = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]])
    image = cv2.warpAffine(portrait, matrix, SIZE_WH, borderMode=cv2.BORDER_REPLICATE)
    image = np.clip(image + noise, 0, 255).astype(np.uint8)
    image[height - _BLOCK_PX :] = 0
    bits = [index >> i & 1 for i in range(_BITS)]
    for i, bit in enumerate([*bits, *(1 - bit for bit in bits)]):
        image[height - _BLOCK_PX :, i * _BLOCK_PX : (i + 1) * _BLOCK_PX] = 255 * bit
    return np.asarray(image, np.uint8)
