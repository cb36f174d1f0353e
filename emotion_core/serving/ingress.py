"""The ingress of the server: authentication, limits and metrics.

It reads the whole body of a request within limits before a replica receives it, so that a client
that sends slowly or too much delays nobody else. If a replica dies, its request is sent to another
one, once. Runs in the HTTP proxy of every node (see ``middlewares``), and again before each
replica, for clusters whose proxies were started without it.
"""

from __future__ import annotations

import asyncio
import hmac
import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emotion_core.errors import EmotionError
from emotion_core.imaging.codec import MAX_BYTES
from emotion_core.serving.asgi import ReplayReceive, respond, respond_error

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

BATCH_HEADER = "x-emoscope-batch"
"""Response header with the number of images that were analysed together."""

TOKEN_VARIABLE, TOKEN_FILE_VARIABLE = "EMOSCOPE_SERVER_TOKEN", "EMOSCOPE_SERVER_TOKEN_FILE"
DRAIN_VARIABLE = "EMOSCOPE_SERVER_DRAIN_KEY"
LIMIT_VARIABLE = "EMOSCOPE_SERVER_BODY_MB"
READ_VARIABLE = "EMOSCOPE_SERVER_READ_S"

_OPEN = ("/healthz", "/readyz")
"""Paths without a token, for the probes of orchestrators."""

_ATTEMPTS = 2
_HELD_BYTES = 512 * 1024 * 1024
_FORM_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class IngressSettings:
    """Limits and keys of the ingress.

    Attributes:
        token: Token that clients must send as ``Authorization: Bearer``; empty for none.
        drain_key: The same for ``POST /drain``, which stops the intake; empty to disable it.
        body_bytes: Maximum size of a body.
        idle_s: Seconds within which the next part of a body must arrive.
        read_s: Seconds within which the whole body must arrive.
    """

    token: str = field(default="", repr=False)
    drain_key: str = field(default="", repr=False)
    body_bytes: int = MAX_BYTES + _FORM_BYTES
    idle_s: float = 10.0
    read_s: float = 120.0


def settings_from(variables: Mapping[str, str]) -> IngressSettings:
    """Reads the settings from environment variables.

    Raises:
        EmotionError: The token file cannot be read or is empty.
    """
    default = IngressSettings()
    body_mb, read_s = variables.get(LIMIT_VARIABLE, ""), variables.get(READ_VARIABLE, "")
    return IngressSettings(
        token=read_token(variables),
        drain_key=variables.get(DRAIN_VARIABLE, ""),
        body_bytes=int(body_mb) << 20 if body_mb.isdecimal() else default.body_bytes,
        idle_s=min(default.idle_s, float(read_s)) if read_s.isdecimal() else default.idle_s,
        read_s=float(read_s) if read_s.isdecimal() else default.read_s,
    )


def read_token(variables: Mapping[str, str]) -> str:
    """The bearer token, or an empty string if none is set; see ``settings_from`` for errors."""
    token, file = variables.get(TOKEN_VARIABLE, ""), variables.get(TOKEN_FILE_VARIABLE, "")
    if not file:
        return token.strip()
    try:
        token = Path(file).read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not text"
        raise EmotionError(f"The token file {file} cannot be read ({reason}).") from error
    if not token:
        raise EmotionError(f"The token file {file} is empty; write the token into it.")
    return token


class _HttpError(Exception):
    def __init__(self, status: int, text: str, **headers: str) -> None:
        super().__init__(text)
        self.status, self.headers = status, headers


class Ingress:
    """The ASGI middleware; see the module."""

    def __init__(self, app: ASGIApp, settings: IngressSettings) -> None:
        self._app = app
        self._settings = settings
        # Imported here, since the command line uses this module without the extra `serve`.
        from emotion_core.serving.ingress_metrics import IngressMetrics

        self._metrics = IngressMetrics()
        self._held_bytes = 0
        self._in_flight = 0
        self._is_draining = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI; websockets are rejected, since the server has none."""
        if scope["type"] == "http":
            await self._handle(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1000})
        else:
            await self._app(scope, receive, send)

    async def _handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        path, start = scope["path"], time.perf_counter()
        if path == "/healthz":
            await respond(send, 200, b"ok", {"content-type": "text/plain"})
            return
        seen = _SendRecorder(send)
        try:
            if path == "/drain" and self._settings.drain_key:
                await self._drain(scope, send)
            elif path == "/metrics":
                self._check_token(scope, self._settings.token)
                await respond(send, 200, self._metrics.page(), self._metrics.headers)
            else:
                await self._admit(scope, receive, seen)
                self._metrics.count(seen.status, time.perf_counter() - start, seen.batch)
        except _HttpError as error:
            headers = {"connection": "close", **error.headers}
            await respond_error(send, error.status, str(error), headers)
            self._metrics.count(error.status, time.perf_counter() - start, 0)

    async def _admit(self, scope: Scope, receive: Receive, seen: _SendRecorder) -> None:
        if self._is_draining:
            raise _HttpError(503, "The server is shutting down.", **{"retry-after": "5"})
        if scope["path"] not in _OPEN:
            self._check_token(scope, self._settings.token)
        self._in_flight += 1
        self._metrics.in_flight.set(self._in_flight)
        try:
            body = await self._read(scope, receive)
            try:
                await self._forward(scope, body, receive, seen)
            finally:
                self._held_bytes -= len(body)
        except _ClientDisconnected:
            seen.status = 499  # nginx's status for a client that disconnected
        finally:
            self._in_flight -= 1
            self._metrics.in_flight.set(self._in_flight)

    def _check_token(self, scope: Scope, token: str) -> None:
        if not token:
            return
        sent = dict(scope["headers"]).get(b"authorization", b"")
        kind, _, value = sent.partition(b" ")
        # compare_digest takes equally long wherever the first wrong letter is
        if kind.lower() != b"bearer" or not hmac.compare_digest(value.strip(), token.encode()):
            raise _HttpError(
                401, "This server requires a bearer token.", **{"www-authenticate": "Bearer"}
            )

    async def _read(self, scope: Scope, receive: Receive) -> bytes:
        """Reads the whole body, and adds its size to ``_held_bytes``."""
        limit = self._settings.body_bytes
        declared = dict(scope["headers"]).get(b"content-length", b"0")
        if not declared.isdigit() or int(declared[:12]) > limit:
            raise self._too_large()
        parts: list[bytes] = []
        size = 0
        try:
            async with asyncio.timeout(self._settings.read_s):
                more = True
                while more:
                    async with asyncio.timeout(self._settings.idle_s):
                        message = await receive()
                    if message["type"] == "http.disconnect":
                        raise _ClientDisconnected
                    part, more = message.get("body", b""), message.get("more_body", False)
                    size += len(part)
                    self._held_bytes += len(part)
                    parts.append(part)
                    if size > limit:
                        raise self._too_large()
                    if self._held_bytes > _HELD_BYTES:
                        raise _HttpError(503, "The server is busy.", **{"retry-after": "1"})
        except BaseException as error:
            self._held_bytes -= size
            if isinstance(error, TimeoutError):
                raise _HttpError(408, "The request's body did not arrive in time.") from None
            raise
        return b"".join(parts)

    def _too_large(self) -> _HttpError:
        return _HttpError(413, f"At most {self._settings.body_bytes >> 20} MB are accepted.")

    async def _forward(
        self, scope: Scope, body: bytes, receive: Receive, seen: _SendRecorder
    ) -> None:
        """Lets the app respond; retries once if it ends without a response: its replica died."""
        for _ in range(_ATTEMPTS):
            replay = ReplayReceive(body, receive)
            await self._app(dict(scope), replay, seen)
            if replay.is_gone and not seen.status:
                raise _ClientDisconnected
            if seen.status:
                return
        raise _HttpError(503, "The request could not be finished.", **{"retry-after": "1"})

    async def _drain(self, scope: Scope, send: Send) -> None:
        """Stops the intake, and responds once no request is in flight."""
        self._check_token(scope, self._settings.drain_key)
        self._is_draining = True
        while self._in_flight:
            await asyncio.sleep(0.02)
        await respond(send, 200, b"drained", {"content-type": "text/plain"})


class _ClientDisconnected(Exception):  # noqa: N818 - not an error
    pass


class _SendRecorder:
    """A ``send`` that records status and batch size."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.status = 0
        self.batch = 0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = dict(message.get("headers", ()))
            self.batch = int(headers.get(BATCH_HEADER.encode(), b"0"))
        await self._send(message)


def middlewares() -> list[Any]:
    """The middlewares of every HTTP proxy; also limits its connections.

    Ray Serve finds this function by ``RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH`` and calls it in
    the proxy's process, before it listens.
    """
    from starlette.middleware import Middleware

    from emotion_core.serving.connection_limits import limit_connections
    from emotion_core.serving.replica_dispatch import ReplicaDispatcher

    limit_connections()
    # the last one runs first
    return [Middleware(ReplicaDispatcher), Middleware(Ingress, settings=settings_from(os.environ))]
