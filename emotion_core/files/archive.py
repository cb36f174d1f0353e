"""ZIP archives: made of results; and those of photos and videos, unpacked within limits."""

from __future__ import annotations

import io
import os
import shutil
import time
import zipfile
import zlib
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, BinaryIO

from emotion_core.errors import EmotionError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

SUFFIX = "zip"

MAX_FILES = 10_000
MAX_UNPACKED_BYTES = 32 * 2**30
_MAX_RATIO, _FREE_BYTES = 50, 64 * 2**20
"""Photos and videos hardly shrink in an archive; one that grows to more than the first times its
size, and to more than the second, is a trap."""

_UNPACKED = ".unpacked-"
"""Start of the names of the folders in which ``unpacked`` puts the files of archives."""

_COMPRESSED = ("jpg", "png", "mp4", "parquet", "xlsx", "emoscope")
"""Suffixes of files that hardly shrink any further."""

_OF_SYSTEMS = (".DS_Store", "Thumbs.db", "desktop.ini")

_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError)
"""What ``zipfile`` raises on damaged, encrypted and oddly compressed files."""


def has_suffix(name: str, suffixes: Collection[str]) -> bool:
    """Whether a file name ends in a dot and one of the suffixes, in any case."""
    return PurePosixPath(name).suffix[1:].lower() in suffixes


def is_hidden(path: PurePosixPath) -> bool:
    """Whether a system made a file for itself, such as ``._a.jpg`` or one in ``__MACOSX``."""
    return path.name.startswith("._") or path.name in _OF_SYSTEMS or "__MACOSX" in path.parts


class MediaArchive:
    """The files with some suffixes in a ZIP archive. A context manager.

    Attributes:
        names: Their paths in the archive, in order.
        passed_over: Paths of the other files.

    Args:
        file: The archive.
        suffixes: Without a dot, in lower case.

    Raises:
        EmotionError: The file is no archive that can be read, or it is beyond the limits.
    """

    def __init__(self, file: Path | BinaryIO, suffixes: Collection[str]) -> None:
        try:
            self._zip = zipfile.ZipFile(file)
        except (*_DAMAGE, OSError) as error:
            raise EmotionError(f"The ZIP archive cannot be read ({error}).") from error
        files = sorted(
            (
                m
                for m in self._zip.infolist()
                if not m.is_dir() and not is_hidden(_path_of(m.filename))
            ),
            key=lambda member: member.filename,
        )
        self._members = {m.filename: m for m in files if has_suffix(m.filename, suffixes)}
        self.names = tuple(self._members)
        self.passed_over = tuple(m.filename for m in files if m.filename not in self._members)
        try:
            self._check_limits()
        except EmotionError:
            self._zip.close()
            raise

    def __enter__(self) -> MediaArchive:
        return self

    def __exit__(self, *_: object) -> None:
        self._zip.close()

    def read(self, name: str, max_bytes: int) -> bytes:
        """Unpacks a file into memory, but no more than ``max_bytes`` of it.

        Raises:
            EmotionError: The file is damaged, or compressed or encrypted in an unknown way.
        """
        try:
            with self._zip.open(name) as file:
                return file.read(max_bytes)
        except (*_DAMAGE, OSError) as error:
            raise _unreadable(error) from error

    def unpack(self, name: str, target: Path) -> None:
        """Unpacks a file to a path; its time becomes that of the file in the archive.

        Raises:
            EmotionError: As in ``read``.
            OSError: The target cannot be written.
        """
        try:
            with self._zip.open(name) as file, target.open("wb") as copy:
                while piece := file.read(2**20):
                    copy.write(piece)
            seconds = time.mktime((*self._members[name].date_time, 0, 0, -1))
            os.utime(target, (seconds, seconds))
        except (*_DAMAGE, OverflowError) as error:
            raise _unreadable(error) from error

    def _check_limits(self) -> None:
        members = self._members.values()
        if len(members) > MAX_FILES:
            raise EmotionError(f"The ZIP archive has {len(members)} files; {MAX_FILES} are read.")
        packed = sum(member.compress_size for member in members)
        size = sum(member.file_size for member in members)
        if size > min(MAX_UNPACKED_BYTES, max(_FREE_BYTES, _MAX_RATIO * packed)):
            raise EmotionError(
                f"The ZIP archive would grow to {size / 2**20:,.0f} MB, which is more than is "
                "unpacked. Unpack it yourself and choose its files."
            )


def pack(
    files: Iterable[tuple[str, bytes | str]],
    moment: tuple[int, int, int, int, int, int] | None = None,
) -> bytes:
    """Packs files into a ZIP archive; those that are compressed already are stored as they are.

    Args:
        files: Names and contents; each is taken when its turn has come.
        moment: Year, month, day, hour, minute and second that all files get; by default now.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as opened:
        for name, data in files:
            info = zipfile.ZipInfo(name, moment or time.localtime()[:6])
            is_small = has_suffix(name, _COMPRESSED)
            opened.writestr(info, data, zipfile.ZIP_STORED if is_small else zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


@contextmanager
def unpacked(
    paths: Sequence[Path], folder: Path, suffixes: Collection[str]
) -> Iterator[tuple[list[Path], list[Path]]]:
    """Replaces each ZIP archive among paths by a folder of its files, until the end of the block.

    The folders have the same names in each run, so that results of an earlier one are recognised.

    Args:
        paths: Files and folders.
        folder: The archives' folders are placed below it; made if it does not exist.
        suffixes: Which files are unpacked.

    Yields:
        The paths, and the files in archives that were passed over.

    Raises:
        EmotionError: See ``MediaArchive``; or the files cannot be written.
    """
    result, passed_over = list(paths), list[Path]()
    with ExitStack() as stack:
        for i, path in enumerate(paths):
            if not (has_suffix(path.name, (SUFFIX,)) and path.is_file()):
                continue
            target = folder / f"{_UNPACKED}{i + 1}" / path.name
            if not folder.exists():
                stack.callback(_remove_if_empty, folder)
            stack.callback(shutil.rmtree, target.parent, ignore_errors=True)
            try:
                with MediaArchive(path, suffixes) as archive:
                    _unpack_all(archive, target)
                    passed_over += [path / name for name in archive.passed_over]
            except OSError as error:
                reason = error.strerror or error
                raise EmotionError(f"{path} cannot be unpacked in {folder} ({reason}).") from error
            result[i] = target
        yield result, passed_over


def packed_path(path: Path) -> Path:
    """For a file from ``unpacked`` its path in the archive, as people know it; else the path."""
    for i, part in enumerate(path.parts):
        if part.startswith(_UNPACKED):
            return Path(*path.parts[i + 1 :])
    return path


def _unpack_all(archive: MediaArchive, folder: Path) -> None:
    """Unpacks all files; what cannot be read of one is missing in it, as its analysis will show."""
    for name in archive.names:
        parts = [part for part in _path_of(name).parts if part not in ("/", "..")]
        target = folder.joinpath(*parts)
        target.parent.mkdir(parents=True, exist_ok=True)
        with suppress(EmotionError):
            archive.unpack(name, target)


def _remove_if_empty(folder: Path) -> None:
    with suppress(OSError):
        folder.rmdir()


def _path_of(name: str) -> PurePosixPath:
    return PurePosixPath(name.replace("\\", "/"))


def _unreadable(error: Exception) -> EmotionError:
    return EmotionError(f"The file cannot be unpacked from its ZIP archive ({error}).")
