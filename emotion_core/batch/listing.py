"""Listing of photos and videos: what is in folders, archives and lists, in any storage."""

from __future__ import annotations

import io
import os
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, BinaryIO, cast

from emotion_core.batch.sources import (
    IN_ARCHIVE,
    Input,
    MediaKind,
    file_name_of,
    filesystem_of,
    is_local,
    open_url,
    to_path,
    to_url,
)
from emotion_core.batch.storage_faults import storage_errors
from emotion_core.errors import EmotionError
from emotion_core.files.archive import SUFFIX, MediaArchive, has_suffix, is_hidden
from emotion_core.imaging import codec
from emotion_core.video.io import animation, demuxer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

LIST_SUFFIXES = ("txt", "list")
"""Extensions of files with one path or URL per line."""

_SUFFIXES = codec.SUFFIXES + demuxer.SUFFIXES


def list_inputs(
    sources: Iterable[str], on_skip: Callable[[PurePosixPath], None] = lambda _: None
) -> Iterator[Input]:
    """Yields the inputs of all sources, in no particular order.

    A folder stands for all photos and videos in and below it, a ZIP archive for those in it, a list
    (``LIST_SUFFIXES``) for its lines. Any other file is accepted whatever its extension, even if
    it does not exist, so that it is reported like any other failure.

    Args:
        sources: Paths and URLs. Relative paths, also those in a list, start from the working
            directory.
        on_skip: Called with the path of each file in a folder or archive that is neither photo nor
            video.

    Raises:
        StorageError: A folder or list cannot be read.
        EmotionError: An archive cannot be read, or is beyond the limits (``MediaArchive``).
        MissingExtraError: The driver for a kind of URL is not installed.
    """
    for source in sources:
        url = to_url(source)
        for item in _list(url):
            if isinstance(item, Input):
                yield item
            else:
                on_skip(item)


def _to_input(url: str, content: BinaryIO | None = None) -> Input:
    name = file_name_of(url)
    is_video = has_suffix(name, demuxer.SUFFIXES)
    source = to_path(url) if is_local(url) else content
    if source and has_suffix(name, animation.SUFFIXES):
        is_video = animation.is_animation(source)
    return Input(url, MediaKind.VIDEO if is_video else MediaKind.PHOTO)


def _is_media(name: str) -> bool:
    return has_suffix(name, _SUFFIXES)


def _choose(path: str, url: str) -> Iterator[Input | PurePosixPath]:
    """A file in a folder as an input, as its path if it is neither photo nor video, or not."""
    file = PurePosixPath(path)
    if not is_hidden(file):
        yield _to_input(url) if _is_media(path) else file


def _list(url: str) -> Iterator[Input | PurePosixPath]:
    if _is_archive(url):
        return _list_archive(url)
    return _list_local(to_path(url)) if is_local(url) else _list_remote(url)


def _is_archive(url: str) -> bool:
    if not has_suffix(file_name_of(url), (SUFFIX,)):
        return False
    return not is_local(url) or os.path.isfile(to_path(url))  # noqa: PTH113 - False if it fails


def _list_archive(url: str) -> Iterator[Input | PurePosixPath]:
    """The files of an archive as URLs in it, which fsspec reads wherever the archive is."""
    with (
        storage_errors(f"archive {url}"),
        open_url(url) as file,
        MediaArchive(cast("BinaryIO", file), _SUFFIXES) as archive,
    ):
        for name in archive.names:
            content = None
            if has_suffix(name, animation.SUFFIXES):
                with suppress(EmotionError):  # what is damaged fails when it is analysed
                    content = io.BytesIO(archive.read(name, codec.MAX_BYTES))
            yield _to_input(f"{IN_ARCHIVE}{name}::{url}", content)
        yield from map(PurePosixPath, archive.passed_over)


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


def _read_list(lines: Iterable[bytes]) -> Iterator[Input | PurePosixPath]:
    for line in lines:
        text = os.fsdecode(line.removeprefix(b"\xef\xbb\xbf").rstrip())
        if text:
            url = to_url(text)
            yield from _list_archive(url) if _is_archive(url) else (_to_input(url),)
