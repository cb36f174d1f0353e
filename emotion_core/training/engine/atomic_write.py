"""Files that training leaves behind: whole or not at all, and one sentence where not at all."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from emotion_core.errors import EmotionError
from emotion_core.files import tempfiles

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def save_file(path: Path, data: bytes) -> None:
    """Write a file; a kill in mid-writing leaves the old one whole.

    Args:
        path: Of the file; its folder is made if it does not exist.
        data: All of it.

    Raises:
        EmotionError: It cannot be written.
    """
    with write_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        tempfiles.atomic_write(path, data)


@contextmanager
def write_errors(path: Path) -> Iterator[None]:
    """Say what cannot be written, and why.

    Raises:
        EmotionError: An ``OSError`` came from the block.
    """
    try:
        yield
    except OSError as error:
        raise EmotionError(f"{path} cannot be written ({error.strerror or error}).") from error
