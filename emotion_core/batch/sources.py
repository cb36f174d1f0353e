"""Photos and videos in any storage: listing and reading.

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
from emotion_core.files.archive import has_suffix, is_hidden
from emotion_core.files.tempfiles import AnonymousTempFile
from emotion_core.imaging import codec
from emotion_core.video.io import animation, demuxer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

LIST_SUFFIXES = ("txt", "list")
"""Extensions of files with one path or URL per line."""

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://|[a-z]+::")
_FILE = "file://"
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


def list_inputs(
    sources: Iterable[str], on_skip: Callable[[PurePosixPath], None] = lambda _: None
) -> Iterator[Input]:
    """Yields the inputs of all sources, in no particular order.

    A folder stands for all photos and videos in and below it, a list (``LIST_SUFFIXES``) for its
    lines. Any other file is accepted whatever its extension, even if it does not exist, so that it
    is reported like any other failure.

    Args:
        sources: Paths and URLs. Relative paths, also those in a list, start from the working
            directory.
        on_skip: Called with the path of each file in a folder that is neither photo nor video.

    Raises:
        StorageError: A folder or list cannot be read.
        MissingExtraError: The driver for a kind of URL is not installed.
    """
    for source in sources:
        url = to_url(source)
        found = _list_local(to_path(url)) if is_local(url) else _list_remote(url)
        for item in found:
            if isinstance(item, Input):
                yield item
            else:
                on_skip(item)


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
    try:
        parts = urlsplit(url.split("::", 1)[0])
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

    return with_retries(read, is_remote=not is_local(url))


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

        with_retries(fetch, is_remote=True)
        yield copy.path


def open_url(url: str) -> IO[bytes]:
    """Opens a URL for reading; raises the driver's own exceptions (``storage_errors``)."""
    if is_local(url):
        return to_path(url).open("rb")
    storage, path = filesystem_of(url)
    file: IO[bytes] = storage.open(path, "rb")
    return file


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


def _to_input(url: str) -> Input:
    name = file_name_of(url)
    is_video = has_suffix(name, demuxer.SUFFIXES)
    if has_suffix(name, animation.SUFFIXES) and is_local(url):
        is_video = animation.is_animation(to_path(url))
    return Input(url, MediaKind.VIDEO if is_video else MediaKind.PHOTO)


def _is_media(name: str) -> bool:
    return has_suffix(name, codec.SUFFIXES + demuxer.SUFFIXES)


def _choose(path: str, url: str) -> Iterator[Input | PurePosixPath]:
    """A file in a folder as an input, as its path if it is neither photo nor video, or not."""
    file = PurePosixPath(path)
    if not is_hidden(file):
        yield _to_input(url) if _is_media(path) else file


def _list_local(path: Path) -> Iterator[Input | PurePosixPath]:
    if os.path.isdir(path):  # noqa: PTH112 - False if the path is not accessible
        with storage_errors(f"folder {path}"):
            yield from _walk_local(path)
    elif has_suffix(path.name, LIST_SUFFIXES):
        with storage_errors(f"list {path}"), path.open("rb") as lines:
            yield from _read_list(lines)
    else:
        yield _to_input(to_url(str(path)))


def _walk_local(top: Path) -> Iterator[Input | PurePosixPath]:
    """Like ``os.walk``, but without a list of all files of a folder in memory."""
    waiting = [str(top)]
    while waiting:
        with os.scandir(waiting.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)
                elif entry.is_file():
                    yield from _choose(entry.path, to_url(entry.path))


def _list_remote(url: str) -> Iterator[Input | PurePosixPath]:
    name = file_name_of(url)
    if has_suffix(name, LIST_SUFFIXES):
        with storage_errors(f"list {url}"), open_url(url) as lines:
            yield from _read_list(lines)
    elif _is_media(name) or url.startswith(("http://", "https://")):
        yield _to_input(url)  # a web server has no folders
    else:
        with storage_errors(f"folder {url}"):
            yield from _walk_remote(url)


def _walk_remote(url: str) -> Iterator[Input | PurePosixPath]:
    storage, path = filesystem_of(url)
    if not storage.isdir(path):
        yield _to_input(url)
        return
    for folder, _, names in storage.walk(path):
        for name in names:
            path = f"{folder}/{name}"
            yield from _choose(path, storage.unstrip_protocol(path))


def _read_list(lines: Iterable[bytes]) -> Iterator[Input]:
    for line in lines:
        text = os.fsdecode(line.removeprefix(b"\xef\xbb\xbf").rstrip())
        if text:
            yield _to_input(to_url(text))
