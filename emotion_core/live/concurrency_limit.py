"""Limit of concurrent streams."""

from __future__ import annotations

import threading

from emotion_core.errors import EmotionError


class StreamLimiter:
    """Admits a limited number of streams. Thread-safe, shared by all visitors.

    Attributes:
        limit: Maximum number of streams.
        running: Current number.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.running = 0
        self._lock = threading.Lock()

    def check(self) -> None:
        """Checks for a free slot without taking it.

        Raises:
            EmotionError: All slots are taken.
        """
        if self.running >= self.limit:
            streams = "1 webcam stream" if self.limit == 1 else f"{self.limit} webcam streams"
            raise EmotionError(
                f"All places are taken: this server runs {streams} at once. "
                "Please try again in a few minutes, or take a photo instead."
            )

    def enter(self) -> None:
        """Takes a slot; call ``leave`` once when the stream has ended.

        Raises:
            EmotionError: All slots are taken.
        """
        with self._lock:
            self.check()
            self.running += 1

    def leave(self) -> None:
        """Frees a slot."""
        with self._lock:
            self.running -= 1
