"""Limits on a connection before, between and after requests.

Ray Serve's HTTP proxy runs uvicorn, which has none of them: a client could keep a connection
forever by sending a header a minute, and endless headers would fill the memory before any token is
checked. The ingress limits bodies.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import uvicorn.config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

if TYPE_CHECKING:
    import asyncio

HEADERS_S = 10.0
"""Seconds within which a request's headers must be complete."""

HEADERS_BYTES = 64 * 1024
"""Maximum size of a request's headers; the last part that is read may exceed it."""

UNREAD_S = 30.0
"""Seconds without reading a response after which a client counts as gone."""

_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\n\r\n"


class LimitedProtocol(HttpToolsProtocol):
    """uvicorn's protocol, which also closes connections that exceed the limits."""

    _timer: asyncio.TimerHandle | None = None
    _unread: asyncio.TimerHandle | None = None
    _headers_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Starts the timer, for a client that sends nothing."""
        super().connection_made(transport)
        self._start_timer()

    def data_received(self, data: bytes) -> None:
        """Counts header bytes; data after a response must be the next request."""
        self._headers_bytes += len(data)
        super().data_received(data)
        if self._headers_bytes > HEADERS_BYTES and not self.transport.is_closing():
            self.transport.write(_TOO_LARGE)
            self.transport.close()
        elif self._timer is None and self.cycle is not None and self.cycle.response_complete:
            self._start_timer()

    def on_message_begin(self) -> None:
        """Restarts the timer at the first byte of each request."""
        super().on_message_begin()
        self._start_timer()

    def on_headers_complete(self) -> None:
        """Stops the timer; from here on the ingress is in charge."""
        self._stop_timer()
        self._headers_bytes = 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Does not count a body as headers."""
        self._headers_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Starts counting the headers of the next request."""
        self._headers_bytes = 0
        super().on_message_complete()

    def pause_writing(self) -> None:
        """The client has stopped reading responses."""
        super().pause_writing()
        self._unread = self.loop.call_later(UNREAD_S, self.transport.abort)

    def resume_writing(self) -> None:
        """The client reads again."""
        super().resume_writing()
        if self._unread is not None:
            self._unread.cancel()

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancels the timers."""
        self._stop_timer()
        if self._unread is not None:
            self._unread.cancel()
        super().connection_lost(exc)

    def _start_timer(self) -> None:
        self._stop_timer()
        self._timer = self.loop.call_later(HEADERS_S, self.transport.close)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def limit_connections() -> None:
    """Makes uvicorn servers started in this process from now on use ``LimitedProtocol``."""
    uvicorn.config.HTTP_PROTOCOLS["auto"] = f"{__name__}:{LimitedProtocol.__name__}"
