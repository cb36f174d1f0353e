"""A visitor's media track: camera frames in, annotated ones out, no faster than they can be sent.

streamlit-webrtc's own callback track sends one frame for each that arrives, through unbounded
queues: a server that cannot encode as fast lags further and further behind
(``python -m benchmarks.live --path callback`` shows it). This one takes the newest frame whenever
the frame before the last has been encoded, and sends fewer if decoding falls behind.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING

import av
from aiortc import MediaStreamTrack
from aiortc.mediastreams import MediaStreamError

from emotion_core.live.backpressure import BackpressureController

if TYPE_CHECKING:
    from collections.abc import Callable

_log = logging.getLogger(__name__)

_MAX_UNSENT = 2
"""Frames on their way to the encoder. aiortc's relay keeps the last one until the next, so that one
of two may be in the encoder while the other waits."""

_SENT_AFTER_S = 0.5
"""After this time a frame counts as sent: somebody else may keep it in memory."""

_MAX_PIXELS = 10_000_000
"""A stream of larger frames is ended: a camera has 4096 by 2160, but a manipulated browser can send
16384 by 16384, of which a few fill any memory."""

_WAKE_S = 0.1  # waiting tasks wake up this often, notified or not


class _InFlight:
    """Lives as long as the frame that carries it."""

    __slots__ = ("__weakref__", "since_s")

    def __init__(self, since_s: float) -> None:
        self.since_s = since_s


class LiveTrack(MediaStreamTrack):
    """Both ends of one visitor's stream; not reusable once it has ended.

    Passed to ``webrtc_streamer`` as ``sink_video_track`` and ``source_video_track``. Its methods
    belong to the event loop, except ``stop`` and ``readyState``.

    Args:
        process: Converts a camera frame to the one to show, with its times. Called in a thread of
            the track, one frame after another; must not raise.
        on_ended: Called once in that thread when the stream has ended, for whatever reason.
    """

    kind = "video"

    def __init__(
        self, process: Callable[[av.VideoFrame], av.VideoFrame], on_ended: Callable[[], None]
    ) -> None:
        super().__init__()
        self._process, self._on_ended = process, on_ended
        self._camera: MediaStreamTrack | None = None
        self._pump: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._newest: av.VideoFrame | None = None
        self._backpressure = BackpressureController()
        self._due_s = 0.0
        self._changed = asyncio.Event()
        self._unsent: weakref.WeakSet[_InFlight] = weakref.WeakSet()
        self._ending = threading.Lock()
        self._is_ended = False
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="live-frames")

    def addTrack(self, track: MediaStreamTrack) -> None:  # noqa: N802 - the library's name
        """Sets the camera's track."""
        self._camera = track

    def hasTrack(self) -> bool:  # noqa: N802 - the library's name
        """Whether there is a camera."""
        return self._camera is not None

    def start(self) -> None:
        """Starts to read the camera; called in the event loop."""
        if self._camera is not None and self._pump is None and self.readyState == "live":
            self._loop = asyncio.get_running_loop()
            self._pump = self._loop.create_task(self._read(self._camera))

    def stop(self) -> None:
        """Ends the stream. May be called again, and from any thread."""
        with self._ending:
            if self._is_ended:
                return
            self._is_ended = True
        super().stop()
        self._newest = None
        try:
            self._executor.submit(self._on_ended)
        except RuntimeError:  # Python is shutting down and accepts no more work
            self._on_ended()
        self._executor.shutdown(wait=False)
        if self._loop is not None and self._loop.is_running():
            self._loop.call_soon_threadsafe(self._end_in_loop)

    async def recv(self) -> av.VideoFrame:
        """The next annotated frame.

        Raises:
            MediaStreamError: The stream has ended.
        """
        frame = await self._next()
        try:
            work = self._executor.submit(self._process, frame)
        except RuntimeError:  # another thread has just stopped it
            raise MediaStreamError from None
        shown = await asyncio.wrap_future(work)
        token = _InFlight(time.monotonic())
        weakref.finalize(token, self._on_sent).atexit = False
        self._unsent.add(token)
        shown.opaque = token
        return shown

    @property
    def lag_s(self) -> float:
        """Minimum lag of decoding behind the camera in the last second, in seconds."""
        return self._backpressure.lag_s

    async def _next(self) -> av.VideoFrame:
        """Waits for a frame and for room to send it."""
        while self.readyState == "live":
            now_s = time.monotonic()
            unsent = sum(token.since_s > now_s - _SENT_AFTER_S for token in list(self._unsent))
            if self._newest is not None and now_s >= self._due_s and unsent < _MAX_UNSENT:
                frame, self._newest = self._newest, None
                self._due_s = now_s + self._backpressure.interval_s
                return frame
            self._changed.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), _WAKE_S)
        raise MediaStreamError

    async def _read(self, camera: MediaStreamTrack) -> None:
        """Keeps the newest frame of the camera until it ends."""
        try:
            while self.readyState == "live":
                frame = await camera.recv()
                if isinstance(frame, av.VideoFrame):
                    if frame.width * frame.height > _MAX_PIXELS:
                        _log.warning("Ending a stream of %d by %d.", frame.width, frame.height)
                        raise MediaStreamError
                    self._newest = frame
                    if frame.time is not None:
                        self._backpressure.note(frame.time, time.monotonic())
                    self._changed.set()
        except MediaStreamError:
            self.stop()

    def _on_sent(self) -> None:
        """Wakes up ``_next``; called in the thread that frees a frame."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._changed.set)

    def _end_in_loop(self) -> None:
        self._changed.set()
        if self._pump is not None:
            self._pump.cancel()
        self._camera = None
