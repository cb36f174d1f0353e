"""Analyses to tables and CSV: one row a face, one row a picture."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from emotion_core.labels import ALL_EMOTIONS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from emotion_core.labels import LabelSet
    from emotion_core.types import Analysis

_FORMULA = re.compile(r"(^|[;\t])(?=\s*[=+\-@\t\r\uff0b\uff0d\uff1d\uff20])")
"""Where a formula may begin, also in the wide characters of East Asia: at the start of a cell, or
after what parts cells where spreadsheets expect decimal commas, whatever is quoted."""

_JOINERS = "\u200c\u200d"
"""What joins letters or parts them in Persian and Indian words, and makes one emoji of several."""

_UNREADABLE = ("Cc", "Cf", "Cs", "Zl", "Zp")
"""Categories of characters."""

_FORBIDDEN = '\\/:*?"<>|%\x7f'
_LONGEST_STEM = 200
"""Bytes of UTF-8: with an ending and a number below the 255 that file systems take."""

_RESERVED = {"con", "prn", "aux", "nul", *(f"{d}{i}" for d in ("com", "lpt") for i in range(1, 10))}
"""Devices on Windows, whatever ending follows."""


@dataclass(frozen=True, eq=False, slots=True)
class PhotoRecord:
    """What became of one input.

    Attributes:
        source: Its name, unique in its batch (``unique_names``).
        analysis: ``None`` where the input failed.
        error: One sentence where it failed, else empty.
        warnings: One sentence each on what is odd about the input.
    """

    source: str
    analysis: Analysis | None = None
    error: str = ""
    warnings: tuple[str, ...] = ()


def faces_table(photos: Iterable[PhotoRecord] | Mapping[str, Analysis]) -> pd.DataFrame:
    """One row per face of many photos.

    Args:
        photos: What became of each input, or analyses by the names of their photos.

    Returns:
        Columns source, face (from 1, left to right), x1, y1, x2, y2 (pixels), score, emotion,
        confidence, one ``p_<label>`` per label of the network, valence, arousal, va_source, model.
    """
    if isinstance(photos, Mapping):
        photos = [PhotoRecord(name, analysis) for name, analysis in photos.items()]
    kept = [record for record in photos if record.analysis is not None]
    labels = _labels_of(kept)
    rows = [row for record in kept for row in _face_rows(record)]
    columns = ["source", "face", "x1", "y1", "x2", "y2", "score", "emotion", "confidence"]
    columns += [f"p_{label}" for label in labels]
    columns += ["valence", "arousal", "va_source", "model"]
    return pd.DataFrame(rows, columns=columns)


def photos_table(records: Iterable[PhotoRecord]) -> pd.DataFrame:
    """One row per input, also for those without a face and those that failed.

    Returns:
        Columns source, width, height (pixels), faces, dominant_emotion (highest mean probability),
        ``mean_p_<label>`` per label, mean and standard deviation (of the faces in the picture) of
        valence and arousal, time_ms, model, warning, error. What does not exist is empty, also the
        number of faces of an input that failed.
    """
    records = list(records)
    labels = _labels_of(records)
    means = [f"mean_p_{label}" for label in labels]
    columns = ["source", "width", "height", "faces", "dominant_emotion", *means]
    columns += ["mean_valence", "sd_valence", "mean_arousal", "sd_arousal"]
    columns += ["time_ms", "model", "warning", "error"]
    table = pd.DataFrame([_photo_row(record) for record in records], columns=columns)
    whole = ["width", "height", "faces"]
    table[whole] = table[whole].astype("Int64")
    return table


def table_to_csv(table: pd.DataFrame) -> bytes:
    """Write a table as UTF-8 CSV that spreadsheets open safely.

    Text that a spreadsheet would run as a formula gets an apostrophe before it. A byte order mark
    tells Excel the encoding; pandas and other readers skip it (``utf-8-sig``). Lines end in CR LF,
    as RFC 4180 says, so that a lone CR in a cell is quoted. Numbers have six significant digits,
    but seconds (columns whose names end in ``_s``) are told to the microsecond: six digits would
    tell times of a two-hour video only to a hundredth of a second.
    """
    safe = table.copy()
    for column in safe.columns:
        if column.endswith("_s") and pd.api.types.is_float_dtype(safe[column]):
            safe[column] = pd.Series(map(_to_microseconds, safe[column]), safe.index, "str")
        elif not pd.api.types.is_numeric_dtype(safe[column]):
            safe[column] = safe[column].map(_defuse)
    return safe.to_csv(index=False, float_format="%.6g", lineterminator="\r\n").encode("utf-8-sig")


def readable_name(name: str) -> str:
    """A file's name without characters that hide, reorder or break text; joiners inside stay."""
    kept = "".join(c for c in name if c in _JOINERS or unicodedata.category(c) not in _UNREADABLE)
    return kept.strip().strip(_JOINERS + " ") or "unnamed"


def unique_names(names: Iterable[str]) -> list[str]:
    """Readable names, told apart by a number where two are the same."""
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
    """A name without end: ``a.jpg``, ``a (2).jpg``, ``a (3).jpg``."""
    yield stem + ending
    yield from (f"{stem} ({number}){ending}" for number in count(2))


def safe_stems(names: Sequence[str]) -> list[str]:
    """File names, without an ending, that every file system takes; unique, in the same order."""
    seen: set[str] = set()
    result = []
    for name in names:
        stem = unicodedata.normalize("NFC", name.rpartition(".")[0] or name)
        kept = "".join("_" if c in _FORBIDDEN or c < " " else c for c in stem).strip(" .")
        kept = kept.encode(errors="ignore")[:_LONGEST_STEM].decode(errors="ignore").rstrip(" .")
        reserved = kept.partition(".")[0].lower() in _RESERVED
        stem = f"_{kept}" if reserved else kept or "photo"
        result.append(next(c for c in numbered(stem) if c.casefold() not in seen))
        seen.add(result[-1].casefold())
    return result


def _labels_of(records: Iterable[PhotoRecord]) -> LabelSet:
    """The labels in use, in this project's order; all of one batch come from one network."""
    used = {label for r in records if r.analysis for label in r.analysis.predictions.labels}
    return tuple(emotion for emotion in ALL_EMOTIONS if emotion in used)


def _face_rows(record: PhotoRecord) -> list[dict[str, object]]:
    rows = [] if record.analysis is None else record.analysis.to_rows()
    return [{"source": record.source, **row} for row in rows]


def _photo_row(record: PhotoRecord) -> dict[str, object]:
    row: dict[str, object] = {"source": record.source, "error": record.error}
    row["warning"] = " ".join(record.warnings)
    analysis = record.analysis
    if analysis is None:
        return row
    row.update(width=analysis.size_wh[0], height=analysis.size_wh[1], faces=len(analysis))
    row.update(time_ms=round(analysis.time_s * 1000, 1), model=analysis.model)
    if len(analysis):
        read = analysis.predictions
        mean = read.probabilities.mean(axis=0)
        row["dominant_emotion"] = str(read.labels[int(np.argmax(mean))])
        row.update({f"mean_p_{k}": float(v) for k, v in zip(read.labels, mean, strict=True)})
        for name, values in (("valence", read.valence), ("arousal", read.arousal)):
            row[f"mean_{name}"] = float(values.mean())
            row[f"sd_{name}"] = float(values.std())
    return row


def _to_microseconds(time_s: float) -> str | None:
    return None if np.isnan(time_s) else np.format_float_positional(time_s, 6, trim="-")


def _defuse(cell: object) -> object:
    return _FORMULA.sub(r"\1'", cell) if isinstance(cell, str) else cell
