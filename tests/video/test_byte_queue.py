"""Queues between threads: bounded, in order, and never left hanging."""

import threading
import time

import pytest

from emotion_core.video.byte_queue import ByteBoundedQueue, QueueCancelledError


def make_channel(limit_bytes=100):
    return ByteBoundedQueue(limit_bytes, len)


def in_thread(work):
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def test_items_come_in_order_and_then_nothing():
    channel = make_channel()
    for item in (b"a", b"bb", b"ccc"):
        channel.put(item)
    channel.end()
    assert channel.take(2) == [b"a", b"bb"]
    assert channel.take(2) == [b"ccc"]
    assert channel.take(2) == []


def test_put_waits_until_there_is_room():
    channel = make_channel(limit_bytes=10)
    done = []

    def fill():
        for i in range(5):
            channel.put(bytes(6))
            done.append(i)

    thread = in_thread(fill)
    time.sleep(0.2)
    assert done == [0, 1], "12 bytes fill it"
    for _ in range(3):
        assert channel.take(1) == [bytes(6)]
    thread.join(2)
    assert done == [0, 1, 2, 3, 4]


def test_two_items_always_fit():
    channel = make_channel(limit_bytes=1)
    channel.put(bytes(50))
    channel.put(bytes(50))
    assert len(channel.take(5)) == 2


def test_failure_comes_after_the_last_item():
    channel = make_channel()
    channel.put(b"a")
    channel.end(ValueError("broken"))
    assert channel.take(8) == [b"a"]
    with pytest.raises(ValueError, match=r"^broken$"):
        channel.take(8)


@pytest.mark.parametrize("side", ["put", "take"])
def test_giving_up_ends_whoever_waits(side):
    channel = make_channel(limit_bytes=1)
    ended = []

    def wait():
        try:
            while side == "put":
                channel.put(b"a")
            channel.take(1)
        except QueueCancelledError:
            ended.append(time.monotonic())

    thread = in_thread(wait)
    time.sleep(0.1)
    start = time.monotonic()
    channel.cancel()
    thread.join(2)
    assert ended
    assert ended[0] - start < 0.2


def test_giving_up_drops_what_is_there():
    channel = make_channel()
    channel.put(b"a")
    channel.cancel()
    with pytest.raises(QueueCancelledError):
        channel.take(1)
    with pytest.raises(QueueCancelledError):
        channel.put(b"b")


def test_patient_taking_waits_until_there_are_as_many_as_wanted():
    channel = make_channel()
    channel.put(b"a")
    thread = in_thread(lambda: (time.sleep(0.1), channel.put(b"b"), channel.put(b"c")))
    assert channel.take(3, fill_s=5) == [b"a", b"b", b"c"]
    thread.join(2)


@pytest.mark.parametrize("reason", ["time", "end", "full"])
def test_patience_ends(reason):
    channel = make_channel(limit_bytes=2)
    channel.put(b"a")
    if reason == "full":
        channel.put(b"b")
    if reason == "end":
        channel.end()
    start = time.monotonic()
    assert channel.take(3, fill_s=0.3 if reason == "time" else 5)[0] == b"a"
    assert 0.3 <= time.monotonic() - start < 1 or reason != "time"
    assert time.monotonic() - start < 1
