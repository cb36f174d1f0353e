"""Many callers, one network: what is asked at about the same time goes through it together."""

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
class _Wait(Generic[Item, Result]):
    key: Hashable
    item: Item
    answer: asyncio.Future[tuple[Result, int]]


class Batcher(Generic[Item, Result]):
    """Gathers items of concurrent coroutines. To be used in one event loop.

    While a batch is at work the next one gathers by itself; the wait is for the moments when
    nothing is at work. The number of items in line is bounded by the callers: each waits for its
    own.

    Args:
        run: Works on items that share a key, in a thread; one result each, in their order.
        pool: Threads that ``run`` may use; as many batches are at work at the same time.
        at_once: Batches at work at the same time at most.
        size: Items in a batch at most.
        wait_s: Seconds that the first item of a batch waits for others at most.
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
        self._line: deque[_Wait[Item, Result]] = deque()
        self._workers: set[asyncio.Task[None]] = set()

    async def submit(self, key: Hashable, item: Item) -> tuple[Result, int]:
        """Wait for an item's turn.

        Args:
            key: Items go together only if theirs are the same.
            item: What ``run`` gets.

        Returns:
            The item's result, and how many items were in its batch.

        Raises:
            Exception: What ``run`` raised for this item alone; others of its batch are unharmed.
        """
        loop = asyncio.get_running_loop()
        wait: _Wait[Item, Result] = _Wait(key, item, loop.create_future())
        self._line.append(wait)
        if len(self._workers) < self._at_once:
            self._workers.add(loop.create_task(self._work()))
        return await wait.answer

    def _take(self) -> list[_Wait[Item, Result]]:
        """The longest waiting item and those after it with its key; who has gone is left out."""
        batch: list[_Wait[Item, Result]] = []
        others: deque[_Wait[Item, Result]] = deque()
        while self._line and len(batch) < self._size:
            wait = self._line.popleft()
            if wait.answer.done():
                continue
            (batch if not batch or wait.key == batch[0].key else others).append(wait)
        self._line.extendleft(reversed(others))
        return batch

    async def _work(self) -> None:
        if self._wait_s and len(self._line) < self._size:
            await asyncio.sleep(self._wait_s)
        try:
            while batch := self._take():
                await self._serve(batch)
        finally:
            # Not by a callback of the task: who submits before that runs would wait for nobody.
            self._workers = {task for task in self._workers if task is not asyncio.current_task()}

    async def _serve(self, batch: list[_Wait[Item, Result]]) -> None:
        loop = asyncio.get_running_loop()
        items = [wait.item for wait in batch]
        try:
            results = await loop.run_in_executor(self._pool, self._run, batch[0].key, items)
        except Exception as error:  # noqa: BLE001 - handed to whoever waits
            if len(batch) == 1:
                _fail(batch[0], error)
            else:
                for wait in batch:
                    await self._serve([wait])
            return
        for wait, result in zip(batch, results, strict=True):
            if not wait.answer.done():
                wait.answer.set_result((result, len(batch)))


def _fail(wait: _Wait[Item, Result], error: Exception) -> None:
    if not wait.answer.done():
        wait.answer.set_exception(error)
