"""Micro-batching: items submitted at about the same time are processed together."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence
    from concurrent.futures import Executor

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True, eq=False, slots=True)
class _Pending(Generic[Item, Result]):
    key: Hashable
    item: Item
    result: asyncio.Future[tuple[Result, int]]


class Batcher(Generic[Item, Result]):
    """Gathers items of concurrent coroutines in one event loop.

    While a batch runs, the next one gathers; ``wait_s`` is for when none runs. Callers bound the
    queue, since each waits for its own item.

    Args:
        run: Processes items that share a key, in a thread; returns their results in order.
        pool: Threads for ``run``.
        at_once: Maximum number of batches that run at the same time.
        size: Maximum number of items in a batch.
        wait_s: Seconds that the first item of a batch waits for others.
    """

    def __init__(
        self,
        run: Callable[[Hashable, Sequence[Item]], Sequence[Result]],
        pool: Executor,
        *,
        at_once: int,
        size: int,
        wait_s: float,
    ) -> None:
        self._run, self._pool = run, pool
        self._at_once, self._size, self._wait_s = at_once, size, wait_s
        self._queue: deque[_Pending[Item, Result]] = deque()
        self._workers: set[asyncio.Task[None]] = set()

    async def submit(self, key: Hashable, item: Item) -> tuple[Result, int]:
        """Submits an item and waits for its result.

        Args:
            key: Only items with equal keys share a batch.
            item: The input of ``run``.

        Returns:
            The item's result and the size of its batch.

        Raises:
            Exception: ``run`` raised it for this item alone; other items are unaffected.
        """
        loop = asyncio.get_running_loop()
        pending: _Pending[Item, Result] = _Pending(key, item, loop.create_future())
        self._queue.append(pending)
        if len(self._workers) < self._at_once:
            self._workers.add(loop.create_task(self._work()))
        return await pending.result

    def _take(self) -> list[_Pending[Item, Result]]:
        """Takes the oldest item and later ones with its key; drops those that were cancelled."""
        batch: list[_Pending[Item, Result]] = []
        others: deque[_Pending[Item, Result]] = deque()
        while self._queue and len(batch) < self._size:
            pending = self._queue.popleft()
            if pending.result.done():
                continue
            (batch if not batch or pending.key == batch[0].key else others).append(pending)
        self._queue.extendleft(reversed(others))
        return batch

    async def _work(self) -> None:
        if self._wait_s and len(self._queue) < self._size:
            await asyncio.sleep(self._wait_s)
        try:
            while batch := self._take():
                await self._serve(batch)
        finally:
            # Not in a done callback: an item submitted before it ran would get no worker.
            self._workers = {task for task in self._workers if task is not asyncio.current_task()}

    async def _serve(self, batch: list[_Pending[Item, Result]]) -> None:
        loop = asyncio.get_running_loop()
        items = [pending.item for pending in batch]
        try:
            results = await loop.run_in_executor(self._pool, self._run, batch[0].key, items)
        except Exception as error:  # noqa: BLE001 - handed to the caller
            if len(batch) > 1:
                for pending in batch:
                    await self._serve([pending])
            elif not batch[0].result.done():
                batch[0].result.set_exception(error)
            return
        for pending, result in zip(batch, results, strict=True):
            if not pending.result.done():
                pending.result.set_result((result, len(batch)))
