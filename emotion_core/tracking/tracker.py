"""Who is who in a stream: every face gets the id of its person, through short losses and crossings.

The faces of a picture are given to the tracks all at once, so that the whole is most likely. The
cost of a pair is the logarithm of how much more likely the face is somebody new than this track, by
its place and size (``motion``) and by its colours (``looks``); a pair with a cost above 0 is never
made. Sources: A. Bewley et al., "Simple Online and Realtime Tracking", ICIP 2016 (foretold places
and optimal assignment); J. Cao et al., "Observation-Centric SORT", CVPR 2023 (a lost track is
foretold from where it was last seen); S. Blackman and R. Popoli, "Design and Analysis of Modern
Tracking Systems", Artech House 1999, chapter 6 (likelihood ratio against a new target).

ByteTrack's second pass has nothing to do here, as the boxes that it is for are left out by the
detector's least score. Overlap of boxes is no part of the cost: distance and ratio of sizes tell
the same, and still tell something at three pictures a second, when faces move by their own width.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from emotion_core.tracking.appearance import (
    ColorDescriptor,
    appearance_cost,
    color_descriptors,
    frame_signature,
    is_shot_boundary,
)
from emotion_core.tracking.kalman import BoxGeometry, KalmanState, motion_cost

if TYPE_CHECKING:
    from emotion_core.recognition.embedding import FaceEmbedder
    from emotion_core.types import Faces, Image

LOST_S = 1.5
"""Who is not seen for longer has left: a head that turns or a passer-by in front takes less. Where
pictures are farther apart, one picture without the face is allowed."""

NEW_FACES = 0.02
"""Faces expected to appear in a picture, per area of one face: decides how far from its foretold
place a face may be. By place alone, 0.7 of its size at 25 pictures a second, 1.0 at 3."""

LOST = 1.0
"""Added to the cost of a track that the last picture did not show: who was seen just now is more
likely to be seen again."""

CUT = 8.0
"""Added to the cost where the scene has changed: outweighs the best place, so that only a face that
also looks the same keeps its id; all others have left."""

LOOK_S = 0.3
"""Time constant of the running mean of a face's colours: evens out jitter, follows the light."""

CLEAR = 2.0
"""A face less than so many of its sizes from a larger one, which is likely in front of it, may be
partly hidden: its colours are not learned. Of 1.2, 1.5 and 2 this kept most ids in a street."""

MOST_SEEN = 1.1
"""A face whose whole size is more than this times what the picture's edge leaves of it is not told
by its colours."""

SAME_PERSON = 0.363
"""Least cosine of two embeddings of one person.

Source: opencv/opencv_zoo, models/face_recognition_sface/sface.py, for SFace.
"""

EMBED_EVERY_S = 1.0
"""How often a face in view is embedded anew, so that the mean covers several poses."""

EMBED_MIN_PX = 40
"""Smaller faces are not embedded: the network is made for 112 pixels, and this is a third."""

SETTLE_S = 3.0
"""For so long a new track may still turn out to be somebody known, as people come in by the edge of
the picture and in profile; its id then changes to the old one."""

GALLERY = 500
"""People remembered at most (2 kB each); who was seen longest ago is forgotten first."""


@dataclass(slots=True)
class _Track:
    """One person, as long as in view or remembered."""

    motion: KalmanState
    first_s: float
    id: int = 0
    look: ColorDescriptor | None = None
    embedding: npt.NDArray[np.float64] = field(default_factory=lambda: np.zeros(1))  # sum of all
    embedded_s: float = -np.inf

    @property
    def last_s(self) -> float:
        return self.motion.time_s


class FaceTracker:
    """Identities of one stream. Not thread-safe; a stream has its own.

    Every face gets an id at once. A false alarm of the detector thus uses one up; ids are never
    given to somebody else.

    Args:
        embedder: Recognises people after longer gaps, up to the whole stream; ``None``: who was
            away for longer than ``LOST_S`` gets a new id.
    """

    def __init__(self, embedder: FaceEmbedder | None = None) -> None:
        self._embedder = embedder
        self._tracks: list[_Track] = []
        self._gallery: list[_Track] = []
        self._glance: ColorDescriptor | None = None
        self._before_s = self._time_s = -np.inf
        self._next_id = 1

    def update(self, faces: Faces, time_s: float, image: Image | None = None) -> Faces:
        """Tell who the faces of the next picture are.

        Args:
            faces: Of one picture; ids they may have are not looked at.
            time_s: When it is shown; one that is before the last picture's counts as the same.
            image: The picture, RGB ``(H, W, 3)``, in whose pixels the faces are. Its colours help
                in crossings and tell changes of scene; without it no one is recognised by face.

        Returns:
            The same faces in the same order, with ``track_ids`` from 1 in order of appearance.
        """
        self._before_s, self._time_s = self._time_s, max(self._time_s, time_s)
        self._retire(max(LOST_S, 2 * (self._time_s - self._before_s)))
        place, looks = _seen(faces, image)
        cut_cost = self._cut_cost(image)
        found = self._assign(place, looks, cut_cost)
        if looks is not None:
            self._learn(found, looks, place)
        for i, track in enumerate(found):
            if track.last_s < self._time_s:
                seen = (place.centres[i], float(place.sizes[i]), self._time_s)
                track.motion = track.motion.seen(*seen)
        if cut_cost:
            self._retire(0.0)
        if image is not None and self._embedder is not None:
            self._recognise(self._embedder, image, faces, found)
        for track in found:
            if not track.id:
                track.id, self._next_id = self._next_id, self._next_id + 1
        return replace(faces, track_ids=np.array([track.id for track in found], np.int64))

    def _retire(self, longest_s: float) -> None:
        """End what was not seen for longer; who may be recognised is remembered."""
        ended = [t for t in self._tracks if self._time_s - t.last_s > longest_s]
        if ended:
            self._tracks = [t for t in self._tracks if self._time_s - t.last_s <= longest_s]
            self._gallery += [t for t in ended if t.embedded_s > -np.inf]
            self._gallery = sorted(self._gallery, key=lambda t: t.last_s)[-GALLERY:]

    def _cut_cost(self, image: Image | None) -> float:
        before, self._glance = self._glance, None if image is None else frame_signature(image)
        if before is None or self._glance is None:
            return 0.0
        return CUT if is_shot_boundary(before, self._glance) else 0.0

    def _assign(
        self, place: BoxGeometry, looks: ColorDescriptor | None, cut_cost: float
    ) -> list[_Track]:
        """The track of each face; what no track accounts for becomes one."""
        known: dict[int, _Track] = {}
        if self._tracks and len(place.sizes):
            cost = self._costs(place, looks) + cut_cost
            known = {j: self._tracks[i] for i, j in _best_pairs(cost)}
        found = []
        for i, (centre, size) in enumerate(zip(place.centres, place.sizes, strict=True)):
            track = known.get(i)
            if track is None:
                track = _Track(KalmanState.start(centre, float(size), self._time_s), self._time_s)
                self._tracks.append(track)
            found.append(track)
        return found

    def _costs(self, place: BoxGeometry, looks: ColorDescriptor | None) -> npt.NDArray[np.float64]:
        """``(T, N)`` how much speaks for each face being somebody new rather than each track."""
        last_s = np.array([track.last_s for track in self._tracks])
        cost = motion_cost([track.motion for track in self._tracks], place, self._time_s)
        cost += np.log(NEW_FACES) + LOST * (last_s < self._before_s)[:, None]
        if looks is not None:
            unknown = np.full(looks.shape[1], np.nan)
            known = np.stack([unknown if t.look is None else t.look for t in self._tracks])
            cost += np.nan_to_num(appearance_cost(known, self._time_s - last_s, looks))
        return cost

    def _learn(self, found: list[_Track], looks: ColorDescriptor, place: BoxGeometry) -> None:
        """Let the remembered colours of faces follow what is seen of them."""
        apart = np.linalg.norm(place.centres[:, None] - place.centres, axis=2)
        np.fill_diagonal(apart, np.inf)
        hides = (place.sizes >= place.sizes[:, None]) & (apart < CLEAR * place.sizes[:, None])
        is_clear = ~hides.any(axis=1)
        for track, look, clear in zip(found, looks, is_clear, strict=True):
            if not clear or np.isnan(look).any():
                continue
            if track.look is None:
                track.look = look
            else:
                weight = -np.expm1((track.last_s - self._time_s) / LOOK_S)
                track.look = track.look + weight * (look - track.look)

    def _recognise(
        self, embedder: FaceEmbedder, image: Image, faces: Faces, found: list[_Track]
    ) -> None:
        """Embed the faces that are due, and give new tracks of known people their ids back."""
        limit = self._time_s - EMBED_EVERY_S
        sides = (faces.boxes[:, 2:] - faces.boxes[:, :2]).min(axis=1)
        due = [i for i, t in enumerate(found) if t.embedded_s <= limit and sides[i] >= EMBED_MIN_PX]
        if not due:
            return
        for i, embedding in zip(due, embedder.embed(image, faces[np.array(due)]), strict=True):
            track = found[i]
            track.embedded_s = self._time_s
            track.embedding = track.embedding + embedding
        new = [t for t in (found[i] for i in due) if self._time_s - t.first_s <= SETTLE_S]
        away = [t for t in self._tracks if t.last_s < self._time_s and t.embedded_s > -np.inf]
        self._join(new, self._gallery + away)

    def _join(self, new: list[_Track], away: list[_Track]) -> None:
        """Continue the tracks of people who are away by new ones that resemble them most."""
        if not new or not away:
            return
        cosine = _mean_embeddings(new) @ _mean_embeddings(away).T
        after = np.array([[old.last_s < t.first_s for old in away] for t in new])
        for i, j in _best_pairs(np.where(after, SAME_PERSON - cosine, 1.0)):
            track, old = new[i], away[j]
            track.id, track.first_s = old.id, old.first_s
            track.embedding = track.embedding + old.embedding
            self._tracks = [t for t in self._tracks if t is not old]
            self._gallery = [t for t in self._gallery if t is not old]


def _seen(faces: Faces, image: Image | None) -> tuple[BoxGeometry, ColorDescriptor | None]:
    """Where faces are, and how they look: NaN where the picture's edge cuts one off."""
    if image is None:
        return BoxGeometry.of(faces.boxes), None
    place, looks = (
        BoxGeometry.of(faces.boxes, image.shape[1::-1]),
        color_descriptors(image, faces.boxes),
    )
    looks[place.sizes > MOST_SEEN * BoxGeometry.of(faces.boxes).sizes] = np.nan
    return place, looks


def _best_pairs(cost: npt.NDArray[np.float64]) -> list[tuple[int, int]]:
    """Rows and columns paired so that costs sum to the least; none from 0 on is paired."""
    rows, columns = linear_sum_assignment(np.minimum(cost, 0.0))
    pairs = zip(rows.tolist(), columns.tolist(), strict=True)
    return [(i, j) for i, j in pairs if cost[i, j] < 0]


def _mean_embeddings(tracks: list[_Track]) -> npt.NDArray[np.float64]:
    """``(T, D)``, each row of unit length."""
    sums = np.stack([track.embedding for track in tracks])
    lengths = np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-9)
    return np.asarray(sums / lengths, np.float64)
