"""How far decoding has fallen behind the camera, and how much slower to send so that it catches up.

aiortc decodes every frame that arrives, in order, from a line without a limit. On a machine whose
cores are all busy with encoding and analysis that line grows, and the picture comes later and
later. What can be given up is encoding: fewer pictures are sent until the line is short again.
"""

from __future__ import annotations

import math

_OVER_S = 1.0
_LONG_S, _SHORT_S = 0.1, 0.03
"""Backlogs from which on, and below which, the interval is changed."""

_LONGEST_S = 0.25
_LEAST_S = 1 / 60
_GROWTH = 1.25  # of the interval, a second
_SHRINKAGE = 0.9

_DRIFT = 2e-4
"""Seconds by which two clocks may go apart in a second; ordinary quartz stays below half of it."""

_JUMP_S = 10.0
"""Time stamps that jump farther tell of a new clock, or of one that began anew after 32 bits."""


class BackpressureController:
    """Watches the frames of one stream. Not thread-safe.

    Attributes:
        behind_s: By how much every frame of the last second, at least, came later than the
            quickest one so far. Where a single one was in time there was no line.
        interval_s: Time to leave between two pictures that are sent; 0 where nothing is in line.
    """

    def __init__(self) -> None:
        self.behind_s = self.interval_s = 0.0
        self._quickest_s = math.inf
        self._seen_s = self._changed_s = -math.inf
        self._least_s = math.inf

    def note(self, time_s: float, now_s: float) -> None:
        """Take in a decoded frame.

        Args:
            time_s: Its time stamp, by the camera's clock.
            now_s: When it came out of the decoder, by a clock of this machine.
        """
        late_s = now_s - time_s
        if abs(late_s - self._quickest_s) > _JUMP_S:
            self._quickest_s = late_s
        drift_s = _DRIFT * min(_JUMP_S, now_s - self._seen_s)
        self._quickest_s = min(self._quickest_s + drift_s, late_s)
        self._seen_s = now_s
        self._least_s = min(self._least_s, late_s - self._quickest_s)
        if now_s - self._changed_s >= _OVER_S:
            self.behind_s, self._least_s = self._least_s, math.inf
            self._changed_s = now_s
            self._adapt()

    def _adapt(self) -> None:
        if self.behind_s > _LONG_S:
            self.interval_s = min(max(self.interval_s, _LEAST_S) * _GROWTH, _LONGEST_S)
        elif self.behind_s < _SHORT_S:
            self.interval_s *= _SHRINKAGE
            if self.interval_s < _LEAST_S:
                self.interval_s = 0.0
