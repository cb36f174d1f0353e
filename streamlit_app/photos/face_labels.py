"""What a visitor says of the faces on the Photos page."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from emotion_core.adaptation.ordering import order_for_labels
from emotion_core.imaging.codec import decode_image
from emotion_core.training.datasets.labelled_images import find_labelled_face
from emotion_core.training.datasets.photo_labels import PhotoLabel, join_raters
from streamlit_app.rater_labels import UNRATED, RaterLabels

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from emotion_core.adaptation.adapt import Adaptation
    from emotion_core.adaptation.adapted_model import AdaptedModel
    from emotion_core.analyzer import Analyzer
    from emotion_core.labels import Emotion
    from emotion_core.photos.cropped import CroppedPhoto
    from emotion_core.training.datasets.photo_labels import FaceKey
    from emotion_core.types import Faces, Image
    from streamlit_app.own_model import OutsideReadings, OwnModel
    from streamlit_app.photos.faces import SelectedPhotos
    from streamlit_app.photos.second_readings import SecondReadings
    from streamlit_app.visitor_options import VisitorOptions


@dataclass(slots=True)
class FaceLabels(RaterLabels):
    """Labels of faces in photos, and what was made from them.

    Attributes:
        adaptation: What adapting to them did; ``None`` if they have changed since.
        adapted: The network that it made; ``None`` if it was refused.
        outside: How that network reads faces that it learned from, without having learned them.
    """

    adaptation: Adaptation | None = None
    adapted: AdaptedModel | None = None
    outside: OutsideReadings | None = None

    def give(
        self, face: FaceKey, emotion: Emotion, rater: str, va: tuple[float, float] = UNRATED
    ) -> None:
        """Labels a face; the same rater's earlier label of it is replaced.

        Args:
            face: Which one.
            emotion: What it shows.
            rater: Who says so; may be empty.
            va: Valence and arousal, -1 to 1; NaN if unrated.
        """
        self.put(
            PhotoLabel(face[0], emotion, valence=va[0], arousal=va[1], box=face[2], rater=rater)
        )

    def take(self, labels: Sequence[PhotoLabel], selected: SelectedPhotos) -> int:
        """Takes the labels of a file that are about faces on the page.

        Returns:
            Their number.
        """
        n = 0
        for label in labels:
            face = _find_face(label, selected)
            if face is not None:
                self.put(replace(label, time_s=None, box=face[2]))
                n += 1
        return n

    def note_change(self) -> None:
        """Drops what was made from earlier labels."""
        self.adaptation = self.adapted = self.outside = None


@dataclass(frozen=True, eq=False, slots=True)
class LabellingTask:
    """What is labelled, measured and adapted.

    Attributes:
        labels: The visitor's.
        selected: The photos and all faces that count.
        faces: Its faces, one for each row of its table.
        analyzer: Has read them.
        options: The visitor's choices.
        own: The visitor's own model.
        base: Choice of the emotion model to adapt; ``None`` if a server has it.
        device: Where models run: ``"auto"``, ``"cpu"`` or ``"cuda"``.
        second: What other models read in the photos.
        results: Results by key of the photo, with all their faces.
    """

    labels: FaceLabels
    selected: SelectedPhotos
    faces: list[FaceKey]
    analyzer: Analyzer
    options: VisitorOptions
    own: OwnModel
    base: str | None
    device: str
    second: SecondReadings
    results: Mapping[str, CroppedPhoto]

    @property
    def rows(self) -> list[int]:
        """Rows of the labelled faces."""
        labelled = {face for face, _ in self.labels.given}
        return [row for row, face in enumerate(self.faces) if face in labelled]

    def labels_of(self, rows: list[int]) -> list[PhotoLabel]:
        """The labels of labelled rows, of several raters joined."""
        joined = {label.face: label for label in join_raters(list(self.labels.given.values()))}
        return [joined[self.faces[row]] for row in rows]


def list_faces(selected: SelectedPhotos) -> list[FaceKey]:
    """The faces of the page, one for each row of its table."""
    table = selected.faces
    boxes = table[["x1", "y1", "x2", "y2"]].to_numpy(float).round(1).tolist()
    return [
        (str(source), None, (x1, y1, x2, y2))
        for source, (x1, y1, x2, y2) in zip(table["source"], boxes, strict=True)
    ]


def next_faces(selected: SelectedPhotos) -> list[int]:
    """Rows of the page's faces, those whose labels teach most first."""
    table = selected.faces
    columns = [name for name in table.columns if name.startswith("p_")]
    probabilities = table[columns].to_numpy(np.float32)
    return order_for_labels(probabilities, list(table["source"]), list(table["flag"] == ""))


def iter_rows_by_photo(
    selected: SelectedPhotos, rows: list[int]
) -> Iterator[tuple[list[int], Image, Faces]]:
    """Some rows of the page's faces by photo, each decoded once, with their faces."""
    wanted, start = set(rows), 0
    for photo, record in zip(selected.photos, selected.records, strict=True):
        if record.analysis is None:
            continue
        here = [row for row in range(start, start + len(record.analysis)) if row in wanted]
        if here:
            image = decode_image(photo.read()).pixels
            yield here, image, record.analysis.faces[np.array(here) - start]
        start += len(record.analysis)


def _find_face(label: PhotoLabel, selected: SelectedPhotos) -> FaceKey | None:
    for record in selected.records:
        if record.source == label.image and record.analysis is not None:
            which = find_labelled_face(record.analysis.faces, label)
            if which is None:
                return None
            x1, y1, x2, y2 = record.analysis.faces.boxes[which].astype(float).round(1).tolist()
            return label.image, None, (x1, y1, x2, y2)
    return None
