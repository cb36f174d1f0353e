"""A limit on the time that a connection takes to send its request's headers.

Ray Serve's HTTP proxy runs uvicorn, which knows no such limit: whoever sends a header a minute
would keep a connection for ever. Bodies are the gate's business.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import uvicorn.config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

if TYPE_CHECKING:
    import asyncio

HEADERS_S = 10.0


class TimedProtocol(HttpToolsProtocol):
    """uvicorn's protocol; closes connections whose headers are not complete in time."""

    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client that says nothing has no more time than one that says little."""
        super().connection_made(transport)
        self._start_timer()

    def on_message_begin(self) -> None:
        """The first byte of a request, also of a later one on the same connection."""
        super().on_message_begin()
        self._start_timer()

    def on_headers_complete(self) -> None:
        """The request is known; from here on the gate looks after it."""
        self._stop_timer()
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is left to wait for."""
        self._stop_timer()
        super().connection_lost(exc)

    def _start_timer(self) -> None:
        self._stop_timer()
        self._timer = self.loop.call_later(HEADERS_S, self.transport.close)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def limit_header_time() -> None:
    """Have servers that uvicorn starts in this process from now on use ``TimedProtocol``."""
    uvicorn.config.HTTP_PROTOCOLS["auto"] = f"{__name__}:{TimedProtocol.__name__}"
