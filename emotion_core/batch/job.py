"""One chunk from its inputs to its tables, whoever runs it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from emotion_core.batch.photo_records import iter_records
from emotion_core.batch.schemas import to_arrow_table
from emotion_core.batch.sources import MediaKind, local_copy, name_of
from emotion_core.errors import EmotionError
from emotion_core.photos.tables import faces_table, photos_table, readable_name
from emotion_core.video.pipeline import analyze_video
from emotion_core.video.types import VideoSettings

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa

    from emotion_core.analyzer import Analyzer
    from emotion_core.batch.plan import Chunk
    from emotion_core.batch.results import ResultFolder
    from emotion_core.models.card import ModelCard
    from emotion_core.photos.tables import PhotoRecord
    from emotion_core.video.types import VideoResult

_LAYOUT = 2  # of the tables; raised when they change


@dataclass(frozen=True, slots=True)
class Job:
    """What is done with each input, and where its results go. Can be sent to other machines.

    Attributes:
        folder: Of the results.
        emotion: The emotion network.
        detector: The face detector.
        settings: How pictures of photos and videos are analysed.
        chunk_photos: Photos whose results are written together.
    """

    folder: ResultFolder
    emotion: ModelCard
    detector: ModelCard
    settings: VideoSettings
    chunk_photos: int

    def note(self) -> dict[str, Any]:
        """All that decides on the results."""
        settings = asdict(self.settings)
        del settings["blur"], settings["longest_s"]  # no pictures are written, and all is read
        return {
            "layout": _LAYOUT,
            "model": self.emotion.version,
            "detector": self.detector.version,
            **settings,
            "chunk_photos": self.chunk_photos,
        }


@dataclass(frozen=True, slots=True)
class ChunkProgress:
    """Progress of a chunk.

    Attributes:
        inputs: Finished since the last step.
        failed: So many of them failed.
    """

    inputs: int
    failed: int


def do_chunk(analyzer: Analyzer, job: Job, chunk: Chunk) -> Iterator[ChunkProgress]:
    """Analyse a chunk and write its tables, at the end.

    Args:
        analyzer: The core.
        job: What is to be done.
        chunk: Its inputs.

    Yields:
        What was finished, as it is; when the last one is given, all results are written.

    Raises:
        StorageError: Results cannot be written.
        EmotionError: The networks failed.
    """
    if chunk.kind is MediaKind.VIDEO:
        (url,) = chunk.urls
        rows = _analyze_video(analyzer, job, url)
        job.folder.publish(chunk, rows)
        yield ChunkProgress(1, len(rows["failed"]))
        return
    records: list[PhotoRecord] = []
    last = ChunkProgress(0, 0)
    for batch in iter_records(analyzer, chunk.urls, job.settings):
        if last.inputs:
            yield last
        records += batch
        last = ChunkProgress(len(batch), sum(1 for record in batch if record.error))
    job.folder.publish(chunk, _photo_tables(job, records))
    yield last


def _photo_tables(job: Job, records: list[PhotoRecord]) -> dict[str, pa.Table]:
    photos = _with_place(photos_table(records))
    failed = photos[photos["error"] != ""].assign(kind=str(MediaKind.PHOTO))
    faces = _with_place(faces_table(records))
    return _to_tables(job, {"faces": faces, "photos": photos, "failed": failed})


def _with_place(rows: pd.DataFrame) -> pd.DataFrame:
    """Move the place, by which records go here, to a column of its own."""
    names = [readable_name(name_of(url)) for url in rows["source"]]
    return rows.assign(url=rows["source"], source=pd.Series(names, rows.index, "str"))


def _analyze_video(analyzer: Analyzer, job: Job, url: str) -> dict[str, pa.Table]:
    name = readable_name(name_of(url))
    row: dict[str, object] = {"url": url, "source": name, "error": ""}
    tables: dict[str, pd.DataFrame] = {}
    try:
        with local_copy(url) as path:
            result = analyze_video(path, analyzer, job.settings)
    except EmotionError as error:
        row["error"] = str(error)
        tables["failed"] = pd.DataFrame([{**row, "kind": str(MediaKind.VIDEO)}])
    else:
        row.update(_sum_up(result))
        tables["frames"] = result.frames.assign(url=url)
        tables["people"] = result.people.assign(url=url)
    return _to_tables(job, {"failed": pd.DataFrame(), **tables, "videos": pd.DataFrame([row])})


def _sum_up(result: VideoResult) -> dict[str, object]:
    info = result.info
    return {
        "width": info.size_wh[0],
        "height": info.size_wh[1],
        "fps": info.fps or None,
        "duration_s": info.duration_s,
        "codec": info.codec,
        "audio_codec": info.audio_codec,
        "frames": result.n_frames,
        "analyzed": result.n_analyzed,
        "people": len(result.people),
        "model": result.model,
        "warning": " ".join(filter(None, (*info.warnings, result.fault))),
    }


def _to_tables(job: Job, tables: dict[str, pd.DataFrame]) -> dict[str, pa.Table]:
    return {name: to_arrow_table(rows, job.folder.schemas[name]) for name, rows in tables.items()}
