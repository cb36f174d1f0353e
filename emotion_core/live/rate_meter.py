"""Rate and duration of recent events."""

from __future__ import annotations

import statistics
from collections import deque

_WINDOW_S = 5.0
_MAX_EVENTS = 1000


class RateMeter:
    """Measures events of the last five seconds. Not thread-safe."""

    def __init__(self) -> None:
        self._marks: deque[tuple[float, tuple[float, ...]]] = deque(maxlen=_MAX_EVENTS)
        self._start_s: float | None = None

    def mark(self, now_s: float, *durations_s: float) -> None:
        """Records an event and the durations of its parts; always the same number of parts."""
        if self._start_s is None:
            self._start_s = now_s
        self._marks.append((now_s, durations_s))
        self._forget(now_s)

    def per_s(self, now_s: float) -> float:
        """Events a second, over the last five seconds or since the first event."""
        self._forget(now_s)
        if self._start_s is None:
            return 0.0
        since = max(self._start_s, now_s - _WINDOW_S)
        n = len(self._marks) - (since == self._start_s)  # the first event only starts the clock
        return n / (now_s - since) if now_s > since else 0.0

    def median_ms(self, part: int, now_s: float) -> float:
        """Median of one of the durations in milliseconds; 0 without an event."""
        self._forget(now_s)
        values = [durations[part] for _, durations in self._marks]
        return statistics.median(values) * 1000 if values else 0.0

    def _forget(self, now_s: float) -> None:
        while self._marks and self._marks[0][0] < now_s - _WINDOW_S:
            self._marks.popleft()
