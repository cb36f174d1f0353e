"""Motion of faces: a constant-velocity Kalman filter in units of the face's own size.

Source: Y. Bar-Shalom, X. Li and T. Kirubarajan, "Estimation with Applications to Tracking and
Navigation", Wiley 2001, section 6.2.2 (white-noise acceleration, real time differences).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from emotion_core.types import FloatArray

Point = npt.NDArray[np.float64]
"""``(2,)`` x, y in pixels, or pixels a second."""

POSITION_NOISE = 0.1
"""Deviation of a face's box from its smooth path, per axis, in face sizes: the detector's jitter
(0.01 to 0.03) and the bobbing of a walker's head. With ``MANOEUVRE`` it predicted positions of
walkers best, half a second ahead at 25 frames a second and one frame ahead at 3."""

SIZE_NOISE = 0.1
"""Jitter of the logarithm of its size. Measured: 0.01 and 0.065."""

SIZE_CHANGE = 0.4
"""Drift of the logarithm of a face's size in a second: people who walk up to the camera."""

MANOEUVRE = 0.5
"""Spectral density of acceleration, in face sizes squared per cubic second; see above."""

TAIL = 3.0
"""Degrees of freedom of the distribution of positions: people stop and turn more abruptly than a
normal distribution allows."""

FIRST_SPEED = 3.0
"""Spread of the speed of a face seen once, per axis, in face sizes a second. Walkers who cross a
street scene have 2 to 8, people who talk to the camera less than 1.5."""

COAST_S = 1.0
"""A lost face is predicted to move on for this time and then to stay: nobody walks straight on
unseen for long, and the speed is only an estimate."""

SHAPE = 0.8
"""Approximate width of a face's box by its height."""

MAX_SPREAD = 1.5
"""Maximum spread of the position of a face long unseen, in face sizes: most people stay nearby."""


class BoxGeometry(NamedTuple):
    """Positions and sizes of faces.

    Attributes:
        centres: ``(N, 2)`` pixels.
        sizes: ``(N,)`` square root of the box's area, pixels, at least 1.
    """

    centres: npt.NDArray[np.float64]
    sizes: npt.NDArray[np.float64]

    @classmethod
    def of(cls, boxes: FloatArray, size_wh: tuple[int, int] | None = None) -> BoxGeometry:
        """Centres and sizes of boxes ``(N, 4)`` x1, y1, x2, y2.

        Args:
            boxes: In pixels.
            size_wh: Of the frame. Boxes cut off by its edge are completed to the usual shape, so
                that somebody who walks out of the frame neither shrinks nor stops.
        """
        low, high = boxes[:, :2].astype(np.float64), boxes[:, 2:].astype(np.float64)
        if size_wh is not None:
            missing = (high - low)[:, ::-1] * (SHAPE, 1 / SHAPE) - (high - low)
            missing = np.maximum(missing, 0.0)
            at_start, at_end = low <= 1, high >= np.array(size_wh) - 1
            low = low - np.where(at_start & ~at_end, missing, 0.0)
            high = high + np.where(at_end & ~at_start, missing, 0.0)
        return cls((low + high) / 2, np.sqrt(np.maximum(np.prod(high - low, axis=1), 1.0)))


@dataclass(frozen=True, eq=False, slots=True)
class KalmanState:
    """Estimated motion of a face at the time it was last seen.

    Attributes:
        centre: Filtered position.
        velocity: Pixels a second.
        size: Filtered size, pixels.
        spread: Variance of the position per axis, its covariance with the speed, and variance of
            the speed, in face sizes (squared) and seconds.
        time_s: When the face was last seen.
    """

    centre: Point
    velocity: Point
    size: float
    spread: tuple[float, float, float]
    time_s: float

    @classmethod
    def start(cls, centre: Point, size: float, time_s: float) -> KalmanState:
        """The state of a face seen for the first time."""
        spread = (POSITION_NOISE**2, 0.0, FIRST_SPEED**2)
        return cls(centre, np.zeros(2), size, spread, time_s)

    @property
    def speed(self) -> float:
        """Face sizes a second."""
        return float(np.linalg.norm(self.velocity)) / self.size

    def centre_at(self, time_s: float) -> Point:
        """Predicted position."""
        return self.centre + self.velocity * min(time_s - self.time_s, COAST_S)

    def spread_at(self, time_s: float) -> tuple[float, float, float]:
        """``spread`` at a later time."""
        gap = time_s - self.time_s
        position, both, speed = self.spread
        return (
            position + 2 * gap * both + gap**2 * speed + MANOEUVRE * gap**3 / 3,
            both + gap * speed + MANOEUVRE * gap**2 / 2,
            speed + MANOEUVRE * gap,
        )

    def update(self, centre: Point, size: float, time_s: float) -> KalmanState:
        """The state after the face was seen again (the Kalman update)."""
        position, both, speed = self.spread_at(time_s)
        total = position + POSITION_NOISE**2
        gain, speed_gain = position / total, both / total
        rest = POSITION_NOISE**2 / total  # 1 - gain, without its rounding error
        spread = (rest * position, rest * both, speed - speed_gain * both)
        expected = self.centre_at(time_s)
        return KalmanState(
            expected + gain * (centre - expected),
            self.velocity + speed_gain * (centre - expected),
            float(np.sqrt(self.size * size)),
            spread,
            time_s,
        )


def motion_cost(
    motions: list[KalmanState], geometry: BoxGeometry, time_s: float
) -> npt.NDArray[np.float64]:
    """Deviation of the position and size of each face from the prediction of each motion.

    Args:
        motions: T of them.
        geometry: Of N faces.
        time_s: Now; not before any motion's time.

    Returns:
        ``(T, N)`` negative log density of the position (Student's t in the plane), per face size
        squared, plus half the squared deviation of the logarithm of the size.
    """
    centres = np.array([motion.centre_at(time_s) for motion in motions])
    sizes = np.array([motion.size for motion in motions])
    gaps = time_s - np.array([motion.time_s for motion in motions])
    spread = np.array([motion.spread_at(time_s)[0] for motion in motions])
    variance = (np.minimum(spread, MAX_SPREAD**2) + POSITION_NOISE**2)[:, None]
    squared = ((centres[:, None] - geometry.centres) ** 2).sum(axis=2)  # (T, N) pixels squared
    squared /= sizes[:, None] * geometry.sizes
    ratio = np.log(geometry.sizes / sizes[:, None])
    size_variance = (2 * SIZE_NOISE**2 + SIZE_CHANGE**2 * gaps)[:, None]
    far = (1 + TAIL / 2) * np.log1p(squared / (TAIL * variance)) + np.log(2 * np.pi * variance)
    return np.asarray(far + ratio**2 / (2 * size_variance), np.float64)
