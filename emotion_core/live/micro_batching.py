"""One core for all streams: what several threads ask at the same time is analysed together."""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from emotion_core.errors import EmotionError
from emotion_core.types import DEFAULT_OPTIONS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from emotion_core.analyzer import Analyzer
    from emotion_core.models.card import AnalyzerInfo
    from emotion_core.types import Analysis, AnalyzeOptions, Device, Image

MOST_IMAGES: dict[Device, int] = {"cpu": 8, "cuda": 64}
"""Pictures analysed together at most."""

_GATHER_S = 0.003  # the first of a batch waits so long for others at most
_ACTIVE_S = 0.5  # a thread that asked within this time is likely to ask again
_WAKE_S = 0.5  # the worker looks around this often, whether or not it was notified

_UNUSED_S = 30.0
"""A retired core that nobody has asked for so long ends: longer than a camera is covered or a
browser holds back the pictures of a hidden tab for a moment."""


@dataclass(eq=False, slots=True)
class _Request:
    """What one thread waits for.

    Attributes:
        images: Its pictures.
        options: How they are analysed.
        arrived_s: When it came, by the monotonic clock.
        done: Set once there is a result or an error.
        result: One analysis per picture.
        error: Why there is no result.
    """

    images: list[Image]
    options: AnalyzeOptions
    arrived_s: float
    done: threading.Event = field(default_factory=threading.Event)
    result: list[Analysis] = field(default_factory=list)
    error: Exception | None = None

    def fail(self, error: Exception) -> None:
        self.error = error
        self.done.set()


class BatchingAnalyzer:
    """An analyzer around another: gathers the calls of several threads into batches.

    Each thread waits for its own result, so at most one request of each is in line; the oldest
    comes first. A request that makes a batch fail harms no other: each is then tried alone.

    Args:
        inner: Does the work, in one thread.
        timeout_s: Seconds after which a call gives up.
        most: Pictures analysed together at most; by default ``MOST_IMAGES`` of the device.
    """

    def __init__(
        self, inner: Analyzer, *, timeout_s: float = 10.0, most: int | None = None
    ) -> None:
        self._inner = inner
        self._timeout_s = timeout_s
        self._most = most or MOST_IMAGES[inner.info.device]
        self._waiting: deque[_Request] = deque()
        self._callers: dict[int, float] = {}
        self._changed = threading.Condition()
        self._asked_s = time.monotonic()
        self._is_retired = self._is_closed = False
        self._thread = threading.Thread(target=self._run, name="live-batches", daemon=True)
        self._thread.start()

    @property
    def info(self) -> AnalyzerInfo:
        """What is at work."""
        return self._inner.info

    def analyze(
        self,
        images: Sequence[Image],
        options: AnalyzeOptions = DEFAULT_OPTIONS,
    ) -> list[Analysis]:
        """See ``Analyzer``; waits for its turn.

        Raises:
            EmotionError: No answer in time, or the analyzer was closed.
        """
        if not images:
            return []
        request = _Request(list(images), options, time.monotonic())
        with self._changed:
            if self._is_closed:
                raise _closed()
            self._waiting.append(request)
            self._callers[threading.get_ident()] = self._asked_s = request.arrived_s
            self._changed.notify()
        if not request.done.wait(self._timeout_s):
            self._withdraw(request)
            raise EmotionError(
                f"The analysis did not answer within {self._timeout_s:g} seconds; "
                "try again, or choose a faster network."
            )
        if request.error is not None:
            raise request.error
        return request.result

    def retire(self) -> None:
        """No new streams come: end the thread once those that are here have ended."""
        with self._changed:
            self._is_retired = True
            self._changed.notify()

    def close(self) -> None:
        """End the thread; who waits gets an error. May be called again."""
        with self._changed:
            self._is_closed = True
            left = list(self._waiting)
            self._waiting.clear()
            self._changed.notify()
        for request in left:
            request.fail(_closed())

    def _withdraw(self, request: _Request) -> None:
        with self._changed:
            if request in self._waiting:
                self._waiting.remove(request)

    def _run(self) -> None:
        while batch := self._next_batch():
            self._serve(batch)

    def _next_batch(self) -> list[_Request]:
        """Wait for requests and take those that go together; none once closed."""
        with self._changed:
            while not self._is_closed:
                if not self._waiting:
                    if self._is_retired and time.monotonic() - self._asked_s >= _UNUSED_S:
                        self._is_closed = True
                    else:
                        self._changed.wait(_WAKE_S)
                elif (left_s := self._gathering_s()) > 0:
                    self._changed.wait(left_s)
                else:
                    return self._take()
        return []

    def _gathering_s(self) -> float:
        """For how long the oldest request still waits for others; 0 where nobody else will come."""
        now = time.monotonic()
        self._callers = {who: at for who, at in self._callers.items() if now - at < _ACTIVE_S}
        if len(self._waiting) >= len(self._callers):
            return 0.0
        return self._waiting[0].arrived_s + _GATHER_S - now

    def _take(self) -> list[_Request]:
        """The oldest request and those after it that share its options, as many as fit."""
        options = self._waiting[0].options
        batch: list[_Request] = []
        n_images = 0
        for request in list(self._waiting):
            n_images += len(request.images)
            if request.options != options or (batch and n_images > self._most):
                n_images -= len(request.images)
                continue
            batch.append(request)
            self._waiting.remove(request)
        return batch

    def _serve(self, batch: list[_Request]) -> None:
        options = batch[0].options
        images = [image for request in batch for image in request.images]
        try:
            found = self._inner.analyze(images, options)
        except Exception as error:  # noqa: BLE001 - handed to whoever waits
            if len(batch) == 1:
                batch[0].fail(error)
            else:
                for request in batch:
                    self._serve([request])
            return
        start = 0
        for request in batch:
            request.result = found[start : start + len(request.images)]
            start += len(request.images)
            request.done.set()


def _closed() -> EmotionError:
    return EmotionError("The networks of this stream were released; press START again.")
