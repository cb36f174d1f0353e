"""What other models read in the faces on the Photos page."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from emotion_core.photos.comparison import classify_photos

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from emotion_core.photos.cropped import CroppedPhoto
    from emotion_core.recognition.classifier import EmotionClassifier
    from emotion_core.types import AnalyzeOptions, Predictions
    from streamlit_app.photos.state import Photo

_PHOTOS = 16
"""Photos that are read between two looks at whether the visitor has chosen something else."""


@dataclass(slots=True)
class SecondReadings:
    """What other models read in every face of the photos on the page."""

    _read: dict[tuple[str, str], tuple[CroppedPhoto, Predictions]] = field(default_factory=dict)

    def iter_missing(
        self,
        model: str,
        classifier: EmotionClassifier,
        photos: Sequence[Photo],
        results: Sequence[CroppedPhoto],
    ) -> Iterator[int]:
        """Reads the photos that were not read yet, some at a time; yields how many are done.

        Args:
            model: Version of the model.
            classifier: The model.
            photos: On the page.
            results: Of each photo, with all its faces.

        Raises:
            EmotionError: A photo is gone.
        """
        pairs = list(zip(photos, results, strict=True))
        keys = {photo.key for photo in photos}
        self._read = {key: read for key, read in self._read.items() if key[1] in keys}
        waiting = [
            (photo, result)
            for photo, result in pairs
            if result.record.analysis and not self._is_read(model, photo, result)
        ]
        for start in range(0, len(waiting), _PHOTOS):
            part = waiting[start : start + _PHOTOS]
            faces = [result.record.analysis.faces for _, result in part if result.record.analysis]
            read = classify_photos(classifier, [photo for photo, _ in part], faces)
            for (photo, result), found in zip(part, read, strict=True):
                self._read[model, photo.key] = result, found
            yield len(pairs) - len(waiting) + min(len(waiting), start + _PHOTOS)

    def of(self, model: str, photo: Photo, options: AnalyzeOptions) -> Predictions:
        """What a model read in those faces of a photo that count."""
        result, read = self._read[model, photo.key]
        found = result.record.analysis
        return read if found is None else read[options.find_counted(found)]

    def _is_read(self, model: str, photo: Photo, result: CroppedPhoto) -> bool:
        known = self._read.get((model, photo.key))
        return known is not None and known[0] is result
