"""Real WebRTC peers in this process: a camera, a server, and what comes back."""

import asyncio
import contextlib
from fractions import Fraction

import numpy as np
import pytest
from aiortc import (
    MediaStreamTrack,
    RTCConfiguration,
    RTCPeerConnection,
    RTCSessionDescription,
)
from aiortc.contrib.media import MediaRelay
from aiortc.mediastreams import MediaStreamError

from emotion_core.live.media_track import LiveTrack
from emotion_core.live.micro_batching import BatchingAnalyzer
from emotion_core.live.processor import FrameProcessor
from emotion_core.live.stream import LiveStream
from tests.live.fakes import WAIT_S, GatedAnalyzer, grey, video_frame

BOX = (60, 60, 160, 180)
SIZE = (320, 240)


class Camera(MediaStreamTrack):
    """A grey frame, in sizes that change after so many frames."""

    kind = "video"

    def __init__(self, sizes=(SIZE,), frames_each=30):
        super().__init__()
        self._sizes, self._each = sizes, frames_each
        self.count = 0

    async def recv(self):
        if self.readyState != "live":
            raise MediaStreamError
        await asyncio.sleep(1 / 30)
        size = self._sizes[min(self.count // self._each, len(self._sizes) - 1)]
        frame = video_frame(grey(120, *size), self.count * 3000)
        frame.time_base = Fraction(1, 90_000)
        self.count += 1
        return frame


class Call:
    """A visitor and the server's side of one stream, connected as streamlit-webrtc does it."""

    def __init__(self, analyzer, camera):
        self.processor = FrameProcessor(LiveStream(analyzer))
        self.track = LiveTrack(self.processor.recv, self.processor.close)
        self.camera = camera
        self.seen = asyncio.Queue()
        self._relay = MediaRelay()
        self._watch = None

    async def __aenter__(self):
        configuration = RTCConfiguration(iceServers=[])
        self.visitor = RTCPeerConnection(configuration)
        self.server = RTCPeerConnection(configuration)
        self.visitor.addTrack(self.camera)
        self.visitor.on("track", self._start_watching)
        self.server.on("track", self._answer_track)
        await self.visitor.setLocalDescription(await self.visitor.createOffer())
        await self.server.setRemoteDescription(_copy(self.visitor.localDescription))
        self.track.start()
        await self.server.setLocalDescription(await self.server.createAnswer())
        await self.visitor.setRemoteDescription(_copy(self.server.localDescription))
        return self

    async def __aexit__(self, *_):
        self.track.stop()
        self.camera.stop()
        await self.server.close()
        await self.visitor.close()
        if self._watch:
            with contextlib.suppress(MediaStreamError):
                await self._watch

    def _answer_track(self, track):
        self.track.addTrack(self._relay.subscribe(track))
        self.server.addTrack(self._relay.subscribe(self._relay.subscribe(self.track)))

    def _start_watching(self, track):
        self._watch = asyncio.ensure_future(self._look_at(track))

    async def _look_at(self, track):
        while True:
            frame = await track.recv()
            self.seen.put_nowait(frame.to_ndarray(format="rgb24"))

    async def wait_for(self, condition):
        """The first frame that fulfils a condition."""
        async with asyncio.timeout(WAIT_S):
            while True:
                image = await self.seen.get()
                if condition(image):
                    return image


def _copy(description):
    return RTCSessionDescription(description.sdp, description.type)


def has_box(image):
    """Lines around the face; small frames come back enlarged."""
    factor = image.shape[0] // SIZE[1]
    x1, y1, _, y2 = (side * factor for side in BOX)
    edge = image[y1 + 20 * factor : y2 - 20 * factor, x1 - 8 : x1 + 8].astype(int)
    return np.abs(edge - 120).max() > 60


def run(scenario):
    asyncio.run(asyncio.wait_for(scenario, 3 * WAIT_S))


def test_the_annotated_frame_comes_back_through_a_shared_core():
    async def scenario():
        core = BatchingAnalyzer(GatedAnalyzer(BOX))
        async with Call(core, Camera()) as one, Call(core, Camera()) as other:
            for call in (one, other):
                image = await call.wait_for(has_box)
                assert abs(int(image[-5, -5, 0]) - 120) < 12
        core.close()

    run(scenario())


def test_the_frame_goes_on_while_the_analysis_hangs():
    async def scenario():
        analyzer = GatedAnalyzer(BOX, is_open=False)
        async with Call(analyzer, Camera()) as call:
            for _ in range(10):
                await call.wait_for(lambda image: not has_box(image))
            analyzer.open()
            await call.wait_for(has_box)

    run(scenario())


def test_the_frame_goes_on_where_every_frame_fails(monkeypatch):
    def fail(*_args, **_options):
        raise ValueError("no ink")

    monkeypatch.setattr("emotion_core.live.processor.render", fail)

    async def scenario():
        async with Call(GatedAnalyzer(BOX), Camera()) as call:
            for _ in range(10):
                await call.wait_for(lambda image: not has_box(image))
            assert call.processor.failed > 0

    run(scenario())


def test_the_size_may_change_in_mid_stream():
    async def scenario():
        async with Call(GatedAnalyzer(BOX), Camera([(640, 480), (480, 360)])) as call:
            await call.wait_for(lambda image: image.shape == (480, 640, 3))
            await call.wait_for(lambda image: image.shape == (360, 480, 3))

    run(scenario())


@pytest.mark.parametrize("who", ["page", "server", "visitor"])
def test_the_end_of_a_stream_frees_its_threads(who):
    async def scenario():
        async with Call(GatedAnalyzer(BOX), Camera()) as call:
            await call.wait_for(has_box)
            if who == "page":
                call.track.stop()
            else:
                await getattr(call, who).close()
            async with asyncio.timeout(WAIT_S):
                while call.processor.stream.is_alive:
                    await asyncio.sleep(0.01)
            with pytest.raises(MediaStreamError):
                await call.track.recv()

    run(scenario())
