"""One run at a time in a folder of results."""

from __future__ import annotations

import fcntl
from contextlib import contextmanager
from typing import TYPE_CHECKING

from emotion_core.batch.sources import is_local, to_path
from emotion_core.batch.storage_faults import StorageError
from emotion_core.errors import EmotionError

if TYPE_CHECKING:
    from collections.abc import Iterator

_LOCK = ".lock"


@contextmanager
def folder_lock(url: str) -> Iterator[None]:
    """Keep other runs out of a local folder while the block runs; ends with the process too.

    Args:
        url: Place of the folder, which is made; elsewhere than on this machine nothing is done.

    Raises:
        EmotionError: Another run is at work in it.
        StorageError: It cannot be made.
    """
    if not is_local(url):
        yield
        return
    path = to_path(url) / _LOCK
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a")
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
