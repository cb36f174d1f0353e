"""Photos and videos in any storage: their URLs, and reading.

What is called a URL here is an absolute local path or a URL for which fsspec has a driver.
"""

from __future__ import annotations

import os
import re
import shutil
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import quote, unquote_to_bytes, urlsplit

from emotion_core.batch.storage_faults import StorageError, storage_errors, with_retries
from emotion_core.errors import MissingExtraError
from emotion_core.files.tempfiles import AnonymousTempFile
from emotion_core.imaging import codec

if TYPE_CHECKING:
    from collections.abc import Iterator

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://|[a-z]+::")
_FILE = "file://"
IN_ARCHIVE = "zip://"
"""Start of the URL of a file in an archive: ``zip://PATH::URL``."""
_PIECE_BYTES = 4 * 2**20

_CONNECT_S, _SILENT_S = 30, 60
"""Timeouts of a web server for the connection and for the next piece; the total is unlimited."""


class MediaKind(StrEnum):
    """Kind of an input by its extension, or by its content if an image here may be animated."""

    PHOTO = "photo"
    VIDEO = "video"


@dataclass(frozen=True, slots=True)
class Input:
    """A photo or a video.

    Attributes:
        url: Its normalised URL, always valid UTF-8.
        kind: By its extension.
    """

    url: str
    kind: MediaKind


def to_url(text: str) -> str:
    """Normalises a path to an absolute one; a URL stays as it is.

    A file name that is not UTF-8 becomes a ``file://`` URL with its bytes escaped.
    """
    if _URL.match(text) and not text.startswith(_FILE):
        return text
    path = to_path(text)
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return _FILE + quote(os.fsencode(path))
    return str(path)


def is_local(url: str) -> bool:
    """Whether a URL is in this machine's file system."""
    return url.startswith(_FILE) or not _URL.match(url)


def _is_remote(url: str) -> bool:
    """Whether a URL, or the archive that it leads into, is in another place's storage."""
    return not is_local(url.rpartition("::")[2])


def to_path(url: str) -> Path:
    """The absolute path of a local URL."""
    if url.startswith(_FILE):  # RFC 8089: file://host/path, bytes escaped
        tail = url.removeprefix(_FILE)
        local = tail[tail.find("/") :] if "/" in tail else tail
        return Path(os.fsdecode(unquote_to_bytes(local)))
    return Path(os.path.abspath(url))  # noqa: PTH100 - drops "..", which Path.absolute keeps


def file_name_of(url: str) -> str:
    """The file name in a URL."""
    if is_local(url):
        return to_path(url).name.encode(errors="replace").decode()
    first = url.split("::", 1)[0]
    if first.startswith(IN_ARCHIVE):
        return PurePosixPath(first.removeprefix(IN_ARCHIVE)).name
    try:
        parts = urlsplit(first)
    except ValueError:  # such as "http://[": opening it reports the error
        return url
    return PurePosixPath(parts.path).name or parts.netloc or url


def read_photo(url: str) -> bytes:
    """Reads a whole photo file.

    Raises:
        ImageDecodeError: The file is too large.
        StorageError: The file cannot be read.
    """

    def read() -> bytes:
        with storage_errors("file"), open_url(url) as file:
            return codec.read_image_file(file)

    return with_retries(read, is_remote=_is_remote(url))


@contextmanager
def local_copy(url: str) -> Iterator[Path]:
    """Provides a video as a local file: itself, or a copy that is removed at the end of the block.

    Decoders seek in a file, which many servers do not support and all are slow at.

    Raises:
        StorageError: The file cannot be read, or there is no space for the copy.
    """
    if is_local(url):
        yield to_path(url)
        return
    with AnonymousTempFile() as copy:

        def fetch() -> None:
            with storage_errors("file"), open_url(url) as file, copy.path.open("wb") as target:
                shutil.copyfileobj(file, target, _PIECE_BYTES)

        with_retries(fetch, is_remote=_is_remote(url))
        yield copy.path


@contextmanager
def open_url(url: str) -> Iterator[IO[bytes]]:
    """Opens a URL for reading; raises the driver's own exceptions (``storage_errors``)."""
    if is_local(url):
        with to_path(url).open("rb") as file:
            yield file
        return
    storage, path = filesystem_of(url)  # kept until the end: an archive closes with it
    with storage.open(path, "rb") as file:
        yield file


def filesystem_of(url: str) -> tuple[Any, str]:
    """The file system of a URL, and the path in it.

    Raises:
        MissingExtraError: The driver is not installed.
        StorageError: There is no driver for such a URL.
    """
    import fsspec
    from fsspec.core import url_to_fs

    if is_local(url):
        return fsspec.filesystem("file"), str(to_path(url))
    try:
        options: dict[str, Any] = {}
        if url.startswith(("http://", "https://")):
            from aiohttp import ClientTimeout

            timeout = ClientTimeout(total=None, sock_connect=_CONNECT_S, sock_read=_SILENT_S)
            options = {"client_kwargs": {"timeout": timeout}}
        # Cached listings would be kept forever, however many files there are.
        storage, path = url_to_fs(url, use_listings_cache=False, **options)
    except ImportError as error:
        raise MissingExtraError(f"{url} cannot be reached: {error}.") from error
    except ValueError as error:
        raise StorageError(f"{url} cannot be reached: {error}.") from error
    return storage, path
