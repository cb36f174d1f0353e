"""Two models on the same faces of photos or frames, without labels: where they differ.

The first analyzer finds the faces; the second one's model reads the same faces, so that nothing but
the reading differs.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from emotion_core.imaging.codec import decode_image
from emotion_core.labels import ALL_EMOTIONS
from emotion_core.photos.pipeline import iter_photo_batches
from emotion_core.recognition.alignment import crop_faces
from emotion_core.types import DEFAULT_OPTIONS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import numpy.typing as npt

    from emotion_core.labels import LabelSet
    from emotion_core.local_analyzer import LocalAnalyzer
    from emotion_core.photos.pipeline import PhotoSource
    from emotion_core.photos.tables import PhotoRecord
    from emotion_core.recognition.classifier import EmotionClassifier
    from emotion_core.types import Analysis, AnalyzeOptions, Faces, Image, Predictions


COMPARED_COLUMNS = (
    *("source", "time_s", "face", "x1", "y1", "x2", "y2"),
    *(f"{name}_{i}" for i in (1, 2) for name in ("emotion", "confidence", "valence", "arousal")),
)
"""Columns of a table of compared faces, one row each; 1 and 2 are the models."""


@dataclass(frozen=True, slots=True)
class ModelAgreement:
    """How far two models agree about N faces.

    Attributes:
        n: Faces.
        same_word: Share of them with the same word, 0-1.
        kappa: Cohen's kappa of the words, corrected for chance; ``None`` if it is not defined.
        valence_r: Pearson correlation; ``None`` if it is not defined.
        valence_difference: Mean of the second minus the first.
        arousal_r: As for valence.
        arousal_difference: As for valence.
    """

    n: int
    same_word: float
    kappa: float | None
    valence_r: float | None
    valence_difference: float
    arousal_r: float | None
    arousal_difference: float


def compare_images(
    first: LocalAnalyzer,
    second: LocalAnalyzer,
    images: Sequence[Image],
    options: AnalyzeOptions = DEFAULT_OPTIONS,
) -> list[tuple[Analysis, Predictions]]:
    """Analyses images with two models.

    Args:
        first: Finds and reads faces.
        second: Only its emotion model is used.
        images: RGB ``(H, W, 3)`` each.
        options: Which faces count.

    Returns:
        For each image the first model's analysis, and the second one's predictions of its faces.
    """
    found = first.analyze(images, options)
    second_read = second.classifier.classify(images, [one.faces for one in found])
    return list(zip(found, second_read, strict=True))


def iter_compared_photos(
    first: LocalAnalyzer, second: LocalAnalyzer, sources: Iterable[PhotoSource]
) -> Iterator[tuple[PhotoRecord, Predictions | None]]:
    """Analyses photos with two models, in batches, of which one is in memory at a time.

    Args:
        first: Finds and reads faces.
        second: Only its emotion model is used.
        sources: The photos.

    Yields:
        In order, what ``iter_photo_batches`` finds, and the second model's predictions of the same
        faces; ``None`` for a photo that failed, whose record says why.
    """
    for batch in iter_photo_batches(first, sources):
        pairs = [
            (photo.image.pixels, photo.record.analysis.faces)
            for photo in batch
            if photo.image is not None and photo.record.analysis is not None
        ]
        images, faces = [image for image, _ in pairs], [found for _, found in pairs]
        readings = iter(second.classifier.classify(images, faces))
        for photo in batch:
            yield photo.record, None if photo.image is None else next(readings)


def classify_photos(
    classifier: EmotionClassifier, sources: Sequence[PhotoSource], faces: Sequence[Faces]
) -> list[Predictions]:
    """Reads faces that were found before, of all photos together; one photo is decoded at a time.

    Args:
        classifier: Reads them.
        sources: The photos.
        faces: Of each photo, in its pixels.

    Raises:
        ImageDecodeError: A photo cannot be decoded.
    """
    size_px = classifier.preprocessing.size_px
    crops = [np.empty((0, size_px, size_px, 3), np.uint8)]
    for source, found in zip(sources, faces, strict=True):
        if len(found):
            image = decode_image(source.read()).pixels
            crops.append(crop_faces(image, found, classifier.preprocessing))
    read = classifier.classify_crops(np.concatenate(crops))
    bounds = np.cumsum([0, *map(len, faces)]).tolist()
    return [read[start:end] for start, end in pairwise(bounds)]


def compared_rows(
    source: str, analysis: Analysis, second: Predictions, time_s: float = np.nan
) -> list[dict[str, object]]:
    """One row a face for a table with ``COMPARED_COLUMNS``.

    Args:
        source: Name of the photo or video.
        analysis: By the first model.
        second: By the second one, of the same faces.
        time_s: Of the frame; NaN for a photo.
    """
    rows: list[dict[str, object]] = []
    boxes = analysis.faces.boxes.round(1).tolist()
    for i, box in enumerate(boxes):
        values: list[object] = [source, time_s, i + 1, *box]
        for read in (analysis.predictions, second):
            confidence = float(read.confidence[i])
            values += [str(read.top[i]), confidence, float(read.valence[i]), float(read.arousal[i])]
        rows.append(dict(zip(COMPARED_COLUMNS, values, strict=True)))
    return rows


def compare_frames(source: str, frames: pd.DataFrame, second: Predictions) -> pd.DataFrame:
    """A table with ``COMPARED_COLUMNS`` of faces of a video; faces are numbered in each frame.

    Args:
        source: Name of the video.
        frames: N rows of its table of frames.
        second: By the second model, of the same N faces.
    """
    names = ("emotion", "confidence", "valence", "arousal")
    read: dict[str, Any] = {f"{name}_1": frames[name] for name in names}
    read |= {f"{name}_2": getattr(second, name) for name in names[1:]}
    read |= {"emotion_2": [str(word) for word in second.top], "source": source}
    read["face"] = frames.groupby("frame").cumcount() + 1
    return frames.assign(**read)[list(COMPARED_COLUMNS)]


def to_compared_table(rows: Sequence[dict[str, object]]) -> pd.DataFrame:
    """A table of rows, with all columns also without a row."""
    return pd.DataFrame(rows, columns=list(COMPARED_COLUMNS))


def agreement_counts(compared: pd.DataFrame) -> pd.DataFrame:
    """How often the second model says which word (columns) where the first says another (rows)."""
    words: LabelSet = ALL_EMOTIONS
    used = [
        str(w) for w in words if (compared[["emotion_1", "emotion_2"]] == str(w)).any(axis=None)
    ]
    counts = pd.crosstab(compared["emotion_1"], compared["emotion_2"])
    return counts.reindex(index=used, columns=used, fill_value=0)


def measure_agreement(compared: pd.DataFrame) -> ModelAgreement | None:
    """Agreement of both models over a table of faces; ``None`` without a face."""
    n = len(compared)
    if not n:
        return None
    words = compared["emotion_1"], compared["emotion_2"]
    figures = {}
    for name in ("valence", "arousal"):
        first, second = compared[f"{name}_1"], compared[f"{name}_2"]
        varies = n > 1 and first.std() > 0 and second.std() > 0
        figures[f"{name}_r"] = float(first.corr(second)) if varies else None
        figures[f"{name}_difference"] = float((second - first).mean())
    same = float((words[0] == words[1]).mean())
    return ModelAgreement(n=n, same_word=same, kappa=to_kappa(*words), **figures)  # type: ignore[arg-type]


def to_kappa(first: npt.ArrayLike, second: npt.ArrayLike) -> float | None:
    """Cohen's kappa of two series of classes ``(N,)``; ``None`` if all are of one class."""
    if len(np.unique([first, second])) < 2:
        return None
    from sklearn.metrics import cohen_kappa_score  # a second of imports

    return float(cohen_kappa_score(first, second))


def find_disputed(compared: pd.DataFrame, n: int) -> pd.DataFrame:
    """The N faces with different words of which both models are surest, those first."""
    apart = compared[compared["emotion_1"] != compared["emotion_2"]]
    sure = apart[["confidence_1", "confidence_2"]].min(axis=1)
    return apart.loc[sure.sort_values(ascending=False, kind="stable").index[:n]]
