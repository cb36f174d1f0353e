"""Limits on what a connection may ask of the server before and between requests, and after them.

Ray Serve's HTTP proxy runs uvicorn, which knows none of them: whoever sends a header a minute would
keep a connection for ever, and headers without end would fill the memory before anybody asked for
a token. Bodies are the gate's business.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import uvicorn.config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

if TYPE_CHECKING:
    import asyncio

HEADERS_S = 10.0
"""A request's headers must be complete within so many seconds."""

HEADERS_BYTES = 64 * 1024
"""More without a word of a body is no request; the last piece that is read may exceed it."""

UNREAD_S = 30.0
"""A client that takes nothing of its answers for so long is gone."""

_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\n\r\n"


class LimitedProtocol(HttpToolsProtocol):
    """uvicorn's protocol; closes connections that go beyond the limits."""

    _timer: asyncio.TimerHandle | None = None
    _unread: asyncio.TimerHandle | None = None
    _headers_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client that says nothing has no more time than one that says little."""
        super().connection_made(transport)
        self._start_timer()

    def data_received(self, data: bytes) -> None:
        """What comes after an answer must be the next request, and in time."""
        self._headers_bytes += len(data)
        super().data_received(data)
        if self._headers_bytes > HEADERS_BYTES and not self.transport.is_closing():
            self.transport.write(_TOO_LARGE)
            self.transport.close()
        elif self._timer is None and self.cycle is not None and self.cycle.response_complete:
            self._start_timer()

    def on_message_begin(self) -> None:
        """The first byte of a request, also of a later one on the same connection."""
        super().on_message_begin()
        self._start_timer()

    def on_headers_complete(self) -> None:
        """The request is known; from here on the gate looks after it."""
        self._stop_timer()
        self._headers_bytes = 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Of a body that was answered before its end nobody reads the rest."""
        self._headers_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """What comes next are the headers of another request."""
        self._headers_bytes = 0
        super().on_message_complete()

    def pause_writing(self) -> None:
        """The client does not take its answers."""
        super().pause_writing()
        self._unread = self.loop.call_later(UNREAD_S, self.transport.abort)

    def resume_writing(self) -> None:
        """It does after all."""
        super().resume_writing()
        self._stop_waiting()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is left to wait for."""
        self._stop_timer()
        self._stop_waiting()
        super().connection_lost(exc)

    def _start_timer(self) -> None:
        self._stop_timer()
        self._timer = self.loop.call_later(HEADERS_S, self.transport.close)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _stop_waiting(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None


def limit_connections() -> None:
    """Have servers that uvicorn starts in this process from now on use ``LimitedProtocol``."""
    uvicorn.config.HTTP_PROTOCOLS["auto"] = f"{__name__}:{LimitedProtocol.__name__}"
