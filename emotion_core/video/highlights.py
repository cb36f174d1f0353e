"""The strongest expressions of each person, kept while a video goes by."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from emotion_core.imaging.annotate import blur_all
from emotion_core.imaging.codec import decode_image, encode_jpeg
from emotion_core.models.card import Preprocessing
from emotion_core.recognition.alignment import crop_faces
from emotion_core.types import Faces
from emotion_core.video.types import Highlight, HighlightKind

if TYPE_CHECKING:
    from emotion_core.types import Analysis, Image
    from emotion_core.video.types import VideoFrame, VideoResult

MOST_PEOPLE = 200
"""People for whom moments are kept; bounds memory at about 4 MB."""

LEAST_SCORE = 0.7
"""Faces that the detector is less sure of are often half hidden, or no faces."""

LEAST_FACE_PX = 24
"""Shorter side of a face; below it the picture of a moment shows no expression to a reader."""

_PICTURE = Preprocessing(size_px=128, mean=(0.0,) * 3, std=(1.0,) * 3, margin=0.2)


@dataclass(eq=False, slots=True)
class _Person:
    """What is kept of one person.

    Attributes:
        n_seen: Pictures with the person.
        last_frame: Index of the last of them.
        strengths: How strong the best moment of each kind is, the more the stronger.
        moments: The best moment of each kind.
    """

    n_seen: int = 0
    last_frame: int = -1
    strengths: dict[HighlightKind, float] = field(default_factory=dict)
    moments: dict[HighlightKind, Highlight] = field(default_factory=dict)


class HighlightTracker:
    """Keeps each person's most positive, most negative and most intense moment with its picture.

    Of more than ``MOST_PEOPLE`` people, those seen shortest are forgotten.
    """

    def __init__(self) -> None:
        self._people: dict[int, _Person] = {}

    def add(self, frame: VideoFrame, analysis: Analysis, shown: Image) -> None:
        """Look at one picture.

        Faces that are small or uncertain (``LEAST_FACE_PX``, ``LEAST_SCORE``) are passed over.

        Args:
            frame: The picture, for its index and time.
            analysis: Smoothed readings of tracked faces.
            shown: RGB picture to cut faces out of: ``frame.image``, or a blurred one.

        Raises:
            ValueError: Faces have no track ids.
        """
        faces = analysis.faces
        if not len(faces):
            return
        if faces.track_ids is None:
            raise ValueError("Faces of a video need track ids.")
        sides = (faces.boxes[:, 2:] - faces.boxes[:, :2]).min(axis=1)
        is_good = (faces.scores >= LEAST_SCORE) & (sides >= LEAST_FACE_PX)
        for i, track in enumerate(faces.track_ids.tolist()):
            person = self._people.setdefault(track, _Person())
            person.n_seen += 1
            person.last_frame = frame.index
            if is_good[i]:
                _improve(person, frame, analysis, i, shown)
        self._forget_some()

    def moments(self) -> tuple[Highlight, ...]:
        """The moments so far, by person and kind."""
        return tuple(
            person.moments[kind]
            for _, person in sorted(self._people.items())
            for kind in HighlightKind
            if kind in person.moments
        )

    def _forget_some(self) -> None:
        """Drop those seen in the fewest pictures, of equals the one gone longest."""
        while len(self._people) > MOST_PEOPLE:
            newest = max(person.last_frame for person in self._people.values())
            ranks = {
                track: (person.last_frame == newest, person.n_seen, person.last_frame)
                for track, person in self._people.items()
            }  # whoever is in the picture now may yet be seen for long
            del self._people[min(ranks, key=lambda track: ranks[track])]


def hide_faces(result: VideoResult) -> VideoResult:
    """The same with every picture of a face made unrecognisable, also those kept before."""
    moments = tuple(
        replace(moment, picture=encode_jpeg(blur_all(decode_image(moment.picture).pixels)))
        for moment in result.moments
    )
    return replace(result, settings=replace(result.settings, blur=True), moments=moments)


def _improve(
    person: _Person, frame: VideoFrame, analysis: Analysis, face: int, shown: Image
) -> None:
    """Replace the moments that this face beats; its picture is made only if there are any."""
    valence = float(analysis.predictions.valence[face])
    arousal = float(analysis.predictions.arousal[face])
    strengths = {
        HighlightKind.POSITIVE: valence,
        HighlightKind.NEGATIVE: -valence,
        HighlightKind.INTENSE: math.hypot(valence, arousal),
    }
    beaten = [
        kind
        for kind, strength in strengths.items()
        if strength > person.strengths.get(kind, -math.inf)
    ]
    if not beaten:
        return
    chosen = np.array([face])
    faces, read = analysis.faces[chosen], analysis.predictions[chosen]
    crop = crop_faces(shown, Faces(faces.boxes, faces.scores), _PICTURE)[0]
    picture = encode_jpeg(crop, quality=85)
    track = int(analysis.faces.track_ids[face])  # type: ignore[index]
    for kind in beaten:
        person.strengths[kind] = strengths[kind]
        person.moments[kind] = Highlight(
            track=track,
            kind=kind,
            frame=frame.index,
            time_s=frame.time_s,
            emotion=str(read.top[0]),
            valence=valence,
            arousal=arousal,
            picture=picture,
        )
