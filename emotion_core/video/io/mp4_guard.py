"""What the boxes of an MP4 or MOV promise, before FFmpeg believes them.

A table of contents may say in a few bytes that there are thousands of millions of pictures of the
same size; FFmpeg makes a list of them all, some gigabytes for each track, when it opens the file.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING, BinaryIO

from emotion_core.errors import VideoDecodeError

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_SAMPLES = 10_000_000
"""Pictures and pieces of sound that are listed at most: a day of each; the list takes 350 MB."""

_LARGEST_BOX = 256 * 2**20
_LARGEST_FILE = 2**62
_MOST_BOXES = 1_000_000
_HEAD = 16
_PCM_PIECE = 1024
"""Of uncompressed sound FFmpeg lists so many samples as one."""

_PASSED_OVER = (b"mdat", b"skip", b"RIFF")
_HIDDEN_HEADER = (b"mvhd", b"cmov")  # FFmpeg looks for one in what is said to be free
_TRACK = re.compile(b"trak")
_COMPRESSED_HEADER = re.compile(b"cmov....dcom", re.DOTALL)

_TOO_MANY = (
    f"The video's table of contents promises more than {MOST_SAMPLES // 10**6} million pictures "
    "and sounds: it is damaged. Repair it with the program that recorded it, or convert it."
)
_COMPRESSED = (
    "The video's table of contents is compressed, as QuickTime once did, which is not read. "
    "Save the video again, as MP4."
)


def check_sample_tables(file: BinaryIO) -> None:
    """Refuse a file whose boxes promise what would fill the memory; of other files nothing is said.

    Boxes are not followed into each other but searched for what FFmpeg takes for a table wherever
    it stands, so that none is missed.

    Args:
        file: Read from where it stands; anything may be in it.

    Raises:
        VideoDecodeError: It does.
    """
    promised = 0
    for content in _contents(file):
        if _COMPRESSED_HEADER.search(content):
            raise VideoDecodeError(_COMPRESSED)
        starts = [0, *(found.start() for found in _TRACK.finditer(content)), len(content)]
        promised += sum(_promised(content[start:end]) for start, end in pairwise(starts))
        if promised > MOST_SAMPLES:
            raise VideoDecodeError(_TOO_MANY)


def _contents(file: BinaryIO) -> Iterator[bytes]:
    """Whole boxes of the outermost level that may hold tables."""
    for _ in range(_MOST_BOXES):
        start = file.tell()
        head = file.read(_HEAD)
        size, kind, skip = int.from_bytes(head[:4]), head[4:8], 8
        if size == 1:  # the size stands behind the kind
            size, skip = int.from_bytes(head[8:16]), 16
        if len(head) < 8 or 0 < size < skip or size > _LARGEST_FILE:
            return
        is_free = kind == b"free" and head[12:16] not in _HIDDEN_HEADER
        if kind.isalnum() and not is_free and kind not in _PASSED_OVER:
            length = size or _LARGEST_BOX
            if length > _LARGEST_BOX and kind in (b"moov", b"moof"):
                raise VideoDecodeError(_TOO_MANY)
            file.seek(start)
            yield file.read(min(length, _LARGEST_BOX))
        if not size:  # up to the end
            return
        file.seek(start + size)
    raise VideoDecodeError(_TOO_MANY)


def _promised(track: bytes) -> int:
    """How many entries FFmpeg will make for one track, about."""
    counts = [(size, n) for _, size, n in _numbers(track, b"stsz", 3)]
    samples = max((n for _, n in counts), default=0)
    listed = max((n for size, n in counts if size), default=0)
    if listed and _is_uncompressed_sound(track):
        chunks = max((n for *_, n in _numbers(track, b"stco", 2)), default=0)
        chunks = max([chunks, *(n for *_, n in _numbers(track, b"co64", 2))])
        listed = chunks * (1 + _longest_chunk(track) // _PCM_PIECE)
    # Each edit lists its samples anew; most have one, and maybe one before it for a delay.
    edits = max((n for *_, n in _numbers(track, b"elst", 2)), default=0)
    fragments = sum(n for flags, n in _numbers(track, b"trun", 2) if not flags & 0xF00)
    return listed + samples * max(0, edits - 2) + fragments


def _is_uncompressed_sound(track: bytes) -> bool:
    lengths = list(_numbers(track, b"stts", 4))  # flags, entries, samples of the first, ticks each
    is_one_tick = len(lengths) == 1 and (lengths[0][1], lengths[0][3]) == (1, 1)
    return is_one_tick and b"soun" in track and b"vide" not in track


def _longest_chunk(track: bytes) -> int:
    longest = 0
    for found in re.finditer(b"stsc", track):
        entries = int.from_bytes(track[found.end() + 4 : found.end() + 8])
        table = memoryview(track)[found.end() + 8 : found.end() + 8 + 12 * entries]
        longest = max(
            [longest, *(int.from_bytes(table[i : i + 4]) for i in range(4, len(table), 12))]
        )
    return longest


def _numbers(data: bytes, kind: bytes, n: int) -> Iterator[tuple[int, ...]]:
    """The first numbers, of four bytes each, of every box of a kind."""
    for found in re.finditer(re.escape(kind), data):
        at = found.end()
        if at + 4 * n <= len(data):
            yield tuple(int.from_bytes(data[i : i + 4]) for i in range(at, at + 4 * n, 4))
