import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from emotion_core.errors import EmotionError
from emotion_core.live import micro_batching
from emotion_core.live.micro_batching import BatchingAnalyzer
from emotion_core.types import AnalyzeOptions
from tests.live.fakes import WAIT_S, GatedAnalyzer, grey, wait_until


class Crowd:
    """Callers in threads of their own, in a known order."""

    def __init__(self, inner, **options):
        self.inner = inner
        self.core = BatchingAnalyzer(inner, **options)
        self._pool = ThreadPoolExecutor(8)
        self._is_busy = False

    def ask(self, *values, **options):
        waiting = len(self.core._waiting)
        future = self._pool.submit(
            self.core.analyze, [grey(v) for v in values], AnalyzeOptions(**options)
        )
        if self._is_busy:  # the first one is being served; the others line up behind it
            wait_until(lambda: len(self.core._waiting) > waiting)
        else:
            assert self.inner.entered.acquire(timeout=WAIT_S)
            self._is_busy = True
        return future

    def close(self):
        self.inner.open()
        self.core.close()
        self._pool.shutdown()


@pytest.fixture
def crowd():
    made = Crowd(GatedAnalyzer(is_open=False))
    yield made
    made.close()


def test_what_waits_together_is_analysed_together_oldest_first(crowd):
    futures = [crowd.ask(value) for value in (1, 2, 3, 4)]
    crowd.inner.let_go(2)
    results = [future.result(WAIT_S) for future in futures]
    assert crowd.inner.calls == [[1], [2, 3, 4]]
    single = crowd.inner._found
    for value, (analysis,) in zip((1, 2, 3, 4), results, strict=True):
        expected = single(grey(value)).predictions.probabilities
        assert (analysis.predictions.probabilities == expected).all()


def test_each_caller_gets_as_many_results_as_frames(crowd):
    first, second, third = crowd.ask(1), crowd.ask(2, 3), crowd.ask(4)
    crowd.inner.let_go(2)
    assert [len(f.result(WAIT_S)) for f in (first, second, third)] == [1, 2, 1]
    assert crowd.inner.calls == [[1], [2, 3, 4]]


def test_no_frames_are_no_call(crowd):
    assert crowd.core.analyze([]) == []
    assert crowd.inner.calls == []


@pytest.mark.parametrize(
    ("options", "calls"),
    [
        ({"search_px": 640}, [[1], [2, 4], [3]]),
        ({"min_score": 0.9}, [[1], [2, 4], [3]]),
        ({}, [[1], [2, 3, 4]]),
    ],
    ids=["search", "score", "same"],
)
def test_only_equal_wishes_share_a_batch(crowd, options, calls):
    futures = [crowd.ask(1), crowd.ask(2), crowd.ask(3, **options), crowd.ask(4)]
    crowd.inner.let_go(4)
    for future in futures:
        future.result(WAIT_S)
    assert crowd.inner.calls == calls


def test_a_full_batch_leaves_the_rest_to_the_next():
    crowd = Crowd(GatedAnalyzer(is_open=False), max_images=2)
    futures = [crowd.ask(value) for value in (1, 2, 3, 4, 5)]
    crowd.inner.let_go(3)
    for future in futures:
        future.result(WAIT_S)
    assert crowd.inner.calls == [[1], [2, 3], [4, 5]]
    crowd.close()


def test_one_bad_request_harms_only_itself(crowd):
    inner = crowd.inner
    analyze = inner.analyze

    def fail_on_three(images, *options):
        results = analyze(images, *options)
        if any(int(image[0, 0, 0]) == 3 for image in images):
            raise EmotionError("Three is bad.")
        return results

    inner.analyze = fail_on_three
    futures = [crowd.ask(value) for value in (1, 2, 3, 4)]
    inner.open()
    assert [len(futures[i].result(WAIT_S)) for i in (0, 1, 3)] == [1, 1, 1]
    with pytest.raises(EmotionError, match=r"Three is bad\."):
        futures[2].result(WAIT_S)
    assert inner.calls == [[1], [2, 3, 4], [2], [3], [4]]


def test_a_core_that_hangs_is_given_up_with_a_sentence():
    inner = GatedAnalyzer(is_open=False)
    core = BatchingAnalyzer(inner, timeout_s=0.05)
    with pytest.raises(EmotionError, match=r"did not answer within 0\.05 seconds; try again"):
        core.analyze([grey(1)])
    with pytest.raises(EmotionError, match="did not answer"):
        core.analyze([grey(2)])
    assert not core._waiting
    inner.open()
    core.close()


def test_closing_ends_who_waits_and_who_comes_later(crowd):
    first, second = crowd.ask(1), crowd.ask(2)
    crowd.core.close()
    with pytest.raises(EmotionError, match="were released; press Start again"):
        second.result(WAIT_S)
    crowd.inner.open()
    assert len(first.result(WAIT_S)) == 1
    with pytest.raises(EmotionError, match="were released"):
        crowd.core.analyze([grey(3)])
    crowd.core.close()


def test_a_retired_core_serves_streams_until_they_have_ended(crowd, monkeypatch):
    crowd.inner.open()
    crowd.core.retire()
    for value in range(3):
        assert len(crowd.core.analyze([grey(value)])) == 1
    assert crowd.core._thread.is_alive()
    monkeypatch.setattr(micro_batching, "_UNUSED_S", 0.0)
    crowd.core.retire()
    wait_until(lambda: not crowd.core._thread.is_alive())
    with pytest.raises(EmotionError, match="were released; press Start again"):
        crowd.core.analyze([grey(3)])


def test_a_lone_caller_does_not_wait_for_others(crowd):
    request = crowd.ask(1)
    crowd.inner.open()
    request.result(WAIT_S)
    crowd.core._callers = {threading.get_ident(): 0.0}
    crowd.core._waiting.clear()
    assert crowd.core._gathering_s() == 0


def test_information_is_that_of_the_core_inside(crowd):
    assert crowd.core.info is crowd.inner.info


def test_a_stream_that_asks_again_waits_behind_the_others():
    crowd = Crowd(GatedAnalyzer(is_open=False), max_images=1)
    first, *others = crowd.ask(1), crowd.ask(2), crowd.ask(3)
    crowd.inner.let_go()
    first.result(WAIT_S)
    assert crowd.inner.entered.acquire(timeout=WAIT_S)  # the second is being served
    futures = [*others, crowd.ask(1)]
    crowd.inner.let_go(3)
    for future in futures:
        future.result(WAIT_S)
    assert crowd.inner.calls == [[1], [2], [3], [1]]
    crowd.close()
