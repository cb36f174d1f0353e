"""What a visitor says of the faces on the Photos page."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np

from emotion_core.adaptation.ordering import order_for_labels
from emotion_core.training.datasets.labelled_images import find_labelled_face
from emotion_core.training.datasets.photo_labels import PhotoLabel, read_rated_labels

if TYPE_CHECKING:
    from emotion_core.adaptation.adapt import Adaptation
    from emotion_core.labels import Emotion
    from emotion_core.training.datasets.photo_labels import FaceKey
    from streamlit_app.photos.faces import SelectedPhotos


@dataclass(slots=True)
class FaceLabels:
    """Labels of one visitor, in the order in which they were given.

    Attributes:
        given: Labels by face.
        passed: Faces that were labelled or skipped, the last one last.
        adaptation: What adapting to them did; ``None`` if they have changed since.
        archive: The adapted network's files; empty if there is none.
    """

    given: dict[FaceKey, PhotoLabel] = field(default_factory=dict)
    passed: list[FaceKey] = field(default_factory=list)
    adaptation: Adaptation | None = None
    archive: bytes = b""

    def fork(self) -> FaceLabels:
        """The same for another window."""
        return replace(self, given=dict(self.given), passed=list(self.passed))

    def give(self, face: FaceKey, emotion: Emotion, rater: str) -> None:
        """Labels a face; an earlier label of it is replaced."""
        self.given[face] = PhotoLabel(face[0], emotion, box=face[2], rater=rater)
        self._pass(face)

    def skip(self, face: FaceKey) -> None:
        """Leaves a face for later."""
        self._pass(face)

    def undo(self) -> None:
        """Takes the last label or skip back."""
        if self.passed:
            self.given.pop(self.passed.pop(), None)
            self.forget_adaptation()

    def take(self, data: bytes, selected: SelectedPhotos) -> int:
        """Takes the labels of a file that are about faces on the page.

        Returns:
            Their number.

        Raises:
            DatasetError: The file is no ``labels.csv``.
        """
        with TemporaryDirectory() as folder:
            path = Path(folder) / "labels.csv"
            path.write_bytes(data)
            labels = read_rated_labels(path)
        n = 0
        for label in labels:
            face = _find_face(label, selected)
            if face is not None and label.emotion is not None:
                self.given[face] = replace(label, box=face[2])
                self._pass(face)
                n += 1
        return n

    def forget_adaptation(self) -> None:
        """Drops what was made from earlier labels."""
        self.adaptation, self.archive = None, b""

    def _pass(self, face: FaceKey) -> None:
        if face in self.passed:
            self.passed.remove(face)
        self.passed.append(face)
        self.forget_adaptation()


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


def _find_face(label: PhotoLabel, selected: SelectedPhotos) -> FaceKey | None:
    for record in selected.records:
        if record.source == label.image and record.analysis is not None:
            which = find_labelled_face(record.analysis.faces, label)
            if which is None:
                return None
            x1, y1, x2, y2 = record.analysis.faces.boxes[which].astype(float).round(1).tolist()
            return label.image, None, (x1, y1, x2, y2)
    return None
