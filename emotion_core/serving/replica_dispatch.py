"""From the proxy to a replica in one call.

Ray Serve's proxy streams: a request and its answer cross to the replica and back in several
messages, for bodies of unknown length. Here both are read whole anyway (see ``ingress``), so that a
request can go as the argument of one call and its answer come as the result. The line before the
replicas, the choice of one and the number of them remain Ray Serve's.
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

    Answered = tuple[int, list[tuple[bytes, bytes]], bytes]
    """Status, headers and body."""

APP = "emoscope"
"""Name of the Serve application."""

RETRY_AFTER_S = 1
"""Seconds after which a client that was put off may ask again."""

IN_ONE_CALL = ("/v1/analyze", "/v1/models/emotion:predict")
"""Pages that are asked often; others, also of other applications, are the proxy's business."""

ONE_CALL_BYTES = 1 << 20
"""A larger body is streamed."""

_CARRIED = ("type", "http_version", "method", "scheme", "path", "query_string", "headers")
_AGAIN = {"retry-after": str(RETRY_AFTER_S)}
_LOOK_AGAIN_S = 1.0

_LOG = logging.getLogger(__name__)


class ReplicaDispatcher:
    """ASGI app in the proxy; behind the ingress, which gives it each body whole.

    Ends without an answer if the replica died before it gave one.

    Args:
        app: The proxy's own way: for other pages, for large bodies, of which one call would hold
            several copies, and as long as there is no application.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._handle: DeploymentHandle[Any] | None = None
        self._looked_s = -_LOOK_AGAIN_S
        self._looking = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        handle = None
        if scope["type"] == "http" and scope["path"] in IN_ONE_CALL:
            handle = self._handle or await self._find()
        if handle is None:
            await self._app(scope, receive, send)
            return
        body = (await receive())["body"]
        if len(body) > ONE_CALL_BYTES:
            await self._app(scope, ReplayReceive(body, receive), send)
            return
        answer = asyncio.ensure_future(_ask(handle, scope, body, send))
        leaving = asyncio.ensure_future(receive())
        try:
            await asyncio.wait((answer, leaving), return_when=asyncio.FIRST_COMPLETED)
            if answer.done():
                answer.result()
        finally:
            leaving.cancel()
            answer.cancel()

    async def _find(self) -> DeploymentHandle[Any] | None:
        async with self._looking:
            if self._handle is None and time.monotonic() - self._looked_s >= _LOOK_AGAIN_S:
                try:
                    self._handle = await asyncio.to_thread(serve.get_app_handle, APP)
                except (RayServeException, RayError):
                    self._looked_s = time.monotonic()
        return self._handle


async def _ask(handle: DeploymentHandle[Any], scope: Scope, body: bytes, send: Send) -> None:
    """Have a replica answer, or say that none can; say nothing if it died."""
    call: Any = handle.answer.remote({name: scope[name] for name in _CARRIED}, body)
    try:
        status, headers, content = await call
    except asyncio.CancelledError:
        call.cancel()
        raise
    except BackPressureError:
        await respond_error(send, 503, "The server is busy.", _AGAIN)
    except RayServeException:
        await respond_error(send, 503, "The server is not ready.", _AGAIN)
    except Exception as error:  # noqa: BLE001 - of Ray or gRPC: what pages raise, they answer
        _LOG.warning("A replica did not answer: %s", error)
    else:
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": content})


async def answer_whole(app: ASGIApp, scope: Scope, body: bytes) -> Answered:
    """In the replica: have an ASGI app answer one request.

    Args:
        app: The pages.
        scope: Of ASGI, of type ``"http"``; what ``ReplicaDispatcher`` carries of it.
        body: All of the request's body.

    Returns:
        Status, headers and all of the answer's body.

    Raises:
        Exception: What the app raised, if it had not begun to answer.
    """
    status, headers = 0, []
    parts: list[bytes] = []

    async def nothing_more() -> Message:
        message: Message = await asyncio.Future()  # who goes away ends the call
        return message

    async def send(said: Message) -> None:
        nonlocal status, headers
        if said["type"] == "http.response.start":
            status, headers = said["status"], list(said.get("headers", ()))
        else:
            parts.append(said.get("body", b""))

    try:
        await app(scope, ReplayReceive(body, nothing_more), send)
    except Exception:
        if not status:
            raise
    return status, headers, b"".join(parts)
