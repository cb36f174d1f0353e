"""Photos as videos: a still of one second."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from emotion_core.errors import VideoDecodeError
from emotion_core.files.archive import has_suffix
from emotion_core.imaging.codec import SUFFIXES, decode_image
from emotion_core.video.io.animation import encode_frames, is_animation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from emotion_core.video.types import VideoSettings

_FPS = 2
"""So there are two frames, each of which counts until the next one, as in any video."""


def is_photo(path: Path, name: str = "") -> bool:
    """Whether a file is a photo: an image by its name, and no animation of more than a second.

    Args:
        path: The file.
        name: How the file is called, if not as in its path.
    """
    return has_suffix(name or path.name, SUFFIXES) and not is_animation(path)


def settings_for_still(settings: VideoSettings) -> VideoSettings:
    """The same settings, but all of the video is analysed, and whoever is in it counts."""
    return replace(settings, every=1, hz=None, from_s=0.0, to_s=None, min_seen_s=0.0)


@contextmanager
def as_video(path: Path) -> Iterator[Path]:
    """Gives the path of a video; for a photo that of a still, which is gone afterwards.

    Raises:
        ImageDecodeError: The photo is damaged, or beyond the limits.
        VideoDecodeError: The photo cannot be read from the disk.
    """
    if not is_photo(path):
        yield path
        return
    with TemporaryDirectory() as folder:
        still = Path(folder, "still.mp4")
        try:
            still.write_bytes(photo_to_video(path.read_bytes()))
        except OSError as error:
            raise VideoDecodeError(f"The file cannot be read ({error.strerror}).") from error
        yield still


def photo_to_video(data: bytes) -> bytes:
    """Converts a photo to an MP4 of one second, without visible loss.

    Args:
        data: The file of the photo, whose orientation is applied.

    Raises:
        ImageDecodeError: It is damaged, or beyond the limits.
    """
    pixels = decode_image(data).pixels
    height, width = pixels.shape[:2]
    times_ms = range(0, 1000, 1000 // _FPS)
    return encode_frames((width, height), ((at, pixels) for at in times_ms), _FPS).read()
