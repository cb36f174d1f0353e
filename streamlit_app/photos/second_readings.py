"""What another model reads in the faces on the Photos page."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from emotion_core.photos.comparison import classify_photos

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from emotion_core.photos.cropped import CroppedPhoto
    from emotion_core.recognition.classifier import EmotionClassifier
    from emotion_core.types import Predictions
    from streamlit_app.photos.state import Photo

_PHOTOS = 16
"""Photos that are read between two looks at whether the visitor has chosen something else."""


@dataclass(slots=True)
class SecondReadings:
    """What another model reads in every face of the photos on the page."""

    _model: str = ""
    _read: dict[str, tuple[CroppedPhoto, Predictions]] = field(default_factory=dict)

    def iter_missing(
        self,
        model: str,
        classifier: EmotionClassifier,
        photos: Sequence[Photo],
        results: Sequence[CroppedPhoto],
    ) -> Iterator[int]:
        """Reads the photos that were not read yet, some at a time; yields how many are done.

        Args:
            model: Version of the model; readings of another one are dropped.
            classifier: The model.
            photos: On the page.
            results: Of each photo, with all its faces.

        Raises:
            EmotionError: A photo is gone.
        """
        if model != self._model:
            self._model, self._read = model, {}
        pairs = list(zip(photos, results, strict=True))
        keys = {photo.key for photo in photos}
        self._read = {key: read for key, read in self._read.items() if key in keys}
        waiting = [
            (photo, result)
            for photo, result in pairs
            if result.record.analysis and not self._is_read(photo, result)
        ]
        for start in range(0, len(waiting), _PHOTOS):
            part = waiting[start : start + _PHOTOS]
            faces = [result.record.analysis.faces for _, result in part if result.record.analysis]
            read = classify_photos(classifier, [photo for photo, _ in part], faces)
            for (photo, result), found in zip(part, read, strict=True):
                self._read[photo.key] = result, found
            yield len(pairs) - len(waiting) + min(len(waiting), start + _PHOTOS)

    def of(self, photo: Photo) -> Predictions:
        """What was read in all faces of a photo with faces."""
        return self._read[photo.key][1]

    def _is_read(self, photo: Photo, result: CroppedPhoto) -> bool:
        return photo.key in self._read and self._read[photo.key][0] is result
