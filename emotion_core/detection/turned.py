"""Faces that are turned in the plane of the image, which the networks do not see by themselves.

Up to 15 degrees a network finds every face as if it were upright, at 45 a third, lying ones hardly
ever, and of those upside down some, as faces whose landmarks stand on their heads. So where the
upright search finds nothing, or nothing it is sure of, turned views are searched as well. Beside a
sure face that is done only where the upright search saw something like a face.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import chain, compress
from typing import TYPE_CHECKING

import numpy as np

from emotion_core.detection.boxes import rescale, sides
from emotion_core.detection.detector import LONGEST_SIDE_PX, merge_faces
from emotion_core.detection.doubt import choose_largest, find_doubt, find_doubtful
from emotion_core.detection.glance import MIN_GAIN, Place, find_inverted, look, seem_turned
from emotion_core.detection.roll_hints import (
    RollHint,
    distinct_hints,
    is_explained,
    main_roll,
    overlaps,
    to_hints,
    touches,
)
from emotion_core.detection.turned_view import (
    MIN_ROLL_DEG,
    cut_square,
    estimate_rolls,
    roll_difference,
    scale_between,
    turn,
)
from emotion_core.imaging.resize import shrink
from emotion_core.types import DEFAULT_OPTIONS, Faces

if TYPE_CHECKING:
    from collections.abc import Sequence

    from emotion_core.detection.detector import FaceDetector
    from emotion_core.models.card import ModelCard
    from emotion_core.types import AnalyzeOptions, Image


_SCAN_SCORE = 0.65
"""Minimum score of a face in a turned view. There are several views, which would multiply the false
alarms at lower scores. With no face above it in the upright view all turned ones are searched."""

_FAINT_SCORE = 0.45
"""The same of a first look, where no view has a surer one: a second look turns it upright."""

_SCAN_PX = {90.0: 640, 180.0: 640, 270.0: 640, 45.0: 320, 135.0: 320, 225.0: 320, 315.0: 320}
"""Longest side at which an image is searched for faces with each roll. Whole images are turned by
right angles; single faces by others, and they are large where they matter. Where a large face is
seen that may be one turned otherwise, the smaller size will do."""

_UPRIGHT_CROP, _UPRIGHT_PX = 3.0, 480
"""Square in which a turned face is found precisely: in its sides, and pixels at most."""

_UPRIGHT_QUICK_PX = 192  # of searches for its angle
_UPRIGHT_DEG, _UPRIGHT_TRIES = 6.0, 4
"""A face that is still turned further in its view is searched again at its new angle. YuNet draws
landmarks half as much turned as faces are."""

_MAX_HINTS = 2  # places of an image, besides, at which there may be a turned face
_HINT_SHARE = 1 / 6
"""Minimum side of such a place, as a share of the longer side of the image: of 61 group photos
every third has one that is no face, which costs a tenth of the search."""


class TurnedFaceDetector:
    """Finds faces at any angle: an upright search first, and turned views where it doubts.

    A thorough search turns the image by itself. A quick search looks only at the angles that the
    options name besides: whoever follows a video knows them.
    """

    def __init__(self, upright: FaceDetector) -> None:
        self._upright = upright
        self._doubt = find_doubt(upright.card)

    @property
    def card(self) -> ModelCard:
        """Of the network."""
        return self._upright.card

    def detect(
        self, images: Sequence[Image], options: AnalyzeOptions = DEFAULT_OPTIONS
    ) -> list[Faces]:
        """Finds the faces of each image; see ``FaceDetector.detect``."""
        known, options = options.rolls_deg, replace(options, rolls_deg=())
        seen = self._upright.detect_with_hints(images, options)
        found = [faces for faces, _ in seen]
        for roll in known:
            views = [turn(image, roll) for image in images]
            again = self._upright.detect([view.pixels for view in views], options)
            for i, (view, faces) in enumerate(zip(views, again, strict=True)):
                turned = view.to_image(_likely(faces, options, _SCAN_SCORE))
                if len(turned):
                    found[i] = merge_faces(images[i], options, found[i], turned)
        if options.search_px is not None:
            return found
        found = self._turn_doubtful(images, found, options)
        is_sure = [bool(faces.scores.max(initial=0) >= _SCAN_SCORE) for faces in found]
        apart = [
            hints if sure else Faces.empty() for (_, hints), sure in zip(seen, is_sure, strict=True)
        ]
        found = self._turn_candidates(images, found, apart, options)
        return [
            faces if sure else self._search_turned(image, faces, options)
            for image, faces, sure in zip(images, found, is_sure, strict=True)
        ]

    def _search_turned(self, image: Image, faces: Faces, options: AnalyzeOptions) -> Faces:
        """Searches a whole image at all angles, in which no face is likely as it stands."""
        has_large = (sides(faces) >= _HINT_SHARE * max(image.shape[:2])).all(axis=1).any()
        seen = self._scan(image, options, coarse=bool(has_large))
        likely = [hint for hint in seen if _score(hint) >= _SCAN_SCORE]
        hints = [hint for hint in likely if not is_explained(hint, faces)]
        if not hints and has_large:
            return faces
        if not hints:
            faint = [self._find_upright(image, hint, options) for hint in seen[:_MAX_HINTS]]
            return merge_faces(image, options, faces, *faint) if any(map(len, faint)) else faces
        roll = main_roll(hints)
        quarter = 90.0 * round(roll / 90)
        if abs(roll - quarter) <= MIN_ROLL_DEG:
            roll, searched = quarter, image
        else:  # shrunk, because turned pixels take memory, and whole photos are seldom askew
            searched = shrink(image, LONGEST_SIDE_PX[1])
        found = rescale(self._find_at(searched, roll, options), scale_between(searched, image))
        found = merge_faces(image, options, faces, found)
        (found,) = self._turn_doubtful([image], [found], options, roll)
        for hint in hints:
            if not is_explained(hint, found):
                found = merge_faces(image, options, found, self._find_upright(image, hint, options))
        return found

    def _find_at(self, image: Image, roll: float, options: AnalyzeOptions) -> Faces:
        """Searches a whole image for faces with a certain roll."""
        view = turn(image, roll)
        (faces,) = self._upright.detect([view.pixels], options)
        return view.to_image(_likely(faces, options, _SCAN_SCORE))

    def _turn_doubtful(
        self,
        images: Sequence[Image],
        found: Sequence[Faces],
        options: AnalyzeOptions,
        roll: float = 0.0,
    ) -> list[Faces]:
        """Replaces faces by what is seen of them in a turned view, where that is better.

        Args:
            images: RGB ``(H, W, 3)`` each, 0-255.
            found: The faces of each, found in a view for a certain roll.
            options: Which faces count.
            roll: That one, in degrees.
        """
        sure, certain, px = self._doubt
        doubtful = [
            (i, k) for i, faces in enumerate(found) for k in find_doubtful(faces, roll, sure)
        ]
        places = [Place(images[i], found[i][k : k + 1]) for i, k in doubtful]
        better = dict(zip(doubtful, self._find_better(places, options), strict=True))
        asked = [
            (i, k)
            for i, faces in enumerate(found)
            for k in choose_largest(faces, faces.scores < certain)
            if faces.scores[k] >= sure
        ]
        places = [Place(images[i], found[i][k : k + 1]) for i, k in asked]
        for n in find_inverted(self._upright, places, roll, options, px):
            image, face = places[n]
            hint = RollHint(face, float(estimate_rolls(face)[0]) + 180)
            upright = self._find_upright(image, hint, options)
            surer = upright[upright.scores > face.scores[0]]
            better[asked[n]] = surer if len(surer) else better.get(asked[n], surer)
        result = list(found)
        for i in {i for (i, _), faces in better.items() if len(faces)}:
            new = {k: faces for (owner, k), faces in better.items() if owner == i and len(faces)}
            kept = np.array([k not in new for k in range(len(found[i]))])
            result[i] = merge_faces(images[i], options, found[i][kept], *new.values())
        return result

    def _turn_candidates(
        self,
        images: Sequence[Image],
        found: list[Faces],
        candidates: Sequence[Faces],
        options: AnalyzeOptions,
    ) -> list[Faces]:
        """Adds turned faces that an upright search saw, if not surely."""
        owners, places = [], []
        for i, (image, faces, seen) in enumerate(zip(images, found, candidates, strict=True)):
            if not len(seen):
                continue
            is_large = (sides(seen) >= _HINT_SHARE * max(image.shape[:2])).all(axis=1)
            apart = seen[is_large & ~touches(seen, faces)]
            for k in find_doubtful(apart, 0.0, self._doubt.sure_score)[:_MAX_HINTS]:
                owners.append(i)
                places.append(Place(image, apart[k : k + 1]))
        result = list(found)
        is_turned = seem_turned(self._upright, places, tuple(_SCAN_PX), options)
        for i, place in compress(zip(owners, places, strict=True), is_turned):
            if not touches(place.face, result[i]).any():
                (better,) = self._find_better([place], options)
                if len(better):
                    result[i] = merge_faces(place.image, options, result[i], better)
        return result

    def _find_better(self, places: Sequence[Place], options: AnalyzeOptions) -> list[Faces]:
        """Looks for doubtful faces in turned views; none where one is upright after all."""
        hints = [[RollHint(face, float(estimate_rolls(face)[0]))] for _, face in places]
        unsure = [
            i for i, (_, face) in enumerate(places) if face.scores[0] < self._doubt.sure_score
        ]
        # The last angle: landmarks may stand on their heads.
        angles = [(0.0, *_SCAN_PX, hints[i][0].roll_deg + 180) for i in unsure]
        seen = look(self._upright, [places[i] for i in unsure], angles, options)
        for i, (upright, *turned) in zip(unsure, seen, strict=True):
            least = max((_score(hint) for hint in upright), default=0.0) + MIN_GAIN
            hints[i] = [hint for hint in chain(*turned) if _score(hint) >= least]
        return [
            self._find_all(place.image, distinct_hints(some), options)
            for place, some in zip(places, hints, strict=True)
        ]

    def _find_all(self, image: Image, hints: list[RollHint], options: AnalyzeOptions) -> Faces:
        """Finds precisely what hints tell of, best first."""
        best = Faces.empty()
        for hint in hints:
            if not is_explained(hint, best):
                best = merge_faces(image, options, best, self._find_upright(image, hint, options))
        return best

    def _find_upright(self, image: Image, hint: RollHint, options: AnalyzeOptions) -> Faces:
        """Finds a face precisely, turned so that it stands upright; none if it is not there."""
        part, scale, corner = cut_square(image, hint.face, _UPRIGHT_CROP, _UPRIGHT_PX)
        precise = replace(options, min_face_px=1)
        quick = replace(precise, search_px=_UPRIGHT_QUICK_PX)

        def see(roll: float, how: AnalyzeOptions) -> RollHint | None:
            view = turn(part, roll, whole=False)
            (faces,) = self._upright.detect([view.pixels], how)
            hints = to_hints(view, _likely(faces, options, _SCAN_SCORE), scale, corner)
            hints = [found for found in hints if overlaps(hint.face, found.face).any()]
            return max(hints, key=_score, default=None)

        roll = hint.roll_deg
        for _ in range(_UPRIGHT_TRIES - 1):
            seen = see(roll, quick)
            if seen is None:
                break
            is_upright = abs(roll_difference(seen.roll_deg, roll)) <= _UPRIGHT_DEG
            roll = seen.roll_deg
            if is_upright:
                break
        found = see(roll, precise)
        return Faces.empty() if found is None else found.face

    def _scan(self, image: Image, options: AnalyzeOptions, *, coarse: bool) -> list[RollHint]:
        """Searches the shrunk image at all angles; the best hint of each face, best first."""
        hints: list[RollHint] = []
        sizes_px = dict.fromkeys(_SCAN_PX, min(_SCAN_PX.values())) if coarse else _SCAN_PX
        for px in sorted(set(sizes_px.values())):
            small = shrink(image, px)
            scale = scale_between(small, image)
            quick = replace(options, min_score=min(options.min_score, _FAINT_SCORE))
            quick = replace(quick, min_face_px=options.min_face_px * scale, search_px=2 * px)
            views = [turn(small, roll) for roll, size_px in sizes_px.items() if size_px == px]
            found = self._upright.detect([view.pixels for view in views], quick)
            for view, faces in zip(views, found, strict=True):
                faint = faces[faces.scores >= _FAINT_SCORE]
                hints += to_hints(view, faint, scale, (0, 0))
        return distinct_hints(hints)


def _score(hint: RollHint) -> float:
    return float(hint.face.scores[0])


def _likely(faces: Faces, options: AnalyzeOptions, min_score: float) -> Faces:
    """The faces that a turned view may show."""
    return faces[faces.scores >= max(options.min_score, min_score)]
