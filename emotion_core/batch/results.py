"""The folder of a bulk run: its tables in parts, and what makes a run go on where it was.

A chunk's tables are Parquet files of its name, each written under another name and then renamed.
The last of them, the one with a row for each input, tells that the chunk is finished: whenever a
run is killed, every chunk is either there as a whole or, once the next run has cleaned up, not at
all.
"""

from __future__ import annotations

import json
import os
import secrets
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from emotion_core.batch.plan import FinishedInputs
from emotion_core.batch.schemas import from_bytes, make_schemas, to_bytes
from emotion_core.batch.sources import MediaKind, is_local, storage_of, to_url
from emotion_core.batch.storage_faults import StorageError, storage_errors
from emotion_core.errors import EmotionError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from emotion_core.batch.plan import Chunk
    from emotion_core.labels import LabelSet

_LAST = {MediaKind.PHOTO: "photos", MediaKind.VIDEO: "videos"}
"""Tables that are written last: the chunks of which they have a part are finished."""

MOST_TRIALS = 3
"""So often a chunk is begun in one run; machines come and go, but some inputs kill a process."""

_SETTINGS = "settings.json"
_UNFINISHED = "_unfinished"
_EMPTY = "empty"  # a part without rows, so that each table can be read whatever there was
_READERS = 16  # files read at the same time: storage that is far away answers late, not slowly


class ResultFolder:
    """Where results go: a local folder or a URL that can be written.

    May be sent to other processes and machines.

    Args:
        place: Path or URL.
        labels: Of the emotion network.
    """

    def __init__(self, place: str, labels: LabelSet) -> None:
        self.url = to_url(place)
        self.schemas = make_schemas(labels)

    def prepare(self, settings: Mapping[str, Any]) -> None:
        """Make the folder, or check that it is one of the same run, and clear away what is half.

        Args:
            settings: All that decides on the results.

        Raises:
            EmotionError: It holds results of other settings.
            StorageError: It cannot be written.
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
        """The inputs that are finished, chunk by chunk.

        Args:
            kind: Of the inputs.

        Raises:
            StorageError: Results cannot be read.
        """
        parts = iter(sorted(self._parts(_LAST[kind]).items()))
        with ThreadPoolExecutor(_READERS) as pool:
            while some := list(islice(parts, 8 * _READERS)):
                yield from pool.map(self._read_inputs, some)

    def forget(self, kind: MediaKind, chunk: str, failed: Collection[str]) -> None:
        """Take inputs that failed out of a finished chunk, so that they are done again.

        What was found in the others stays where it is.

        Args:
            kind: Of the inputs.
            chunk: Its name.
            failed: Places of the inputs.

        Raises:
            StorageError: The tables cannot be written.
        """
        for table in ("failed", _LAST[kind]):  # killed in between, they still count as failed
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
        """The inputs that failed, each with its error, file by file.

        Raises:
            StorageError: Results cannot be read.
        """
        for path in sorted(self._parts("failed").values()):
            yield from self._read_errors(path)

    def begin(self, chunk: Chunk) -> None:
        """Note that somebody starts on a chunk, so that one which kills its process ends sometime.

        Raises:
            EmotionError: It was begun ``MOST_TRIALS`` times in this run and never published.
            StorageError: The folder cannot be written.
        """
        with self._writing() as (storage, top):
            for path in _trial_paths(chunk):
                if not storage.exists(f"{top}/{path}"):
                    storage.pipe_file(f"{top}/{path}", b"")
                    return
        raise EmotionError(
            f"Processes ended {MOST_TRIALS} times while they worked on {chunk.urls[0]} and the "
            f"{len(chunk.urls) - 1} inputs after it."
        )

    def publish(self, chunk: Chunk, tables: Mapping[str, pa.Table]) -> None:
        """Write a chunk's tables; empty ones are left out.

        Args:
            chunk: The chunk.
            tables: By name.

        Raises:
            StorageError: They cannot be written.
        """
        last = _LAST[chunk.kind]
        for table in (*(t for t in tables if t != last), last):
            if len(tables[table]):
                self._write(f"{table}/part-{chunk.name}.parquet", to_bytes(tables[table]))
        with self._writing() as (storage, top):
            for path in _trial_paths(chunk):
                if storage.exists(f"{top}/{path}"):
                    storage.rm_file(f"{top}/{path}")

    def write_plan(self, chunks: Iterable[Chunk], part_inputs: int) -> int:
        """Write down what is to be done, where all who do it can read it.

        Args:
            chunks: In the order in which they are done, about.
            part_inputs: Inputs in a part, about.

        Returns:
            How many parts there are.

        Raises:
            StorageError: It cannot be written.
        """
        parts = inputs = 0
        rows: list[Chunk] = []
        for chunk in chunks:
            rows.append(chunk)
            inputs += len(chunk.urls)
            if inputs >= part_inputs:
                self._write_plan_part(parts, rows)
                parts, inputs, rows = parts + 1, 0, []
        if rows:
            self._write_plan_part(parts, rows)
            parts += 1
        return parts

    def read_plan(self, part: int) -> Iterator[pa.Table]:
        """The chunks of a part of the plan, each a table of one row: ``kind`` and ``urls``."""
        storage, top = storage_of(self.url)
        rows = from_bytes(storage.cat_file(f"{top}/{_UNFINISHED}/plan-{part:06}"))
        for i in range(len(rows)):
            yield rows.slice(i, 1)

    def clear(self) -> None:
        """Remove the plan and what is unfinished."""
        with self._writing() as (storage, _):
            for path in self._files(_UNFINISHED):
                storage.rm_file(path)

    def _write_plan_part(self, part: int, rows: list[Chunk]) -> None:
        columns = {"kind": [str(row.kind) for row in rows], "urls": [list(r.urls) for r in rows]}
        self._write(f"{_UNFINISHED}/plan-{part:06}", to_bytes(pa.table(columns)))

    def _check(self, settings: Mapping[str, Any]) -> None:
        storage, top = storage_of(self.url)
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
                f"{path} is not a note of a bulk run; remove it or choose another --out."
            )
        differing = [
            f"{key} {earlier.get(key)} there, {settings.get(key)} now"
            for key in {**settings, **earlier}
            if earlier.get(key) != settings.get(key)
        ]
        if differing:
            raise EmotionError(
                f"{self.url} has results of other settings ({'; '.join(differing)}). "
                "Give the same again, or choose another --out."
            )

    def _remove_orphans(self) -> None:
        """Remove parts of chunks whose last table is not there."""
        storage, _ = storage_of(self.url)
        kept = set().union(*(self._parts(table) for table in _LAST.values()))
        for table in self.schemas:
            for name, path in self._parts(table).items():
                if name not in kept:
                    storage.rm_file(path)

    def _parts(self, table: str) -> dict[str, str]:
        """Paths of a table's parts by name of their chunk; the empty part is of none."""
        names = {path.rpartition("/")[2]: path for path in self._files(table)}
        return {
            name.removeprefix("part-").removesuffix(".parquet"): path
            for name, path in names.items()
            if name.startswith("part-") and name.endswith(".parquet") and _EMPTY not in name
        }

    def _files(self, folder: str) -> list[str]:
        storage, top = storage_of(self.url)
        if not storage.isdir(f"{top}/{folder}"):  # stores of objects have no empty folders
            return []
        return [str(path) for path in storage.ls(f"{top}/{folder}", detail=False)]

    def _read_inputs(self, part: tuple[str, str]) -> FinishedInputs:
        chunk, path = part
        rows = self._read_errors(path)
        failed = [url for url, error in rows if error]
        return FinishedInputs([url for url, error in rows if not error], failed, chunk)

    def _read_errors(self, path: str) -> list[tuple[str, str]]:
        storage, _ = storage_of(self.url)
        with storage_errors(f"file {path}"):
            columns = from_bytes(storage.cat_file(path), ["url", "error"]).to_pydict()
        return list(zip(columns["url"], columns["error"], strict=True))

    def _write(self, path: str, data: bytes) -> None:
        """Write a file so that it is there as a whole or not at all."""
        with self._writing() as (storage, top):
            unfinished = f"{top}/{_UNFINISHED}/{secrets.token_hex(8)}"
            with storage.open(unfinished, "wb") as file:
                file.write(data)
                if is_local(self.url):  # a rename may reach the disk before the data does
                    file.flush()
                    os.fsync(file.fileno())
            storage.mv(unfinished, f"{top}/{path}")

    @contextmanager
    def _writing(self) -> Iterator[tuple[Any, str]]:
        """Give the file system and the folder's path in it; errors name the folder."""
        try:
            with storage_errors("folder"):
                yield storage_of(self.url)
        except StorageError as error:
            if isinstance(error.__cause__, StorageError):  # named by a block inside this one
                raise
            reason = str(error.__cause__ or error)
            if isinstance(error.__cause__, OSError) and error.__cause__.strerror:
                reason = error.__cause__.strerror
            raise StorageError(f"{self.url} cannot be written ({reason}).") from error


def _trial_paths(chunk: Chunk) -> list[str]:
    return [f"{_UNFINISHED}/trial-{chunk.name}-{i}" for i in range(MOST_TRIALS)]
