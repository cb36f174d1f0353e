"""Photos on disk: finding them, and writing their results to a folder."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from emotion_core.errors import EmotionError
from emotion_core.files.archive import has_suffix, is_hidden
from emotion_core.files.tempfiles import atomic_write
from emotion_core.imaging.codec import SUFFIXES, read_image_file
from emotion_core.photos.pipeline import PhotoSource, iter_photos
from emotion_core.photos.tables import (
    Decimal,
    PhotoRecord,
    faces_table,
    photos_table,
    readable_name,
    safe_stems,
    table_to_csv,
    unique_names,
)
from emotion_core.quality import usable_faces
from emotion_core.reporting.photo_charts import to_html, valence_arousal_chart
from emotion_core.types import DEFAULT_OPTIONS, AnalyzeOptions

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from emotion_core.analyzer import Analyzer
    from emotion_core.models.card import AnalyzerInfo

_ANNOTATED = "annotated"

OnSkip = Callable[[Path], None]
"""Called with a file that is passed over."""


def ignore(_: Path) -> None:
    """Says nothing about a file that is passed over."""


def find_photos(paths: Iterable[Path], *, out: Path, on_skip: OnSkip = ignore) -> dict[str, Path]:
    """Lists the named files, whatever their suffix, and all photos in and below the named folders.

    A path that does not exist is kept, so that it is reported like any other failure.

    Args:
        paths: Files and folders.
        out: Folder for results; annotated photos of an earlier run in it are left out.
        on_skip: Called with each file in a folder that is no photo by its suffix.

    Returns:
        Each file once, by name, in order. A file that was named keeps its name, one found in a
        folder is called by its path below that folder, ``anna/1.jpg``; two files of one name are
        called by their full paths.
    """
    earlier = (out / _ANNOTATED).resolve()
    found: dict[Path, str] = {}
    for path in paths:
        if os.path.isdir(path):  # noqa: PTH112 - False where it cannot be told
            for photo in iter_files(path, SUFFIXES, on_skip):
                if not photo.resolve().is_relative_to(earlier):
                    found.setdefault(photo, readable_path(photo.relative_to(path)))
        else:
            found.setdefault(path, readable_path(Path(path.name)))
    uses = Counter(found.values())
    names = unique_names(
        name if uses[name] == 1 else readable_path(path) for path, name in found.items()
    )
    return dict(zip(names, found, strict=True))


def iter_files(folder: Path, suffixes: Collection[str], on_skip: OnSkip = ignore) -> Iterator[Path]:
    """The files in and below a folder with one of the suffixes (without a dot), in order.

    Files that a system made for itself (``is_hidden``) are left out; ``on_skip`` is called with all
    others that are left out.
    """
    for path in sorted(folder.rglob("*")):
        if is_hidden(PurePosixPath(path.relative_to(folder))) or not path.is_file():
            continue
        if has_suffix(path.name, suffixes):
            yield path
        else:
            on_skip(path)


def readable_path(path: Path) -> str:
    """A path for display, with ``/``; bytes that are not UTF-8 appear as hex digits."""
    return readable_name(os.fsencode(path.as_posix()).decode(errors="backslashreplace"))


def write_results(
    analyzer: Analyzer,
    photos: Mapping[str, Path],
    out: Path,
    options: AnalyzeOptions = DEFAULT_OPTIONS,
    *,
    blur: bool = False,
    decimal: Decimal = ".",
) -> Iterator[PhotoRecord]:
    """Analyses photos and writes the results to a folder; yields the record of each photo.

    Writes ``annotated/<name>.jpg`` as results arrive, and ``faces.csv``, ``photos.csv``,
    ``valence_arousal.html`` and ``settings.json`` at the end, also if the caller stops early.

    Args:
        analyzer: The analyzer.
        photos: Photos by name, as ``find_photos`` returns them.
        out: Folder, made if it does not exist; earlier results of the same photos are replaced.
        options: Which faces count.
        blur: Whether faces are made unrecognisable in the annotated photos.
        decimal: Decimal sign of the tables, see ``table_to_csv``.

    Raises:
        EmotionError: The folder cannot be written or holds annotated photos of another run,
            which would be mixed with these; or the analyzer failed (see ``iter_photo_batches``).
    """
    stems = dict(zip(photos, safe_stems(list(photos)), strict=True))
    sources = [PhotoSource(name, partial(_read, path)) for name, path in photos.items()]
    results = iter_photos(analyzer, sources, options, blur=blur)
    annotated = out / _ANNOTATED
    records: list[PhotoRecord] = []
    try:
        annotated.mkdir(parents=True, exist_ok=True)
        _clear(annotated, {stem + ".jpg" for stem in stems.values()})
        try:
            for result in results:
                records.append(result.record)
                if result.annotated:
                    name = stems[result.record.source] + ".jpg"
                    atomic_write(annotated / name, result.annotated)
                yield result.record
        finally:
            faces = faces_table(records)
            atomic_write(out / "faces.csv", table_to_csv(faces, decimal))
            photo_rows = photos_table(records, all_faces=options.all_faces)
            atomic_write(out / "photos.csv", table_to_csv(photo_rows, decimal))
            charted = faces if options.all_faces else usable_faces(faces)
            page = to_html(valence_arousal_chart(charted), title="Valence and arousal")
            atomic_write(out / "valence_arousal.html", page.encode())
            settings = photo_settings(analyzer.info, options, blur=blur)
            atomic_write(out / "settings.json", json.dumps(settings, indent=2).encode())
    except EmotionError:  # some are also an OSError, but not about this folder
        raise
    except OSError as error:
        raise EmotionError(f"{out} cannot be written ({error.strerror or error}).") from error


def photo_settings(info: AnalyzerInfo, options: AnalyzeOptions, *, blur: bool) -> dict[str, object]:
    """What decides the results, for ``settings.json``."""
    return {
        "model": info.emotion.version,
        **({"adapted_from": asdict(adapted)} if (adapted := info.emotion.adapted) else {}),
        "detector": info.detector.version,
        "min_score": options.min_score,
        "min_face_px": options.min_face_px,
        "blur": blur,
        **({"region": options.region} if options.region else {}),
        **({"faces": "largest"} if options.largest_only else {}),
        **({"all_faces": True} if options.all_faces else {}),
    }


def _clear(annotated: Path, names: Collection[str]) -> None:
    """Removes all files that a run may replace, since a photo may fail this time.

    Raises:
        EmotionError: There are other files; then nothing is removed.
    """
    present = sorted(annotated.glob("*.jpg"))
    others = [path.name for path in present if path.name not in names]
    if others:
        raise EmotionError(
            f"{annotated} holds images of other photos, e.g. {readable_name(others[0])}; "
            "remove them, or choose another folder for the results."
        )
    for path in present:
        path.unlink()


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        return read_image_file(file)
