"""Failures of storage: retries of temporary ones, and messages for the others."""

from __future__ import annotations

import errno
import time
from contextlib import contextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING, TypeVar

from emotion_core.errors import EmotionError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_T = TypeVar("_T")

_ATTEMPTS, _PAUSE_S = 3, 0.5
"""Remote storage is tried again after failures, with a pause that doubles."""

_FINAL = (FileNotFoundError, PermissionError, ValueError)
_REFUSED = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.GONE)


class StorageError(EmotionError, OSError):
    """A file or folder cannot be read or written."""


def with_retries(read: Callable[[], _T], *, is_remote: bool) -> _T:
    """Reads, and retries after temporary failures of remote storage.

    Raises:
        StorageError: The last one of ``read``.
    """
    for attempt in range(_ATTEMPTS if is_remote else 1):
        if attempt:
            time.sleep(_PAUSE_S * 2 ** (attempt - 1))
        try:
            return read()
        except StorageError as error:
            failure, cause = error, error.__cause__
            is_full = getattr(cause, "errno", None) == errno.ENOSPC
            if isinstance(cause, _FINAL) or is_full or getattr(cause, "status", 0) in _REFUSED:
                break
    raise failure


@contextmanager
def storage_errors(what: str) -> Iterator[None]:
    """Converts exceptions of storage drivers to a ``StorageError`` that names ``what`` is read."""
    try:
        yield
    except EmotionError:
        raise
    except Exception as error:  # noqa: BLE001 - raised again
        cause: BaseException = error
        if isinstance(error, FileNotFoundError) and error.__cause__ is not None:
            cause = error.__cause__  # fsspec raises it for any answer of a web server
        raise StorageError(f"The {what} cannot be read ({_reason(cause)}).") from cause


def _reason(error: BaseException) -> str:
    status = getattr(error, "status", None)
    if isinstance(error, FileNotFoundError) or status == HTTPStatus.NOT_FOUND:
        return "No such file or directory"
    if status:
        return f"HTTP {status}"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
