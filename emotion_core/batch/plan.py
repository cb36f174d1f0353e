"""The plan of a bulk run: remaining inputs in deterministic chunks, never all in memory."""

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
    """Inputs whose results are written together, and lost together if the run is killed.

    Attributes:
        kind: Of all inputs.
        urls: In order; a video has its own chunk.
    """

    kind: MediaKind
    urls: tuple[str, ...]

    @property
    def name(self) -> str:
        """A hash of the inputs."""
        return hashlib.sha256("\n".join(self.urls).encode()).hexdigest()[:20]


class FinishedInputs(NamedTuple):
    """URLs of the inputs of a finished chunk, and its name."""

    analyzed: list[str]
    failed: list[str]
    chunk: str


class BatchPlan:
    """The inputs of a run, sorted and without duplicates, in a temporary database on disk.

    Chunks are cut from the remaining inputs in the order of URLs. If only whole chunks were
    discarded, the others stay the same: a resumed run makes the chunks that it would have made.
    A context manager.
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
        """Adds inputs; ignores duplicates."""
        rows = ((str(one.kind), one.url) for one in inputs)
        self._run("INSERT OR IGNORE INTO input VALUES (?, ?)", rows)

    def find_known(self, kind: MediaKind, urls: Iterable[str]) -> set[str]:
        """Which of some inputs it contains."""
        find = "SELECT 1 FROM input WHERE kind = ? AND url = ?"
        return {u for u in urls if self._database.execute(find, (str(kind), u)).fetchone()}

    def discard(self, kind: MediaKind, urls: Iterable[str]) -> int:
        """Removes finished inputs; returns how many it contained."""
        before = self._database.total_changes
        self._run("DELETE FROM input WHERE kind = ? AND url = ?", ((str(kind), u) for u in urls))
        return self._database.total_changes - before

    def chunks(self, photos: int) -> Iterator[Chunk]:
        """Cuts the remaining inputs into chunks of one video or of ``photos`` photos."""
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
