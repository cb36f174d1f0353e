"""The readings of each video on disk, found again by what the file holds and how it is analysed."""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from emotion_core.errors import EmotionError, MissingExtraError
from emotion_core.files.save import save_file

if TYPE_CHECKING:
    from pathlib import Path

    from emotion_core.models.card import AnalyzerInfo
    from emotion_core.video.types import VideoResult, VideoSettings

_LAYOUT = 1  # of the readings; raised when it changes, so that videos are analysed again
_NOTE = b"emoscope"
_SHOWN_ONLY = ("all_faces", "blur", "smoothing_s")  # settings that do not change the readings


@dataclass(frozen=True, eq=False, slots=True)
class StoredReadings:
    """The readings of one video.

    Attributes:
        frames: The table of frames as it was analysed.
        facts: What is known of the video and its analysis, see ``StudyRecord``.
    """

    frames: pd.DataFrame
    facts: dict[str, Any]

    @classmethod
    def of_result(cls, result: VideoResult) -> StoredReadings:
        """What is kept of a video's analysis: nothing that differs from run to run."""
        info = result.info
        remarks = " ".join(filter(None, (*info.warnings, result.fault)))
        facts = {
            "width": info.size_wh[0],
            "height": info.size_wh[1],
            "fps": info.fps,
            "duration_s": info.duration_s,
            "codec": info.codec,
            "frames_read": result.n_frames,
            "frames_analyzed": result.n_analyzed,
            "model": result.model,
            "detector": result.detector,
            "warning": remarks,
        }
        return cls(result.frames, facts)


class ReadingsStore:
    """A folder with one Parquet file a video. Each is written whole or not at all.

    Args:
        folder: Where the files are; it is made when the first one is written.
        info: The networks by which videos are analysed.
        settings: How they are analysed.
    """

    def __init__(self, folder: Path, info: AnalyzerInfo, settings: VideoSettings) -> None:
        self._folder = folder
        values = {k: v for k, v in asdict(settings).items() if k not in _SHOWN_ONLY}
        how = {"layout": _LAYOUT, "settings": values}
        how |= {"model": info.emotion.version, "detector": info.detector.version}
        self._how = json.dumps(how, sort_keys=True)

    def path_of(self, sha256: str) -> Path:
        """Where the readings of a file are, or will be."""
        key = hashlib.sha256(f"{sha256}\n{self._how}".encode()).hexdigest()
        return self._folder / f"{key[:32]}.parquet"

    def load(self, sha256: str) -> StoredReadings | None:
        """The readings of a file; ``None`` if it was not analysed, or they are damaged."""
        try:
            return from_parquet(self.path_of(sha256).read_bytes())
        except (OSError, EmotionError):
            return None

    def save(self, sha256: str, readings: StoredReadings) -> StoredReadings:
        """Keeps the readings of a file, and returns them as they will be loaded.

        Raises:
            EmotionError: The folder cannot be written.
        """
        data = to_parquet(readings)
        save_file(self.path_of(sha256), data)
        return from_parquet(data)


def hash_file(path: Path) -> str:
    """SHA-256 of a file's bytes, as hex digits.

    Raises:
        OSError: The file cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def to_parquet(readings: StoredReadings) -> bytes:
    """Readings as a Parquet file; the same readings give the same bytes.

    Raises:
        MissingExtraError: pyarrow is not installed.
    """
    need_parquet()
    import pyarrow as pa
    from pyarrow import parquet

    plain = readings.frames.copy()
    end_s = plain.attrs.get("end_s")
    plain.attrs = {}
    table = pa.Table.from_pandas(plain, preserve_index=False)
    note = json.dumps({"facts": readings.facts, "end_s": end_s}).encode()
    table = table.replace_schema_metadata({**table.schema.metadata, _NOTE: note})
    buffer = io.BytesIO()
    parquet.write_table(table, buffer, compression="zstd")
    return buffer.getvalue()


def from_parquet(data: bytes) -> StoredReadings:
    """Reads what ``to_parquet`` wrote.

    Raises:
        EmotionError: The file is damaged or none of ours.
        MissingExtraError: pyarrow is not installed.
    """
    need_parquet()
    import pyarrow as pa
    from pyarrow import parquet

    try:
        table = parquet.read_table(io.BytesIO(data))
        note = json.loads(table.schema.metadata[_NOTE])
        frames, facts = table.to_pandas(), dict(note["facts"])
        end_s = note["end_s"]
    except (pa.ArrowException, OSError, ValueError, TypeError, KeyError) as error:
        raise EmotionError(f"These are no readings of a video ({error}).") from error
    frames.attrs = {} if end_s is None else {"end_s": float(end_s)}
    return StoredReadings(frames, facts)


def need_parquet() -> None:
    """Raises a ``MissingExtraError`` if Parquet files can be neither read nor written."""
    try:
        import pyarrow.parquet  # noqa: F401
    except ImportError as error:
        raise MissingExtraError(
            "Studies keep readings as Parquet, for which the package pyarrow is needed: "
            "pip install pyarrow"
        ) from error


def table_to_parquet(table: pd.DataFrame) -> bytes:
    """Any table as a Parquet file; the same table gives the same bytes.

    Raises:
        MissingExtraError: pyarrow is not installed.
    """
    need_parquet()
    plain = table.copy()
    plain.attrs = {}
    buffer = io.BytesIO()
    plain.to_parquet(buffer, index=False, compression="zstd")
    return buffer.getvalue()
