"""Opening of video files: checks the format, limits resources, chooses tracks."""

from __future__ import annotations

import re
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import av
import av.error
import av.logging
from av.stream import Disposition

from emotion_core.errors import VideoDecodeError
from emotion_core.video.io.animation import is_animation, webp_to_video
from emotion_core.video.io.mp4_guard import check_sample_tables

if TYPE_CHECKING:
    from av.audio.stream import AudioStream
    from av.container import InputContainer
    from av.video.stream import VideoStream

Source = Path | BinaryIO
"""A file, or a seekable binary stream with no other reader at the same time."""

ACCEPTED = "MP4, MOV, AVI, MKV, WebM"
"""Formats as shown to users; more can be read."""

SUFFIXES = (
    *("mp4", "m4v", "mov", "avi", "mkv", "webm"),
    *("mts", "m2ts", "ts", "vob", "mpg", "mpeg", "dv", "mxf"),  # camcorders, DVDs, television
    *("wmv", "3gp", "flv", "ogv"),
)
"""File name extensions of videos in folders, archives and uploads; the content decides, not the
extension, and a file that is named is tried whatever its extension."""

MAX_SIDE_PX = 8192
MAX_PIXELS = 36_000_000
"""Frames larger than those of 8K cameras (33 million) are refused: a decoder keeps several."""

_MAX_TRACKS = 16
"""Maximum number of video tracks. FFmpeg decodes the first frame of each when it opens a file,
which for a thousand tracks of large frames takes more memory than any machine has."""

_FORMATS = (
    "mov,matroska,avi,mpeg,mpegts,mpegvideo,flv,asf,ogg,mxf,ivf,"
    "dv,nut,h264,hevc,m4v,rm,wtv,yuv4mpegpipe,gif,apng,"
    "mp3,wav,flac,aac"  # to be able to say that they are audio
)
"""Formats FFmpeg may detect. Without this list, a text file that claims to be a video could make it
open any other file or address that it names."""

_MAX_SAMPLES_PER_S = 8 * 768_000
"""Of all audio channels together: the highest rate in use. A header may claim a thousand times
more, and a second of silence would take gigabytes."""

_CUSTOM_LAYOUT = re.compile(r"Stream #0:(\d+).*: Audio: .* channels \(")

_IMAGE_STARTS = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"BM", b"II*\0", b"MM\0*")
_IMAGE_BRANDS = frozenset({"avif", "heic", "heix", "heim", "heis", "mif1"})
_MP4_ATOMS = frozenset({b"ftyp", b"mdat", b"free", b"wide", b"skip"})

_CUT_OFF = (
    "The file begins like a video, but its table of contents is missing or damaged, as when the "
    "recording or the transfer was cut off. Repair it with the program that recorded it, or "
    "transfer it again."
)
_IMAGE = "The file is an image, not a video; have it analysed as a photo."
_NO_VIDEO = f"The file is not a video in a format that can be read ({ACCEPTED})."
_AUDIO_ONLY = "The file has sound but no video; choose one with video."
_TOO_MANY_TRACKS = f"The file has more than {_MAX_TRACKS} video tracks, which is not supported."
_NO_TRACK = "The file is a video without a single frame; it may have been cut off."


def open_input(source: Source) -> InputContainer:
    """Opens a file as a video.

    Raises:
        VideoDecodeError: The file cannot be read, or its format is not supported.
    """
    try:
        head = _check_head(source)
        if _is_image(head):
            source = _open_animation(source)
        with _open(source, codec_whitelist="none") as listed:  # decodes nothing
            if len(listed.streams.video) > _MAX_TRACKS:
                raise VideoDecodeError(_TOO_MANY_TRACKS)
        return _open(source)
    except av.error.FFmpegError:
        raise VideoDecodeError(_describe_format(head)) from None
    except OSError as error:
        raise VideoDecodeError(f"The file cannot be read ({error.strerror or error}).") from error


def choose_video_track(container: InputContainer) -> VideoStream:
    """Chooses the video track that players show.

    Raises:
        VideoDecodeError: None can be decoded, or its frames are too large.
    """
    if container.metadata.get("major_brand") in _IMAGE_BRANDS:
        raise VideoDecodeError(_IMAGE)
    # The cover image of an audio file is a track with one frame.
    tracks = [s for s in container.streams.video if Disposition.attached_pic not in s.disposition]
    readable = [s for s in tracks if s.codec_context is not None]
    if not readable:
        if tracks:
            raise VideoDecodeError(
                "The video is in a codec that cannot be read; convert it to H.264."
            )
        raise VideoDecodeError(_AUDIO_ONLY if container.streams.audio else _NO_TRACK)
    best = container.streams.best("video")
    chosen = next((s for s in readable if s is best), readable[0])
    check_size(chosen.codec_context.width, chosen.codec_context.height)
    return chosen


def choose_audio_track(container: InputContainer, video: VideoStream) -> AudioStream | None:
    """Chooses the audio track that belongs to the video; ``None`` if none can be decoded."""
    custom = _tracks_of_custom_layout(container)
    tracks = [
        s
        for s in container.streams.audio
        if s.codec_context
        and s.index not in custom
        and is_plausible_audio(s.codec_context.rate, s.codec_context.layout.nb_channels)
    ]
    best = container.streams.best("audio", related=video)
    return next((s for s in tracks if s is best), tracks[0] if tracks else None)


def _tracks_of_custom_layout(container: InputContainer) -> set[int]:
    """Indices of the audio tracks whose channels are in an order of their own.

    PyAV (18.1) frees the list of such channels twice, which ends the whole process, as soon as it
    is asked for a layout or decodes. Only FFmpeg's description of a file tells without that.
    """
    if not container.streams.audio:
        return set()
    before = av.logging.get_level()
    av.logging.set_level(av.logging.INFO)
    try:
        description = container.dumps_format()  # type: ignore[attr-defined]  # not in its stubs
    finally:
        av.logging.set_level(before)
    return {int(index) for index in _CUSTOM_LAYOUT.findall(description)}


def is_plausible_audio(rate: int, channels: int) -> bool:
    """Whether audio has a plausible rate in samples a second."""
    return 0 < rate * channels <= _MAX_SAMPLES_PER_S


def check_size(width: int, height: int) -> None:
    """Refuses frames beyond the limits with a ``VideoDecodeError``."""
    if max(width, height) > MAX_SIDE_PX or width * height > MAX_PIXELS:
        raise VideoDecodeError(
            f"The frames are {width} by {height} pixels; at most {MAX_SIDE_PX} on a side and "
            f"{MAX_PIXELS // 10**6} megapixels are read. Make the video smaller and try again."
        )


def _open(source: Source, **options: str) -> InputContainer:
    if not isinstance(source, Path):
        source.seek(0)
    return av.open(
        # FFmpeg would take the text before the colon in "10:30.mp4" for a protocol.
        str(source.absolute()) if isinstance(source, Path) else source,
        "r",
        options={"format_whitelist": _FORMATS, "max_pixels": str(MAX_PIXELS), **options},
        metadata_errors="replace",
    )


def _check_head(source: Source) -> bytes:
    """Checks that a file may be opened (see ``check_sample_tables``); returns its first bytes."""
    with source.open("rb") if isinstance(source, Path) else nullcontext(source) as file:
        file.seek(0)
        head = file.read(16)
        if not head:
            raise VideoDecodeError("The file is empty (0 bytes).")
        file.seek(0)
        check_sample_tables(file)
    return head


def _is_image(head: bytes) -> bool:
    return head.startswith(_IMAGE_STARTS) or (head[:4] == b"RIFF" and head[8:12] == b"WEBP")


def _open_animation(source: Source) -> Source:
    """An animated image in a form that FFmpeg reads."""
    if not is_animation(source, longer_than_ms=0):
        raise VideoDecodeError(_IMAGE)
    with source.open("rb") if isinstance(source, Path) else nullcontext(source) as file:
        file.seek(0)
        return webp_to_video(file) if file.read(4) == b"RIFF" else source


def _describe_format(head: bytes) -> str:
    """Describes a file that is not a video, by its first bytes."""
    if _is_image(head):
        return _IMAGE
    return _CUT_OFF if head[4:8] in _MP4_ATOMS else _NO_VIDEO
