"""Temporary files that leave nothing behind, even if the process is killed."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Self

from emotion_core.errors import EmotionError

if TYPE_CHECKING:
    from typing import BinaryIO

_DESCRIPTORS = Path("/proc/self/fd")


class AnonymousTempFile:
    """A file without a name, which vanishes when it is closed or when the process ends in any way.

    Linux can make such a file (``O_TMPFILE``); libraries in this process open it through the path
    of its descriptor. If a system or a disk cannot, it is a named file in the same folder, which
    ``close`` removes but which stays behind if the process is killed.

    A context manager; the path must not be used after its end.

    Args:
        folder: Decides on the disk; ``None`` for the system's temporary folder. For ``publish`` to
            be quick, the folder of its target.

    Raises:
        EmotionError: The folder does not exist or is not writable.
    """

    def __init__(self, folder: Path | None = None) -> None:
        folder = folder or Path(tempfile.gettempdir())
        try:
            self._descriptor, self._named = _make(folder)
        except OSError as error:
            raise EmotionError(
                f"No file can be written in {folder} ({error.strerror or error})."
            ) from error
        self._is_open = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def path(self) -> Path:
        """A path that opens the file, any number of times, for reading and writing."""
        return self._named or _DESCRIPTORS / str(self._descriptor)

    @property
    def size(self) -> int:
        """Bytes written so far."""
        return os.fstat(self._descriptor).st_size

    def open(self) -> BinaryIO:
        """Opens it for reading from its start, independently of other readers and writers."""
        return self.path.open("rb")

    def publish(self, target: Path) -> None:
        """Gives the file a name atomically; replaces a file that has it.

        Raises:
            EmotionError: The target cannot be written.
        """
        unique = target.with_name(f".{target.name}.{os.getpid()}.{self._descriptor}")
        try:
            try:
                self._link(unique)
                unique.replace(target)
            finally:
                unique.unlink(missing_ok=True)
        except OSError as error:
            raise EmotionError(
                f"{target} cannot be written ({error.strerror or error})."
            ) from error

    def close(self) -> None:
        """Removes the file, unless it was published; a second call does nothing."""
        if not self._is_open:
            return
        self._is_open = False
        os.close(self._descriptor)
        if self._named is not None:
            self._named.unlink(missing_ok=True)

    def _link(self, name: Path) -> None:
        try:
            # Without a descriptor Python 3.11 calls link(), which follows no symbolic links.
            os.link(self.path, name, src_dir_fd=self._descriptor, follow_symlinks=True)
        except OSError:  # another disk, or a file system without hard links
            shutil.copyfile(self.path, name)


def atomic_write(target: Path, data: bytes) -> None:
    """Writes a file in an existing folder completely or, if the disk is full, not at all.

    Raises:
        EmotionError: The folder is not writable.
        OSError: The disk is full.
    """
    with AnonymousTempFile(target.parent) as file:
        file.path.write_bytes(data)
        file.publish(target)


def _make(folder: Path) -> tuple[int, Path | None]:
    """Opens a file; returns its descriptor, and its path if it has one."""
    if hasattr(os, "O_TMPFILE") and _DESCRIPTORS.is_dir():
        try:
            # The umask decides who may read published files.
            return os.open(folder, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o666), None
        except OSError:  # EOPNOTSUPP, EISDIR or ENOENT, depending on the kernel and the disk
            pass
    descriptor, name = tempfile.mkstemp(prefix=".emoscope-", dir=folder)
    return descriptor, Path(name)
