"""Looks at places of images: small views of them at several angles, all in one search."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from emotion_core.detection.roll_hints import overlaps, to_hints
from emotion_core.detection.turned_view import cut_square, turn
from emotion_core.detection.upside_down import may_be_inverted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from emotion_core.detection.detector import FaceDetector
    from emotion_core.detection.roll_hints import RollHint
    from emotion_core.detection.turned_view import TurnedView
    from emotion_core.types import AnalyzeOptions, Faces, Image

MIN_GAIN = 0.05
"""Of the score: a face that is not turned scores about the same in several views."""

_CROP = 2.2
"""Side of the square around a face in which it is looked at again, in its sides."""

_CLOSE_PX = 96  # of a view, at most
_CLOSE_SCORE = 0.5  # minimum of a face in it
_GLANCE_SCORE = 0.4
_PLACE_PX = 64  # of a view of a place at which there may be no face


class Place(NamedTuple):
    """A place at which a face is, or may be.

    Attributes:
        image: RGB ``(H, W, 3)``, 0-255.
        face: One face, in its pixels.
    """

    image: Image
    face: Faces


class _View(NamedTuple):
    turned: TurnedView
    scale: float  # pixels of the square per pixel of the image
    corner: tuple[float, float]  # of the square in the image


def look(
    detector: FaceDetector,
    places: Sequence[Place],
    rolls: Sequence[Sequence[float]],
    options: AnalyzeOptions,
) -> list[list[list[RollHint]]]:
    """What is seen of the face at each place, at each of its angles.

    Args:
        detector: Searches the views.
        places: Any number.
        rolls: Angles for each place, in degrees.
        options: Those of the search.
    """
    quick = replace(options, min_score=_CLOSE_SCORE, min_face_px=1, search_px=_CLOSE_PX)
    views = list(_to_views(places, rolls, _CLOSE_PX))
    found = detector.detect([view.turned.pixels for view in views], quick) if views else []
    seen = iter(zip(views, found, strict=True))
    return [
        [
            [
                hint
                for hint in to_hints(view.turned, faces, view.scale, view.corner)
                if overlaps(place.face, hint.face).any()
            ]
            for view, faces in islice(seen, len(angles))
        ]
        for place, angles in zip(places, rolls, strict=True)
    ]


def seem_turned(
    detector: FaceDetector,
    places: Sequence[Place],
    rolls: Sequence[float],
    options: AnalyzeOptions,
) -> list[bool]:
    """Whether a glance at each place shows a face surer at one of some angles than upright."""
    angles = [(0.0, *rolls)] * len(places)
    scores = _glance(detector, places, angles, options, _PLACE_PX)
    return [max(turned) > upright + MIN_GAIN for upright, *turned in scores]


def find_inverted(
    detector: FaceDetector,
    places: Sequence[Place],
    roll: float,
    options: AnalyzeOptions,
    px: int,
) -> list[int]:
    """Which of some faces seem surer upside down.

    Args:
        detector: Searches the views.
        places: Where the faces were found.
        roll: Angle of the view in which they were, in degrees.
        options: Those of the search.
        px: Pixels of a view.

    Returns:
        Their indices.
    """
    asked = np.flatnonzero(may_be_inverted(places)).tolist()
    angles = [(roll, roll + 180)] * len(asked)
    scores = _glance(detector, [places[i] for i in asked], angles, options, px)
    return [i for i, (upright, inverted) in zip(asked, scores, strict=True) if inverted > upright]


def _glance(
    detector: FaceDetector,
    places: Sequence[Place],
    rolls: Sequence[Sequence[float]],
    options: AnalyzeOptions,
    px: int,
) -> list[list[float]]:
    """The highest score at each place, at each of its angles; 0 if no face is seen."""
    quick = replace(options, min_score=_GLANCE_SCORE, min_face_px=1, search_px=px)
    views = [view.turned.pixels for view in _to_views(places, rolls, px)]
    found = iter(detector.detect(views, quick) if views else [])
    return [[float(next(found).scores.max(initial=0)) for _ in angles] for angles in rolls]


def _to_views(
    places: Sequence[Place], rolls: Sequence[Sequence[float]], px: int
) -> Iterator[_View]:
    for place, angles in zip(places, rolls, strict=True):
        part, scale, corner = cut_square(place.image, place.face, _CROP, px)
        for roll in angles:
            yield _View(turn(part, roll, whole=False), scale, corner)
