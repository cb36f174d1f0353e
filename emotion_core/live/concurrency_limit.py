"""How many streams may run at once."""

from __future__ import annotations

import threading

from emotion_core.errors import EmotionError


class StreamLimiter:
    """Lets in so many streams and turns away the rest. Thread-safe, shared by all visitors."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._lock = threading.Lock()
        self._running = 0

    @property
    def running(self) -> int:
        """Streams that run now."""
        return self._running

    def check(self) -> None:
        """Look whether there is a place, without taking it.

        Raises:
            EmotionError: As many as may are running.
        """
        if self._running >= self.limit:
            streams = "1 webcam stream" if self.limit == 1 else f"{self.limit} webcam streams"
            raise EmotionError(
                f"All places are taken: this server runs {streams} at once. "
                "Please try again in a few minutes, or take a photo instead."
            )

    def enter(self) -> None:
        """Ask to run a stream; ``leave`` follows when it has ended, once.

        Raises:
            EmotionError: As many as may are running.
        """
        with self._lock:
            self.check()
            self._running += 1

    def leave(self) -> None:
        """Make room for another stream."""
        with self._lock:
            self._running -= 1
