"""Face tracking: every face gets the id of its person, through short losses and crossings.

All faces of a frame are assigned to tracks at once, so that the total is most likely. The cost of a
pair is the logarithm of how much more likely the face is somebody new than this track, by position
and size (``kalman``) and by colours (``appearance``); a pair with a cost above 0 is never made.
Sources: A. Bewley et al., "Simple Online and Realtime Tracking", ICIP 2016 (predicted positions and
optimal assignment; a track is confirmed once it was seen for a while); J. Cao et al.,
"Observation-Centric SORT", CVPR 2023 (a lost track is predicted from where it was last seen);
S. Blackman and R. Popoli, "Design and Analysis of Modern Tracking Systems", Artech House 1999,
chapter 6 (likelihood ratio against a new target).

ByteTrack's second pass would be of no use here: the detector's minimum score already excludes the
boxes it is for. Overlap of boxes is not part of the cost: distance and ratio of sizes carry the
same information, and still do at three frames a second, when faces move by their own width.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from emotion_core.tracking.appearance import (
    HEAD,
    ColorDescriptor,
    appearance_cost,
    color_descriptors,
    descriptor_distances,
    frame_signature,
    is_shot_boundary,
)
from emotion_core.tracking.kalman import BoxGeometry, KalmanState, Point, motion_cost
from emotion_core.tracking.track import Track
from emotion_core.tracking.tracklets import (
    NEW_FACES,
    SAME_APPEARANCE,
    Sighting,
    Tracklet,
    best_pairs,
    recall_cost,
)

if TYPE_CHECKING:
    from emotion_core.recognition.embedding import FaceEmbedder
    from emotion_core.types import Faces, Image

LOST_S = 1.5
"""A person not seen for longer has left: a head that turns or a passer-by in front takes less. If
frames are farther apart, one frame without the face is allowed."""

LOST_COST = 1.0
"""Added to the cost of a track that is not in the last frame: a person seen just now is more likely
to be seen again."""

MIN_COST, MAX_COST = -3.0, 3.0
"""Bounds of the appearance cost within a shot, so that neither twins nor a flash of light decide
alone."""

SWAPPED_RATIO = 2.0
"""A face that looks unlike a still one in its place, and by this many times more like another one,
took that place at once, as when the tiles of a video call are put in another order."""

CLEAR_SIZES = 2.0
"""A face closer than this many of its sizes to a larger one, which is likely in front of it, may be
partly hidden: its colours are not learned. Of 1.2, 1.5 and 2 this kept most ids in a street."""

MAX_CUT_OFF = 1.1
"""A face whose completed size is more than this times its visible size at the frame's edge is not
recognised by its colours."""

EMBED_EVERY_S = 1.0
"""Interval at which a visible face is embedded again, so that the sum covers several poses."""

EMBED_MIN_PX = 40
"""Minimum size of embedded faces: the network is made for 112 pixels, and this is a third."""


class FaceTracker:
    """Tracks the faces of one stream. Not thread-safe.

    Every face gets an id immediately, even a false alarm of the detector; ids are never reused.

    Args:
        embedder: Embeds faces for ``tracklets``.
        keeps_tracklets: Whether tracks that have ended are kept for ``tracklets``, 2 kB each.
    """

    def __init__(
        self, embedder: FaceEmbedder | None = None, *, keeps_tracklets: bool = False
    ) -> None:
        self._embedder, self._keeps_tracklets = embedder, keeps_tracklets
        self._tracks: list[Track] = []
        self._ended: list[Tracklet] = []
        self._signature: ColorDescriptor | None = None
        self._shot = 0
        self._before_s = self._time_s = -np.inf
        self._miss_s = 0.0
        self._next_id = 1

    def update(self, faces: Faces, time_s: float, image: Image | None = None) -> Faces:
        """Identifies the faces of the next frame.

        Args:
            faces: Of one frame; existing ids are ignored.
            time_s: Of the frame; a time before the last frame's counts as the same.
            image: The frame, RGB ``(H, W, 3)``, in whose pixels the faces are. Its colours help in
                crossings and show shot boundaries.

        Returns:
            The same faces in the same order, with ``track_ids`` from 1 in order of appearance.
        """
        self._before_s, self._time_s = self._time_s, max(self._time_s, time_s)
        self._miss_s = 2 * (self._time_s - self._before_s) + 1e-6
        self._retire(max(LOST_S, self._miss_s))
        geometry, descriptors = _describe(faces, image)
        is_cut = self._is_shot_boundary(image)
        self._shot += is_cut
        found = self._assign(geometry, descriptors, is_cut=is_cut)
        if descriptors is not None:
            self._learn(found, descriptors, geometry)
        for i, track in enumerate(found):
            centre, size = geometry.centres[i], float(geometry.sizes[i])
            track.see(centre, size, self._time_s, self._miss_s, self._shot)
        if is_cut:
            self._retire(0.0)
        if image is not None and self._embedder is not None:
            self._embed(self._embedder, image, faces, found)
        return replace(faces, track_ids=np.array([track.id for track in found], np.int64))

    def confirmed_ids(self) -> set[int]:
        """Ids of the current tracks that were seen for long enough to count as people."""
        return {track.id for track in self._tracks if track.is_confirmed}

    def tracklets(self) -> list[Tracklet]:
        """All tracks so far, if they are kept, else the current ones."""
        return self._ended + [track.to_tracklet() for track in self._tracks]

    def _retire(self, max_s: float) -> None:
        """Ends tracks not seen for longer, and those that may be false alarms after two frames."""
        kept = []
        for track in self._tracks:
            limit_s = max_s if track.is_confirmed else min(max_s, self._miss_s)
            if self._time_s - track.last_s <= limit_s:
                kept.append(track)
            elif self._keeps_tracklets:
                self._ended.append(track.to_tracklet())
        self._tracks = kept

    def _is_shot_boundary(self, image: Image | None) -> bool:
        before, self._signature = self._signature, None if image is None else frame_signature(image)
        if before is None or self._signature is None:
            return False
        return is_shot_boundary(before, self._signature)

    def _assign(
        self, geometry: BoxGeometry, descriptors: ColorDescriptor | None, *, is_cut: bool
    ) -> list[Track]:
        """Returns the track of each face; a face without one starts a new track."""
        known: dict[int, Track] = {}
        if self._tracks and len(geometry.sizes):
            cost = self._costs(geometry, descriptors, is_cut=is_cut)
            known = {j: self._tracks[i] for i, j in best_pairs(cost)}
        places = zip(geometry.centres, geometry.sizes.tolist(), strict=True)
        return [known.get(i) or self._start(*place) for i, place in enumerate(places)]

    def _start(self, centre: Point, size: float) -> Track:
        motion = KalmanState.start(centre, size, self._time_s)
        first = Sighting(self._time_s, centre, size, self._shot)
        track = Track(motion, first, self._next_id, self._shot)
        self._next_id += 1
        self._tracks.append(track)
        return track

    def _costs(
        self, geometry: BoxGeometry, descriptors: ColorDescriptor | None, *, is_cut: bool
    ) -> npt.NDArray[np.float64]:
        """``(T, N)`` log-likelihood ratio of each face being somebody new to being each track.

        Each face is judged by itself: after a shot boundary, and where a face took the place of
        another, its appearance alone decides.
        """
        last_s = np.array([track.last_s for track in self._tracks])
        cost = motion_cost([track.motion for track in self._tracks], geometry, self._time_s)
        cost += np.log(NEW_FACES) + LOST_COST * (last_s < self._before_s)[:, None]
        if descriptors is None:
            return cost
        unknown = np.full(descriptors.shape[1], np.nan)
        known = np.stack([unknown if t.descriptor is None else t.descriptor for t in self._tracks])
        apart = descriptor_distances(known, descriptors)
        appearance = appearance_cost(apart, (self._time_s - last_s)[:, None])
        cost += np.nan_to_num(np.clip(appearance, MIN_COST, MAX_COST))
        heads_apart = descriptor_distances(known[:, HEAD], descriptors[:, HEAD])
        nearest = np.fmin.reduce(heads_apart, axis=0, initial=np.inf)
        recalled = recall_cost(heads_apart, is_cut=not _is_reflow(nearest))
        if is_cut:
            return recalled
        limit = np.where(
            nearest < SAME_APPEARANCE, np.maximum(SAME_APPEARANCE, SWAPPED_RATIO * nearest), np.inf
        )
        is_still = np.array([t.is_still for t in self._tracks], np.bool_)[:, None]
        is_swapped = is_still & (nearest < SAME_APPEARANCE) & (heads_apart > limit) & (cost < 0)
        if is_swapped.any():
            cost = np.where(is_swapped, recalled, np.minimum(cost, recalled))
        return cost

    def _learn(
        self, found: list[Track], descriptors: ColorDescriptor, geometry: BoxGeometry
    ) -> None:
        """Updates the remembered colours of faces that are fully visible."""
        apart = np.linalg.norm(geometry.centres[:, None] - geometry.centres, axis=2)
        np.fill_diagonal(apart, np.inf)
        hides = (geometry.sizes >= geometry.sizes[:, None]) & (
            apart < CLEAR_SIZES * geometry.sizes[:, None]
        )
        moves = np.array([not t.is_still for t in found], np.bool_)
        hides &= moves | moves[:, None]
        is_clear = ~hides.any(axis=1)
        for track, descriptor, clear in zip(found, descriptors, is_clear, strict=True):
            if clear and not np.isnan(descriptor).any():
                track.learn(descriptor, self._time_s)

    def _embed(
        self, embedder: FaceEmbedder, image: Image, faces: Faces, found: list[Track]
    ) -> None:
        """Embeds the faces that are due."""
        limit = self._time_s - EMBED_EVERY_S
        sides = (faces.boxes[:, 2:] - faces.boxes[:, :2]).min(axis=1)
        due = [i for i, t in enumerate(found) if t.embedded_s <= limit and sides[i] >= EMBED_MIN_PX]
        if not due:
            return
        for i, embedding in zip(due, embedder.embed(image, faces[np.array(due)]), strict=True):
            track = found[i]
            track.embedded_s = self._time_s
            track.embedding = embedding + (0.0 if track.embedding is None else track.embedding)


def _describe(faces: Faces, image: Image | None) -> tuple[BoxGeometry, ColorDescriptor | None]:
    """Geometry and colours of faces; colours are NaN if the frame's edge cuts a face off."""
    visible = BoxGeometry.of(faces.boxes)
    if image is None:
        return visible, None
    completed = BoxGeometry.of(faces.boxes, image.shape[1::-1])
    descriptors = color_descriptors(image, faces.boxes)
    descriptors[completed.sizes > MAX_CUT_OFF * visible.sizes] = np.nan
    return completed, descriptors


def _is_reflow(nearest: npt.NDArray[np.float64]) -> bool:
    """Whether most of several faces look like somebody, so that they are unlikely to be new."""
    n_known = int((nearest < SAME_APPEARANCE).sum())
    return n_known > 1 and 2 * n_known >= len(nearest)
