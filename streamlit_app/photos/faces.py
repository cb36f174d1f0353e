"""The faces of all photos on the page as a table, and the filters that choose among them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from emotion_core.photos.tables import faces_table
from emotion_core.quality import usable_faces
from emotion_core.reporting.photo_charts import select_faces

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from emotion_core.face import Face
    from emotion_core.photos.cropped import CroppedPhoto
    from emotion_core.photos.tables import PhotoRecord
    from streamlit_app.photos.state import Photo

_OWN_COLUMNS = ["id", "flag", "size_px"]

ORDERS = {
    "Photo": ([], []),
    "Emotion": (["emotion", "confidence"], [True, False]),
    "Confidence, low first": (["confidence"], [True]),
    "Confidence, high first": (["confidence"], [False]),
    "Quality, poor first": (["quality", "size_px"], [True, True]),
    "Valence, low first": (["valence"], [True]),
    "Arousal, high first": (["arousal"], [False]),
}
"""Orders of the contact sheet: columns and whether they ascend."""


@dataclass(frozen=True, eq=False, slots=True)
class SelectedPhotos:
    """The photos with a result, and their faces that count by the options.

    Attributes:
        photos: The photos.
        results: One per photo, with the faces that count.
        faces: Their ``sheet_table``.
        all_faces: Whether faces count in findings and charts that are too hard to read.
    """

    photos: list[Photo]
    results: list[CroppedPhoto]
    faces: pd.DataFrame
    all_faces: bool = False

    def to_counted(self, faces: pd.DataFrame) -> pd.DataFrame:
        """Those rows of a table of faces that count in findings and charts."""
        return faces if self.all_faces else usable_faces(faces)

    @property
    def records(self) -> list[PhotoRecord]:
        """The contents of the tables."""
        return [result.record for result in self.results]

    @property
    def readable(self) -> list[Photo]:
        """The photos that could be read."""
        pairs = zip(self.photos, self.results, strict=True)
        return [photo for photo, result in pairs if result.record.analysis is not None]

    def result_of(self, photo: Photo) -> CroppedPhoto:
        """The result of one of the photos."""
        return self.results[self.photos.index(photo)]


@dataclass(frozen=True, slots=True)
class SheetFilter:
    """Which of the faces are shown; the default is all.

    Attributes:
        emotions: Empty for all.
        ranges: Rectangle of the valence-arousal plane, as ``select_faces`` takes it.
        confidence: Minimum and maximum of the emotion's probability, 0-1.
        quality: ``"good"``, ``"poor"`` or empty for both.
        photo: Name of the only photo; empty for all.
    """

    emotions: tuple[str, ...] = ()
    ranges: Mapping[str, Sequence[float]] = field(default_factory=dict)
    confidence: tuple[float, float] = (0.0, 1.0)
    quality: str = ""
    photo: str = ""

    def choose(self, faces: pd.DataFrame) -> pd.DataFrame:
        """The rows of a ``sheet_table`` that are shown."""
        low, high = self.confidence
        kept = faces["confidence"].between(low, high)
        if self.emotions:
            kept &= faces["emotion"].isin(self.emotions)
        if self.quality:
            kept &= (faces["flag"] == "") == (self.quality == "good")
        if self.photo:
            kept &= faces["source"] == self.photo
        return select_faces(faces[kept], self.ranges)


def poor_quality(face: Face) -> str | None:
    """Why the reading of a face is doubtful; ``None`` if nothing speaks against it."""
    return None if face.is_usable else ", ".join(face.flags) or "poor"


def sheet_table(photos: Sequence[Photo], results: Sequence[CroppedPhoto]) -> pd.DataFrame:
    """A ``faces_table`` with an id, a flag (empty for none) and the size of each face."""
    table = faces_table([result.record for result in results])
    ids, flags, sizes = [], [], []
    for photo, result in zip(photos, results, strict=True):
        for number, face in enumerate(result.record.analysis or (), 1):
            ids.append(f"{photo.key}#{number}")
            flags.append(poor_quality(face) or "")
            sizes.append(_shorter_side(face))
    quality = pd.to_numeric(table["quality"])
    return table.assign(quality=quality, id=ids, flag=flags, size_px=np.array(sizes, float))


def sort_faces(faces: pd.DataFrame, order: str) -> pd.DataFrame:
    """The faces in one of ``ORDERS``; equal ones as in the photos."""
    columns, ascends = ORDERS[order]
    if not columns:
        return faces
    return faces.sort_values(list(columns), ascending=list(ascends), kind="stable")


def to_public(faces: pd.DataFrame) -> pd.DataFrame:
    """Rows of a ``sheet_table`` as a ``faces_table``."""
    return faces.drop(columns=_OWN_COLUMNS)


def _shorter_side(face: Face) -> float:
    x1, y1, x2, y2 = face.box
    return min(x2 - x1, y2 - y1)
