"""Analyses as tables and CSV: one row per face, one row per photo."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from emotion_core.actions import ACTION_COLUMNS
from emotion_core.face import face_columns
from emotion_core.labels import ALL_EMOTIONS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from emotion_core.labels import LabelSet
    from emotion_core.types import Analysis

Decimal = Literal[".", ","]

_FORMULA = re.compile(r"(^|[;\t])(?=\s*[=+\-@\t\r\uff0b\uff0d\uff1d\uff20])")
"""Where a formula may start, also in full-width characters: at the start of a cell, or after a
separator of spreadsheets that use decimal commas, whatever is quoted."""
_DEFUSED = re.compile(_FORMULA.pattern.replace("(?=", "'(?="))

_JOINERS = "\u200c\u200d"
"""Zero-width (non-)joiners, which Persian and Indic words and composed emoji need."""

_UNREADABLE = ("Cc", "Cf", "Cs", "Zl", "Zp")
"""Unicode categories of characters."""

_FORBIDDEN = '\\/:*?"<>|%\x7f'
_MAX_STEM = 200
"""Bytes of UTF-8: with an extension and a number below the 255 that file systems allow."""

_RESERVED = {"con", "prn", "aux", "nul", *(f"{d}{i}" for d in ("com", "lpt") for i in range(1, 10))}
"""Devices on Windows, whatever the extension."""


@dataclass(frozen=True, eq=False, slots=True)
class PhotoRecord:
    """The result for one input.

    Attributes:
        source: Its name, unique in its batch (``unique_names``).
        analysis: ``None`` if the input failed.
        error: One sentence if it failed, else empty.
        warnings: One sentence each on problems of the input.
    """

    source: str
    analysis: Analysis | None = None
    error: str = ""
    warnings: tuple[str, ...] = ()


def faces_table(photos: Iterable[PhotoRecord] | Mapping[str, Analysis]) -> pd.DataFrame:
    """One row per face of many photos.

    Args:
        photos: Records, or analyses by the names of their photos.

    Returns:
        Columns source, face (from 1, left to right), x1, y1, x2, y2 (pixels), score, emotion,
        confidence, one ``p_<label>`` per label of the network, valence, arousal, va_source, model,
        ``QUALITY_COLUMNS`` and, if the analyses have them, ``ACTION_COLUMNS``.
    """
    if isinstance(photos, Mapping):
        photos = [PhotoRecord(name, analysis) for name, analysis in photos.items()]
    photos = list(photos)
    rows = [
        {"source": record.source, **row}
        for record in photos
        if record.analysis is not None
        for row in record.analysis.to_rows()
    ]
    actions = any(ACTION_COLUMNS[0] in row for row in rows)
    columns = face_columns(_labels_of(photos), actions=actions)
    return pd.DataFrame(rows, columns=["source", *columns])


def photos_table(records: Iterable[PhotoRecord], *, all_faces: bool = False) -> pd.DataFrame:
    """One row per input, including those without a face and those that failed.

    Args:
        records: Of the photos.
        all_faces: Whether unusable faces count in means, too.

    Returns:
        Columns source, width, height (pixels), faces, dominant_emotion (highest mean probability),
        ``mean_p_<label>`` per label, mean and standard deviation (over the faces of the photo) of
        valence and arousal, time_ms, model, warning, error, n_unusable (faces that means leave
        out). Missing values are empty, including the number of faces of an input that failed, and
        means of a photo of which no face counts.
    """
    records = list(records)
    labels = _labels_of(records)
    means = [f"mean_p_{label}" for label in labels]
    columns = ["source", "width", "height", "faces", "dominant_emotion", *means]
    columns += ["mean_valence", "sd_valence", "mean_arousal", "sd_arousal"]
    columns += ["time_ms", "model", "warning", "error", "n_unusable"]
    rows = [_photo_row(record, all_faces=all_faces) for record in records]
    table = pd.DataFrame(rows, columns=columns)
    return table.astype(dict.fromkeys(("width", "height", "faces", "n_unusable"), "Int64"))


def table_to_csv(table: pd.DataFrame, decimal: Decimal = ".") -> bytes:
    """Writes a table as UTF-8 CSV that spreadsheets open safely.

    Text that a spreadsheet would run as a formula is prefixed with an apostrophe. A byte order mark
    tells Excel the encoding; pandas and other readers skip it (``utf-8-sig``). Lines end in CR LF
    (RFC 4180), so that a lone CR in a cell is quoted. Numbers have six significant digits, but
    seconds (columns whose names end in ``_s``) are written to the microsecond: six digits would
    round times of a two-hour video to a hundredth of a second.

    Args:
        table: Any table.
        decimal: Decimal sign; with a comma, semicolons separate cells, as spreadsheets expect where
            that is the custom.
    """
    safe = table.copy()
    for column in safe.columns:
        if column.endswith("_s") and pd.api.types.is_float_dtype(safe[column]):
            seconds = pd.Series(map(_to_microseconds, safe[column]), safe.index, "str")
            safe[column] = seconds if decimal == "." else seconds.str.replace(".", decimal)
        elif not pd.api.types.is_numeric_dtype(safe[column]):
            safe[column] = safe[column].map(_defuse)
    text = safe.to_csv(
        index=False,
        sep=";" if decimal == "," else ",",
        decimal=decimal,
        float_format="%.6g",
        lineterminator="\r\n",
    )
    return text.encode("utf-8-sig")


def restore_cell(cell: str) -> str:
    """The text of which ``table_to_csv`` has made a cell."""
    return _DEFUSED.sub(r"\1", cell)


def readable_name(name: str) -> str:
    """A file name without characters that hide, reorder or break text; joiners inside stay."""
    kept = "".join(c for c in name if c in _JOINERS or unicodedata.category(c) not in _UNREADABLE)
    return kept.strip().strip(_JOINERS + " ") or "unnamed"


def unique_names(names: Iterable[str]) -> list[str]:
    """Readable names; duplicates get a number."""
    seen: set[str] = set()
    result = []
    for name in names:
        readable = readable_name(name)
        stem, dot, suffix = readable.rpartition(".")
        if not stem:
            stem, dot, suffix = readable, "", ""
        result.append(next(c for c in numbered(stem, dot + suffix) if c not in seen))
        seen.add(result[-1])
    return result


def numbered(stem: str, ending: str = "") -> Iterator[str]:
    """Yields ``a.jpg``, ``a (2).jpg``, ``a (3).jpg`` and so on."""
    yield stem + ending
    yield from (f"{stem} ({number}){ending}" for number in count(2))


def safe_stems(names: Sequence[str]) -> list[str]:
    """Unique file names without extension that all file systems allow, in the same order."""
    seen: set[str] = set()
    result = []
    for name in names:
        stem = unicodedata.normalize("NFC", name.rpartition(".")[0] or name)
        kept = "".join("_" if c in _FORBIDDEN or c < " " else c for c in stem).strip(" .")
        kept = kept.encode(errors="ignore")[:_MAX_STEM].decode(errors="ignore").rstrip(" .")
        reserved = kept.partition(".")[0].lower() in _RESERVED
        stem = f"_{kept}" if reserved else kept or "photo"
        result.append(next(c for c in numbered(stem) if c.casefold() not in seen))
        seen.add(result[-1].casefold())
    return result


def _labels_of(records: Iterable[PhotoRecord]) -> LabelSet:
    """The labels in use, in this project's order; one network analyses a whole batch."""
    used = {label for r in records if r.analysis for label in r.analysis.predictions.labels}
    return tuple(emotion for emotion in ALL_EMOTIONS if emotion in used)


def _photo_row(record: PhotoRecord, *, all_faces: bool) -> dict[str, object]:
    row: dict[str, object] = {"source": record.source, "error": record.error}
    row["warning"] = " ".join(record.warnings)
    analysis = record.analysis
    if analysis is None:
        return row
    row.update(width=analysis.size_wh[0], height=analysis.size_wh[1], faces=len(analysis))
    row.update(time_ms=round(analysis.time_s * 1000, 1), model=analysis.model)
    counted = analysis if all_faces else analysis[analysis.is_usable]
    row["n_unusable"] = len(analysis) - len(counted)
    if len(counted):
        predictions = counted.predictions
        labels, mean = predictions.labels, predictions.probabilities.mean(axis=0)
        row["dominant_emotion"] = str(labels[int(np.argmax(mean))])
        row.update({f"mean_p_{k}": float(v) for k, v in zip(labels, mean, strict=True)})
        for name in ("valence", "arousal"):
            values = getattr(predictions, name)
            row[f"mean_{name}"] = float(values.mean())
            row[f"sd_{name}"] = float(values.std())
    return row


def _to_microseconds(time_s: float) -> str | None:
    return None if np.isnan(time_s) else np.format_float_positional(time_s, 6, trim="-")


def _defuse(cell: object) -> object:
    return _FORMULA.sub(r"\1'", cell) if isinstance(cell, str) else cell
