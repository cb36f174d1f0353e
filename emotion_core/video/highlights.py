"""Highlights: the strongest expressions of each person in a video, with their images."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from emotion_core.imaging.annotate import blur_all
from emotion_core.imaging.codec import decode_image, encode_jpeg
from emotion_core.models.card import Preprocessing
from emotion_core.recognition.alignment import crop_faces
from emotion_core.types import Faces
from emotion_core.video.types import Highlight, HighlightKind

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

    import numpy.typing as npt
    import pandas as pd

    from emotion_core.types import Analysis, FloatArray, Image
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


def is_clear(frames: pd.DataFrame) -> npt.NDArray[np.bool_]:
    """Whether the faces of a table of frames are clear enough for an image."""
    sides = np.minimum(frames["x2"] - frames["x1"], frames["y2"] - frames["y1"])
    return ((frames["score"] >= MIN_SCORE) & (sides >= MIN_FACE_PX)).to_numpy(bool)


class HighlightCutter:
    """Cuts the images of highlights, whose times are known, out of the frames of a video.

    Args:
        smoothed: The smoothed table of frames.
        moments: Times in seconds of each kind of highlight, by track.
    """

    def __init__(
        self, smoothed: pd.DataFrame, moments: Mapping[int, Mapping[HighlightKind, float]]
    ) -> None:
        self._wanted: dict[int, list[tuple[Highlight, FloatArray]]] = {}
        self._found: list[Highlight] = []
        rows = smoothed[smoothed["track"].isin(list(moments))]
        rows = rows[is_clear(rows)]
        for row in rows.to_dict("records"):
            for kind, time_s in moments[row["track"]].items():
                if row["time_s"] == time_s:
                    self._want(row, kind)

    @property
    def frames(self) -> set[int]:
        """Indices of the frames from which images are still to be cut."""
        return set(self._wanted)

    def cut(self, index: int, shown: Image) -> None:
        """Cuts the images of a frame, if there are any.

        Args:
            index: Of the frame.
            shown: RGB image to crop faces from, blurred or not.
        """
        for highlight, box in self._wanted.pop(index, []):
            self._found.append(replace(highlight, jpeg=cut_face(shown, box)))

    def highlights(self) -> tuple[Highlight, ...]:
        """The highlights so far, by person and kind."""
        kinds = list(HighlightKind)
        return tuple(sorted(self._found, key=lambda h: (h.track, kinds.index(h.kind))))

    def _want(self, row: dict[Hashable, Any], kind: HighlightKind) -> None:
        highlight = Highlight(
            track=int(row["track"]),
            kind=kind,
            frame=int(row["frame"]),
            time_s=float(row["time_s"]),
            emotion=str(row["emotion"]),
            valence=float(row["valence"]),
            arousal=float(row["arousal"]),
            jpeg=b"",
        )
        box = np.array([[row[name] for name in ("x1", "y1", "x2", "y2")]], np.float32)
        self._wanted.setdefault(highlight.frame, []).append((highlight, box))


class HighlightTracker:
    """Keeps each person's highlights of a stream with their images, as they come.

    Of more than ``MAX_PEOPLE`` people, those seen shortest are forgotten.
    """

    def __init__(self) -> None:
        self._people: dict[int, _Person] = {}

    def add(self, frame: VideoFrame, analysis: Analysis, shown: Image) -> None:
        """Examines a frame; ignores unusable faces, and below ``MIN_FACE_PX`` or ``MIN_SCORE``.

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
        is_clear = (faces.scores >= MIN_SCORE) & (sides >= MIN_FACE_PX) & analysis.is_usable
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
            jpeg = cut_face(shown, analysis.faces.boxes[index : index + 1])
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


def cut_face(shown: Image, box: FloatArray) -> bytes:
    """The image of a face, 128 by 128 pixels, as JPEG.

    Args:
        shown: RGB image.
        box: ``(1, 4)`` x1, y1, x2, y2 in pixels.
    """
    faces = Faces(box, np.ones(1, np.float32))
    return encode_jpeg(crop_faces(shown, faces, _CROP)[0], quality=85)
