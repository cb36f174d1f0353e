"""Face tracking: every face gets the id of its person, through short losses and crossings.

All faces of a frame are assigned to tracks at once, so that the total is most likely. The cost of a
pair is the logarithm of how much more likely the face is somebody new than this track, by position
and size (``kalman``) and by colours (``appearance``); a pair with a cost above 0 is never made.
Sources: A. Bewley et al., "Simple Online and Realtime Tracking", ICIP 2016 (predicted positions and
optimal assignment); J. Cao et al., "Observation-Centric SORT", CVPR 2023 (a lost track is predicted
from where it was last seen); S. Blackman and R. Popoli, "Design and Analysis of Modern Tracking
Systems", Artech House 1999, chapter 6 (likelihood ratio against a new target).

ByteTrack's second pass would be of no use here: the detector's minimum score already excludes the
boxes it is for. Overlap of boxes is not part of the cost: distance and ratio of sizes carry the
same information, and still do at three frames a second, when faces move by their own width.
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
"""A person not seen for longer has left: a head that turns or a passer-by in front takes less. If
frames are farther apart, one frame without the face is allowed."""

NEW_FACES = 0.02
"""Faces expected to appear in a frame, per area of one face: limits how far a face may be from its
predicted position. By position alone, 0.7 of its size at 25 frames a second, 1.0 at 3."""

LOST_COST = 1.0
"""Added to the cost of a track that is not in the last frame: a person seen just now is more likely
to be seen again."""

CUT_COST = 8.0
"""Added to the cost after a shot boundary: outweighs the best position, so that only a face that
also looks the same keeps its id; all others have left."""

DESCRIPTOR_S = 0.3
"""Time constant of the running mean of a face's colours: evens out jitter, follows the light."""

CLEAR_SIZES = 2.0
"""A face closer than this many of its sizes to a larger one, which is likely in front of it, may be
partly hidden: its colours are not learned. Of 1.2, 1.5 and 2 this kept most ids in a street."""

MAX_CUT_OFF = 1.1
"""A face whose completed size is more than this times its visible size at the frame's edge is not
recognised by its colours."""

SAME_PERSON = 0.363
"""Minimum cosine of two embeddings of one person.

Source: opencv/opencv_zoo, models/face_recognition_sface/sface.py, for SFace.
"""

EMBED_EVERY_S = 1.0
"""Interval at which a visible face is embedded again, so that the mean covers several poses."""

EMBED_MIN_PX = 40
"""Minimum size of embedded faces: the network is made for 112 pixels, and this is a third."""

SETTLE_S = 3.0
"""Time in which a new track may still turn out to be a known person, as people enter at the edge of
the frame and in profile; its id then changes to the old one."""

MAX_GALLERY = 500
"""Maximum number of people remembered (2 kB each); the one seen longest ago is forgotten first."""


@dataclass(slots=True)
class _Track:
    """One person, visible or remembered."""

    motion: KalmanState
    first_s: float
    id: int = 0
    descriptor: ColorDescriptor | None = None
    embedding: npt.NDArray[np.float64] = field(default_factory=lambda: np.zeros(1))  # sum of all
    embedded_s: float = -np.inf

    @property
    def last_s(self) -> float:
        return self.motion.time_s


class FaceTracker:
    """Tracks the faces of one stream. Not thread-safe.

    Every face gets an id immediately, even a false alarm of the detector; ids are never reused.

    Args:
        embedder: Recognises people after any gap; without it a person who was away for longer than
            ``LOST_S`` gets a new id.
    """

    def __init__(self, embedder: FaceEmbedder | None = None) -> None:
        self._embedder = embedder
        self._tracks: list[_Track] = []
        self._gallery: list[_Track] = []
        self._signature: ColorDescriptor | None = None
        self._before_s = self._time_s = -np.inf
        self._next_id = 1

    def update(self, faces: Faces, time_s: float, image: Image | None = None) -> Faces:
        """Identifies the faces of the next frame.

        Args:
            faces: Of one frame; existing ids are ignored.
            time_s: Of the frame; a time before the last frame's counts as the same.
            image: The frame, RGB ``(H, W, 3)``, in whose pixels the faces are. Its colours help in
                crossings and show shot boundaries; without it nobody is recognised by face.

        Returns:
            The same faces in the same order, with ``track_ids`` from 1 in order of appearance.
        """
        self._before_s, self._time_s = self._time_s, max(self._time_s, time_s)
        self._retire(max(LOST_S, 2 * (self._time_s - self._before_s)))
        geometry, descriptors = _describe(faces, image)
        cut_cost = self._cut_cost(image)
        found = self._assign(geometry, descriptors, cut_cost)
        if descriptors is not None:
            self._learn(found, descriptors, geometry)
        for i, track in enumerate(found):
            if track.last_s < self._time_s:
                centre, size = geometry.centres[i], float(geometry.sizes[i])
                track.motion = track.motion.update(centre, size, self._time_s)
        if cut_cost:
            self._retire(0.0)
        if image is not None and self._embedder is not None:
            self._recognise(self._embedder, image, faces, found)
        for track in found:
            if not track.id:
                track.id, self._next_id = self._next_id, self._next_id + 1
        return replace(faces, track_ids=np.array([track.id for track in found], np.int64))

    def _retire(self, max_s: float) -> None:
        """Ends tracks not seen for longer; remembers those that can be recognised."""
        ended = [t for t in self._tracks if self._time_s - t.last_s > max_s]
        if ended:
            self._tracks = [t for t in self._tracks if self._time_s - t.last_s <= max_s]
            self._gallery += [t for t in ended if t.embedded_s > -np.inf]
            self._gallery = sorted(self._gallery, key=lambda t: t.last_s)[-MAX_GALLERY:]

    def _cut_cost(self, image: Image | None) -> float:
        before, self._signature = self._signature, None if image is None else frame_signature(image)
        if before is None or self._signature is None:
            return 0.0
        return CUT_COST if is_shot_boundary(before, self._signature) else 0.0

    def _assign(
        self, geometry: BoxGeometry, descriptors: ColorDescriptor | None, cut_cost: float
    ) -> list[_Track]:
        """Returns the track of each face; a face without one starts a new track."""
        known: dict[int, _Track] = {}
        if self._tracks and len(geometry.sizes):
            cost = self._costs(geometry, descriptors) + cut_cost
            known = {j: self._tracks[i] for i, j in _best_pairs(cost)}
        found = []
        for i, (centre, size) in enumerate(zip(geometry.centres, geometry.sizes, strict=True)):
            track = known.get(i)
            if track is None:
                track = _Track(KalmanState.start(centre, float(size), self._time_s), self._time_s)
                self._tracks.append(track)
            found.append(track)
        return found

    def _costs(
        self, geometry: BoxGeometry, descriptors: ColorDescriptor | None
    ) -> npt.NDArray[np.float64]:
        """``(T, N)`` log-likelihood ratio of each face being somebody new to being each track."""
        last_s = np.array([track.last_s for track in self._tracks])
        cost = motion_cost([track.motion for track in self._tracks], geometry, self._time_s)
        cost += np.log(NEW_FACES) + LOST_COST * (last_s < self._before_s)[:, None]
        if descriptors is not None:
            unknown = np.full(descriptors.shape[1], np.nan)
            known = np.stack(
                [unknown if t.descriptor is None else t.descriptor for t in self._tracks]
            )
            cost += np.nan_to_num(appearance_cost(known, self._time_s - last_s, descriptors))
        return cost

    def _learn(
        self, found: list[_Track], descriptors: ColorDescriptor, geometry: BoxGeometry
    ) -> None:
        """Updates the remembered colours of faces that are fully visible."""
        apart = np.linalg.norm(geometry.centres[:, None] - geometry.centres, axis=2)
        np.fill_diagonal(apart, np.inf)
        hides = (geometry.sizes >= geometry.sizes[:, None]) & (
            apart < CLEAR_SIZES * geometry.sizes[:, None]
        )
        is_clear = ~hides.any(axis=1)
        for track, descriptor, clear in zip(found, descriptors, is_clear, strict=True):
            if not clear or np.isnan(descriptor).any():
                continue
            if track.descriptor is None:
                track.descriptor = descriptor
            else:
                weight = -np.expm1((track.last_s - self._time_s) / DESCRIPTOR_S)
                track.descriptor = track.descriptor + weight * (descriptor - track.descriptor)

    def _recognise(
        self, embedder: FaceEmbedder, image: Image, faces: Faces, found: list[_Track]
    ) -> None:
        """Embeds the faces that are due and gives new tracks of known people their old ids."""
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
        """Joins tracks of absent people with the new ones that resemble them most."""
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


def _describe(faces: Faces, image: Image | None) -> tuple[BoxGeometry, ColorDescriptor | None]:
    """Geometry and colours of faces; colours are NaN if the frame's edge cuts a face off."""
    visible = BoxGeometry.of(faces.boxes)
    if image is None:
        return visible, None
    completed = BoxGeometry.of(faces.boxes, image.shape[1::-1])
    descriptors = color_descriptors(image, faces.boxes)
    descriptors[completed.sizes > MAX_CUT_OFF * visible.sizes] = np.nan
    return completed, descriptors


def _best_pairs(cost: npt.NDArray[np.float64]) -> list[tuple[int, int]]:
    """Pairs of rows and columns with the minimum total cost; only costs below 0 are paired."""
    rows, columns = linear_sum_assignment(np.minimum(cost, 0.0))
    pairs = zip(rows.tolist(), columns.tolist(), strict=True)
    return [(i, j) for i, j in pairs if cost[i, j] < 0]


def _mean_embeddings(tracks: list[_Track]) -> npt.NDArray[np.float64]:
    """``(T, D)``, each row of unit length."""
    sums = np.stack([track.embedding for track in tracks])
    lengths = np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-9)
    return np.asarray(sums / lengths, np.float64)
