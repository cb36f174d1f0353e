"""The tables of a bulk run: those of the CSV files, plus the URL of the input in each row."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from emotion_core.face import face_columns
from emotion_core.labels import ALL_EMOTIONS

if TYPE_CHECKING:
    import pandas as pd

    from emotion_core.labels import LabelSet

_TYPES = {
    **dict.fromkeys(
        ("source", "emotion", "dominant_emotion", "va_source", "model", "flags"), "string"
    ),
    **dict.fromkeys(("warning", "error", "kind", "codec", "audio_codec", "url"), "string"),
    **dict.fromkeys(("face", "faces", "width", "height", "track"), "int32"),
    **dict.fromkeys(("frame", "frames", "analyzed", "people", "changes", "n_unusable"), "int64"),
    **dict.fromkeys(("time_s", "fps", "duration_s", "first_s", "last_s", "seen_s"), "double"),
    **dict.fromkeys(("positive_s", "negative_s", "intense_s"), "double"),
    **dict.fromkeys(("is_brief", "is_usable"), "bool"),
}
"""Of columns by name; all others are ``float``."""

_PLANE = ("mean_valence", "sd_valence", "mean_arousal", "sd_arousal")


def make_schemas(labels: LabelSet, *, actions: bool = False) -> dict[str, pa.Schema]:
    """The columns of every table, the same in all its files.

    Args:
        labels: Of the emotion network, in the order of its outputs.
        actions: Whether faces and frames have action features.

    Returns:
        By table: ``faces`` and ``photos`` as in ``photos.tables``, but without the processing time
        of a photo, which differs between runs; ``frames`` and ``people`` as in ``video.tables``;
        ``videos``: one row per video; ``failed``: one row per failed input. All start with ``url``.
    """
    usual = [label for label in ALL_EMOTIONS if label in labels]
    means, shares = [f"mean_p_{k}" for k in usual], [f"share_{k}" for k in labels]
    seen = ["track", "first_s", "last_s", "seen_s", "frames", "dominant_emotion"]
    extremes = ["changes", "positive_s", "negative_s", "intense_s"]
    size, remarks = ["width", "height"], ["model", "warning", "error"]
    frame = face_columns(labels, actions=actions)[1:]
    photo = ["source", *size, "faces", "dominant_emotion"]
    file = ["fps", "duration_s", "codec", "audio_codec"]
    tables = {
        "faces": ["source", *face_columns(usual, actions=actions)],
        "photos": [*photo, *means, *_PLANE, *remarks, "n_unusable"],
        "frames": ["frame", "time_s", "track", *frame, "is_brief"],
        "people": [*seen, *shares, *_PLANE, *extremes, "n_unusable"],
        "videos": ["source", *size, *file, "frames", "analyzed", "people", *remarks],
        "failed": ["source", "kind", "error"],
    }
    return {
        name: pa.schema(
            [pa.field(c, pa.type_for_alias(_TYPES.get(c, "float"))) for c in ("url", *columns)]
        )
        for name, columns in tables.items()
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
