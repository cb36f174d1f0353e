"""A track: what is known of one face while it is followed from frame to frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from emotion_core.tracking.kalman import KalmanState
from emotion_core.tracking.tracklets import Sighting, Tracklet
from emotion_core.types import DEFAULT_MIN_SEEN_S

if TYPE_CHECKING:
    import numpy.typing as npt

    from emotion_core.tracking.appearance import ColorDescriptor
    from emotion_core.tracking.kalman import Point

LEAP_SIZES = 3.0
"""A face that is recognised farther from where it was expected, in its sizes, did not move there:
its motion begins anew."""

DESCRIPTOR_S = 0.3
"""Time constant of the running mean of a face's colours: evens out jitter, follows the light."""

STILL = 0.5
"""Speed in its sizes a second below which a face stands still. Two that do, as beside each other in
a video call, do not hide each other."""


@dataclass(slots=True)
class Track:
    """One stretch of frames with a person, visible or just lost.

    Attributes:
        motion: Estimated motion when the face was last seen.
        first: The face when it appeared; its colours are means of the first ``DESCRIPTOR_S``.
        id: Track id.
        shot: Number of shot boundaries before it was last seen.
        n_frames: Number of frames with it.
        seen_s: Time for which it was seen, with no more than one frame missed in between.
        descriptor: Running mean of its colours; ``None`` if it was never fully visible.
        embedding: Sum of all its embeddings; ``None`` without any.
        embedded_s: When the newest of them was computed.
    """

    motion: KalmanState
    first: Sighting
    id: int
    shot: int
    n_frames: int = 0
    seen_s: float = 0.0
    descriptor: ColorDescriptor | None = None
    embedding: npt.NDArray[np.float64] | None = None
    embedded_s: float = -np.inf

    @property
    def last_s(self) -> float:
        """When the face was last seen."""
        return self.motion.time_s

    @property
    def is_confirmed(self) -> bool:
        """Whether it was seen for long enough to be a person, and no false alarm."""
        return self.seen_s >= DEFAULT_MIN_SEEN_S - 1e-6

    @property
    def is_still(self) -> bool:
        """Whether it is a person who stands or sits."""
        return self.is_confirmed and self.motion.speed < STILL

    def to_tracklet(self) -> Tracklet:
        """What is needed to link it to others."""
        motion = self.motion
        last = Sighting(self.last_s, motion.centre, motion.size, self.shot, self.descriptor)
        return Tracklet(self.id, self.n_frames, self.first, last, self.embedding)

    def learn(self, descriptor: ColorDescriptor, time_s: float) -> None:
        """Updates the colours by those of a fully visible face; before ``see``."""
        if self.descriptor is None:
            self.descriptor = descriptor
        else:
            weight = -np.expm1((self.last_s - time_s) / DESCRIPTOR_S)
            self.descriptor = self.descriptor + weight * (descriptor - self.descriptor)
        if time_s - self.first.time_s <= DESCRIPTOR_S or self.first.descriptor is None:
            self.first.descriptor = self.descriptor

    def see(self, centre: Point, size: float, time_s: float, miss_s: float, shot: int) -> None:
        """Updates the place by the face of a frame.

        Args:
            centre: ``(2,)`` pixels.
            size: Square root of its area, pixels.
            time_s: Of the frame.
            miss_s: Seconds from the frame before the last one.
            shot: Number of shot boundaries before.
        """
        if self.last_s < time_s:
            if (gap_s := time_s - self.last_s) <= miss_s:
                self.seen_s += gap_s
            leap = np.linalg.norm(centre - self.motion.centre_at(time_s))
            if shot != self.shot or leap > LEAP_SIZES * size:
                self.motion = KalmanState.start(centre, size, time_s)
            else:
                self.motion = self.motion.update(centre, size, time_s)
        self.n_frames += 1
        self.shot = shot
