"""Photos on disk: which files are meant, and results written beside each other in a folder."""

from __future__ import annotations

import json
import os
from collections import Counter
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from emotion_core.errors import EmotionError
from emotion_core.files.tempfiles import atomic_write
from emotion_core.imaging.codec import SUFFIXES, read_image_file
from emotion_core.photos.pipeline import PhotoSource, iter_photos
from emotion_core.photos.tables import (
    PhotoRecord,
    faces_table,
    photos_table,
    readable_name,
    safe_stems,
    table_to_csv,
    unique_names,
)
from emotion_core.reporting.photo_charts import to_html, valence_arousal_chart
from emotion_core.types import (
    DEFAULT_OPTIONS,
    AnalyzeOptions,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from emotion_core.analyzer import Analyzer
    from emotion_core.models.card import AnalyzerInfo

_PICTURES = "annotated"


def find_photos(paths: Iterable[Path], *, out: Path) -> dict[str, Path]:
    """List the files meant by paths.

    A file that is named is taken whatever its ending; of a folder, all pictures in it and below.
    A path that does not exist is kept, so that it is reported like any other failure.

    A file that is named goes by its own name, one found in a folder by its path below that folder,
    ``anna/1.jpg``; where two would be the same, both go by their whole path.

    Args:
        paths: Files and folders.
        out: Where results go; annotated pictures of an earlier run there are left out.

    Returns:
        Each file once, by its name, in order.
    """
    earlier = (out / _PICTURES).resolve()
    found: dict[Path, str] = {}
    for path in paths:
        if os.path.isdir(path):  # noqa: PTH112 - False where it cannot be told
            inside = (p for p in sorted(path.rglob("*")) if p.suffix[1:].lower() in SUFFIXES)
            for photo in inside:
                if photo.is_file() and not photo.resolve().is_relative_to(earlier):
                    found.setdefault(photo, readable_path(photo.relative_to(path)))
        else:
            found.setdefault(path, readable_path(Path(path.name)))
    uses = Counter(found.values())
    names = unique_names(
        name if uses[name] == 1 else readable_path(path) for path, name in found.items()
    )
    return dict(zip(names, found, strict=True))


def readable_path(path: Path) -> str:
    """A path with ``/``, for people; bytes that are no UTF-8 stand in it as hex digits."""
    return readable_name(os.fsencode(path.as_posix()).decode(errors="backslashreplace"))


def write_results(
    analyzer: Analyzer,
    photos: Mapping[str, Path],
    out: Path,
    options: AnalyzeOptions = DEFAULT_OPTIONS,
    *,
    blur: bool = False,
) -> Iterator[PhotoRecord]:
    """Analyse photos into a folder; yields what became of each as it is written.

    Writes ``annotated/<name>.jpg`` as results come, and ``faces.csv``, ``photos.csv``,
    ``valence_arousal.html`` and ``settings.json`` at the end, also when the caller stops early.

    Args:
        analyzer: The core.
        photos: As ``find_photos`` gives them.
        out: Made if it does not exist; the tables and pictures of the same photos are replaced.
        options: Which faces count.
        blur: Make faces unrecognisable in the pictures.

    Raises:
        EmotionError: The folder cannot be written or holds annotated pictures of other photos,
            which would be mixed with these; or the core is gone (see ``iter_photo_batches``).
    """
    stems = dict(zip(photos, safe_stems(list(photos)), strict=True))
    sources = [PhotoSource(name, partial(_read, path)) for name, path in photos.items()]
    results = iter_photos(analyzer, sources, options, blur=blur)
    pictures = out / _PICTURES
    records: list[PhotoRecord] = []
    try:
        pictures.mkdir(parents=True, exist_ok=True)
        _clear(pictures, {stem + ".jpg" for stem in stems.values()})
        try:
            for result in results:
                records.append(result.record)
                if result.annotated:
                    name = stems[result.record.source] + ".jpg"
                    atomic_write(pictures / name, result.annotated)
                yield result.record
        finally:
            _write_tables(records, out)
            settings = {
                "min_score": options.min_score,
                "min_face_px": options.min_face_px,
                "blur": blur,
            }
            _write_note(analyzer.info, settings, out)
    except EmotionError:  # some are an OSError too, but not of this folder
        raise
    except OSError as error:
        raise EmotionError(f"{out} cannot be written ({error.strerror or error}).") from error


def _clear(pictures: Path, names: Collection[str]) -> None:
    """Remove what a run is going to replace; all of it, for a photo may fail this time.

    Raises:
        EmotionError: There are other pictures; then nothing is removed.
    """
    there = sorted(pictures.glob("*.jpg"))
    others = [path.name for path in there if path.name not in names]
    if others:
        raise EmotionError(
            f"{pictures} holds pictures of other photos, e.g. {readable_name(others[0])}; "
            "remove them, or choose another folder for the results."
        )
    for path in there:
        path.unlink()


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        return read_image_file(file)


def _write_tables(records: list[PhotoRecord], out: Path) -> None:
    faces = faces_table(records)
    atomic_write(out / "faces.csv", table_to_csv(faces))
    atomic_write(out / "photos.csv", table_to_csv(photos_table(records)))
    page = to_html(valence_arousal_chart(faces), title="Valence and arousal")
    atomic_write(out / "valence_arousal.html", page.encode())


def _write_note(info: AnalyzerInfo, settings: Mapping[str, object], out: Path) -> None:
    """Write down what decided on the results, as the other commands do."""
    note = {"model": info.emotion.version, "detector": info.detector.version, **settings}
    atomic_write(out / "settings.json", json.dumps(note, indent=2).encode())
