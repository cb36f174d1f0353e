"""Measures the whole product on labelled photos: reading files, finding, cropping, predicting.

A network's results on faces that lie as in its training set are not what users get: photos are
turned, faces are missed, other people's faces are larger. The largest face of a photo counts; a
photo without a face, or that cannot be read, counts as wrong.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from tqdm import tqdm

from emotion_core.detection.boxes import largest
from emotion_core.training.datasets.image_sources import iter_photos_of
from emotion_core.training.datasets.photo_labels import to_face_set
from emotion_core.training.evaluation.bootstrap import to_intervals
from emotion_core.training.evaluation.evaluate import (
    EmotionReport,
    MissedPhotos,
    PredictionBuffer,
    uncalibrated_error,
)
from emotion_core.training.evaluation.groups import check_columns, iter_group_metrics
from emotion_core.training.evaluation.metrics import to_metrics
from emotion_core.types import Faces, Image, Predictions

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from emotion_core.analyzer import Analyzer
    from emotion_core.recognition.classifier import EmotionClassifier
    from emotion_core.training.datasets.photo_labels import PhotoLabel
    from emotion_core.training.emotion.load import LoadedModel

PhotoReader = Callable[[Sequence[str], Sequence[Image]], list[tuple[Faces, Predictions]]]
"""Names and pixels of some photos to the faces of each, with predictions."""

_PERSON = "person"  # column of labels.csv, if there is one


def read_with_detector(analyzer: Analyzer) -> PhotoReader:
    """Finds and reads faces as the product does."""

    def read_photos(
        _names: Sequence[str], images: Sequence[Image]
    ) -> list[tuple[Faces, Predictions]]:
        return [(found.faces, found.predictions) for found in analyzer.analyze(images)]

    return read_photos


def read_in_boxes(classifier: EmotionClassifier, boxes: Mapping[str, Faces]) -> PhotoReader:
    """Reads faces that were marked by hand, one per photo, without a detector."""

    def read_photos(
        names: Sequence[str], images: Sequence[Image]
    ) -> list[tuple[Faces, Predictions]]:
        faces = [boxes[name] for name in names]
        return list(zip(faces, classifier.classify(images, faces), strict=True))

    return read_photos


def evaluate_photos(
    model: LoadedModel,
    read_photos: PhotoReader,
    folder: Path,
    labels: Sequence[PhotoLabel],
    framing: str,
    by: Sequence[str] = (),
) -> EmotionReport:
    """Measures everything from a file to its prediction.

    Args:
        model: What ``read_photos`` uses.
        read_photos: Finds and reads faces.
        folder: Holds the photos.
        labels: The ground truth; memory grows with it by only a few bytes each.
        framing: How ``read_photos`` finds faces, one sentence.
        by: Columns of the labels' table by whose values the photos are also measured in groups.

    Raises:
        DatasetError: There is no photo, one is missing, or there is no such column.
    """
    hint = "; --only measures the photos that another CSV file lists"
    faces = to_face_set(folder, labels, f"photos of {folder.resolve().name}", hint)
    check_columns(by, labels)
    readings = PredictionBuffer.empty(len(labels))
    no_face: list[str] = []
    unreadable: list[tuple[str, str]] = []
    times_s: list[float] = []
    rows = {label.image: i for i, label in enumerate(labels)}
    for batch in iter_photos_of(folder, tqdm(rows, unit="photo", disable=None, leave=False)):
        unreadable += [(name, why) for name, why in batch if isinstance(why, str)]
        images = {name: image for name, image in batch if not isinstance(image, str)}
        if not images:
            continue
        start_s = time.perf_counter()
        results = read_photos(list(images), list(images.values()))
        times_s.append((time.perf_counter() - start_s) / len(images))
        for name, (found, read) in zip(images, results, strict=True):
            if len(found):
                counts = read[np.array([largest(found.boxes)])]
                va = np.stack([counts.valence, counts.arousal], axis=1)
                readings.fill([rows[name]], counts.labels, counts.probabilities, va)
            else:
                no_face.append(name)
    card = model.classifier.card
    evidence = (readings.probabilities, readings.va, faces, readings.found)
    people = [label.row.cells.get(_PERSON) or label.image for label in labels]
    return EmotionReport(
        card=card,
        faces=faces,
        readings=readings,
        metrics=to_metrics(*evidence),
        intervals=to_intervals(*evidence, people),
        framing=framing,
        size=model.count(),
        ece_raw=uncalibrated_error(readings, faces, card.temperature),
        photo_ms=float(np.median(times_s)) * 1e3 if times_s else None,
        missed=MissedPhotos(tuple(no_face), tuple(unreadable)),
        groups=tuple(iter_group_metrics(by, labels, faces, readings, people)),
    )
