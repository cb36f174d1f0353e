"""The visitors of the live benchmark: aiortc peers that send the clip and look at what returns."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import av
from aiortc import (
    MediaStreamTrack,
    RTCConfiguration,
    RTCPeerConnection,
    RTCRtpSender,
    RTCSessionDescription,
)
from aiortc.mediastreams import MediaStreamError

from benchmarks.live_clip import FPS, N_FRAMES, TIME_BASE, has_box, luma, read_index

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from benchmarks.live_clip import CameraClip

    Ask = Callable[..., Awaitable[Any]]
    """Sends a request to the server and returns its answer."""


@dataclass(slots=True)
class Received:
    """One new frame that came back.

    Attributes:
        at_s: When, by the client's monotonic clock.
        delay_s: Since the frame was sent.
        is_annotated: Whether a box was drawn.
    """

    at_s: float
    delay_s: float
    is_annotated: bool


@dataclass(eq=False, slots=True)
class Visitor:
    """One stream from start to stop.

    Attributes:
        name: Of the stream, for the server.
        clip: What is sent.
        received: New frames, in order; repeated ones are left out.
        unreadable: Frames whose number could not be read.
    """

    name: int
    clip: CameraClip
    received: list[Received] = field(default_factory=list)
    unreadable: int = 0
    start_s: float = 0.0
    _peer: Any = None
    _camera: Any = None
    _watch: Any = None

    async def start(self, ask: Ask) -> None:
        """Connects; returns once the answer has arrived."""
        self.start_s = time.monotonic()
        self._camera = _Camera(self.clip)
        self._peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        transceiver = self._peer.addTransceiver(self._camera, direction="sendrecv")
        codecs = RTCRtpSender.getCapabilities("video").codecs
        transceiver.setCodecPreferences([c for c in codecs if c.mimeType == "video/VP8"])

        def on_track(track: Any) -> None:
            self._watch = asyncio.ensure_future(self._look_at(track))

        self._peer.on("track", on_track)
        await self._peer.setLocalDescription(await self._peer.createOffer())
        sdp = await ask("start", self.name, self._peer.localDescription.sdp)
        await self._peer.setRemoteDescription(RTCSessionDescription(sdp, "answer"))

    async def first_annotated_s(self, timeout_s: float = 20.0) -> float:
        """Waits for the first annotated frame; returns the seconds since ``start``.

        Raises:
            TimeoutError: None arrived.
        """
        end_s = time.monotonic() + timeout_s
        while not (seen := [r for r in self.received if r.is_annotated]):
            if time.monotonic() > end_s:
                raise TimeoutError(f"stream {self.name}: no annotated frame in {timeout_s} s")
            await asyncio.sleep(0.005)
        return seen[0].at_s - self.start_s

    async def stop(self, ask: Ask) -> float:
        """Stops both sides; returns the seconds until the server was free of the stream."""
        freed_s: float = await ask("stop", self.name)
        self._camera.stop()
        await self._peer.close()
        if self._watch is not None:
            await asyncio.wait([self._watch], timeout=5)
        return freed_s

    async def _look_at(self, track: Any) -> None:
        newest = None
        try:
            while True:
                frame = await track.recv()
                now = time.monotonic()
                brightness = luma(frame)
                index = read_index(brightness)
                if index is None:
                    self.unreadable += 1
                elif index != newest and (sent := self._camera.sent.get(index)) is not None:
                    newest = index
                    is_annotated = has_box(brightness, self.clip, index)
                    self.received.append(Received(now, now - sent, is_annotated))
        except MediaStreamError:
            return


class _Camera(MediaStreamTrack):
    """Sends the encoded clip at its rate, again and again.

    Attributes:
        sent: When each frame number was sent last.
    """

    kind = "video"

    def __init__(self, clip: CameraClip) -> None:
        super().__init__()
        self._clip = clip
        self._count = 0
        self._start_s: float | None = None
        self.sent: dict[int, float] = {}

    async def recv(self) -> av.Packet[Any]:
        if self.readyState != "live":
            raise MediaStreamError
        now = time.monotonic()
        if self._start_s is None:
            self._start_s = now
        await asyncio.sleep(max(0.0, self._start_s + self._count / FPS - now))
        index = self._count % N_FRAMES
        packet: av.Packet[Any] = av.Packet(self._clip.packets[index])
        packet.pts, packet.time_base = round(self._count / FPS / TIME_BASE), TIME_BASE
        self._count += 1
        self.sent[index] = time.monotonic()
        return packet
