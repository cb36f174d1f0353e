"""The project file ``.emoscope``: a study without its media in one ZIP, opened on any machine.

It holds the raw readings of each video and the tables as Parquet, and ``project.json`` with edits,
settings, versions, and hashes of the videos and of every other file in it; ``project.sha256`` has
the hash of ``project.json``.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
import zlib
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import pandas as pd

from emotion_core.errors import EmotionError
from emotion_core.study.assignment import StudyVideo
from emotion_core.study.edits import Edits
from emotion_core.study.settings import StudySettings
from emotion_core.study.store import (
    StoredReadings,
    from_parquet,
    hash_file,
    table_to_parquet,
    to_parquet,
)
from emotion_core.study.tables import Study, StudyRecord

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from emotion_core.study.tables import StudyTables

PROJECT_SUFFIX = ".emoscope"

_FORMAT = 1
_NOTE = "project.json"
_SEAL = "project.sha256"
_EVENTS = "events.parquet"
_MAX_BYTES = 4 * 2**30
_MAX_RATIO, _FREE_BYTES = 8, 64 * 2**20
"""Projects are not compressed; one that grows to more than the first times its size, and to more
than the second, is a trap."""

_LONG_AGO = (1980, 1, 1, 0, 0, 0)  # a time would change the bytes
_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, NotImplementedError)


def to_project(study: Study, tables: StudyTables) -> bytes:
    """A study as a project file; the same study gives the same bytes.

    Raises:
        MissingExtraError: pyarrow is not installed.
    """
    members = {_EVENTS: table_to_parquet(study.events)}
    videos: list[dict[str, Any]] = []
    for number, record in enumerate(study.records, 1):
        row = {**asdict(record.video), "sha256": record.sha256, "start_s": record.start_s}
        row |= {"error": record.error, "readings": None}
        if record.frames is not None:
            row["readings"] = name = f"readings/{number:04d}.parquet"
            members[name] = to_parquet(StoredReadings(record.load(), dict(record.facts)))
        videos.append(row)
    for name, table in tables.items():
        if name != "all_frames":  # the readings, once more
            members[f"tables/{name}.parquet"] = table_to_parquet(table)
    note = {
        "format": _FORMAT,
        "about": dict(study.about),
        "settings": study.settings.to_fields(),
        "edits": json.loads(study.edits.to_json())["edits"],
        "videos": videos,
        "sha256": {name: hashlib.sha256(data).hexdigest() for name, data in members.items()},
    }
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        text = json.dumps(note, indent=2, ensure_ascii=False)
        seal = hashlib.sha256(text.encode()).hexdigest().encode()
        for name, data in {_NOTE: text.encode(), _SEAL: seal, **members}.items():
            archive.writestr(zipfile.ZipInfo(name, _LONG_AGO), data)
    return buffer.getvalue()


def read_project(path: Path, data: bytes | None = None) -> Study:
    """Opens a project file, and verifies every file in it by its hash.

    Args:
        path: The file.
        data: Its content, if only the name is to be taken from ``path``.

    Raises:
        EmotionError: The file is missing, damaged, changed, or of a later version.
    """
    try:
        with zipfile.ZipFile(path if data is None else io.BytesIO(data)) as archive:
            size = sum(member.file_size for member in archive.infolist())
            packed = sum(member.compress_size for member in archive.infolist())
            if size > min(_MAX_BYTES, max(_FREE_BYTES, _MAX_RATIO * packed)):
                raise EmotionError(f"{path.name} is larger than any study that can be opened.")
            members = {name: archive.read(name) for name in archive.namelist()}
    except FileNotFoundError:
        raise EmotionError(f"There is no file {path}.") from None
    except _DAMAGE as error:
        raise EmotionError(f"{path.name} is no project of Emoscope ({error}).") from error
    try:
        text, seal = members.pop(_NOTE), members.pop(_SEAL)
        note = json.loads(text)
        if note["format"] != _FORMAT:
            raise EmotionError(f"{path.name} is of another version of Emoscope; update this one.")
        _verify({_NOTE: text, **members}, {_NOTE: seal.decode(), **note["sha256"]}, path.name)
        return _to_study(note, members)
    except (ValueError, TypeError, KeyError) as error:
        if isinstance(error, EmotionError):
            raise
        raise EmotionError(f"{path.name} is no project of Emoscope ({error!r}).") from error


def find_media(study: Study, paths: Iterable[Path]) -> dict[str, Path]:
    """Finds the videos of a study again by their hashes, whatever they are called now.

    Args:
        study: The study.
        paths: Files to look at; those that cannot be read are passed over.

    Returns:
        Paths by the videos' names in the study.
    """
    wanted = {record.sha256: record.video.file for record in study.records if record.sha256}
    found = {}
    for path in paths:
        try:
            file = wanted.get(hash_file(path))
        except OSError:
            continue
        if file is not None:
            found[file] = path
    return found


def _verify(members: dict[str, bytes], hashes: dict[str, str], name: str) -> None:
    for member in {*members, *hashes}:
        data = members.get(member)
        if data is None or hashlib.sha256(data).hexdigest() != hashes.get(member):
            raise EmotionError(f"{name} is damaged: {member} in it is not what was saved.")


def _to_study(note: dict[str, Any], members: dict[str, bytes]) -> Study:
    records = []
    for row in note["videos"]:
        video = StudyVideo(**{name: row[name] for name in StudyVideo.__slots__})
        found = None if row["readings"] is None else from_parquet(members[row["readings"]])
        records.append(
            StudyRecord(
                video,
                row["sha256"],
                None if found is None else found.frames,
                {} if found is None else found.facts,
                float(row["start_s"]),
                row["error"],
            )
        )
    return Study(
        tuple(records),
        StudySettings.from_fields(note["settings"]),
        Edits.from_json(json.dumps({"edits": note["edits"]})),
        pd.read_parquet(io.BytesIO(members[_EVENTS])),
        note["about"],
    )
