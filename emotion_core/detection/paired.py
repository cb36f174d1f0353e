"""Two detectors together, where no face may be missed: what one overlooks, the other often sees."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

from emotion_core.detection.boxes import concat, nms_faces, sort_by_score
from emotion_core.detection.tiling import SAME_FACE
from emotion_core.types import DEFAULT_OPTIONS, Faces

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from emotion_core.types import AnalyzeOptions, Image


class Detector(Protocol):
    """Finds the faces of each image; see ``FaceDetector.detect``."""

    def detect(
        self, images: Sequence[Image], options: AnalyzeOptions = DEFAULT_OPTIONS
    ) -> list[Faces]:
        """Finds the faces of each image."""


class PairedDetector:
    """A detector that a second one helps when faces are to be hidden.

    What only the second one finds gets a score just below the minimum of the search, so that the
    faces that are reported do not depend on whether faces are hidden.

    Args:
        first: Finds the faces that count.
        load_second: Loads the other one when it is first needed; ``None`` if there is none.
    """

    def __init__(self, first: Detector, load_second: Callable[[], Detector | None]) -> None:
        self._first, self._load_second = first, load_second

    def detect(
        self, images: Sequence[Image], options: AnalyzeOptions = DEFAULT_OPTIONS
    ) -> list[Faces]:
        """Finds the faces of each image, from left to right; see ``FaceDetector.detect``."""
        found = self._first.detect(images, options)
        second = self._load_second() if options.for_redaction else None
        if second is None:
            return found
        others = second.detect(images, options)
        return [_add(*pair, options.min_score) for pair in zip(found, others, strict=True)]


def _add(faces: Faces, others: Faces, min_score: float) -> Faces:
    """Adds the others that are not among the faces."""
    below = float(np.nextafter(np.float32(min_score), np.float32(0)))
    others = sort_by_score(others)
    others = Faces(others.boxes, np.minimum(others.scores, np.float32(below)), others.landmarks)
    found = nms_faces(concat(sort_by_score(faces), others), SAME_FACE)
    centre = found.boxes[:, 0] + found.boxes[:, 2]
    return found[np.argsort(centre, kind="stable")]
