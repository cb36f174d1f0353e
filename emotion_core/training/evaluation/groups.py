"""Metrics of groups of people, such as ages, to see for whom a network works worse."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from emotion_core.errors import DatasetError
from emotion_core.training.datasets.image_sources import take_faces
from emotion_core.training.evaluation.bootstrap import Intervals, to_intervals
from emotion_core.training.evaluation.metrics import Metrics, to_metrics

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from emotion_core.training.datasets.face_set import FaceSet
    from emotion_core.training.datasets.photo_labels import PhotoLabel
    from emotion_core.training.evaluation.evaluate import PredictionBuffer


@dataclass(frozen=True, slots=True)
class GroupMetrics:
    """Results of a network on the photos with the same value in a column.

    Attributes:
        column: Of the table of labels, e.g. ``"age"``.
        value: In that column.
        metrics: Of these photos.
        intervals: Uncertainty of the metrics by chance.
    """

    column: str
    value: str
    metrics: Metrics
    intervals: Intervals


def check_columns(columns: Sequence[str], labels: Sequence[PhotoLabel]) -> None:
    """Raises ``DatasetError`` if the table of labels lacks a column; before a long measurement."""
    for column in columns:
        if column.lower() not in labels[0].row.cells:
            known = ", ".join(labels[0].row.cells)
            raise DatasetError(f"There is no column {column!r}; the columns are: {known}.")


def iter_group_metrics(
    columns: Sequence[str],
    labels: Sequence[PhotoLabel],
    faces: FaceSet,
    readings: PredictionBuffer,
    people: Sequence[str],
) -> Iterator[GroupMetrics]:
    """Yields the metrics of each value of each column; empty cells make no group.

    Args:
        columns: Of the table of labels, in any case; see ``check_columns``.
        labels: N rows of the table.
        faces: Their ground truth.
        readings: Their predictions.
        people: The person in each.

    """
    for column in columns:
        key = column.lower()
        values = np.array([label.row.cells[key] for label in labels])
        for value in np.unique(values[values != ""]):
            chosen = np.flatnonzero(values == value)
            part = (
                readings.probabilities[chosen],
                readings.va[chosen],
                take_faces(faces, chosen),
                readings.found[chosen],
            )
            intervals = to_intervals(*part, [people[i] for i in chosen.tolist()])
            yield GroupMetrics(key, str(value), to_metrics(*part), intervals)
