"""The server of the live benchmark: streams as the app runs them, in a process of their own."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.contrib.media import MediaRelay
from streamlit_webrtc.models import CallbackAttachableProcessor
from streamlit_webrtc.process import AsyncVideoProcessTrack

from benchmarks.live_clip import SAMPLE
from emotion_core.imaging.codec import decode_image
from emotion_core.live.media_track import LiveTrack
from emotion_core.live.micro_batching import BatchingAnalyzer
from emotion_core.live.processor import FrameProcessor
from emotion_core.live.stream import LiveStream
from emotion_core.local_analyzer import load_analyzer
from emotion_core.models.card import Task
from emotion_core.models.registry import candidates
from emotion_core.types import AnalyzeOptions

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from emotion_core.analyzer import Analyzer

_FREED_WITHIN_S = 10.0


class Streams:
    """Peers as streamlit-webrtc makes them, through its relay.

    Args:
        analyzer: Of all streams.
        path: ``"track"``: our own track as its sink and source, as in the app; ``"callback"``: its
            own track around a callback.
    """

    def __init__(self, analyzer: Analyzer, path: str) -> None:
        self._analyzer, self._path = analyzer, path
        self._relay = MediaRelay()
        self._peers: dict[int, RTCPeerConnection] = {}
        self.processors: dict[int, FrameProcessor] = {}

    async def start(self, name: int, sdp: str) -> str:
        """Answers an offer."""
        peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        processor = FrameProcessor(LiveStream(self._analyzer))
        self._peers[name], self.processors[name] = peer, processor
        callbacks = CallbackAttachableProcessor(processor.recv, None, processor.close)
        ours = LiveTrack(processor.recv, processor.close)

        def on_track(track: Any) -> None:
            camera = self._relay.subscribe(track)
            if self._path == "callback":
                shown: Any = AsyncVideoProcessTrack(camera, callbacks)
            else:
                ours.addTrack(camera)
                shown = self._relay.subscribe(ours)
            peer.addTrack(self._relay.subscribe(shown))

        peer.on("track", on_track)
        await peer.setRemoteDescription(RTCSessionDescription(sdp, "offer"))
        ours.start()
        await peer.setLocalDescription(await peer.createAnswer())
        return str(peer.localDescription.sdp)

    async def stop(self, name: int) -> None:
        """Ends a stream as Stop does."""
        del self.processors[name]
        await self._peers.pop(name).close()


def serve(connection: Connection, device: str, path: str) -> None:
    """Answers the client's requests until it says ``quit``; the target of the server process."""
    loaded = load_analyzer(candidates(Task.EMOTION), candidates(Task.DETECTION), device=device)
    analyzer = BatchingAnalyzer(loaded)
    photo = decode_image(SAMPLE.read_bytes()).pixels
    for search_px in (640, None):
        analyzer.analyze([photo], AnalyzeOptions(search_px=search_px))
    streams = Streams(analyzer, path)
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, daemon=True, name="loop").start()
    info = loaded.info
    names = f"{info.emotion.name}, {info.detector.name} on {info.device}"
    connection.send(names)
    while (request := connection.recv())[0] != "quit":
        connection.send(_answer(request, streams, loop))


def _answer(request: tuple[Any, ...], streams: Streams, loop: asyncio.AbstractEventLoop) -> Any:
    what, *values = request
    if what == "start":
        return asyncio.run_coroutine_threadsafe(streams.start(*values), loop).result(20)
    if what == "stop":
        return _stop(values[0], streams, loop)
    if what == "counts":
        return {name: _counts(processor) for name, processor in streams.processors.items()}
    if what == "size":
        return measure_size(collect=values[0])
    raise ValueError(what)


def _counts(processor: FrameProcessor) -> dict[str, Any]:
    status = processor.stream.status()
    return {
        "at_s": time.monotonic(),
        "frames": processor.frames,
        "analyzed": status.analyzed,
        "replaced": status.replaced,
        "failed": status.failed + processor.failed,
        "analysis_ms": status.analysis_ms,
        "error": status.error or processor.error,
    }


def _stop(name: int, streams: Streams, loop: asyncio.AbstractEventLoop) -> float:
    """Stops a stream; returns the seconds until its threads are gone."""
    processor = streams.processors[name]
    start = time.monotonic()
    asyncio.run_coroutine_threadsafe(streams.stop(name), loop).result(20)
    while processor.stream.is_alive and time.monotonic() < start + _FREED_WITHIN_S:
        time.sleep(0.005)
    return time.monotonic() - start


def measure_size(*, collect: bool) -> dict[str, Any]:
    """Resident memory in MB, number of threads and processor seconds of this process."""
    if collect:
        gc.collect()
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    used = os.times()
    return {
        "memory_mb": pages * os.sysconf("SC_PAGE_SIZE") / 1e6,
        "threads": threading.active_count(),
        "cpu_s": used.user + used.system,
        "at_s": time.monotonic(),
    }
