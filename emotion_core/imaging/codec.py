"""Decoding of images of any format to RGB arrays (upright, opaque, limited), and JPEG encoding."""

from __future__ import annotations

import io
import re
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import PIL.Image
import PIL.ImageOps

from emotion_core.errors import ImageDecodeError
from emotion_core.imaging.tone_mapping import HDR_NOTE
from emotion_core.imaging.transfer import tone_map

if TYPE_CHECKING:
    import os
    from typing import IO

    from emotion_core.types import Image

MAX_PIXELS = 100_000_000
"""Larger images are refused before they are decoded; an array of this size takes 300 MB."""

MAX_BYTES = 60 * 1024 * 1024
"""Larger files are refused."""

MAX_JPEG_PX = 65_500
"""Maximum side of a JPEG."""

ACCEPTED = "JPEG, PNG, WebP, BMP, TIFF, GIF, HEIC, AVIF"
"""Formats as shown to users."""

SUFFIXES = (
    *("jpg", "jpeg", "jfif", "png", "webp", "bmp"),
    *("tif", "tiff", "gif", "heic", "heif", "avif"),
)
"""File name extensions offered for upload; the content decides, not the extension."""

_PILLOW_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "AVIF", "PPM", "ICO")
_JPEG, _PNG = b"\xff\xd8", b"\x89PNG\r\n\x1a\n"
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_HEIC_BRANDS = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"hevm")
_FAMILY_BRANDS, _AVIF_BRANDS = (b"mif1", b"msf1"), {b"avif", b"avis"}

_PAGES = "Several pages: only the first is analysed."
_ANIMATED = "Animated: only the first frame is analysed; analyse it as a video for all of them."

_DAMAGE = (
    ArithmeticError,
    EOFError,
    LookupError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
)
"""What Pillow and pi-heif raise on damaged files, found by damaging some."""


@dataclass(frozen=True, eq=False, slots=True)
class DecodedImage:
    """A decoded image with warnings for the person who provided it.

    Attributes:
        pixels: RGB ``(H, W, 3)``, 0-255, upright.
        warnings: One sentence each.
    """

    pixels: Image
    warnings: tuple[str, ...] = ()


def read_image_file(file: IO[bytes]) -> bytes:
    """Reads a file for ``decode_image``, but never much more than ``MAX_BYTES``.

    Raises:
        ImageDecodeError: The file has more than ``MAX_BYTES``.
        OSError: The file cannot be read.
    """
    data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        limit = f"{MAX_BYTES / 2**20:.0f} MB"
        raise ImageDecodeError(f"The file has more than {limit}; at most {limit} are read.")
    return data


def decode_image(data: bytes) -> DecodedImage:
    """Decodes an image file. The content decides on the format, not the file name.

    EXIF orientation is applied, transparency becomes white, HDR (PQ and HLG, where the file itself
    says so) is tone-mapped, and of an animation or several pages
    only the first is returned, with a warning. Files do not say how many bits of 16-bit grey are in
    use: it is scaled by the fewest (8, 10, 12, 14 or 16) that hold its brightest value, so a dark
    image may become brighter. Of a damaged JPEG the readable part is returned, with a warning.
    No metadata (such as the location) is kept.

    Raises:
        ImageDecodeError: Not an image, damaged beyond repair, or beyond the limits.
    """
    if not data:
        raise ImageDecodeError("The file is empty (0 bytes).")
    if len(data) > MAX_BYTES:
        raise ImageDecodeError(
            f"The file has {len(data) / 2**20:.0f} MB; at most {MAX_BYTES / 2**20:.0f} MB are read."
        )
    try:
        return _decode(data)
    except ImageDecodeError:
        raise
    except PIL.Image.DecompressionBombError as error:
        pixels = re.search(r"\d+", str(error))  # available nowhere else
        megapixels = f"{int(pixels[0]) / 1e6:.0f}" if pixels else "far more than 178"
        raise ImageDecodeError(_too_large(megapixels)) from None
    except _DAMAGE as error:
        return _salvage(data, error)


def load_image(source: str | os.PathLike[str] | bytes | PIL.Image.Image | Image) -> Image:
    """Reads an image from any source.

    Args:
        source: A path, the bytes of a file (see ``decode_image``), a Pillow image, or an array,
            RGB ``uint8`` ``(H, W, 3)``, which is returned as it is.

    Returns:
        RGB ``(H, W, 3)``, 0-255, upright.

    Raises:
        ImageDecodeError: ``source`` is none of these, or cannot be read.
    """
    if isinstance(source, np.ndarray):
        if source.dtype != np.uint8 or source.ndim != 3 or source.shape[2] != 3 or not source.size:
            raise ImageDecodeError(
                f"An image array is RGB uint8 (H, W, 3), not {source.dtype} {source.shape}."
            )
        return source
    if isinstance(source, PIL.Image.Image):
        _check_size(*source.size)
        try:
            return _to_rgb(source.copy())  # whose pixels may still have to be read
        except _DAMAGE as error:
            raise _unreadable(error) from error
    if isinstance(source, bytes):
        return decode_image(source).pixels
    try:
        with Path(source).open("rb") as file:
            return decode_image(read_image_file(file)).pixels
    except OSError as error:
        raise ImageDecodeError(f"{source} cannot be read ({error.strerror or error}).") from error


def encode_jpeg(image: Image, *, quality: int = 92) -> bytes:
    """Encodes an image as JPEG, without metadata.

    Args:
        image: RGB ``(H, W, 3)``, 0-255.
        quality: 1-100.

    Raises:
        ImageDecodeError: A side is longer than ``MAX_JPEG_PX``, or the encoder fails.
    """
    height, width = image.shape[:2]
    if max(height, width) > MAX_JPEG_PX:
        raise ImageDecodeError(
            f"The image has {width} x {height} pixels, and a JPEG has at most {MAX_JPEG_PX} a "
            "side. Make it smaller and try again."
        )
    parameters = [cv2.IMWRITE_JPEG_QUALITY, quality]
    done, buffer = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), parameters)
    if not done:
        raise ImageDecodeError("The image could not be written as JPEG.")
    return buffer.tobytes()


def _decode(data: bytes) -> DecodedImage:
    pil = _open(data)
    _check_size(*pil.size)
    warnings: tuple[str, ...] = ()
    # Pages are not counted: for a TIFF that takes quadratic time.
    # A second image in a phone's JPEG (MPO) is depth, or what makes it brighter.
    if pil.format != "MPO" and getattr(pil, "is_animated", False):
        is_tiff = pil.format == "TIFF"
        warnings = (_PAGES if is_tiff else _ANIMATED,)
    pixels = _to_rgb(pil)
    if tone_map(pixels, data):
        warnings = (*warnings, HDR_NOTE)
    return DecodedImage(pixels, warnings)


def _open(data: bytes) -> PIL.Image.Image:
    """Reads the header; pixels are not decoded yet."""
    try:
        if _is_heif(data):
            return _open_heif(data)
        PIL.Image.init()  # makes all formats known; a second call does nothing
        return PIL.Image.open(io.BytesIO(data), formats=_PILLOW_FORMATS)
    except PIL.UnidentifiedImageError:
        if data.startswith(_TIFF):
            raise ImageDecodeError(
                "This TIFF is damaged or of a kind that cannot be read; save the image as PNG, "
                "JPEG or an 8-bit TIFF."
            ) from None
        raise ImageDecodeError(
            f"The file is not an image in a format that can be read ({ACCEPTED})."
        ) from None


def _is_heif(data: bytes) -> bool:
    """Whether pi-heif decodes the file; Pillow decodes AVIF, which may share the first brand."""
    box = data[: min(int.from_bytes(data[:4]), 256)]  # length, "ftyp", brand, version, more brands
    others = {box[i : i + 4] for i in range(16, len(box), 4)}
    is_avif = box[8:12] in _FAMILY_BRANDS and others & _AVIF_BRANDS
    return box[4:8] == b"ftyp" and box[8:12] in _HEIC_BRANDS + _FAMILY_BRANDS and not is_avif


def _open_heif(data: bytes) -> PIL.Image.Image:
    try:
        import pi_heif
    except ImportError:
        raise ImageDecodeError(
            "HEIC images need the package pi-heif; install it, or save the image as JPEG."
        ) from None
    heif = pi_heif.open_heif(io.BytesIO(data), convert_hdr_to_8bit=True)
    _check_size(*heif.size)
    pil: PIL.Image.Image = heif.to_pillow()
    return pil


def _check_size(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise ImageDecodeError(_too_large(f"{width * height / 1e6:.0f}"))


def _too_large(megapixels: str) -> str:
    return (
        f"The image has {megapixels} megapixels; at most {MAX_PIXELS // 10**6} are read. "
        "Make it smaller and try again."
    )


def _to_rgb(pil: PIL.Image.Image) -> Image:
    """Decodes the pixels and makes them upright, opaque 8-bit RGB."""
    # Each copy of the largest image takes 400 MB more: Pillow has four bytes a pixel.
    PIL.ImageOps.exif_transpose(pil, in_place=True)
    if pil.mode.startswith(("I", "F")):
        grey = _to_8_bit(np.asarray(pil))
        return np.ascontiguousarray(np.repeat(grey[:, :, None], 3, axis=2))
    if pil.has_transparency_data:
        over = pil if pil.mode == "RGBA" else pil.convert("RGBA")
        pil = PIL.Image.new("RGB", over.size, "white")
        pil.paste(over, mask=over)
        del over
    return np.array(pil if pil.mode == "RGB" else pil.convert("RGB"), np.uint8)


def _to_8_bit(values: np.ndarray[tuple[int, ...], np.dtype[np.generic]]) -> Image:
    """Scales grey values by the smallest bit depth (8, 10, 12, 14, 16, ...) that holds them."""
    numbers = np.nan_to_num(values.astype(np.float32), posinf=0, neginf=0)
    top = float(numbers.max(initial=0))
    if 0 < top <= 1 and values.dtype.kind == "f":
        limit = 1.0
    else:
        limit = next((2.0**bits - 1 for bits in (8, 10, 12, 14, 16) if top < 2**bits), top)
    return np.asarray(np.clip(np.rint(numbers * (255 / limit)), 0, 255), np.uint8)


def _salvage(data: bytes, reason: Exception) -> DecodedImage:
    """Recovers what it can of a damaged JPEG or PNG with OpenCV, which is more tolerant."""
    if data.startswith(_JPEG):
        data += b"\xff\xd9"  # an end-of-image marker lets the decoder fill a missing part with grey
        try:
            _check_size(*PIL.Image.open(io.BytesIO(data), formats=("JPEG",)).size)
        except OSError:
            raise _unreadable(reason) from None
    elif data.startswith(_PNG):
        _check_size(int.from_bytes(data[16:20]), int.from_bytes(data[20:24]))
    else:
        raise _unreadable(reason)
    bgr = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    if bgr is None:
        raise _unreadable(reason)
    note = "The file is damaged or unusual: only the readable part is analysed."
    return DecodedImage(np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8), (note,))


def _unreadable(reason: Exception) -> ImageDecodeError:
    return ImageDecodeError(f"The image is damaged and cannot be read ({reason}).")
