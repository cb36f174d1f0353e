"""Measures the whole product on labelled photos: reading files, finding, cropping, predicting.

A network's results on faces that lie as in its training set are not what users get: photos are
turned, faces are missed, other people's faces are larger. The face in a label's box counts, without
a box the largest of the photo; a face that is not found, or whose photo cannot be read, counts as
wrong.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from tqdm import tqdm

from emotion_core.training.datasets.labelled_images import (
    find_labelled_face,
    iter_labelled_images,
)
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
    from emotion_core.training.datasets.labelled_images import Rows
    from emotion_core.training.datasets.photo_labels import PhotoLabel
    from emotion_core.training.emotion.load import LoadedModel

PhotoReader = Callable[[Sequence[str], Sequence[Image]], list[tuple[Faces, Predictions]]]
"""Names and pixels of some photos to the faces of each, with predictions."""


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
    with tqdm(total=len(labels), unit="face", disable=None, leave=False) as bar:
        for batch in iter_labelled_images(folder, labels):
            images: dict[Rows, Image] = {}
            for rows, image in batch:
                if isinstance(image, str):
                    unreadable.append((labels[rows[0]].image, image))
                else:
                    images[rows] = image
            start_s = time.perf_counter()
            names = [labels[rows[0]].image for rows in images]
            results = read_photos(names, list(images.values())) if images else []
            times_s += [(time.perf_counter() - start_s) / len(images)] if images else []
            for rows, (found, read) in zip(images, results, strict=True):
                no_face += _fill(readings, rows, labels, found, read)
            bar.update(sum(len(rows) for rows, _ in batch))
    card = model.classifier.card
    evidence = (readings.probabilities, readings.va, faces, readings.found)
    people = [label.unit for label in labels]
    return EmotionReport(
        card=card,
        faces=faces,
        readings=readings,
        metrics=to_metrics(*evidence),
        intervals=to_intervals(*evidence, people),
        framing=framing,
        size=model.count(),
        ece_raw=uncalibrated_error(readings, faces, card),
        photo_ms=float(np.median(times_s)) * 1e3 if times_s else None,
        missed=MissedPhotos(tuple(no_face), tuple(unreadable)),
        groups=tuple(iter_group_metrics(by, labels, faces, readings, people)),
        units=tuple(people),
    )


def _fill(
    readings: PredictionBuffer,
    rows: Rows,
    labels: Sequence[PhotoLabel],
    found: Faces,
    read: Predictions,
) -> list[str]:
    """Stores the predictions of an image's labelled faces; the image's name if one is missing."""
    which = {row: find_labelled_face(found, labels[row]) for row in rows}
    for row, face in which.items():
        if face is not None:
            part = read[np.array([face])]
            va = np.stack([part.valence, part.arousal], axis=1)
            readings.fill([row], part.labels, part.probabilities, va)
    return [labels[rows[0]].image] if None in which.values() else []
