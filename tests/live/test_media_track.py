import asyncio
import subprocess
import sys

import av
import pytest
from aiortc.mediastreams import MediaStreamError

from emotion_core.live.media_track import LiveTrack
from tests.live.fakes import WAIT_S, grey, video_frame, wait_until


class Feed:
    """A camera whose frames come when the test says so."""

    def __init__(self):
        self._frames = asyncio.Queue()

    def send(self, pts):
        self.send_frame(video_frame(grey(100), pts))

    def send_frame(self, frame):
        self._frames.put_nowait(frame)

    def end(self):
        self._frames.put_nowait(None)

    async def recv(self):
        frame = await self._frames.get()
        if frame is None:
            raise MediaStreamError
        return frame

    async def is_read(self):
        while not self._frames.empty():
            await asyncio.sleep(0)
        await asyncio.sleep(0.01)


def run(scenario):
    asyncio.run(asyncio.wait_for(scenario, 3 * WAIT_S))


async def start(on_ended=lambda: None):
    feed, track = Feed(), LiveTrack(lambda frame: frame, on_ended)
    assert not track.hasTrack()
    track.addTrack(feed)
    assert track.hasTrack()
    track.start()
    return feed, track


def test_only_the_newest_frame_is_taken():
    async def scenario():
        feed, track = await start()
        for pts in (1, 2, 3):
            feed.send(pts)
        await feed.is_read()
        assert (await track.recv()).pts == 3
        track.stop()

    run(scenario())


def test_frames_wait_while_two_are_unsent_and_the_newest_goes_on_then(monkeypatch):
    monkeypatch.setattr("emotion_core.live.media_track._SENT_AFTER_S", WAIT_S)

    async def scenario():
        feed, track = await start()
        unsent = []
        for pts in (1, 2):
            feed.send(pts)
            unsent.append(await track.recv())
        feed.send(3)
        third = asyncio.ensure_future(track.recv())
        await feed.is_read()
        assert not third.done()
        feed.send(4)
        await feed.is_read()
        assert not third.done()
        unsent.pop(0)  # the encoder is done with it
        assert (await third).pts == 4
        track.stop()

    run(scenario())


def test_fewer_frames_are_sent_while_decoding_is_behind(monkeypatch):
    async def scenario():
        feed, track = await start()
        monkeypatch.setattr(track._backpressure, "interval_s", 60.0)
        feed.send(1)
        assert (await track.recv()).pts == 1
        feed.send(2)
        second = asyncio.ensure_future(track.recv())
        await feed.is_read()
        assert not second.done()
        monkeypatch.setattr(track, "_due_s", 0.0)
        feed.send(3)
        assert (await second).pts == 3
        track.stop()

    run(scenario())


def test_frames_that_are_stuck_do_not_stop_the_stream(monkeypatch):
    monkeypatch.setattr("emotion_core.live.media_track._SENT_AFTER_S", 0.01)

    async def scenario():
        feed, track = await start()
        unsent = []
        for pts in range(5):
            feed.send(pts)
            unsent.append(await track.recv())
        assert [frame.pts for frame in unsent] == [0, 1, 2, 3, 4]
        track.stop()

    run(scenario())


def test_a_camera_that_ends_ends_the_stream_once():
    ended = []

    async def scenario():
        feed, track = await start(lambda: ended.append(1))
        waiting = asyncio.ensure_future(track.recv())
        feed.end()
        with pytest.raises(MediaStreamError):
            await waiting
        track.stop()
        assert track.readyState == "ended"

    run(scenario())
    wait_until(lambda: ended)
    assert ended == [1]


def test_a_stream_of_frames_that_no_camera_gives_ends(caplog):
    async def scenario():
        feed, track = await start()
        feed.send_frame(av.VideoFrame(4096, 2160, "yuv420p"))
        await track.recv()
        feed.send_frame(av.VideoFrame(16384, 1024, "yuv420p"))
        with pytest.raises(MediaStreamError):
            await track.recv()
        assert track.readyState == "ended"

    run(scenario())
    assert "Ending a stream of 16384 by 1024" in caplog.text


def test_a_stream_that_is_stopped_while_a_frame_is_taken_has_ended(monkeypatch):
    async def scenario():
        _, track = await start(lambda: None)

        async def taken():
            track.stop()  # as another thread may, between the frame and its work
            return av.VideoFrame(16, 16, "rgb24")

        monkeypatch.setattr(track, "_next", taken)
        with pytest.raises(MediaStreamError):
            await track.recv()

    run(scenario())


def test_a_stream_that_never_began_can_be_stopped():
    ended = []
    track = LiveTrack(lambda frame: frame, lambda: ended.append(1))
    track.stop()
    wait_until(lambda: ended)
    track.start()
    assert not track.hasTrack()


def test_a_stream_can_be_stopped_while_python_ends():
    code = """
import atexit
from emotion_core.live.media_track import LiveTrack
track = LiveTrack(lambda frame: frame, lambda: print("released"))
atexit.register(track.stop)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("released\n", "")
