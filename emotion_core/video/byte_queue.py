"""A bounded queue between two threads that can end, fail and be cancelled."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

_WAKE_S = 0.5  # waiting threads wake up this often, notified or not


class QueueCancelledError(Exception):
    """The queue was cancelled; ends the thread that uses it."""


class ByteBoundedQueue(Generic[T]):
    """Passes items from one thread to another, in order, as many as fit.

    Args:
        limit_bytes: ``put`` waits while the items in the queue are larger, but two always fit.
        size: Bytes of an item.
    """

    def __init__(self, limit_bytes: int, size: Callable[[T], int]) -> None:
        self._limit_bytes, self._size = limit_bytes, size
        self._items: deque[T] = deque()
        self._bytes = 0
        self._changed = threading.Condition()
        self._is_ended = self._is_cancelled = False
        self._failure: BaseException | None = None

    def put(self, item: T) -> None:
        """Adds an item as soon as there is room.

        Raises:
            QueueCancelledError: ``cancel`` was called.
        """
        with self._changed:
            while not self._is_cancelled and self._is_full():
                self._changed.wait(_WAKE_S)
            if self._is_cancelled:
                raise QueueCancelledError
            self._items.append(item)
            self._bytes += self._size(item)
            self._changed.notify_all()

    def take(self, max_items: int, fill_s: float = 0.0) -> list[T]:
        """Waits for an item and takes what is there.

        Args:
            max_items: Maximum number of items, from 1.
            fill_s: Maximum time to wait for more items once there is one.

        Returns:
            At least one item; none after the last.

        Raises:
            BaseException: The failure of the other thread, once the last item is taken.
            QueueCancelledError: ``cancel`` was called.
        """

        def is_filled() -> bool:
            is_over = self._is_ended or self._is_cancelled
            return is_over or len(self._items) >= max_items or self._is_full()

        with self._changed:
            while not (self._items or self._is_ended or self._is_cancelled):
                self._changed.wait(_WAKE_S)
            if fill_s:
                self._changed.wait_for(is_filled, fill_s)
            if self._is_cancelled:
                raise QueueCancelledError
            if not self._items and self._failure:
                raise self._failure
            taken = [self._items.popleft() for _ in range(min(max_items, len(self._items)))]
            self._bytes -= sum(map(self._size, taken))
            self._changed.notify_all()
            return taken

    def end(self, failure: BaseException | None = None) -> None:
        """Marks the end of the items, after a failure or not."""
        with self._changed:
            self._is_ended, self._failure = True, failure
            self._changed.notify_all()

    def cancel(self) -> None:
        """Drops all items; both sides raise ``QueueCancelledError`` from now on."""
        with self._changed:
            self._is_cancelled = True
            self._items.clear()
            self._bytes = 0
            self._changed.notify_all()

    def _is_full(self) -> bool:
        return len(self._items) >= 2 and self._bytes >= self._limit_bytes
