"""Micro-batching for streams: concurrent requests of several threads are analysed together."""

from __future__ import annotations

import threading
import time
from collections import deque
from concurrent import futures
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from emotion_core.errors import EmotionError
from emotion_core.types import DEFAULT_OPTIONS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from emotion_core.analyzer import Analyzer
    from emotion_core.models.card import AnalyzerInfo
    from emotion_core.types import Analysis, AnalyzeOptions, Device, Image

MAX_IMAGES: dict[Device, int] = {"cpu": 8, "cuda": 64}
"""Maximum number of images in a batch."""

_GATHER_S = 0.003  # maximum time that the first request of a batch waits for others
_ACTIVE_S = 0.5  # a thread that called within this time is likely to call again
_WAKE_S = 0.5  # the worker wakes up this often, notified or not

_UNUSED_S = 30.0
"""A retired analyzer ends after this time without a call: longer than a camera is covered or a
browser pauses the frames of a hidden tab."""


@dataclass(eq=False, slots=True)
class _Request:
    """A call of one thread, with the future for which it waits."""

    images: list[Image]
    options: AnalyzeOptions
    arrived_s: float  # by the monotonic clock
    result: futures.Future[list[Analysis]] = field(default_factory=futures.Future)


class BatchingAnalyzer:
    """An analyzer around another: combines the calls of several threads into batches.

    Each thread waits for its own result, so that it has at most one request in the queue; the
    oldest comes first. If a batch fails, each of its requests is tried alone.

    Args:
        inner: Does the work, in one thread.
        timeout_s: Seconds after which a call fails.
        max_images: Maximum number of images in a batch; by default ``MAX_IMAGES`` of the device.
    """

    def __init__(
        self, inner: Analyzer, *, timeout_s: float = 10.0, max_images: int | None = None
    ) -> None:
        self._inner = inner
        self._timeout_s = timeout_s
        self._max_images = max_images or MAX_IMAGES[inner.info.device]
        self._waiting: deque[_Request] = deque()
        self._callers: dict[int, float] = {}
        self._changed = threading.Condition()
        self._called_s = time.monotonic()
        self._is_retired = self._is_closed = False
        self._thread = threading.Thread(target=self._run, name="live-batches", daemon=True)
        self._thread.start()

    @property
    def info(self) -> AnalyzerInfo:
        """The models in use."""
        return self._inner.info

    def analyze(
        self,
        images: Sequence[Image],
        options: AnalyzeOptions = DEFAULT_OPTIONS,
    ) -> list[Analysis]:
        """See ``Analyzer``; waits in the queue.

        Raises:
            EmotionError: The analysis took too long, or the analyzer was closed.
        """
        if not images:
            return []
        request = _Request(list(images), options, time.monotonic())
        with self._changed:
            if self._is_closed:
                raise _closed()
            self._waiting.append(request)
            self._callers[threading.get_ident()] = self._called_s = request.arrived_s
            self._changed.notify()
        if not futures.wait([request.result], self._timeout_s).done:
            with self._changed:
                if request in self._waiting:
                    self._waiting.remove(request)
            raise EmotionError(
                f"The analysis did not answer within {self._timeout_s:g} seconds; "
                "try again, or choose a faster model."
            )
        return request.result.result()

    def retire(self) -> None:
        """Ends the thread once it has been unused for a while: no new streams will come."""
        with self._changed:
            self._is_retired = True
            self._changed.notify()

    def close(self) -> None:
        """Ends the thread; waiting calls fail. May be called again."""
        with self._changed:
            self._is_closed = True
            waiting = list(self._waiting)
            self._waiting.clear()
            self._changed.notify()
        for request in waiting:
            request.result.set_exception(_closed())

    def _run(self) -> None:
        while batch := self._next_batch():
            self._serve(batch)

    def _next_batch(self) -> list[_Request]:
        """Waits for a batch of requests; empty once closed."""
        with self._changed:
            while not self._is_closed:
                if not self._waiting:
                    if self._is_retired and time.monotonic() - self._called_s >= _UNUSED_S:
                        self._is_closed = True
                    else:
                        self._changed.wait(_WAKE_S)
                elif (left_s := self._gathering_s()) > 0:
                    self._changed.wait(left_s)
                else:
                    return self._take()
        return []

    def _gathering_s(self) -> float:
        """Time for which the oldest request still waits for others; 0 if nobody else will come."""
        now = time.monotonic()
        self._callers = {who: at for who, at in self._callers.items() if now - at < _ACTIVE_S}
        if len(self._waiting) >= len(self._callers):
            return 0.0
        return self._waiting[0].arrived_s + _GATHER_S - now

    def _take(self) -> list[_Request]:
        """Takes the oldest request and later ones with the same options, as many as fit."""
        options = self._waiting[0].options
        batch: list[_Request] = []
        n_images = 0
        for request in list(self._waiting):
            fits = not batch or n_images + len(request.images) <= self._max_images
            if request.options == options and fits:
                n_images += len(request.images)
                batch.append(request)
                self._waiting.remove(request)
        return batch

    def _serve(self, batch: list[_Request]) -> None:
        options = batch[0].options
        images = [image for request in batch for image in request.images]
        try:
            found = self._inner.analyze(images, options)
        except Exception as error:  # noqa: BLE001 - raised again in the waiting threads
            if len(batch) == 1:
                batch[0].result.set_exception(error)
            else:
                for request in batch:
                    self._serve([request])
            return
        start = 0
        for request in batch:
            end = start + len(request.images)
            request.result.set_result(found[start:end])
            start = end


def _closed() -> EmotionError:
    return EmotionError("The models of this stream were released; press Start again.")
