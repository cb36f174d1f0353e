"""All results of photos as one ZIP archive, with what is needed to repeat them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from emotion_core import __version__
from emotion_core.files.archive import pack
from emotion_core.photos.tables import (
    Decimal,
    PhotoRecord,
    faces_table,
    photos_table,
    safe_stems,
    table_to_csv,
)
from emotion_core.quality import usable_faces
from emotion_core.reporting.photo_charts import (
    distribution_chart,
    to_html,
    to_png,
    valence_arousal_chart,
)
from emotion_core.reporting.photo_folder import photo_settings
from emotion_core.reporting.provenance import (
    LIMITS,
    citation,
    describe_adaptation,
    describe_counted,
    describe_material,
    software_versions,
)
from emotion_core.types import AnalyzeOptions, VaSource

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    import pandas as pd

    from emotion_core.models.card import AnalyzerInfo


@dataclass(frozen=True, eq=False, slots=True)
class PhotoRun:
    """Analysed photos, and how they were analysed.

    Attributes:
        records: The photos with the faces that count.
        info: The models.
        options: Which faces count.
        blur: Whether faces are unrecognisable in images.
        made_at: When the results are saved.
        sha256: Hashes of the photos' files by name, in hexadecimal digits.
    """

    records: Sequence[PhotoRecord]
    info: AnalyzerInfo
    options: AnalyzeOptions
    blur: bool
    made_at: datetime
    sha256: Mapping[str, str] = field(default_factory=dict)


def write_bundle(
    run: PhotoRun,
    annotated: Iterable[tuple[str, bytes]] = (),
    *,
    shown: pd.DataFrame | None = None,
    decimal: Decimal = ".",
) -> bytes:
    """Packs tables, charts, annotated photos, settings and a text on methods into a ZIP archive.

    Args:
        run: The photos.
        annotated: Names and JPEGs; each is taken when its turn has come.
        shown: A choice of the faces for a table of its own.
        decimal: Decimal sign of the tables, see ``table_to_csv``.
    """
    return pack(_iter_files(run, annotated, shown, decimal))


def _iter_files(
    run: PhotoRun,
    annotated: Iterable[tuple[str, bytes]],
    shown: pd.DataFrame | None,
    decimal: Decimal,
) -> Iterator[tuple[str, bytes | str]]:
    faces = faces_table(run.records)
    stems = safe_stems([record.source for record in run.records])
    stem_of = dict(zip((record.source for record in run.records), stems, strict=True))
    means = photos_table(run.records, all_faces=run.options.all_faces)
    charted = faces if run.options.all_faces else usable_faces(faces)
    yield "methods.txt", describe_methods(run)
    yield "settings.json", json.dumps(_settings(run), indent=2)
    yield "faces.csv", table_to_csv(faces, decimal)
    yield "photos.csv", table_to_csv(means, decimal)
    if shown is not None:
        yield "shown_faces.csv", table_to_csv(shown, decimal)
    if not charted.empty:
        plane = valence_arousal_chart(charted)
        yield "charts/valence_arousal.html", to_html(plane, title="Valence and arousal")
        yield "charts/valence_arousal.png", to_png(plane)
        yield "charts/emotions.png", to_png(distribution_chart(charted))
    for name, jpeg in annotated:
        yield f"annotated/{stem_of[name]}.jpg", jpeg


def describe_methods(run: PhotoRun) -> str:
    """A text on methods that a report can quote: versions, hashes, settings, what is missing."""
    emotion, detector, options = run.info.emotion, run.info.detector, run.options
    analyses = [record.analysis for record in run.records if record.analysis is not None]
    failed = [record.source for record in run.records if record.analysis is None]
    n_faces = sum(map(len, analyses))
    n_empty = sum(not len(analysis) for analysis in analyses)
    limits = [
        f"a detection confidence of at least {options.min_score:.2g}",
        f"a shorter side of at least {options.min_face_px:g} pixels",
    ]
    if options.region:
        limits.append("a centre inside the region {},{},{},{}".format(*options.region))
    largest = " Of each photo, only the largest face counts." if options.largest_only else ""
    source = (
        "outputs of the same network"
        if emotion.va_source is VaSource.HEAD
        else "expected values of published coordinates of the emotion words (NRC-VAD lexicon) "
        "under these probabilities"
    )
    words = [
        f"Faces in photos were analysed with Emoscope {__version__} on {run.made_at:%Y-%m-%d}.",
        f"Faces were found by {detector.name} (SHA-256 {detector.weights.sha256}) and count with "
        f"{', '.join(limits[:-1])} and {limits[-1]}.{largest}",
        f"{emotion.name} (SHA-256 {emotion.weights.sha256}) gave each face a probability for each "
        f"of {len(emotion.labels)} expressions ({', '.join(emotion.labels)}); the most probable "
        f"one is reported. Valence and arousal, from -1 to 1, are {source}.",
        *filter(None, [describe_adaptation(emotion), describe_material(emotion)]),
        f"Photos analysed: {len(analyses)}, {n_empty} of them without a face. Faces: {n_faces}."
        + (f" Photos that could not be read: {', '.join(failed)}." if failed else ""),
        describe_counted(all_faces=options.all_faces),
        "Faces are blurred in all images." if run.blur else "Faces are not blurred in images.",
        LIMITS,
    ]
    return "\n\n".join([*words, citation()])


def _settings(run: PhotoRun) -> dict[str, object]:
    info = run.info
    return {
        **photo_settings(info, run.options, blur=run.blur),
        "made_at": run.made_at.isoformat(timespec="seconds"),
        "device": info.device,
        "versions": software_versions(),
        "weights_sha256": {c.name: c.weights.sha256 for c in (info.emotion, info.detector)},
        "photos_sha256": dict(run.sha256),
    }
