"""Faces that are turned in the plane of the image, which the networks do not see by themselves.

Up to 15 degrees a network finds every face as if it were upright, at 45 a third, lying ones hardly
ever, and of those upside down some, as faces whose landmarks stand on their heads. So where the
upright search finds nothing, or nothing it is sure of, turned views are searched as well. Beside a
sure face that is done only where the upright search saw something like a face.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import chain, repeat
from typing import TYPE_CHECKING

import numpy as np

from emotion_core.detection.boxes import rescale, sides
from emotion_core.detection.detector import LONGEST_SIDE_PX, merge_faces
from emotion_core.detection.doubt import find_doubt
from emotion_core.detection.glance import CROP, MIN_GAIN, find_inverted, seems_turned
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

    import numpy.typing as npt

    from emotion_core.detection.detector import FaceDetector
    from emotion_core.models.card import ModelCard
    from emotion_core.types import AnalyzeOptions, Image


_SCAN_SCORE = 0.65
"""Minimum score of a face in a turned view. There are several views, which would multiply the false
alarms at lower scores. With no face above it in the upright view all turned ones are searched."""

_FAINT_SCORE = 0.45
"""The same of a first look, where no view has a surer one: a second look turns it upright."""

_ASKEW_DEG = 10.0
"""Beyond this roll the only likely face of an image may be one upside down, seen from its chin."""

_SCAN_PX = {90.0: 640, 180.0: 640, 270.0: 640, 45.0: 320, 135.0: 320, 225.0: 320, 315.0: 320}
"""Longest side at which an image is searched for faces with each roll. Whole images are turned by
right angles; single faces by others, and they are large where they matter."""

_CROP_PX = 96
"""Pixels to which the square around a doubtful face is shrunk."""

_CROP_SCORE = 0.5
"""Minimum score of a face in a turned view of that square; it must also be surer than upright."""

_UPRIGHT_CROP, _UPRIGHT_PX = 3.0, 480
"""The same of the square in which a turned face is found precisely."""

_UPRIGHT_DEG, _UPRIGHT_TRIES = 6.0, 4
"""A face that is still turned further in its view is searched again at its new angle. YuNet draws
landmarks half as much turned as faces are."""

_MIN_SIDE_PX = 32.0  # smaller faces are never sure, and tell little
_MAX_DOUBTS = 8  # faces of an image that are looked at again, the largest
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
        return [
            self._recheck(image, faces, hints, options)
            for image, faces, (_, hints) in zip(images, found, seen, strict=True)
        ]

    def _recheck(
        self, image: Image, faces: Faces, candidates: Faces, options: AnalyzeOptions
    ) -> Faces:
        """Looks at doubtful faces again, and at the whole image if no face is likely.

        Candidates were not sure enough to be faces.
        """
        faces = self._turn_doubtful(image, faces, options)
        if faces.scores.max(initial=0) >= _SCAN_SCORE and not self._is_askew(faces):
            return self._turn_candidates(image, faces, candidates, options)
        seen = self._scan(image, options)
        hints = [hint for hint in seen if hint.face.scores[0] >= _SCAN_SCORE]
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
        found = self._turn_doubtful(image, merge_faces(image, options, faces, found), options, roll)
        for hint in hints:
            if not is_explained(hint, found):
                found = merge_faces(image, options, found, self._find_upright(image, hint, options))
        return found

    def _is_askew(self, faces: Faces) -> bool:
        """Whether the surest face of an image is turned, and may stand on its head."""
        best = int(faces.scores.argmax())
        is_turned = abs(estimate_rolls(faces)[best]) > _ASKEW_DEG
        return bool(faces.scores[best] < self._doubt.sure_score and is_turned)

    def _find_at(self, image: Image, roll: float, options: AnalyzeOptions) -> Faces:
        """Searches a whole image for faces with a certain roll."""
        view = turn(image, roll)
        (faces,) = self._upright.detect([view.pixels], options)
        return view.to_image(_likely(faces, options, _SCAN_SCORE))

    def _turn_doubtful(
        self, image: Image, faces: Faces, options: AnalyzeOptions, roll: float = 0.0
    ) -> Faces:
        """Replaces faces by what is seen of them in a turned view, where that is better.

        Args:
            image: RGB ``(H, W, 3)``, 0-255.
            faces: Found in a view for a certain roll.
            options: Which faces count.
            roll: That one, in degrees.
        """
        doubtful = _doubtful(faces, roll, self._doubt.sure_score)
        better = {i: self._find_better(image, faces[i : i + 1], options) for i in doubtful}
        open_to_doubt = _largest(faces, faces.scores < self._doubt.certain_score)
        asked = [i for i in open_to_doubt if faces.scores[i] >= self._doubt.sure_score]
        px = self._doubt.glance_px
        for i in find_inverted(self._upright, image, faces, asked, options, roll=roll, px=px):
            hint = RollHint(faces[i : i + 1], float(estimate_rolls(faces)[i]) + 180)
            found = self._find_upright(image, hint, options)
            surer = found[found.scores > faces.scores[i]]
            better[i] = surer if len(surer) else better.get(i, surer)
        if not any(map(len, better.values())):
            return faces
        kept = np.array([not len(better.get(i, ())) for i in range(len(faces))])
        return merge_faces(image, options, faces[kept], *better.values())

    def _turn_candidates(
        self, image: Image, faces: Faces, candidates: Faces, options: AnalyzeOptions
    ) -> Faces:
        """Adds turned faces that an upright search saw, if not surely."""
        is_large = (sides(candidates) >= _HINT_SHARE * max(image.shape[:2])).all(axis=1)
        apart = candidates[is_large & ~touches(candidates, faces)]
        for i in _doubtful(apart, 0.0, self._doubt.sure_score)[:_MAX_HINTS]:
            place = apart[i : i + 1]
            if not touches(place, faces).any() and seems_turned(
                self._upright, image, place, options, tuple(_SCAN_PX)
            ):
                found = self._find_better(image, place, options)
                faces = merge_faces(image, options, faces, found) if len(found) else faces
        return faces

    def _find_better(self, image: Image, face: Faces, options: AnalyzeOptions) -> Faces:
        """Looks for a doubtful face in turned views; none if it is upright after all."""
        roll = float(estimate_rolls(face)[0])
        if face.scores[0] >= self._doubt.sure_score:
            return self._find_upright(image, RollHint(face, roll), options)
        cut = cut_square(image, face, CROP, _CROP_PX)
        quick = replace(options, min_score=_CROP_SCORE, min_face_px=1, search_px=_CROP_PX)
        hints = self._look(face, cut, (*_SCAN_PX, roll + 180), quick)  # landmarks on their heads
        if hints:
            upright = self._look(face, cut, (0.0,), quick)
            best_score = max((float(hint.face.scores[0]) for hint in upright), default=0.0)
            hints = [found for found in hints if found.face.scores[0] >= best_score + MIN_GAIN]
        best = Faces.empty()
        for hint in distinct_hints(hints):
            if not is_explained(hint, best):
                best = merge_faces(image, options, best, self._find_upright(image, hint, options))
        return best

    def _look(
        self,
        face: Faces,
        cut: tuple[Image, float, tuple[float, float]],
        rolls: tuple[float, ...],
        options: AnalyzeOptions,
    ) -> list[RollHint]:
        """What is seen of a face in turned views of the square around it."""
        part, scale, corner = cut
        views = [turn(part, roll, whole=False) for roll in rolls]
        found = self._upright.detect([view.pixels for view in views], options)
        placed = map(to_hints, views, found, repeat(scale), repeat(corner))
        return [hint for hint in chain(*placed) if overlaps(face, hint.face).any()]

    def _find_upright(self, image: Image, hint: RollHint, options: AnalyzeOptions) -> Faces:
        """Finds a face precisely, turned so that it stands upright; none if it is not there."""
        part, scale, corner = cut_square(image, hint.face, _UPRIGHT_CROP, _UPRIGHT_PX)
        options = replace(options, min_face_px=1)
        best, roll = Faces.empty(), hint.roll_deg
        for _ in range(_UPRIGHT_TRIES):
            view = turn(part, roll, whole=False)
            (faces,) = self._upright.detect([view.pixels], options)
            likely = _likely(faces, options, _SCAN_SCORE)
            hints = to_hints(view, likely, scale, corner)
            hints = [found for found in hints if overlaps(hint.face, found.face).any()]
            if not hints:
                break
            best, turned = max(hints, key=lambda found: float(found.face.scores[0]))
            is_upright = abs(roll_difference(turned, roll)) <= _UPRIGHT_DEG
            roll = turned
            if is_upright:
                break
        return best

    def _scan(self, image: Image, options: AnalyzeOptions) -> list[RollHint]:
        """Searches the shrunk image at all angles; the best hint of each face, best first."""
        hints: list[RollHint] = []
        for px in sorted(set(_SCAN_PX.values())):
            small = shrink(image, px)
            scale = scale_between(small, image)
            quick = replace(options, min_score=min(options.min_score, _FAINT_SCORE))
            quick = replace(quick, min_face_px=options.min_face_px * scale, search_px=2 * px)
            views = [turn(small, roll) for roll, size_px in _SCAN_PX.items() if size_px == px]
            found = self._upright.detect([view.pixels for view in views], quick)
            for view, faces in zip(views, found, strict=True):
                faint = faces[faces.scores >= _FAINT_SCORE]
                hints += to_hints(view, faint, scale, (0, 0))
        return distinct_hints(hints)


def _doubtful(faces: Faces, roll: float, sure_score: float) -> list[int]:
    """Indices of the faces that may be seen better at another roll, the largest first."""
    is_turned = abs(roll_difference(estimate_rolls(faces), roll)) > MIN_ROLL_DEG
    return _largest(faces, (faces.scores < sure_score) | is_turned)


def _largest(faces: Faces, is_chosen: npt.NDArray[np.bool_]) -> list[int]:
    """Indices of the largest of some faces that are not small."""
    side = sides(faces).min(axis=1, initial=np.inf)
    found = np.flatnonzero(is_chosen & (side >= _MIN_SIDE_PX))
    chosen: list[int] = found[np.argsort(-side[found], kind="stable")][:_MAX_DOUBTS].tolist()
    return chosen


def _likely(faces: Faces, options: AnalyzeOptions, min_score: float) -> Faces:
    """The faces that a turned view may show."""
    return faces[faces.scores >= max(options.min_score, min_score)]
