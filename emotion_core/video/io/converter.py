"""Conversion of decoded frames to RGB: true colours, square pixels, opaque, upright, one size."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, cast

import cv2
import numpy as np
from av.sidedata.sidedata import Type
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter

from emotion_core.imaging import tone_mapping
from emotion_core.imaging.resize import fit
from emotion_core.video.io.demuxer import check_size

if TYPE_CHECKING:
    from collections.abc import Mapping

    from av import VideoFrame
    from av.buffer import Buffer

    from emotion_core.types import Image

_UNSPECIFIED_MATRICES = (0, 2, 3)  # of AVColorSpace: not YUV, unspecified, reserved
_HD_LINES = 720
"""From this height on, players assume BT.709 for an unspecified matrix."""

_MAX_STRETCH = Fraction(4)
"""A larger pixel aspect ratio means a broken header."""

_TURNS = {
    (True, False, True): cv2.ROTATE_90_COUNTERCLOCKWISE,
    (True, True, False): cv2.ROTATE_90_CLOCKWISE,
    (False, True, True): cv2.ROTATE_180,
}
_WHITE = 255


class FrameConverter:
    """Converts the decoded frames of one video to RGB.

    All get the size of the first; later ones of another shape are fitted into it, padded with
    black.

    Args:
        pixel_aspect: Width of a pixel by its height; ``None`` if the file does not say.

    Attributes:
        has_alpha: Whether a frame was transparent, which becomes white.
        is_hdr: Whether a frame was HDR, which is tone-mapped.
    """

    def __init__(self, pixel_aspect: Fraction | None) -> None:
        self.has_alpha = self.is_hdr = False
        self._aspect = Fraction(1)
        if pixel_aspect and 1 / _MAX_STRETCH <= pixel_aspect <= _MAX_STRETCH:
            self._aspect = pixel_aspect
        self._reformatter = VideoReformatter()
        self._size_wh: tuple[int, int] | None = None
        self._matrix: tuple[int, ...] | None = None  # the display matrix in force
        self._rotation: int | None = None

    def convert(self, frame: VideoFrame) -> Image:
        """Converts a frame.

        Returns:
            RGB ``(H, W, 3)``, 0-255; not shared.

        Raises:
            VideoDecodeError: It is too large.
            av.error.FFmpegError: Its format cannot be converted.
        """
        # Reading the side data makes PyAV keep the frame until the next garbage collection, so it
        # is read only when the rotation, a plain number, changes.
        if frame.rotation != self._rotation:
            self._rotation, self._matrix = frame.rotation, _display_matrix(frame)
        image = _turn(self._to_rgb(frame), self._matrix)
        if self._size_wh is None:
            self._size_wh = (image.shape[1], image.shape[0])
        return fit(image, self._size_wh)

    def _to_rgb(self, frame: VideoFrame) -> Image:
        width, height = frame.width, frame.height
        if self._aspect >= 1:  # square pixels by enlarging, so that nothing is lost
            width = round(width * self._aspect)
        else:
            height = round(height / self._aspect)
        check_size(width, height)
        has_alpha = frame.format.name == "pal8" or any(
            component.is_alpha for component in frame.format.components
        )
        is_hdr = frame.color_trc in (tone_mapping.PQ, tone_mapping.HLG)
        self.is_hdr |= is_hdr
        converted = self._reformatter.reformat(
            frame,
            width=width,
            height=height,
            format="rgb48le" if is_hdr else "rgba" if has_alpha else "rgb24",
            src_colorspace=_matrix(frame),
            dst_color_range=ColorRange.JPEG,
        )
        if is_hdr:
            return tone_mapping.to_sdr(
                np.asarray(converted.to_ndarray(), np.uint16), frame.color_trc
            )
        pixels = np.asarray(converted.to_ndarray(), np.uint8)
        if has_alpha:
            return self._make_opaque(pixels)
        # The decoder may still need a frame that was already RGB.
        return pixels.copy() if converted is frame else np.ascontiguousarray(pixels)

    def _make_opaque(self, rgba: Image) -> Image:
        """Blends a frame with white, like photos."""
        alpha = rgba[..., 3:].astype(np.uint16)  # (H, W, 1)
        if int(alpha.min(initial=_WHITE)) == _WHITE:
            return np.ascontiguousarray(rgba[..., :3])
        self.has_alpha = True
        mixed = rgba[..., :3] * alpha + (_WHITE - alpha) * np.uint16(_WHITE)
        return np.asarray((mixed + _WHITE // 2) // _WHITE, np.uint8)


def _matrix(frame: VideoFrame) -> int:
    """The YUV matrix of a frame, or the one that players assume if it has none."""
    if frame.colorspace not in _UNSPECIFIED_MATRICES:
        return frame.colorspace
    if frame.color_trc in (tone_mapping.PQ, tone_mapping.HLG):
        return int(Colorspace.BT2020)
    is_hd = frame.height >= _HD_LINES
    return int(Colorspace.ITU709 if is_hd else Colorspace.ITU601)


def _display_matrix(frame: VideoFrame) -> tuple[int, ...] | None:
    """The first five numbers of a frame's display matrix, if it has one."""
    side_data = cast("Mapping[Type, Buffer]", frame.side_data).get(Type.DISPLAYMATRIX)
    if side_data is None:
        return None
    return tuple(np.frombuffer(bytes(side_data), np.int32)[:5].tolist())


def _turn(image: Image, matrix: tuple[int, ...] | None) -> Image:
    """Rotates and mirrors an image by its display matrix, in steps of 90 degrees."""
    if matrix is None:
        return image
    # x' = a x + c y and y' = b x + d y; see libavutil/display.h.
    a, b, _, c, d = matrix
    swaps = abs(b) > abs(a)
    flips_x, flips_y = (c < 0, b < 0) if swaps else (a < 0, d < 0)
    turn = _TURNS.get((swaps, flips_x, flips_y))
    if turn is not None:
        return np.asarray(cv2.rotate(image, turn), np.uint8)
    if swaps:
        image = np.asarray(cv2.transpose(image), np.uint8)
    if flips_x and flips_y:
        return np.asarray(cv2.flip(image, -1), np.uint8)
    if flips_x or flips_y:
        return np.asarray(cv2.flip(image, int(flips_x)), np.uint8)
    return image
