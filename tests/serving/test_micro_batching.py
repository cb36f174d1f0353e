import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from emotion_core.serving.micro_batching import Batcher


def gather(items, run, *, size=4, wait_s=0.02, at_once=1):
    """Submit (key, item) pairs at once; give their results or exceptions."""

    async def main():
        with ThreadPoolExecutor(at_once) as pool:
            batcher = Batcher(run, pool, at_once=at_once, size=size, wait_s=wait_s)
            waits = [batcher.submit(key, item) for key, item in items]
            return await asyncio.gather(*waits, return_exceptions=True)

    return asyncio.run(main())


def double(_, items):
    return [2 * item for item in items]


def test_each_caller_gets_its_own_result():
    done = gather([("a", i) for i in range(10)], double)
    assert [result for result, _ in done] == list(range(0, 20, 2))


def test_batches_are_as_large_as_allowed():
    done = gather([("a", i) for i in range(10)], double)
    assert [size for _, size in done] == [4] * 8 + [2] * 2


def test_a_batch_of_one_gathers_nothing():
    assert {size for _, size in gather([("a", i) for i in range(3)], double, size=1)} == {1}


def test_only_what_shares_a_key_goes_together():
    seen = []

    def run(key, items):
        seen.append((key, list(items)))
        return items

    done = gather([("a", 1), ("b", 2), ("a", 3), ("b", 4)], run)
    assert seen == [("a", [1, 3]), ("b", [2, 4])]
    assert [result for result, _ in done] == [1, 2, 3, 4]


def test_one_that_fails_harms_no_other():
    def run(_, items):
        if 3 in items:
            raise ValueError("three")
        return items

    done = gather([("a", i) for i in range(5)], run)
    assert isinstance(done[3], ValueError)
    assert [result for result, _ in done[:3] + done[4:]] == [0, 1, 2, 4]


def test_while_one_batch_is_at_work_the_next_gathers_without_waiting():
    sizes = []

    def run(_, items):
        sizes.append(len(items))
        time.sleep(0.05)
        return items

    async def main():
        with ThreadPoolExecutor(1) as pool:
            batcher = Batcher(run, pool, at_once=1, size=8, wait_s=0.0)
            first = asyncio.create_task(batcher.submit("a", 0))
            await asyncio.sleep(0.02)
            await asyncio.gather(first, *(batcher.submit("a", i) for i in range(5)))

    asyncio.run(main())
    assert sizes == [1, 5]


def test_two_batches_are_at_work_at_once_where_that_is_allowed():
    both = threading.Barrier(2, timeout=5)

    def run(_, items):
        both.wait()
        return items

    assert len(gather([("a", 1), ("b", 2)], run, at_once=2, wait_s=0.0)) == 2


def test_who_went_away_is_not_worked_for():
    seen = []

    def run(_, items):
        seen.extend(items)
        return items

    async def main():
        with ThreadPoolExecutor(1) as pool:
            batcher = Batcher(run, pool, at_once=1, size=4, wait_s=0.05)
            gone = asyncio.create_task(batcher.submit("a", 1))
            stays = asyncio.create_task(batcher.submit("a", 2))
            await asyncio.sleep(0)
            gone.cancel()
            assert await stays == (2, 1)
            with pytest.raises(asyncio.CancelledError):
                await gone

    asyncio.run(main())
    assert seen == [2]


def test_who_asks_again_at_once_is_served_again():
    async def main():
        with ThreadPoolExecutor(1) as pool:
            batcher = Batcher(double, pool, at_once=1, size=4, wait_s=0.0)
            return [await asyncio.wait_for(batcher.submit("a", i), 5) for i in range(20)]

    assert [result for result, _ in asyncio.run(main())] == list(range(0, 40, 2))
