"""Repair of time stamps, so that they always rise."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from fractions import Fraction

_MAX_GAP_S = 3600
"""A longer time without a frame means a broken time stamp."""

_RESTART_S = 1
"""Times that fall by more have restarted, as when recordings were joined."""


class TimestampRepair:
    """Repairs the time stamps of one track, in display order.

    Rising stamps are kept. One that is missing, or hours ahead, is set one step after the previous
    one; so is one that lies far back, and all later ones are shifted with it.

    Args:
        time_base: Seconds of a tick.
        step: Usual ticks between frames, from 1.

    Attributes:
        has_moved: Whether later stamps differ substantially from the file's.
    """

    def __init__(self, time_base: Fraction, step: int) -> None:
        self.has_moved = False
        self._step = step
        self._max_gap = int(_MAX_GAP_S / time_base)
        self._restart = max(1, int(_RESTART_S / time_base))
        self._offset = 0
        self._last: int | None = None

    def stamp(self, raw: int | None) -> int:
        """Repairs the next stamp, in ticks; ``None`` if the file has none."""
        if self._last is None:
            self._last = raw or 0
            return self._last
        stamp = self._last + self._step if raw is None else raw + self._offset
        ahead = stamp - self._last
        if ahead <= -self._restart or ahead > self._max_gap:
            self._offset += self._step - ahead
            ahead = self._step
            self.has_moved = True
        self._last += max(1, ahead)
        return self._last


def do_restart(stamps: Iterable[int], time_base: Fraction, step: int) -> bool:
    """Whether time stamps restart somewhere, as when recordings were joined."""
    clock = TimestampRepair(time_base, step)
    for stamp in stamps:
        clock.stamp(stamp)
    return clock.has_moved
