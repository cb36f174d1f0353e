"""Writes labels of faces as ``labels.csv``, which ``photo_labels`` reads."""

from __future__ import annotations

import csv
import io
import math
from typing import TYPE_CHECKING

from emotion_core.training.datasets.photo_labels import PERSON
from emotion_core.training.datasets.tables import BOX

if TYPE_CHECKING:
    from collections.abc import Iterable

    from emotion_core.training.datasets.photo_labels import PhotoLabel

LABEL_COLUMNS = ("image", "time_s", *BOX, "emotion", "valence", "arousal", PERSON, "rater")
"""Columns of a written table; cells without a value are empty. "uncertain" means that the rater
could not tell."""


def labels_to_csv(labels: Iterable[PhotoLabel]) -> bytes:
    """Writes labels as a CSV file in UTF-8, one row each."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\r\n")
    writer.writerow(LABEL_COLUMNS)
    for label in labels:
        box = ["" if label.box is None else f"{edge:.1f}" for edge in label.box or range(4)]
        time_s = "" if label.time_s is None else f"{label.time_s:.6f}".rstrip("0").rstrip(".")
        va = ["" if math.isnan(v) else f"{v:.3g}" for v in (label.valence, label.arousal)]
        person = label.row.cells.get(PERSON, "")
        word = label.emotion or ""
        writer.writerow([label.image, time_s, *box, word, *va, person, label.rater])
    return buffer.getvalue().encode()
