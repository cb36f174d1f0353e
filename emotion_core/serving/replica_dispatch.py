"""Dispatches requests from the proxy to a replica in one call.

Ray Serve's proxy streams bodies of unknown length, in several messages to the replica and back.
Here request and response are complete anyway (see ``ingress``), so that they are the argument and
the result of a single call. Ray Serve still does the queueing, routing and scaling.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Any

from ray import serve
from ray.exceptions import RayError
from ray.serve.exceptions import BackPressureError, RayServeException

from emotion_core.serving.asgi import ReplayReceive, respond_error

if TYPE_CHECKING:
    from ray.serve.handle import DeploymentHandle
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    CompleteResponse = tuple[int, list[tuple[bytes, bytes]], bytes]
    """Status, headers and body."""

APP = "emoscope"
"""Name of the Serve application."""

RETRY_AFTER_S = 1
"""Seconds after which a rejected client may retry."""

IN_ONE_CALL = ("/v1/analyze", "/v1/models/emotion:predict")
"""Frequent paths; the proxy handles all others, including those of other applications."""

ONE_CALL_BYTES = 1 << 20
"""A larger body is streamed."""

_SCOPE_KEYS = ("type", "http_version", "method", "scheme", "path", "query_string", "headers")
_RETRY_HEADERS = {"retry-after": str(RETRY_AFTER_S)}
_RETRY_LOOKUP_S = 1.0

_LOG = logging.getLogger(__name__)


class ReplicaDispatcher:
    """ASGI app in the proxy, behind the ingress, which passes complete bodies.

    Ends without a response if the replica died before it sent one.

    Args:
        app: The proxy's own app, for other paths, for large bodies, of which one call would hold
            several copies, and while there is no application.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._handle: DeploymentHandle[Any] | None = None
        self._lookup_s = -_RETRY_LOOKUP_S
        self._lookup_lock = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        handle = None
        if scope["type"] == "http" and scope["path"] in IN_ONE_CALL:
            handle = self._handle or await self._look_up()
        if handle is None:
            await self._app(scope, receive, send)
            return
        body = (await receive())["body"]
        if len(body) > ONE_CALL_BYTES:
            await self._app(scope, ReplayReceive(body, receive), send)
            return
        response = asyncio.ensure_future(_respond(handle, scope, body, send))
        disconnect = asyncio.ensure_future(receive())
        try:
            await asyncio.wait((response, disconnect), return_when=asyncio.FIRST_COMPLETED)
            if response.done():
                response.result()
        finally:
            disconnect.cancel()
            response.cancel()

    async def _look_up(self) -> DeploymentHandle[Any] | None:
        async with self._lookup_lock:
            if self._handle is None and time.monotonic() - self._lookup_s >= _RETRY_LOOKUP_S:
                try:
                    self._handle = await asyncio.to_thread(serve.get_app_handle, APP)
                except (RayServeException, RayError):
                    self._lookup_s = time.monotonic()
        return self._handle


async def _respond(handle: DeploymentHandle[Any], scope: Scope, body: bytes, send: Send) -> None:
    """Sends a replica's response, or an error if none is available; nothing if it died."""
    call: Any = handle.answer.remote({name: scope[name] for name in _SCOPE_KEYS}, body)
    try:
        status, headers, content = await call
    except asyncio.CancelledError:
        call.cancel()
        raise
    except BackPressureError:
        await respond_error(send, 503, "The server is busy.", _RETRY_HEADERS)
    except RayServeException:
        await respond_error(send, 503, "The server is not ready.", _RETRY_HEADERS)
    except Exception as error:  # noqa: BLE001 - from Ray or gRPC; the API handles its own
        _LOG.warning("A replica did not respond: %s", error)
    else:
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": content})


async def respond_once(app: ASGIApp, scope: Scope, body: bytes) -> CompleteResponse:
    """Runs one request through an ASGI app, in the replica.

    Args:
        app: The API.
        scope: The keys of an ASGI scope of type ``"http"`` that ``ReplicaDispatcher`` sends.
        body: The whole body.

    Raises:
        Exception: The app raised it before its response began.
    """
    status, headers = 0, []
    parts: list[bytes] = []

    async def nothing_more() -> Message:
        message: Message = await asyncio.Future()  # a disconnect cancels the call
        return message

    async def send(message: Message) -> None:
        nonlocal status, headers
        if message["type"] == "http.response.start":
            status, headers = message["status"], list(message.get("headers", ()))
        else:
            parts.append(message.get("body", b""))

    try:
        await app(scope, ReplayReceive(body, nothing_more), send)
    except Exception:
        if not status:
            raise
    return status, headers, b"".join(parts)
