"""Opens a video file: whether it is one, which of its tracks are taken, and what it must not do."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import av
import av.error
from av.stream import Disposition

from emotion_core.errors import VideoDecodeError
from emotion_core.video.io.mp4_guard import check_sample_tables

if TYPE_CHECKING:
    from av.audio.stream import AudioStream
    from av.container import InputContainer
    from av.video.stream import VideoStream

Source = Path | BinaryIO
"""A file, or a seekable binary stream that nobody else reads meanwhile."""

ACCEPTED = "MP4, MOV, AVI, MKV, WebM"
"""Formats as a user is told of them; some more can be read."""

MAX_SIDE_PX = 8192
MAX_PIXELS = 36_000_000
"""Larger pictures than 8K cameras take (33 million) are refused: a decoder holds several."""

_MOST_TRACKS = 16
"""Of pictures, at most. When it opens a file, FFmpeg decodes the first picture of each track, which
for a thousand tracks of large pictures takes more memory than any machine has."""

_FORMATS = (
    *("mov", "matroska", "avi", "mpeg", "mpegts", "mpegvideo", "flv", "asf", "ogg", "mxf", "ivf"),
    *("dv", "nut", "h264", "hevc", "m4v", "rm", "wtv", "yuv4mpegpipe"),
    *("mp3", "wav", "flac", "aac"),  # to be able to say that they are sound
)
"""What FFmpeg may take a file for. Without this list, a text that calls itself a video would make
it open whatever other file or address the text names."""

_MOST_SAMPLES_PER_S = 8 * 768_000
"""Of sound, all channels together: the finest there is. A header may say a thousand times more, and
a second of silence would take gigabytes."""

_PICTURE_STARTS = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"BM", b"II*\0", b"MM\0*")
_PICTURE_BRANDS = frozenset({"avif", "heic", "heix", "heim", "heis", "mif1"})
_MP4_ATOMS = frozenset({b"ftyp", b"mdat", b"free", b"wide", b"skip"})

_CUT_OFF = (
    "The file begins like a video, but its table of contents is missing or damaged, as when the "
    "recording or the transfer was cut off. Repair it with the program that recorded it, or "
    "transfer it again."
)
_PICTURE = "The file is a picture, not a video; have it analysed as a photo."
_NO_VIDEO = f"The file is not a video in a format that can be read ({ACCEPTED})."
_SOUND_ONLY = "The file has sound but no pictures; choose one with pictures."
_TOO_MANY_TRACKS = f"The file has more than {_MOST_TRACKS} tracks of pictures, which is not read."
_NO_TRACK = "The file is a video without a single picture; it may have been cut off."


def open_input(source: Source) -> InputContainer:
    """Open a file as a video.

    Raises:
        VideoDecodeError: It cannot be read, or is of no format that may hold a video.
    """
    try:
        head = _look_into(source)
        with _open(source, codec_whitelist="none") as listed:  # which decodes nothing
            if len(listed.streams.video) > _MOST_TRACKS:
                raise VideoDecodeError(_TOO_MANY_TRACKS)
        return _open(source)
    except av.error.FFmpegError:
        raise VideoDecodeError(_tell_what(head)) from None
    except OSError as error:
        raise VideoDecodeError(f"The file cannot be read ({error.strerror or error}).") from error


def choose_pictures(container: InputContainer) -> VideoStream:
    """Choose the track to analyse: the one that players show.

    Raises:
        VideoDecodeError: There is none that can be decoded, or its pictures are too large.
    """
    if container.metadata.get("major_brand") in _PICTURE_BRANDS:
        raise VideoDecodeError(_PICTURE)
    # The cover of a piece of music is a track of one picture.
    tracks = [s for s in container.streams.video if Disposition.attached_pic not in s.disposition]
    readable = [s for s in tracks if s.codec_context is not None]
    if not readable:
        if tracks:
            raise VideoDecodeError(
                "The video's pictures are in a codec that cannot be read; convert it to H.264."
            )
        raise VideoDecodeError(_SOUND_ONLY if container.streams.audio else _NO_TRACK)
    best = container.streams.best("video")
    chosen = next((s for s in readable if s is best), readable[0])
    check_size(chosen.codec_context.width, chosen.codec_context.height)
    return chosen


def choose_sound(container: InputContainer, pictures: VideoStream) -> AudioStream | None:
    """Choose the sound that goes with the pictures; ``None`` if there is none to decode."""
    tracks = [
        s
        for s in container.streams.audio
        if s.codec_context
        and is_plausible_sound(s.codec_context.rate, s.codec_context.layout.nb_channels)
    ]
    best = container.streams.best("audio", related=pictures)
    return next((s for s in tracks if s is best), tracks[0] if tracks else None)


def is_plausible_sound(rate: int, channels: int) -> bool:
    """Whether sound has a rate, in samples a second, with which it can be written."""
    return 0 < rate * channels <= _MOST_SAMPLES_PER_S


def check_size(width: int, height: int) -> None:
    """Refuse pictures beyond the limits.

    Raises:
        VideoDecodeError: They are.
    """
    if max(width, height) > MAX_SIDE_PX or width * height > MAX_PIXELS:
        raise VideoDecodeError(
            f"The pictures are {width} by {height} pixels; at most {MAX_SIDE_PX} on a side and "
            f"{MAX_PIXELS // 10**6} megapixels are read. Make the video smaller and try again."
        )


def _open(source: Source, **more: str) -> InputContainer:
    if not isinstance(source, Path):
        source.seek(0)
    return av.open(
        # FFmpeg takes what stands before the colon in "10:30.mp4" for a protocol.
        str(source.absolute()) if isinstance(source, Path) else source,
        "r",
        options={
            "format_whitelist": ",".join(_FORMATS),
            "max_pixels": str(MAX_PIXELS),
            **more,
        },
        metadata_errors="replace",
    )


def _look_into(source: Source) -> bytes:
    """The first bytes of a file that may be opened; see ``check_sample_tables``."""
    with source.open("rb") if isinstance(source, Path) else nullcontext(source) as file:
        file.seek(0)
        head = file.read(16)
        if not head:
            raise VideoDecodeError("The file is empty (0 bytes).")
        file.seek(0)
        check_sample_tables(file)
    return head


def _tell_what(head: bytes) -> str:
    """Say what a file is that is no video, by its first bytes."""
    if head.startswith(_PICTURE_STARTS) or (head[:4] == b"RIFF" and head[8:12] == b"WEBP"):
        return _PICTURE
    return _CUT_OFF if head[4:8] in _MP4_ATOMS else _NO_VIDEO
