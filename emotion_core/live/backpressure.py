"""Back-pressure: how far decoding lags behind the camera, and how much slower to send.

aiortc decodes every frame that arrives, in order, from an unbounded queue. On a machine whose cores
are all busy with encoding and analysis that queue grows, and frames are shown later and later. What
can be reduced is encoding: fewer frames are sent until the queue is short again.
"""

from __future__ import annotations

import math

_PERIOD_S = 1.0
_HIGH_S, _LOW_S = 0.1, 0.03
"""Lags above which, and below which, the interval is changed."""

_MAX_INTERVAL_S = 0.25
_MIN_INTERVAL_S = 1 / 60
_GROWTH = 1.25  # of the interval, per period
_SHRINKAGE = 0.9

_DRIFT = 2e-4
"""Drift of two clocks in seconds per second; that of ordinary quartz stays below half of it."""

_JUMP_S = 10.0
"""Time stamps that jump farther come from a new clock, or from one that restarted after 32 bits."""


class BackpressureController:
    """Watches the frames of one stream. Not thread-safe.

    Attributes:
        lag_s: Minimum delay of the frames of the last second relative to the fastest frame so far.
            If a single frame was on time, the queue was empty.
        interval_s: Time to leave between two frames that are sent; 0 if nothing is queued.
    """

    def __init__(self) -> None:
        self.lag_s = self.interval_s = 0.0
        self._fastest_s = math.inf
        self._noted_s = self._changed_s = -math.inf
        self._min_lag_s = math.inf

    def note(self, time_s: float, now_s: float) -> None:
        """Notes a decoded frame.

        Args:
            time_s: Its time stamp, by the camera's clock.
            now_s: When it left the decoder, by a clock of this machine.
        """
        delay_s = now_s - time_s
        if abs(delay_s - self._fastest_s) > _JUMP_S:
            self._fastest_s = delay_s
        drift_s = _DRIFT * min(_JUMP_S, now_s - self._noted_s)
        self._fastest_s = min(self._fastest_s + drift_s, delay_s)
        self._noted_s = now_s
        self._min_lag_s = min(self._min_lag_s, delay_s - self._fastest_s)
        if now_s - self._changed_s < _PERIOD_S:
            return
        self.lag_s, self._min_lag_s = self._min_lag_s, math.inf
        self._changed_s = now_s
        if self.lag_s > _HIGH_S:
            self.interval_s = min(max(self.interval_s, _MIN_INTERVAL_S) * _GROWTH, _MAX_INTERVAL_S)
        elif self.lag_s < _LOW_S:
            self.interval_s *= _SHRINKAGE
            if self.interval_s < _MIN_INTERVAL_S:
                self.interval_s = 0.0
