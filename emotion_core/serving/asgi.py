"""ASGI helpers of the ingress and the dispatcher: a replayed body, and short responses."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import Message, Receive, Send


class ReplayReceive:
    """A ``receive`` that returns a body that was already read, then what follows it.

    Attributes:
        is_gone: Whether the client has disconnected.
    """

    def __init__(self, body: bytes, receive: Receive) -> None:
        self._body: bytes | None = body
        self._receive = receive
        self.is_gone = False

    async def __call__(self) -> Message:
        """See ASGI."""
        if self._body is None:
            message = await self._receive()
            self.is_gone = message["type"] == "http.disconnect"
            return message
        body, self._body = self._body, None
        return {"type": "http.request", "body": body, "more_body": False}


async def respond_error(send: Send, status: int, text: str, headers: Mapping[str, str]) -> None:
    """Responds to an ASGI request with ``{"error": text}``."""
    body = json.dumps({"error": text}).encode()
    await respond(send, status, body, {"content-type": "application/json", **headers})


async def respond(send: Send, status: int, body: bytes, headers: Mapping[str, str]) -> None:
    """Responds to an ASGI request in one piece."""
    sent = {**headers, "content-length": str(len(body))}
    pairs = [(name.encode(), value.encode()) for name, value in sent.items()]
    await send({"type": "http.response.start", "status": status, "headers": pairs})
    await send({"type": "http.response.body", "body": body})
