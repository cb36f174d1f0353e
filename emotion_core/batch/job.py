"""Processing of one chunk from its inputs to its tables, in any process."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import pandas as pd

from emotion_core.batch.schemas import to_arrow_table
from emotion_core.batch.sources import MediaKind, file_name_of, local_copy, read_photo
from emotion_core.errors import EmotionError
from emotion_core.photos.pipeline import PhotoSource, iter_photo_batches
from emotion_core.photos.tables import faces_table, photos_table, readable_name
from emotion_core.video.pipeline import tabulate_video
from emotion_core.video.types import VideoSettings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pyarrow as pa

    from emotion_core.analyzer import Analyzer
    from emotion_core.batch.plan import Chunk
    from emotion_core.batch.results import ResultFolder
    from emotion_core.models.card import ModelCard
    from emotion_core.photos.pipeline import AnalyzedPhoto
    from emotion_core.photos.tables import PhotoRecord

_LAYOUT = 4  # version of the tables
_READERS = 4  # more than cores, as reading from storage mostly waits


@dataclass(frozen=True, slots=True)
class Job:
    """Models, settings and target folder of a bulk run. Can be sent to other machines.

    Attributes:
        folder: Receives the results.
        emotion: The emotion network.
        detector: The face detector.
        settings: How photos and videos are analysed.
        chunk_photos: Photos whose results are written together.
    """

    folder: ResultFolder
    emotion: ModelCard
    detector: ModelCard
    settings: VideoSettings
    chunk_photos: int

    def to_settings(self) -> dict[str, Any]:
        """Everything that determines the results."""
        settings = asdict(self.settings)
        del settings["blur"], settings["longest_s"]  # no images are written, and all is read
        for name in (
            "region",
            "largest_only",
            "from_s",
            "to_s",
            "all_faces",
            "actions",
        ):  # unknown to earlier runs
            if not settings[name]:
                del settings[name]
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
        inputs: Inputs finished since the last step.
        failed: How many of them failed.
    """

    inputs: int
    failed: int


def do_chunk(analyzer: Analyzer, job: Job, chunk: Chunk) -> Iterator[ChunkProgress]:
    """Analyses a chunk and writes its tables at the end.

    Yields:
        Progress; the last step comes after all results are written.

    Raises:
        StorageError: Results cannot be written.
        EmotionError: The networks failed.
    """
    if chunk.kind is MediaKind.VIDEO:
        (url,) = chunk.urls
        tables = _analyze_video(analyzer, job, url)
        job.folder.publish(chunk, tables)
        yield ChunkProgress(1, len(tables["failed"]))
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


def iter_records(
    analyzer: Analyzer, urls: Sequence[str], settings: VideoSettings
) -> Iterator[list[PhotoRecord]]:
    """Analyses photos, see ``iter_photo_batches``.

    Yields:
        The records of the photos that were analysed together, in order; ``source`` is the URL.
    """
    batches = iter_photo_batches(
        analyzer,
        (PhotoSource(url, partial(read_photo, url)) for url in urls),
        settings.analyze_options,
        readers=_READERS,
    )
    yield from map(_to_records, batches)  # no variable keeps a batch while the next is analysed


def _to_records(batch: list[AnalyzedPhoto]) -> list[PhotoRecord]:
    return [photo.record for photo in batch]


def _photo_tables(job: Job, records: list[PhotoRecord]) -> dict[str, pa.Table]:
    photos = _with_url(photos_table(records, all_faces=job.settings.all_faces))
    failed = photos[photos["error"] != ""].assign(kind=str(MediaKind.PHOTO))
    faces = _with_url(faces_table(records))
    return _to_tables(job, {"faces": faces, "photos": photos, "failed": failed})


def _with_url(rows: pd.DataFrame) -> pd.DataFrame:
    """Moves the URL, which is the source of records here, to a separate column."""
    names = [readable_name(file_name_of(url)) for url in rows["source"]]
    return rows.assign(url=rows["source"], source=pd.Series(names, rows.index, "str"))


def _analyze_video(analyzer: Analyzer, job: Job, url: str) -> dict[str, pa.Table]:
    name = readable_name(file_name_of(url))
    row: dict[str, object] = {"url": url, "source": name, "error": ""}
    tables: dict[str, pd.DataFrame] = {}
    try:
        with local_copy(url) as path:
            result = tabulate_video(path, analyzer, job.settings)
    except EmotionError as error:
        row["error"] = str(error)
        tables["failed"] = pd.DataFrame([{**row, "kind": str(MediaKind.VIDEO)}])
    else:
        info = result.info
        row.update(width=info.size_wh[0], height=info.size_wh[1], fps=info.fps or None)
        row.update(duration_s=info.duration_s, codec=info.codec, audio_codec=info.audio_codec)
        row.update(frames=result.n_frames, analyzed=result.n_analyzed, people=len(result.people))
        warning = " ".join(filter(None, (*info.warnings, result.fault)))
        row.update(model=result.model, warning=warning)
        tables["frames"] = result.frames.assign(url=url)
        tables["people"] = result.people.assign(url=url)
    return _to_tables(job, {"failed": pd.DataFrame(), **tables, "videos": pd.DataFrame([row])})


def _to_tables(job: Job, tables: dict[str, pd.DataFrame]) -> dict[str, pa.Table]:
    return {name: to_arrow_table(rows, job.folder.schemas[name]) for name, rows in tables.items()}
