"""The transfer characteristics that an image file names; decoders keep them to themselves."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import numpy as np

from emotion_core.imaging.tone_mapping import HLG, PQ, to_sdr

if TYPE_CHECKING:
    from collections.abc import Iterator

    from emotion_core.types import Image

UNSPECIFIED = 2
"""Transfer characteristics as numbered in ITU-T H.273."""

_PNG = b"\x89PNG\r\n\x1a\n"
_MAX_BOXES = 10_000
_STRIP = 256
"""Rows that are tone-mapped at once, which bounds memory."""


def tone_map(pixels: Image, data: bytes) -> bool:
    """Tone-maps a decoded image, in place, if its file says that it is HDR.

    Args:
        pixels: RGB ``(H, W, 3)``, 0-255, as the decoder gives it.
        data: The file.

    Returns:
        Whether it is.
    """
    curve = find_transfer(data)
    if curve not in (PQ, HLG):
        return False
    for start in range(0, len(pixels), _STRIP):
        strip = pixels[start : start + _STRIP]
        strip[:] = to_sdr(strip * np.uint16(257), curve)
    return True


def find_transfer(data: bytes) -> int:
    """The transfer characteristics of the main image of a PNG, HEIC or AVIF file.

    An image with a gain map is an ordinary one, whatever that makes of it.

    Args:
        data: The file, of any kind, whole or damaged.

    Returns:
        As numbered in ITU-T H.273; ``UNSPECIFIED`` if the file does not tell.
    """
    try:
        if data.startswith(_PNG):
            return _png_transfer(data)
        if data[4:8] == b"ftyp":
            return _heif_transfer(data)
    except (struct.error, LookupError):
        pass
    return UNSPECIFIED


def _png_transfer(data: bytes) -> int:
    """Reads the chunk cICP. Source: PNG, third edition, section 11.3.2.6."""
    start = len(_PNG)
    for _ in range(_MAX_BOXES):
        length, kind = struct.unpack_from(">I4s", data, start)
        if kind == b"cICP":
            return data[start + 9]
        if kind == b"IDAT":
            break
        start += 12 + length
    return UNSPECIFIED


def _heif_transfer(data: bytes) -> int:
    """Reads the colour property of the primary item. Source: ISO/IEC 14496-12 and 23008-12."""
    meta = _children(data, *_find(data, b"meta", 0, len(data)), skip=4)
    start, _ = meta[b"pitm"]
    item = struct.unpack_from(">H" if data[start] == 0 else ">I", data, start + 4)[0]
    properties = _children(data, *meta[b"iprp"])
    boxes = list(_boxes(data, *properties[b"ipco"]))
    for index in _associated(data, properties[b"ipma"][0], item):
        kind, start, _ = boxes[index - 1]
        if kind == b"colr" and data[start : start + 4] == b"nclx":
            return int(struct.unpack_from(">H", data, start + 6)[0])
    return UNSPECIFIED


def _associated(data: bytes, start: int, wanted: int) -> list[int]:
    """Numbers, from 1, of the properties of an item."""
    version, is_wide = data[start], data[start + 3] & 1
    (n_items,) = struct.unpack_from(">I", data, start + 4)
    at = start + 8
    for _ in range(min(n_items, _MAX_BOXES)):
        item = struct.unpack_from(">H" if version == 0 else ">I", data, at)[0]
        at += 2 if version == 0 else 4
        n, at = data[at], at + 1
        if item == wanted:
            numbers = struct.unpack_from(f">{n}{'H' if is_wide else 'B'}", data, at)
            return [number & (0x7FFF if is_wide else 0x7F) for number in numbers]
        at += n * (2 if is_wide else 1)
    return []


def _find(data: bytes, kind: bytes, start: int, end: int) -> tuple[int, int]:
    for found, low, high in _boxes(data, start, end):
        if found == kind:
            return low, high
    raise LookupError(kind)


def _children(data: bytes, start: int, end: int, *, skip: int = 0) -> dict[bytes, tuple[int, int]]:
    return {kind: (low, high) for kind, low, high in _boxes(data, start + skip, end)}


def _boxes(data: bytes, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Kind, start and end of what is in each box."""
    for _ in range(_MAX_BOXES):
        if start + 8 > end:
            return
        length, kind = struct.unpack_from(">I4s", data, start)
        low = start + 8
        if length == 1:
            (length,) = struct.unpack_from(">Q", data, low)
            low += 8
        start += max(length, 8) if length else end - start
        yield kind, low, min(start, end)
