"""A lock for a folder of results, so that only one run uses it at a time."""

from __future__ import annotations

import fcntl
from contextlib import contextmanager
from typing import TYPE_CHECKING

from emotion_core.batch.sources import is_local, to_path
from emotion_core.batch.storage_faults import StorageError
from emotion_core.errors import EmotionError

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def folder_lock(url: str) -> Iterator[None]:
    """Creates and locks a local folder until the block or the process ends; ignores remote ones.

    Raises:
        EmotionError: Another run is using the folder.
        StorageError: The folder cannot be created.
    """
    if not is_local(url):
        yield
        return
    folder = to_path(url)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / ".lock").open("a")
    except OSError as error:
        raise StorageError(f"{url} cannot be written ({error.strerror or error}).") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise EmotionError(
                f"Another run writes into {url}; wait for its end or choose another --out."
            ) from None
        yield
