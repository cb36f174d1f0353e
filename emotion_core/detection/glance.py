"""Glances: how sure a network is of a face in small views of it at several angles."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from emotion_core.detection.turned_view import cut_square, turn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from emotion_core.detection.detector import FaceDetector
    from emotion_core.types import AnalyzeOptions, Faces, FloatArray, Image

CROP = 2.2
"""Side of the square around a face in which it is looked at again, in its sides."""

MIN_GAIN = 0.05
"""Of the score: a face that is not turned scores about the same in several views."""

_MIN_SCORE = 0.4
_PLACE_PX = 64  # of a view


def seems_turned(
    detector: FaceDetector,
    image: Image,
    place: Faces,
    options: AnalyzeOptions,
    rolls: Sequence[float],
) -> bool:
    """Whether a glance at a place shows a face surer at one of some angles than upright."""
    upright, *turned = _glance(detector, image, place, options, (0.0, *rolls), _PLACE_PX)[0]
    return bool(max(turned) > upright + MIN_GAIN)


def find_inverted(  # noqa: PLR0913 - a search and what it looks at
    detector: FaceDetector,
    image: Image,
    faces: Faces,
    asked: list[int],
    options: AnalyzeOptions,
    *,
    roll: float,
    px: int,
) -> list[int]:
    """Which of some faces seem surer upside down.

    Args:
        detector: Searches the views.
        image: RGB ``(H, W, 3)``, 0-255.
        faces: Found in a view for a certain roll.
        asked: Indices of those to look at.
        options: Those of the search.
        roll: That one, in degrees.
        px: Pixels of a view.
    """

    def glance(chosen: list[int], at: float) -> FloatArray:
        places = faces[np.array(chosen, np.intp)]
        return _glance(detector, image, places, options, (at,), px)[:, 0]

    inverted = dict(zip(asked, glance(asked, roll + 180), strict=True))
    seen = [i for i in asked if inverted[i] > 0]  # few upright faces are
    upright = dict(zip(seen, glance(seen, roll), strict=True))
    return [i for i in seen if inverted[i] > upright[i]]


def _glance(
    detector: FaceDetector,
    image: Image,
    faces: Faces,
    options: AnalyzeOptions,
    rolls: Sequence[float],
    px: int,
) -> FloatArray:
    """``(N, len(rolls))`` the highest score around each face at each angle; 0 if none is seen."""
    quick = replace(options, min_score=_MIN_SCORE, min_face_px=1, search_px=px)
    parts = [cut_square(image, faces[i : i + 1], CROP, px)[0] for i in range(len(faces))]
    views = [turn(part, roll, whole=False).pixels for part in parts for roll in rolls]
    found = detector.detect(views, quick) if views else []
    scores = [float(seen.scores.max(initial=0)) for seen in found]
    return np.array(scores, np.float32).reshape(len(faces), len(rolls))
