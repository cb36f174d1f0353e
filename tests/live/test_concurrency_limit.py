import pytest

from emotion_core.errors import EmotionError
from emotion_core.live.concurrency_limit import StreamLimiter


def test_so_many_streams_are_let_in_and_a_closed_one_makes_room():
    gate = StreamLimiter(2)
    gate.enter()
    gate.enter()
    assert gate.running == 2
    with pytest.raises(EmotionError, match=r"2 webcam streams at once\. Please try again"):
        gate.enter()
    gate.leave()
    assert gate.running == 1
    gate.enter()
    assert gate.running == 2


def test_the_sentence_counts_one_stream():
    gate = StreamLimiter(1)
    gate.check()
    gate.enter()
    with pytest.raises(EmotionError, match="runs 1 webcam stream at once"):
        gate.check()
    with pytest.raises(EmotionError, match="runs 1 webcam stream at once"):
        gate.enter()
