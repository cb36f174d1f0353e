"""Saving files, with errors that name the file."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from emotion_core.errors import EmotionError
from emotion_core.files.tempfiles import atomic_write

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def save_file(path: Path, data: bytes) -> None:
    """Writes a file and, if needed, its folder; an interruption leaves the old file intact.

    Raises:
        EmotionError: The file cannot be written.
    """
    with write_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(path, data)


@contextmanager
def write_errors(path: Path) -> Iterator[None]:
    """Turns an ``OSError`` of the block into an ``EmotionError`` that names the path."""
    try:
        yield
    except OSError as error:
        raise EmotionError(f"{path} cannot be written ({error.strerror or error}).") from error
