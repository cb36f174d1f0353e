"""A temporary file that is freed when its last owner and its last user are done."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from emotion_core.errors import EmotionError
from emotion_core.files.tempfiles import AnonymousTempFile

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class SharedTempFile:
    """A file without a name on the disk.

    Its path must only be used inside ``in_use``: once the file is closed, the system may give the
    path's descriptor number to another file.

    Args:
        file: By default an empty file.
    """

    def __init__(self, file: AnonymousTempFile | None = None) -> None:
        self._file = file or AnonymousTempFile()
        self._lock = threading.Lock()
        self._users = 0
        self._owners = 1

    def share(self) -> SharedTempFile:
        """The same file for one more owner, who closes it, too.

        Raises:
            EmotionError: The file was closed before.
        """
        with self._lock:
            self._raise_if_closed()
            self._owners += 1
        return self

    @contextmanager
    def in_use(self) -> Iterator[Path]:
        """Keeps the file open inside the with-block; yields its path.

        Raises:
            EmotionError: The file was closed before.
        """
        with self._lock:
            self._raise_if_closed()
            self._users += 1
        try:
            yield self._file.path
        finally:
            with self._lock:
                self._users -= 1
                self._close_if_unused()

    def read(self) -> bytes:
        """The content of the file.

        Raises:
            EmotionError: The file was closed before.
        """
        with self.in_use() as path:
            return path.read_bytes()

    @property
    def size(self) -> int:
        """Size in bytes; 0 once the file is closed."""
        with self._lock:
            return self._file.size if self._owners else 0

    def close(self) -> None:
        """Frees the file as soon as nobody owns or uses it."""
        with self._lock:
            self._owners = max(0, self._owners - 1)
            self._close_if_unused()

    def _raise_if_closed(self) -> None:
        if not self._owners:
            raise EmotionError("The video is no longer here; upload it again.")

    def _close_if_unused(self) -> None:
        if not self._owners and not self._users:
            self._file.close()
