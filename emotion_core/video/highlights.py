"""Highlights: the strongest expressions of each person in a video, with their images."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from emotion_core.imaging.annotate import blur_all
from emotion_core.imaging.codec import decode_image, encode_jpeg
from emotion_core.models.card import Preprocessing
from emotion_core.recognition.alignment import crop_faces
from emotion_core.types import Faces
from emotion_core.video.types import Highlight, HighlightKind

if TYPE_CHECKING:
    from emotion_core.types import Analysis, Image
    from emotion_core.video.types import VideoFrame, VideoResult

MAX_PEOPLE = 200
"""People whose highlights are kept; bounds memory at about 4 MB."""

MIN_SCORE = 0.7
"""Faces with a lower score are often half hidden, or no faces."""

MIN_FACE_PX = 24
"""Minimum of a face's shorter side; the image of a smaller one shows no expression to a reader."""

_CROP = Preprocessing(size_px=128, mean=(0.0,) * 3, std=(1.0,) * 3, margin=0.2)


@dataclass(eq=False, slots=True)
class _Person:
    """Highlights of one person.

    Attributes:
        n_seen: Frames with the person.
        last_frame: Index of the last of them.
        best: The highlight of each kind.
    """

    n_seen: int = 0
    last_frame: int = -1
    best: dict[HighlightKind, Highlight] = field(default_factory=dict)


class HighlightTracker:
    """Keeps each person's most positive, most negative and most intense highlight with its image.

    Of more than ``MAX_PEOPLE`` people, those seen shortest are forgotten.
    """

    def __init__(self) -> None:
        self._people: dict[int, _Person] = {}

    def add(self, frame: VideoFrame, analysis: Analysis, shown: Image) -> None:
        """Examines a frame; ignores faces below ``MIN_FACE_PX`` or ``MIN_SCORE``.

        Args:
            frame: For its index and time.
            analysis: Smoothed predictions of tracked faces.
            shown: RGB image to crop faces from: ``frame.image``, or a blurred one.

        Raises:
            ValueError: Faces have no track ids.
        """
        faces = analysis.faces
        if not len(faces):
            return
        if faces.track_ids is None:
            raise ValueError("Faces of a video need track ids.")
        sides = (faces.boxes[:, 2:] - faces.boxes[:, :2]).min(axis=1)
        is_clear = (faces.scores >= MIN_SCORE) & (sides >= MIN_FACE_PX)
        for i, track in enumerate(faces.track_ids.tolist()):
            person = self._people.setdefault(track, _Person())
            person.n_seen += 1
            person.last_frame = frame.index
            if is_clear[i]:
                _improve(person, frame, analysis, i, shown)
        self._forget_some()

    def highlights(self) -> tuple[Highlight, ...]:
        """The highlights so far, by person and kind."""
        return tuple(
            person.best[kind]
            for _, person in sorted(self._people.items())
            for kind in HighlightKind
            if kind in person.best
        )

    def _forget_some(self) -> None:
        """Drops people seen in the fewest frames, of equals the one absent longest."""
        while len(self._people) > MAX_PEOPLE:
            newest = max(person.last_frame for person in self._people.values())
            ranks = {
                track: (person.last_frame == newest, person.n_seen, person.last_frame)
                for track, person in self._people.items()
            }  # a person in the current frame may yet be seen for long
            del self._people[min(ranks, key=lambda track: ranks[track])]


def hide_faces(result: VideoResult) -> VideoResult:
    """Blurs the images of all highlights of a result."""
    highlights = tuple(
        replace(highlight, jpeg=encode_jpeg(blur_all(decode_image(highlight.jpeg).pixels)))
        for highlight in result.highlights
    )
    return replace(result, settings=replace(result.settings, blur=True), highlights=highlights)


def _strength(kind: HighlightKind, valence: float, arousal: float) -> float:
    if kind is HighlightKind.INTENSE:
        return math.hypot(valence, arousal)
    return valence if kind is HighlightKind.POSITIVE else -valence


def _improve(
    person: _Person, frame: VideoFrame, analysis: Analysis, index: int, shown: Image
) -> None:
    """Replaces the highlights that a face exceeds; encodes its image only if there are any."""
    valence = float(analysis.predictions.valence[index])
    arousal = float(analysis.predictions.arousal[index])
    jpeg = b""
    for kind in HighlightKind:
        old = person.best.get(kind)
        strength = _strength(kind, valence, arousal)
        if old is not None and strength <= _strength(kind, old.valence, old.arousal):
            continue
        if not jpeg:
            faces = analysis.faces[index : index + 1]
            crop = crop_faces(shown, Faces(faces.boxes, faces.scores), _CROP)[0]
            jpeg = encode_jpeg(crop, quality=85)
        person.best[kind] = Highlight(
            track=int(analysis.faces.track_ids[index]),  # type: ignore[index]
            kind=kind,
            frame=frame.index,
            time_s=frame.time_s,
            emotion=str(analysis.predictions[index : index + 1].top[0]),
            valence=valence,
            arousal=arousal,
            jpeg=jpeg,
        )
