"""Animated GIF, WebP and PNG files as videos."""

from __future__ import annotations

import io
from fractions import Fraction
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import av
import PIL.Image
import PIL.ImageSequence

from emotion_core.errors import VideoDecodeError
from emotion_core.imaging.codec import MAX_PIXELS, load_image

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from emotion_core.types import Image

SUFFIXES = ("gif", "webp", "png", "apng")
"""File name extensions of images that may be animated."""

MIN_LENGTH_MS = 1000
"""A longer animation is a video; a shorter one a photo, unless it is analysed as a video."""

_FORMATS = ("GIF", "WEBP", "PNG")
_MAX_FRAMES = 10_000
_FAST_MS, _USUAL_MS = 20, 100
"""Browsers show a frame with less than the first for the second."""

_DAMAGE = (OSError, ValueError, EOFError, SyntaxError, PIL.Image.DecompressionBombError)
"""What Pillow raises on files that are no image, or damaged."""


def is_animation(source: Path | BinaryIO, *, longer_than_ms: int = MIN_LENGTH_MS) -> bool:
    """Whether a file is an animation that is longer than a time; False for any other file.

    Args:
        source: The file; a stream is read from its start.
        longer_than_ms: Milliseconds; with 0, any file with a second frame.
    """
    try:
        with _open(source) as image:
            if not getattr(image, "is_animated", False):
                return False
            length_ms = 0
            for index in count():
                image.seek(index)
                length_ms += _duration_ms(image)
                if length_ms > longer_than_ms:
                    return True
    except _DAMAGE:
        return False
    return False


def webp_to_video(source: BinaryIO) -> BinaryIO:
    """Converts an animated WebP, which FFmpeg does not read, to a video, without visible loss.

    Raises:
        VideoDecodeError: It is damaged from the start, or too long.
    """
    try:
        with _open(source) as image:
            n_frames = getattr(image, "n_frames", 1)
            if n_frames > _MAX_FRAMES:
                raise VideoDecodeError(
                    f"The animation has {n_frames} frames; at most {_MAX_FRAMES} are read."
                )
            return encode_frames(image.size, _frames(image))
    except _DAMAGE as error:
        raise VideoDecodeError(f"The animation is damaged and cannot be read ({error}).") from error


def encode_frames(
    size_wh: tuple[int, int], frames: Iterable[tuple[int, Image]], fps: int = 25
) -> BinaryIO:
    """Encodes frames as an MP4, without visible loss.

    Args:
        size_wh: Width and height in pixels.
        frames: Time in milliseconds and RGB ``(H, W, 3)``, 0-255, of each.
        fps: Frames a second, by which the last one lasts.
    """
    target = io.BytesIO()
    with av.open(target, "w", format="mp4") as container:
        options = {"crf": "8", "preset": "ultrafast"}
        stream = container.add_stream("libx264", rate=fps, options=options)
        stream.width, stream.height = size_wh
        stream.pix_fmt = "yuv444p"
        stream.codec_context.time_base = Fraction(1, 1000)
        for time_ms, pixels in frames:
            frame = av.VideoFrame.from_ndarray(pixels, "rgb24")
            frame.time_base, frame.pts = Fraction(1, 1000), time_ms
            frame.duration = 1000 // fps
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    target.seek(0)
    return target


def _open(source: Path | BinaryIO) -> PIL.Image.Image:
    if not isinstance(source, Path):
        source.seek(0)
    image = PIL.Image.open(source, formats=_FORMATS)
    if image.width * image.height > MAX_PIXELS:
        raise ValueError("too many pixels")
    return image


def _frames(image: PIL.Image.Image) -> Iterator[tuple[int, Image]]:
    """Each frame with its time in milliseconds; a damaged one ends them."""
    time_ms = 0
    for index in range(getattr(image, "n_frames", 1)):
        try:
            image.seek(index)
            pixels = load_image(image)
        except _DAMAGE:
            if index == 0:
                raise
            return
        yield time_ms, pixels
        time_ms += _duration_ms(image)


def _duration_ms(image: PIL.Image.Image) -> int:
    image.load()  # only then a WebP's is known
    duration_ms = round(image.info.get("duration") or 0)
    return _USUAL_MS if duration_ms < _FAST_MS else duration_ms
