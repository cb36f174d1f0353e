"""What is still to be done, cut into chunks: always the same ones, and never all in memory."""

from __future__ import annotations

import hashlib
import sqlite3
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple, Self

from emotion_core.batch.sources import MediaKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from emotion_core.batch.sources import Input

_CACHE_KIB = 64 * 1024


@dataclass(frozen=True, slots=True)
class Chunk:
    """Inputs whose results are written together: what a run that is killed may have to redo.

    Attributes:
        kind: Of all of them.
        urls: In order; a video stands alone.
    """

    kind: MediaKind
    urls: tuple[str, ...]

    @property
    def name(self) -> str:
        """Follows from the inputs."""
        return hashlib.sha256("\n".join(self.urls).encode()).hexdigest()[:20]


class FinishedInputs(NamedTuple):
    """Places of the inputs of a chunk that is finished, and its name."""

    analyzed: list[str]
    failed: list[str]
    chunk: str


class BatchPlan:
    """The inputs of a run, each once and sorted, in a database on disk that ends with the process.

    Chunks are cut from what is left in the order of places. Where only whole chunks were taken out
    of it, the others stay as they were: a run that goes on makes the chunks that it would have
    made. A context manager.
    """

    def __init__(self) -> None:
        self._database = sqlite3.connect("", isolation_level=None)  # "": a file without a name
        for setting in (f"cache_size = -{_CACHE_KIB}", "journal_mode = OFF", "synchronous = OFF"):
            self._database.execute(f"PRAGMA {setting}")
        self._database.execute(
            "CREATE TABLE input (kind TEXT, url TEXT, PRIMARY KEY (kind, url)) WITHOUT ROWID"
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()

    def __len__(self) -> int:
        (n,) = self._database.execute("SELECT count(*) FROM input").fetchone()
        return int(n)

    def add(self, inputs: Iterable[Input]) -> None:
        """Take in inputs; one that is there already is not taken twice."""
        rows = ((str(one.kind), one.url) for one in inputs)
        self._run("INSERT OR IGNORE INTO input VALUES (?, ?)", rows)

    def held(self, kind: MediaKind, urls: Iterable[str]) -> set[str]:
        """Those of some inputs that are in it."""
        find = "SELECT 1 FROM input WHERE kind = ? AND url = ?"
        return {u for u in urls if self._database.execute(find, (str(kind), u)).fetchone()}

    def discard(self, kind: MediaKind, urls: Iterable[str]) -> int:
        """Take out inputs that are finished; tell how many of them were there."""
        before = self._database.total_changes
        self._run("DELETE FROM input WHERE kind = ? AND url = ?", ((str(kind), u) for u in urls))
        return self._database.total_changes - before

    def chunks(self, photos: int) -> Iterator[Chunk]:
        """Cut what is left into chunks.

        Args:
            photos: In a chunk; the last one may have fewer.
        """
        for kind, size in ((MediaKind.VIDEO, 1), (MediaKind.PHOTO, photos)):  # long jobs first
            urls = self._database.execute(
                "SELECT url FROM input WHERE kind = ? ORDER BY url", (str(kind),)
            )
            while batch := tuple(url for (url,) in islice(urls, size)):
                yield Chunk(kind, batch)

    def _run(self, statement: str, rows: Iterable[tuple[str, str]]) -> None:
        self._database.execute("BEGIN")
        self._database.executemany(statement, rows)
        self._database.execute("COMMIT")
