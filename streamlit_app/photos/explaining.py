"""Where in a face its reading comes from, for the detail of the Photos page."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from emotion_core.errors import EmotionError
from emotion_core.imaging.annotate import blur_all
from emotion_core.imaging.codec import decode_image, encode_jpeg
from emotion_core.labels import to_emotion
from emotion_core.photos.tables import safe_stems
from emotion_core.recognition.explanation import explain_face, measure_spread
from emotion_core.reporting.explained_face import (
    MAP_LIMITS,
    describe_map,
    describe_spread,
    draw_explained,
)
from streamlit_app.widgets import media_url

if TYPE_CHECKING:
    from emotion_core.local_analyzer import LocalAnalyzer
    from emotion_core.recognition.classifier import EmotionClassifier
    from emotion_core.types import Faces, Image
    from streamlit_app.photos.state import Photo

_MAX_KEPT = 24
_MAP_PX = 320


@dataclass(frozen=True, slots=True)
class ExplainedFace:
    """A face's map and how stable its reading is.

    Attributes:
        map: JPEG of the face with its map.
        sheet: JPEG to keep: face, map, legend and words.
        emotion: What is mapped.
        told: What the map shows, in words.
        stability: How stable the word is, in words.
        spread: Minimum and maximum of each emotion's probability under small changes.
        valence: Of valence.
        arousal: Of arousal.
    """

    map: bytes
    sheet: bytes
    emotion: str
    told: str
    stability: str
    spread: dict[str, tuple[float, float]]
    valence: tuple[float, float]
    arousal: tuple[float, float]


@dataclass(slots=True)
class FaceExplainer:
    """Explains faces of one visitor's photos when asked, and keeps the last ones."""

    _kept: dict[tuple[str, str, str, bool], ExplainedFace] = field(default_factory=dict)

    @property
    def n_bytes(self) -> int:
        """Size of the images."""
        return sum(len(one.map) + len(one.sheet) for one in list(self._kept.values()))

    def explain(
        self,
        analyzer: LocalAnalyzer,
        photo: Photo,
        faces: Faces,
        face: str,
        wish: str,
        *,
        blur: bool,
    ) -> dict[str, Any]:
        """What the detail of a face shows, as ``faces_sheet`` takes it.

        Args:
            analyzer: Has read the face.
            photo: The photo.
            faces: Its faces that count.
            face: Id of the face, which ends in its number.
            wish: The emotion to map; empty for the one that is read.
            blur: Whether the face is made unrecognisable under the map.
        """
        told: dict[str, Any] = {"face": face, "wish": wish}
        key = (face, wish, analyzer.info.emotion.version, blur)
        number = int(face.rpartition("#")[2])
        found = self._kept.pop(key, None)
        if found is None:
            try:
                image = decode_image(photo.read()).pixels
            except EmotionError as error:
                return {**told, "error": str(error)}
            one = faces[np.array([number - 1])]
            found = _explain(analyzer.classifier, image, one, wish, blur=blur)
        self._kept[key] = found  # what was looked at last is dropped last
        for old in list(self._kept)[:-_MAX_KEPT]:
            del self._kept[old]
        return {
            **told,
            "map": media_url(found.map, "image/jpeg", f"map {face}"),
            "file": media_url(found.sheet, "image/jpeg", f"map sheet {face}"),
            "name": f"{safe_stems([photo.name])[0]}_face{number}_{found.emotion}.jpg",
            "alt": f"Map of {found.emotion} on face {number} of {photo.name}. {found.told}",
            "words": [found.told, MAP_LIMITS],
            "stability": found.stability,
            "spread": found.spread,
            "valence": found.valence,
            "arousal": found.arousal,
        }


def _explain(
    classifier: EmotionClassifier, image: Image, face: Faces, wish: str, *, blur: bool
) -> ExplainedFace:
    mapped = explain_face(classifier, image, face, to_emotion(wish) if wish else None)
    if blur:
        mapped = replace(mapped, crop=blur_all(mapped.crop))
    spread = measure_spread(classifier, image, face)
    return ExplainedFace(
        encode_jpeg(mapped.draw(_MAP_PX)),
        encode_jpeg(draw_explained(mapped, spread, classifier.card.title)),
        str(mapped.emotion),
        describe_map(mapped),
        describe_spread(spread),
        {str(word): spread.interval(word) for word in spread.readings.labels},
        spread.valence,
        spread.arousal,
    )
