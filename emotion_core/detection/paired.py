"""Two detectors together, where no face may be missed: what one overlooks, the other often sees."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

import numpy as np

from emotion_core.detection.boxes import ACROSS_PASSES, batched_nms, concat, sort_by_score
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


MIN_HIDDEN_SCORE = 0.45
"""Faces from this score on are hidden, whatever the options. A lower one would hide more that is no
face, and make quick searches of videos, which must find all of them, less useful."""


class PairedDetector:
    """A detector that a second one helps when faces are to be hidden.

    What only the second one finds is marked as ``Faces.is_hidden_only``, so that the faces that
    are reported do not depend on whether faces are hidden.

    Args:
        first: Finds the faces that count.
        load_second: Loads the other one when it is first needed; ``None`` if there is none.
    """

    def __init__(self, first: Detector, load_second: Callable[[], Detector | None]) -> None:
        self._first, self._load_second = first, load_second
        self._second: list[Detector | None] = []
        self._loading = threading.Lock()

    def detect(
        self, images: Sequence[Image], options: AnalyzeOptions = DEFAULT_OPTIONS
    ) -> list[Faces]:
        """Finds the faces of each image, from left to right; see ``FaceDetector.detect``."""
        found = self._first.detect(images, options)
        second = self._find_second() if options.for_redaction else None
        if second is None:
            return found
        return list(map(_add, found, second.detect(images, options)))

    def _find_second(self) -> Detector | None:
        """Loads the other detector once, however many threads ask for it."""
        with self._loading:
            if not self._second:
                self._second.append(self._load_second())
            return self._second[0]


def _add(faces: Faces, others: Faces) -> Faces:
    """Adds the others that are not among the faces that will be hidden in any case."""
    known = sort_by_score(faces[faces.scores >= MIN_HIDDEN_SCORE])
    others = sort_by_score(others)
    both = concat(known, others).boxes
    kept = batched_nms(both, np.zeros(len(both), np.intp), ACROSS_PASSES)
    new = others[kept[kept >= len(known)] - len(known)]
    is_hidden_only = np.arange(len(faces) + len(new)) >= len(faces)
    found = replace(concat(faces, new), is_hidden_only=is_hidden_only)
    return found[np.argsort(found.boxes[:, 0] + found.boxes[:, 2], kind="stable")]
