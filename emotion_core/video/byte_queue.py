"""A bounded queue of pictures between two threads that ends, fails and is given up in order."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

_WAKE_S = 0.5  # waiting threads look around this often, whether or not they were notified


class QueueCancelledError(Exception):
    """The other side takes nothing more; ends the thread that wanted to put."""


class ByteBoundedQueue(Generic[T]):
    """Items from one thread to another, in order, as many as fit.

    Args:
        limit_bytes: ``put`` waits while the items in it take as much, but two always fit.
        size: Bytes that an item takes.
    """

    def __init__(self, limit_bytes: int, size: Callable[[T], int]) -> None:
        self._limit_bytes, self._size = limit_bytes, size
        self._items: deque[T] = deque()
        self._bytes = 0
        self._changed = threading.Condition()
        self._is_ended = self._is_given_up = False
        self._failure: BaseException | None = None

    def put(self, item: T) -> None:
        """Add an item as soon as there is room.

        Raises:
            QueueCancelledError: The taking side has gone.
        """
        with self._changed:
            while not self._is_given_up and self._is_full():
                self._changed.wait(_WAKE_S)
            if self._is_given_up:
                raise QueueCancelledError
            self._items.append(item)
            self._bytes += self._size(item)
            self._changed.notify_all()

    def take(self, most: int, patience_s: float = 0.0) -> list[T]:
        """Wait for an item and take what is there.

        Args:
            most: So many at most, from 1.
            patience_s: How long to wait for as many, if there is at least one.

        Returns:
            At least one item; none after the last.

        Raises:
            BaseException: What the putting side failed with, once its last item is taken.
            QueueCancelledError: ``give_up`` was called.
        """
        with self._changed:
            while not (self._items or self._is_ended or self._is_given_up):
                self._changed.wait(_WAKE_S)
            if patience_s:
                self._changed.wait_for(lambda: self._has(most), patience_s)
            if self._is_given_up:
                raise QueueCancelledError
            if not self._items and self._failure:
                raise self._failure
            taken = [self._items.popleft() for _ in range(min(most, len(self._items)))]
            self._bytes -= sum(map(self._size, taken))
            self._changed.notify_all()
            return taken

    def end(self, failure: BaseException | None = None) -> None:
        """Say that nothing more comes, and why if it should have."""
        with self._changed:
            self._is_ended, self._failure = True, failure
            self._changed.notify_all()

    def give_up(self) -> None:
        """Drop everything; both sides raise ``QueueCancelledError`` from now on."""
        with self._changed:
            self._is_given_up = True
            self._items.clear()
            self._bytes = 0
            self._changed.notify_all()

    def _has(self, wanted: int) -> bool:
        """Whether there are so many items, or no more will come for now."""
        is_over = self._is_ended or self._is_given_up
        return is_over or len(self._items) >= wanted or self._is_full()

    def _is_full(self) -> bool:
        return len(self._items) >= 2 and self._bytes >= self._limit_bytes
