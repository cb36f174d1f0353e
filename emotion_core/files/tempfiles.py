"""A temporary file that leaves nothing behind, even if the process is killed."""

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
    """A file without a name, which is gone when it is closed or when the process ends in any way.

    Linux can make such a file (``O_TMPFILE``); other programs of this process reach it by a path
    that leads through its number. Where a system or a disk cannot, it is a file with a name in
    the same folder that ``close`` removes; that one stays behind if the process is killed.

    A context manager; the path must not be used after the end.

    Args:
        folder: Where the file lies, which decides on the disk; ``None`` for the system's folder
            of temporary files. For ``publish`` to be quick, the folder of its target.

    Raises:
        EmotionError: There is no such folder, or it cannot be written.
    """

    def __init__(self, folder: Path | None = None) -> None:
        place = Path(tempfile.gettempdir()) if folder is None else folder
        try:
            self._descriptor, self._named = _make(place)
        except OSError as error:
            raise EmotionError(
                f"No file can be written in {place} ({error.strerror or error})."
            ) from error
        self._is_open = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def path(self) -> Path:
        """Opens the file itself, as often as wished, for reading and writing."""
        return self._named or _DESCRIPTORS / str(self._descriptor)

    @property
    def size(self) -> int:
        """Bytes written so far."""
        return os.fstat(self._descriptor).st_size

    def open(self) -> BinaryIO:
        """Read it from its start, independently of all others who read or write it."""
        return self.path.open("rb")

    def publish(self, target: Path) -> None:
        """Give the file a name; whoever looks there sees the former file or all of this one.

        Args:
            target: The name; a file that has it is replaced.

        Raises:
            EmotionError: The target cannot be written.
        """
        # The name is one that nobody else takes: it has to be free for an instant.
        waiting = target.with_name(f".{target.name}.{os.getpid()}.{self._descriptor}")
        try:
            try:
                self._give_name(waiting)
                waiting.replace(target)
            finally:
                waiting.unlink(missing_ok=True)
        except OSError as error:
            raise EmotionError(
                f"{target} cannot be written ({error.strerror or error})."
            ) from error

    def close(self) -> None:
        """Remove the file, unless it was published; a second call does nothing."""
        if not self._is_open:
            return
        self._is_open = False
        os.close(self._descriptor)
        if self._named is not None:
            self._named.unlink(missing_ok=True)

    def _give_name(self, name: Path) -> None:
        try:
            # Without a descriptor Python 3.11 calls link(), which follows no symbolic links.
            os.link(self.path, name, src_dir_fd=self._descriptor, follow_symlinks=True)
        except OSError:  # another disk, or one that knows no second names
            shutil.copyfile(self.path, name)


def atomic_write(target: Path, data: bytes) -> None:
    """Write a file of which nobody sees a part, also where the disk is full before its end.

    Args:
        target: Of the file; its folder exists.
        data: All of it.

    Raises:
        EmotionError: The folder cannot be written.
        OSError: There is no room.
    """
    with AnonymousTempFile(target.parent) as file:
        file.path.write_bytes(data)
        file.publish(target)


def _make(folder: Path) -> tuple[int, Path | None]:
    """Open a file; the second value is its path where it has one."""
    if hasattr(os, "O_TMPFILE") and _DESCRIPTORS.is_dir():
        try:
            # Files that are published are readable as the user's settings (umask) want it.
            return os.open(folder, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o666), None
        except OSError:  # EOPNOTSUPP, EISDIR or ENOENT, depending on the kernel and the disk
            pass
    descriptor, name = tempfile.mkstemp(prefix=".emoscope-", dir=folder)
    return descriptor, Path(name)
