"""The tables of a bulk run: those of the CSV files, plus the URL of the input in each row."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from emotion_core.labels import ALL_EMOTIONS

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd

    from emotion_core.labels import LabelSet

_BOX = ("x1", "y1", "x2", "y2")
_PLANE = ("mean_valence", "sd_valence", "mean_arousal", "sd_arousal")


def make_schemas(labels: LabelSet) -> dict[str, pa.Schema]:
    """The columns of every table, the same in all its files.

    Args:
        labels: Of the emotion network, in the order of its outputs.

    Returns:
        By table: ``faces`` and ``photos`` as in ``photos.tables``, but without the processing time
        of a photo, which differs between runs; ``frames`` and ``people`` as in ``video.tables``;
        ``videos``: one row per video; ``failed``: one row per failed input. All start with ``url``.
    """
    usual = [label for label in ALL_EMOTIONS if label in labels]
    read = {"va_source": "string", "model": "string"}
    face = {**_of("float", (*_BOX, "score")), "emotion": "string", "confidence": "float"}
    size = _of("int32", ("width", "height"))
    remarks = _of("string", ("model", "warning", "error"))
    columns = {
        "faces": {
            "source": "string",
            "face": "int32",
            **face,
            **_of("float", [*_prefixed("p_", usual), "valence", "arousal"]),
            **read,
        },
        "photos": {
            "source": "string",
            **size,
            "faces": "int32",
            "dominant_emotion": "string",
            **_of("float", [*_prefixed("mean_p_", usual), *_PLANE]),
            **remarks,
        },
        "frames": {
            "frame": "int64",
            "time_s": "double",
            "track": "int32",
            **face,
            **_of("float", [*_prefixed("p_", labels), "valence", "arousal"]),
            **read,
        },
        "people": {
            "track": "int32",
            **_of("double", ("first_s", "last_s", "seen_s")),
            "frames": "int64",
            "dominant_emotion": "string",
            **_of("float", [*_prefixed("share_", labels), *_PLANE]),
            "changes": "int64",
            **_of("double", ("positive_s", "negative_s", "intense_s")),
        },
        "videos": {
            "source": "string",
            **size,
            "fps": "double",
            "duration_s": "double",
            **_of("string", ("codec", "audio_codec")),
            **_of("int64", ("frames", "analyzed", "people")),
            **remarks,
        },
        "failed": _of("string", ("source", "kind", "error")),
    }
    return {
        table: pa.schema(
            [pa.field(k, pa.type_for_alias(v)) for k, v in {"url": "string", **c}.items()]
        )
        for table, c in columns.items()
    }


def to_arrow_table(rows: pd.DataFrame, schema: pa.Schema) -> pa.Table:
    """Converts a pandas table to a schema; missing columns become empty."""
    rows = rows.reindex(columns=schema.names)
    return pa.Table.from_pandas(rows, schema=schema, preserve_index=False).replace_schema_metadata()


def to_bytes(table: pa.Table) -> bytes:
    """A table as a Parquet file."""
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    return buffer.getvalue()


def from_bytes(data: bytes, columns: list[str] | None = None) -> pa.Table:
    """Reads all or some columns of a Parquet file.

    Uses only this thread: other threads of Arrow may release Python objects after the interpreter
    has ended, which aborts the process.
    """
    file = pq.ParquetFile(pa.BufferReader(data), pre_buffer=False)
    return file.read(columns=columns, use_threads=False)


def _of(kind: str, names: Iterable[str]) -> dict[str, str]:
    return dict.fromkeys(names, kind)


def _prefixed(prefix: str, labels: Iterable[str]) -> list[str]:
    return [f"{prefix}{label}" for label in labels]
