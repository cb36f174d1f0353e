"""Time stamps that rise, from what a file says."""

from __future__ import annotations

from fractions import Fraction

_LONGEST_GAP_S = 3600
"""A longer time without a picture is taken for a broken time stamp."""

_LARGE_STEP_BACK_S = 1
"""Times that fall by more have begun anew, as where recordings were joined."""


class TimestampRepair:
    """Repairs the time stamps of one track, in the order in which they are shown.

    Stamps that rise are kept as they are. One that is missing, or that lies hours ahead, is set
    one step after the one before; so is one that lies far back, and all later ones move with it.

    Args:
        time_base: Seconds of a tick.
        step: Ticks between pictures as a rule, from 1.

    Attributes:
        has_moved: Whether later stamps differ by more than a little from the file's.
    """

    def __init__(self, time_base: Fraction, step: int) -> None:
        self.has_moved = False
        self._step = step
        self._longest_gap = int(_LONGEST_GAP_S / time_base)
        self._large_step_back = max(1, int(_LARGE_STEP_BACK_S / time_base))
        self._offset = 0
        self._last: int | None = None

    def stamp(self, raw: int | None) -> int:
        """Repair the next stamp.

        Args:
            raw: In ticks, as the file has it; ``None`` where it has none.
        """
        if self._last is None:
            self._last = raw or 0
            return self._last
        stamp = self._last + self._step if raw is None else raw + self._offset
        ahead = stamp - self._last
        if ahead <= -self._large_step_back or ahead > self._longest_gap:
            self._offset += self._step - ahead
            ahead = self._step
            self.has_moved = True
        self._last += max(1, ahead)
        return self._last
