"""The folder of a bulk run: its tables in parts, from which a run can be resumed.

A chunk's tables are Parquet files of its name, each written under a temporary name and then
renamed. The last of them, with a row for each input, marks the chunk as finished: whenever a run is
killed, every chunk is either complete or, once the next run has cleaned up, absent.
"""

from __future__ import annotations

import json
import os
import re
import secrets
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from emotion_core.batch.plan import FinishedInputs
from emotion_core.batch.schemas import from_bytes, make_schemas, to_bytes
from emotion_core.batch.sources import MediaKind, filesystem_of, is_local, to_url
from emotion_core.batch.storage_faults import StorageError, storage_errors
from emotion_core.errors import EmotionError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from emotion_core.batch.plan import Chunk
    from emotion_core.labels import LabelSet

_LAST = {MediaKind.PHOTO: "photos", MediaKind.VIDEO: "videos"}
"""Tables that are written last: a part of theirs marks its chunk as finished."""

MAX_ATTEMPTS = 3
"""Attempts at a chunk in one run: machines come and go, but some inputs crash a process."""

_SETTINGS = "settings.json"
_UNFINISHED = "_unfinished"
_EMPTY = "empty"  # a part without rows, so that each table can always be read
_READERS = 16  # files read at the same time: remote storage has a high latency


class ResultFolder:
    """The results of a bulk run in a local folder or at a writable URL.

    Can be sent to other processes and machines.

    Args:
        location: Path or URL.
        labels: Of the emotion network.
        actions: Whether faces and frames have action features.
    """

    def __init__(self, location: str, labels: LabelSet, *, actions: bool = False) -> None:
        self.url = to_url(location)
        self.schemas = make_schemas(labels, actions=actions)

    def prepare(self, settings: Mapping[str, Any]) -> None:
        """Creates the folder, or checks that it has the same settings and removes partial results.

        Args:
            settings: Everything that determines the results.

        Raises:
            EmotionError: The folder has results of other settings.
            StorageError: The folder cannot be written.
        """
        with self._writing() as (storage, top):
            for name in (_UNFINISHED, *self.schemas):
                storage.makedirs(f"{top}/{name}", exist_ok=True)
            self._check(settings)
            self.clear()
            self._remove_orphans()
        for table, schema in self.schemas.items():
            self._write(f"{table}/part-{_EMPTY}.parquet", to_bytes(schema.empty_table()))

    def finished(self, kind: MediaKind) -> Iterator[FinishedInputs]:
        """Yields the finished inputs of a kind, chunk by chunk.

        Raises:
            StorageError: Results cannot be read.
        """
        parts = iter(sorted(self._parts(_LAST[kind]).items()))
        with ThreadPoolExecutor(_READERS) as pool:
            while group := list(islice(parts, 8 * _READERS)):
                yield from pool.map(self._read_inputs, group)

    def forget(self, kind: MediaKind, chunk: str, failed: Collection[str]) -> None:
        """Removes failed inputs from a finished chunk, so that they are repeated; others stay.

        Args:
            kind: Of the inputs.
            chunk: Its name.
            failed: URLs of the inputs.

        Raises:
            StorageError: The tables cannot be written.
        """
        for table in ("failed", _LAST[kind]):  # if killed in between, they still count as failed
            path = f"{table}/part-{chunk}.parquet"
            with self._writing() as (storage, top):
                if not storage.exists(f"{top}/{path}"):
                    continue
                rows = from_bytes(storage.cat_file(f"{top}/{path}"))
                kept = rows.filter(pa.array([url not in failed for url in rows["url"].to_pylist()]))
                if len(kept):
                    self._write(path, to_bytes(kept))
                else:
                    storage.rm_file(f"{top}/{path}")

    def failures(self) -> Iterator[tuple[str, str]]:
        """Yields the failed inputs, each with its error.

        Raises:
            StorageError: Results cannot be read.
        """
        for path in sorted(self._parts("failed").values()):
            yield from self._read_errors(path)

    def begin(self, chunk: Chunk) -> None:
        """Counts an attempt at a chunk, so that one which crashes its process is given up.

        Raises:
            EmotionError: It was started ``MAX_ATTEMPTS`` times in this run and never published.
            StorageError: The folder cannot be written.
        """
        with self._writing() as (storage, top):
            for path in _attempt_paths(top, chunk):
                if not storage.exists(path):
                    storage.pipe_file(path, b"")
                    return
        raise EmotionError(
            f"Processes ended {MAX_ATTEMPTS} times while they worked on {chunk.urls[0]} and the "
            f"{len(chunk.urls) - 1} inputs after it."
        )

    def publish(self, chunk: Chunk, tables: Mapping[str, pa.Table]) -> None:
        """Writes the non-empty tables of a chunk.

        Raises:
            StorageError: They cannot be written.
        """
        last = _LAST[chunk.kind]
        for table in (*(t for t in tables if t != last), last):
            if len(tables[table]):
                self._write(f"{table}/part-{chunk.name}.parquet", to_bytes(tables[table]))
        with self._writing() as (storage, top):
            for path in _attempt_paths(top, chunk):
                if storage.exists(path):
                    storage.rm_file(path)

    def write_plan(self, chunks: Iterable[Chunk], part_inputs: int) -> int:
        """Writes the plan for all workers.

        Args:
            chunks: In approximate order of processing.
            part_inputs: Approximate number of inputs per part.

        Returns:
            The number of parts.

        Raises:
            StorageError: It cannot be written.
        """
        parts = 0
        waiting = iter(chunks)
        while rows := list(islice(waiting, 1)):
            inputs = len(rows[0].urls)
            while inputs < part_inputs and (chunk := next(waiting, None)):
                rows.append(chunk)
                inputs += len(chunk.urls)
            columns = {"kind": [str(r.kind) for r in rows], "urls": [list(r.urls) for r in rows]}
            self._write(f"{_UNFINISHED}/plan-{parts:06}", to_bytes(pa.table(columns)))
            parts += 1
        return parts

    def read_plan(self, part: int) -> Iterator[pa.Table]:
        """Yields the chunks of a part of the plan as tables of one row: ``kind`` and ``urls``."""
        storage, top = filesystem_of(self.url)
        rows = from_bytes(storage.cat_file(f"{top}/{_UNFINISHED}/plan-{part:06}"))
        for i in range(len(rows)):
            yield rows.slice(i, 1)

    def clear(self) -> None:
        """Removes the plan and partial results."""
        with self._writing() as (storage, _):
            for path in self._files(_UNFINISHED):
                storage.rm_file(path)

    def _check(self, settings: Mapping[str, Any]) -> None:
        storage, top = filesystem_of(self.url)
        path = f"{top}/{_SETTINGS}"
        if not storage.exists(path):
            self._write(_SETTINGS, (json.dumps(settings, indent=2) + "\n").encode())
            return
        try:
            earlier = json.loads(storage.cat_file(path))
        except ValueError:
            earlier = None
        if not isinstance(earlier, dict):
            raise EmotionError(
                f"{path} was not written by a bulk run; remove it or choose another --out."
            )
        differences = [
            f"{key} {earlier.get(key)} there, {settings.get(key)} now"
            for key in {**settings, **earlier}
            if earlier.get(key) != settings.get(key)
        ]
        if differences:
            raise EmotionError(
                f"{self.url} has results of other settings ({'; '.join(differences)}). "
                "Use the same settings, or choose another --out."
            )

    def _remove_orphans(self) -> None:
        """Removes parts of unfinished chunks."""
        storage, _ = filesystem_of(self.url)
        kept = set().union(*(self._parts(table) for table in _LAST.values()))
        for table in self.schemas:
            for name, path in self._parts(table).items():
                if name not in kept:
                    storage.rm_file(path)

    def _parts(self, table: str) -> dict[str, str]:
        """Paths of a table's parts by name of their chunk, without the empty part."""
        found = {}
        for path in self._files(table):
            match = re.fullmatch(r"part-(.*)\.parquet", path.rpartition("/")[2])
            if match and _EMPTY not in match[1]:
                found[match[1]] = path
        return found

    def _files(self, folder: str) -> list[str]:
        storage, top = filesystem_of(self.url)
        if not storage.isdir(f"{top}/{folder}"):  # object stores have no empty folders
            return []
        return [str(path) for path in storage.ls(f"{top}/{folder}", detail=False)]

    def _read_inputs(self, part: tuple[str, str]) -> FinishedInputs:
        chunk, path = part
        inputs = self._read_errors(path)
        failed = [url for url, error in inputs if error]
        return FinishedInputs([url for url, error in inputs if not error], failed, chunk)

    def _read_errors(self, path: str) -> list[tuple[str, str]]:
        storage, _ = filesystem_of(self.url)
        with storage_errors(f"file {path}"):
            columns = from_bytes(storage.cat_file(path), ["url", "error"]).to_pydict()
        return list(zip(columns["url"], columns["error"], strict=True))

    def _write(self, path: str, data: bytes) -> None:
        """Writes a file atomically."""
        with self._writing() as (storage, top):
            unfinished = f"{top}/{_UNFINISHED}/{secrets.token_hex(8)}"
            with storage.open(unfinished, "wb") as file:
                file.write(data)
                if is_local(self.url):  # a rename could reach the disk before the data
                    file.flush()
                    os.fsync(file.fileno())
            storage.mv(unfinished, f"{top}/{path}")

    @contextmanager
    def _writing(self) -> Iterator[tuple[Any, str]]:
        """Yields the file system and the folder's path in it; errors name the folder."""
        try:
            with storage_errors("folder"):
                yield filesystem_of(self.url)
        except StorageError as error:
            if isinstance(error.__cause__, StorageError):  # named by an inner block
                raise
            reason = str(error.__cause__ or error)
            if isinstance(error.__cause__, OSError) and error.__cause__.strerror:
                reason = error.__cause__.strerror
            raise StorageError(f"{self.url} cannot be written ({reason}).") from error


def _attempt_paths(top: str, chunk: Chunk) -> list[str]:
    return [f"{top}/{_UNFINISHED}/trial-{chunk.name}-{i}" for i in range(MAX_ATTEMPTS)]
