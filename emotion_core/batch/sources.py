"""Photos and videos wherever they are: which are meant, and their bytes.

A place is a path of this machine (absolute), or a URL of anything that fsspec has a driver for.
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

from emotion_core.batch.storage_faults import StorageError, patiently, storage_errors
from emotion_core.errors import MissingExtraError
from emotion_core.files.tempfiles import AnonymousTempFile
from emotion_core.imaging import codec
from emotion_core.reporting import video_folder

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

LIST_SUFFIXES = ("txt", "list")
"""Endings of files that hold one path or URL a line."""

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://|[a-z]+::")
_FILE = "file://"
_PIECE_BYTES = 4 * 2**20

_CONNECT_S, _SILENT_S = 30, 60
"""A web server may take so long to be reached, and to send the next piece; large files take long
in all."""


class MediaKind(StrEnum):
    """What an input is taken for, by its ending; the content decides whether it can be read."""

    PHOTO = "photo"
    VIDEO = "video"


@dataclass(frozen=True, slots=True)
class Input:
    """A photo or a video.

    Attributes:
        url: Its place; the same text for the same place, and always valid UTF-8.
        kind: What it is taken for.
    """

    url: str
    kind: MediaKind


def list_inputs(sources: Iterable[str]) -> Iterator[Input]:
    """List what some sources mean, one at a time, in no particular order.

    Of a folder all photos and videos in it and below are taken; of a list (``LIST_SUFFIXES``)
    every line; any other file is taken whatever its ending, also one that does not exist, so that
    it is reported like any other failure.

    Args:
        sources: Paths and URLs. Relative paths, also those in a list, start from the folder in
            which the program runs.

    Raises:
        StorageError: A folder or list cannot be read.
        MissingExtraError: The driver for a kind of URL is not installed.
    """
    for source in sources:
        place = to_url(source)
        if is_local(place):
            yield from _list_local(to_path(place))
        else:
            yield from _list_remote(place)


def to_url(text: str) -> str:
    """The one way to write a place: an absolute path, or a URL as it stands.

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
    """Whether a place is on this machine's own disks."""
    return url.startswith(_FILE) or not _URL.match(url)


def to_path(url: str) -> Path:
    """The absolute path of a local place."""
    if url.startswith(_FILE):  # RFC 8089: file://host/path, bytes escaped
        tail = url.removeprefix(_FILE)
        local = tail[tail.find("/") :] if "/" in tail else tail
        return Path(os.fsdecode(unquote_to_bytes(local)))
    return Path(os.path.abspath(url))  # noqa: PTH100 - drops "..", which Path.absolute keeps


def name_of(url: str) -> str:
    """The file name of a place."""
    if is_local(url):
        return to_path(url).name.encode(errors="replace").decode()
    try:
        parts = urlsplit(url.split("::", 1)[0])
    except ValueError:  # such as "http://[": whoever opens it is told
        return url
    return PurePosixPath(parts.path).name or parts.netloc or url


def read_photo(url: str) -> bytes:
    """The whole file.

    Raises:
        ImageDecodeError: It is larger than photos may be.
        StorageError: It cannot be read.
    """

    def read() -> bytes:
        with storage_errors("file"), open_url(url) as file:
            return codec.read_picture(file)

    return patiently(read, is_remote=not is_local(url))


@contextmanager
def local_copy(url: str) -> Iterator[Path]:
    """A video as a local file: itself, or a copy that is gone at the end of the block.

    Decoders jump to and fro in a file, which many servers cannot do, and all of them do slowly.

    Raises:
        StorageError: It cannot be read, or there is no room for the copy.
    """
    if is_local(url):
        yield to_path(url)
        return
    with AnonymousTempFile() as copy:

        def fetch() -> None:
            with storage_errors("file"), open_url(url) as file, copy.path.open("wb") as target:
                shutil.copyfileobj(file, target, _PIECE_BYTES)

        patiently(fetch, is_remote=True)
        yield copy.path


def open_url(url: str) -> IO[bytes]:
    """Open for reading; what it raises is the driver's own (``storage_errors``)."""
    if is_local(url):
        return to_path(url).open("rb")
    storage, path = storage_of(url)
    file: IO[bytes] = storage.open(path, "rb")
    return file


def storage_of(url: str) -> tuple[Any, str]:
    """The file system of a place, and the path in it.

    Raises:
        MissingExtraError: The driver is not installed.
        StorageError: There is no such kind of URL.
    """
    import fsspec
    from fsspec.core import url_to_fs

    if is_local(url):
        return fsspec.filesystem("file"), str(to_path(url))
    try:
        # Listings would be kept for good, however many files there are.
        storage, path = url_to_fs(url, use_listings_cache=False, **_web_options(url))
    except ImportError as error:
        raise MissingExtraError(f"{url} cannot be reached: {error}.") from error
    except ValueError as error:
        raise StorageError(f"{url} cannot be reached: {error}.") from error
    return storage, path


def _web_options(url: str) -> dict[str, Any]:
    if not url.startswith(("http://", "https://")):
        return {}
    from aiohttp import ClientTimeout

    limits = ClientTimeout(total=None, sock_connect=_CONNECT_S, sock_read=_SILENT_S)
    return {"client_kwargs": {"timeout": limits}}


def _to_input(url: str) -> Input:
    return Input(url, MediaKind.VIDEO if _suffix(url) in video_folder.SUFFIXES else MediaKind.PHOTO)


def _suffix(url: str) -> str:
    return PurePosixPath(name_of(url)).suffix[1:].lower()


def _is_offered(name: str) -> bool:
    suffix = PurePosixPath(name).suffix[1:].lower()
    return suffix in codec.SUFFIXES or suffix in video_folder.SUFFIXES


def _list_local(path: Path) -> Iterator[Input]:
    if os.path.isdir(path):  # noqa: PTH112 - False where it cannot be told
        with storage_errors(f"folder {path}"):
            yield from _walk_local(path)
    elif path.suffix[1:].lower() in LIST_SUFFIXES:
        with storage_errors(f"list {path}"), path.open("rb") as lines:
            yield from _read_list(lines)
    else:
        yield _to_input(to_url(str(path)))


def _walk_local(top: Path) -> Iterator[Input]:
    """As ``os.walk``, but without a list of all files of a folder in memory."""
    waiting = [str(top)]
    while waiting:
        with os.scandir(waiting.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)
                elif _is_offered(entry.name) and entry.is_file():
                    yield _to_input(to_url(entry.path))


def _list_remote(url: str) -> Iterator[Input]:
    if _suffix(url) in LIST_SUFFIXES:
        with storage_errors(f"list {url}"), open_url(url) as lines:
            yield from _read_list(lines)
    elif _is_offered(name_of(url)) or url.startswith(("http://", "https://")):
        yield _to_input(url)  # a web server has no folders
    else:
        with storage_errors(f"folder {url}"):
            yield from _walk_remote(url)


def _walk_remote(url: str) -> Iterator[Input]:
    storage, path = storage_of(url)
    if not storage.isdir(path):
        yield _to_input(url)
        return
    for folder, _, names in storage.walk(path):
        for name in names:
            if _is_offered(name):
                yield _to_input(storage.unstrip_protocol(f"{folder}/{name}"))


def _read_list(lines: Iterable[bytes]) -> Iterator[Input]:
    for line in lines:
        text = os.fsdecode(line.removeprefix(b"\xef\xbb\xbf").rstrip())
        if text:
            yield _to_input(to_url(text))
