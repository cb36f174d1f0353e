"""Checks the sample tables of an MP4 or MOV before FFmpeg trusts them.

A sample table may claim billions of frames of the same size in a few bytes; FFmpeg lists them all,
some gigabytes for each track, when it opens the file.
"""

from __future__ import annotations

import re
from itertools import chain, pairwise
from typing import TYPE_CHECKING, BinaryIO

from emotion_core.errors import VideoDecodeError

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_SAMPLES = 10_000_000
"""Maximum number of video and audio samples: a day of each; the list takes 350 MB."""

_MAX_BOX = 256 * 2**20
_MAX_FILE = 2**62
_MAX_BOXES = 1_000_000
_HEAD = 16
_PCM_PIECE = 1024
"""FFmpeg lists this many samples of uncompressed audio as one."""

_SKIPPED = (b"mdat", b"skip", b"RIFF")
_HIDDEN_HEADER = (b"mvhd", b"cmov")  # FFmpeg looks for one in "free" boxes
_TRACK = re.compile(b"trak")
_COMPRESSED_HEADER = re.compile(b"cmov....dcom", re.DOTALL)

_TOO_MANY = (
    f"The video's table of contents lists more than {MAX_SAMPLES // 10**6} million frames and "
    "sounds: it is damaged. Repair it with the program that recorded it, or convert it."
)
_COMPRESSED = (
    "The video's table of contents is compressed, as QuickTime once did, which is not read. "
    "Save the video again, as MP4."
)


def check_sample_tables(file: BinaryIO) -> None:
    """Refuses a file whose sample tables would fill the memory; accepts files of other formats.

    Boxes are not parsed but searched for anything that FFmpeg takes for a table, so that none is
    missed.

    Args:
        file: Read from its current position; may contain anything.

    Raises:
        VideoDecodeError: The tables are too large.
    """
    samples = 0
    for content in _read_boxes(file):
        if _COMPRESSED_HEADER.search(content):
            raise VideoDecodeError(_COMPRESSED)
        starts = [0, *(found.start() for found in _TRACK.finditer(content)), len(content)]
        samples += sum(_count_samples(content[start:end]) for start, end in pairwise(starts))
        if samples > MAX_SAMPLES:
            raise VideoDecodeError(_TOO_MANY)


def _read_boxes(file: BinaryIO) -> Iterator[bytes]:
    """Yields top-level boxes that may contain tables."""
    for _ in range(_MAX_BOXES):
        start = file.tell()
        head = file.read(_HEAD)
        size, kind, skip = int.from_bytes(head[:4]), head[4:8], 8
        if size == 1:  # a 64-bit size follows the kind
            size, skip = int.from_bytes(head[8:16]), 16
        if len(head) < 8 or 0 < size < skip or size > _MAX_FILE:
            return
        is_free = kind == b"free" and head[12:16] not in _HIDDEN_HEADER
        if kind.isalnum() and not is_free and kind not in _SKIPPED:
            length = size or _MAX_BOX
            if length > _MAX_BOX and kind in (b"moov", b"moof"):
                raise VideoDecodeError(_TOO_MANY)
            file.seek(start)
            yield file.read(min(length, _MAX_BOX))
        if not size:  # extends to the end of the file
            return
        file.seek(start + size)
    raise VideoDecodeError(_TOO_MANY)


def _count_samples(track: bytes) -> int:
    """Approximate number of entries that FFmpeg will make for one track."""
    counts = [(size, n) for _, size, n in _numbers(track, b"stsz", 3)]
    samples = max((n for _, n in counts), default=0)
    listed = max((n for size, n in counts if size), default=0)
    if listed and _is_uncompressed_audio(track):
        tables = chain(_numbers(track, b"stco", 2), _numbers(track, b"co64", 2))
        chunks = max((n for *_, n in tables), default=0)
        listed = chunks * (1 + _max_chunk(track) // _PCM_PIECE)
    # Each edit lists its samples again; most tracks have one, and maybe one before it for a delay.
    edits = max((n for *_, n in _numbers(track, b"elst", 2)), default=0)
    fragments = sum(n for flags, n in _numbers(track, b"trun", 2) if not flags & 0xF00)
    return listed + samples * max(0, edits - 2) + fragments


def _is_uncompressed_audio(track: bytes) -> bool:
    lengths = list(_numbers(track, b"stts", 4))  # flags, entries, samples of the first, ticks each
    is_one_tick = len(lengths) == 1 and (lengths[0][1], lengths[0][3]) == (1, 1)
    return is_one_tick and b"soun" in track and b"vide" not in track


def _max_chunk(track: bytes) -> int:
    """Maximum number of samples in a chunk."""
    longest = 0
    for found in re.finditer(b"stsc", track):
        entries = int.from_bytes(track[found.end() + 4 : found.end() + 8])
        table = memoryview(track)[found.end() + 8 : found.end() + 8 + 12 * entries]
        lengths = (int.from_bytes(table[i : i + 4]) for i in range(4, len(table), 12))
        longest = max(longest, max(lengths, default=0))
    return longest


def _numbers(data: bytes, kind: bytes, n: int) -> Iterator[tuple[int, ...]]:
    """The first ``n`` 32-bit numbers of every box of a kind."""
    for found in re.finditer(re.escape(kind), data):
        at = found.end()
        if at + 4 * n <= len(data):
            yield tuple(int.from_bytes(data[i : i + 4]) for i in range(at, at + 4 * n, 4))
