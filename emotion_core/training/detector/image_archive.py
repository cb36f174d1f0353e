"""Images in a folder or a ZIP file, read one at a time by any thread or process."""

from __future__ import annotations

import io
import os
import struct
import zipfile
import zlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Literal

import cv2
import numpy as np
import PIL.Image

from emotion_core.errors import DatasetError, ImageDecodeError
from emotion_core.imaging.codec import SUFFIXES, decode_image
from emotion_core.imaging.resize import shrink

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from emotion_core.types import Image

_ENDINGS = tuple(f".{suffix}" for suffix in SUFFIXES)
_LOCAL_HEADER_BYTES = 30
_ENCRYPTED = 1
_MAX_BYTES = 256 * 1024 * 1024
"""Maximum size of an unpacked file; a ZIP file of a megabyte may hold one of gigabytes."""

_REDUCED = {
    2: cv2.IMREAD_REDUCED_COLOR_2,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    8: cv2.IMREAD_REDUCED_COLOR_8,
}


@dataclass(frozen=True, slots=True)
class Member:
    """Position of a file's bytes inside a ZIP file.

    Attributes:
        offset: Of its local header.
        n_bytes: As stored.
        is_deflated: Whether they are compressed.
    """

    offset: int
    n_bytes: int
    is_deflated: bool


@dataclass(frozen=True, slots=True)
class ImageFile:
    """A file of a folder or a ZIP file. Holds nothing open, so that processes may share it.

    Attributes:
        source: The folder or the ZIP file.
        name: Path inside of it, with forward slashes.
        n_bytes: Size of the file.
        member: Its position in the ZIP file; ``None`` in a folder.
    """

    source: Path
    name: str
    n_bytes: int
    member: Member | None = None

    def __str__(self) -> str:
        return f"{self.name} in {self.source}"

    def read_bytes(self) -> bytes:
        """The content of the file.

        Raises:
            DatasetError: It cannot be read.
        """
        try:
            if self.member is None:
                return (self.source / self.name).read_bytes()
            return _read_member(self.source, self.member)
        except (OSError, zlib.error, struct.error) as error:
            raise DatasetError(f"{self} cannot be read ({error}).") from error

    def open(self, _mode: Literal["rb"] = "rb", /) -> BinaryIO:
        """The content of the file as a stream; raises ``DatasetError`` if it cannot be read."""
        return io.BytesIO(self.read_bytes())

    def read(self) -> Image:
        """The image as the product decodes it: RGB ``(H, W, 3)``, upright.

        Raises:
            DatasetError: The file is not a readable image.
        """
        try:
            return decode_image(self.read_bytes()).pixels
        except ImageDecodeError as error:
            raise DatasetError(f"{self} cannot be used: {error}") from error

    def read_scaled(self, scale: float) -> tuple[Image, int]:
        """Decodes for use at a scale, in pixels per pixel of the file; JPEGs are decoded reduced.

        Returns:
            RGB, and pixels of the file per pixel of it: 1, 2, 4 or 8.

        Raises:
            DatasetError: The file is not a readable image.
        """
        reduction = next((r for r in (8, 4, 2) if r * scale <= 1), 1)
        decoded = _decode(self.read_bytes(), reduction)
        return (self.read(), 1) if decoded is None else (decoded, reduction)

    def read_shrunk(self, longest_px: int) -> Image:
        """Decodes quickly, with the longer side reduced to at most ``longest_px``.

        Raises:
            DatasetError: The file is not a readable image.
        """
        data = self.read_bytes()
        longest = _longest_px(data)
        reduction = next((r for r in (8, 4, 2) if longest >= r * longest_px), 1)
        decoded = _decode(data, reduction)
        return shrink(self.read() if decoded is None else decoded, longest_px)


class ImageArchive:
    """A folder or a ZIP file of images, listed once.

    Raises:
        DatasetError: The path is neither.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._files = {file.name: file for file in _list_files(path)}

    @cached_property
    def images(self) -> list[ImageFile]:
        """All files with the suffix of an image, by name."""
        return [f for name, f in sorted(self._files.items()) if name.lower().endswith(_ENDINGS)]

    def find(self, name: str) -> ImageFile | None:
        """The file of a name."""
        return self._files.get(name)

    def find_table(self, name: str) -> ImageFile | None:
        """The file of that name that lies least deep in the tree."""
        found = [f for path, f in self._files.items() if PurePosixPath(path).name == name]
        return min(found, key=lambda file: (file.name.count("/"), file.name), default=None)


def _list_files(path: Path) -> Iterator[ImageFile]:
    if path.is_dir():
        yield from _list_folder(path)
        return
    try:
        with zipfile.ZipFile(path) as archive:
            infos = archive.infolist()
    except (OSError, zipfile.BadZipFile) as error:
        raise DatasetError(f"{path} is neither a folder nor a ZIP file ({error}).") from error
    for info in infos:
        if info.is_dir() or info.filename.startswith("__MACOSX/"):
            continue
        known = info.compress_type in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
        if not known or info.flag_bits & _ENCRYPTED:
            raise DatasetError(
                f"{info.filename} in {path} is encrypted or uses a rare compression; unpack the "
                "file and give the folder."
            )
        is_deflated = info.compress_type == zipfile.ZIP_DEFLATED
        member = Member(info.header_offset, info.compress_size, is_deflated)
        yield ImageFile(path, info.filename, info.file_size, member)


def _list_folder(path: Path) -> Iterator[ImageFile]:
    for folder, _, names in os.walk(path):
        for name in names:
            file = Path(folder, name)
            if file.is_file():  # not a broken link
                yield ImageFile(path, file.relative_to(path).as_posix(), file.stat().st_size)


def _read_member(path: Path, member: Member) -> bytes:
    """Reads a file of a ZIP file without its directory, which would be parsed again every time.

    Source: PKWARE, APPNOTE.TXT 6.3.10, section 4.3.7: name and extra field follow a local header of
    30 bytes whose last four give their lengths.
    """
    with path.open("rb") as file:
        file.seek(member.offset)
        header = file.read(_LOCAL_HEADER_BYTES)
        file.seek(sum(struct.unpack("<HH", header[26:])), os.SEEK_CUR)
        data = file.read(member.n_bytes)
    if not member.is_deflated:
        return data
    unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
    unpacked = unpacker.decompress(data, _MAX_BYTES)
    if not unpacker.eof:
        raise zlib.error(f"it is cut off, or larger than {_MAX_BYTES // 2**20} MB")
    return unpacked


def _decode(data: bytes, reduction: int) -> Image | None:
    """Decodes with OpenCV, in half of Pillow's time; ``None`` if it cannot."""
    flag = _REDUCED.get(reduction, cv2.IMREAD_COLOR)
    bgr = cv2.imdecode(np.frombuffer(data, np.uint8), flag) if data else None
    return None if bgr is None else np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8)


def _longest_px(data: bytes) -> int:
    """Length of the longer side as the header says; 0 if Pillow cannot tell."""
    try:
        with PIL.Image.open(io.BytesIO(data)) as image:
            return max(image.size)
    except (OSError, ValueError, SyntaxError):
        return 0
