"""Decoded pictures to RGB: right colours, square pixels, opaque, upright, all of one size."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, cast

import cv2
import numpy as np
from av.sidedata.sidedata import Type
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter

from emotion_core.imaging.resize import fit
from emotion_core.video.io.demuxer import check_size

if TYPE_CHECKING:
    from collections.abc import Mapping

    from av import VideoFrame
    from av.buffer import Buffer

    from emotion_core.types import Image

_UNSPECIFIED_MATRICES = (0, 2, 3)  # of AVColorSpace: none for YUV, not said, reserved
_HD_LINES = 720
"""From so many lines on, players take colours whose matrix is not said for those of BT.709."""

_LARGEST_STRETCH = Fraction(4)
"""Pixels said to be longer are a broken header."""

_HDR_CURVES = (16, 18)  # of AVColorTransferCharacteristic: PQ and HLG

_TURNS = {
    (True, False, True): cv2.ROTATE_90_COUNTERCLOCKWISE,
    (True, True, False): cv2.ROTATE_90_CLOCKWISE,
    (False, True, True): cv2.ROTATE_180,
}
_WHITE = 255


class FrameConverter:
    """Turns the decoded pictures of one video into RGB.

    All get the size of the first; later ones of another shape are fitted into it, on black.

    Args:
        pixel_aspect: Width of a pixel by its height, as the file says; ``None`` if it does not.

    Attributes:
        has_alpha: Whether a picture was transparent, which is shown white.
        is_hdr: Whether a picture's colours were for a brighter screen.
    """

    def __init__(self, pixel_aspect: Fraction | None) -> None:
        self.has_alpha = self.is_hdr = False
        self._aspect = Fraction(1)
        if pixel_aspect and 1 / _LARGEST_STRETCH <= pixel_aspect <= _LARGEST_STRETCH:
            self._aspect = pixel_aspect
        self._reformatter = VideoReformatter()
        self._size_wh: tuple[int, int] | None = None
        self._matrix: tuple[int, ...] | None = None  # the display matrix in force
        self._rotation: int | None = None

    def convert(self, picture: VideoFrame) -> Image:
        """Convert a picture.

        Returns:
            RGB ``(H, W, 3)``, 0-255; nobody else holds it.

        Raises:
            VideoDecodeError: It is too large.
            av.error.FFmpegError: Its format cannot be converted.
        """
        # Reading the side data makes PyAV hold the picture until the garbage collector's next
        # round, so it is read only where the rotation, a plain number, changes.
        if picture.rotation != self._rotation:
            self._rotation, self._matrix = picture.rotation, _display_matrix(picture)
        image = _turn(self._to_rgb(picture), self._matrix)
        if self._size_wh is None:
            self._size_wh = (image.shape[1], image.shape[0])
        return fit(image, self._size_wh)

    def _to_rgb(self, picture: VideoFrame) -> Image:
        width, height = self._square(picture.width, picture.height)
        check_size(width, height)
        has_alpha = picture.format.name == "pal8" or any(
            component.is_alpha for component in picture.format.components
        )
        self.is_hdr |= picture.color_trc in _HDR_CURVES
        converted = self._reformatter.reformat(
            picture,
            width=width,
            height=height,
            format="rgba" if has_alpha else "rgb24",
            src_colorspace=_matrix(picture),
            dst_color_range=ColorRange.JPEG,
        )
        pixels = np.asarray(converted.to_ndarray(), np.uint8)
        if has_alpha:
            return self._make_opaque(pixels)
        # The decoder may still need a picture that was RGB from the beginning.
        return pixels.copy() if converted is picture else np.ascontiguousarray(pixels)

    def _square(self, width: int, height: int) -> tuple[int, int]:
        """Size with square pixels; the longer side of a pixel is kept, so nothing is lost."""
        if self._aspect >= 1:
            return round(width * self._aspect), height
        return width, round(height / self._aspect)

    def _make_opaque(self, rgba: Image) -> Image:
        """Lay a picture over white, like photos."""
        alpha = rgba[..., 3:].astype(np.uint16)  # (H, W, 1)
        if int(alpha.min(initial=_WHITE)) == _WHITE:
            return np.ascontiguousarray(rgba[..., :3])
        self.has_alpha = True
        mixed = rgba[..., :3] * alpha + (_WHITE - alpha) * np.uint16(_WHITE)
        return np.asarray((mixed + _WHITE // 2) // _WHITE, np.uint8)


def _matrix(picture: VideoFrame) -> int:
    """The conversion from YUV that a picture asks for, or else the one that players assume."""
    if picture.colorspace not in _UNSPECIFIED_MATRICES:
        return picture.colorspace
    is_hd = picture.height >= _HD_LINES
    return int(Colorspace.ITU709 if is_hd else Colorspace.ITU601)


def _display_matrix(picture: VideoFrame) -> tuple[int, ...] | None:
    """The first five numbers of how a picture is to be turned, if it says so."""
    side_data = cast("Mapping[Type, Buffer]", picture.side_data).get(Type.DISPLAYMATRIX)
    if side_data is None:
        return None
    return tuple(np.frombuffer(bytes(side_data), np.int32)[:5].tolist())


def _turn(image: Image, matrix: tuple[int, ...] | None) -> Image:
    """Turn and mirror a picture as its display matrix says, in steps of 90 degrees."""
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
    if flips_x or flips_y:
        code = -1 if flips_x and flips_y else 1 if flips_x else 0
        image = np.asarray(cv2.flip(image, code), np.uint8)
    return image
