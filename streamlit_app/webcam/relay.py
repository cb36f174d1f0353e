"""Relays (TURN servers) for webcams: passwords for them, and whether one is at work."""

from __future__ import annotations

import base64
import hashlib
import hmac
from contextlib import suppress
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

LIFE_S = 12 * 3600.0
"""For how long a password may be used; a stream that began earlier goes on."""


class Route(StrEnum):
    """The way that a stream takes."""

    DIRECT = "direct connection"
    RELAYED = "connected through a relay"


def with_passwords(
    servers: Sequence[dict[str, object]], secret: str, now_s: float
) -> list[dict[str, object]]:
    """Adds a user name and a password that hold for ``LIFE_S`` to TURN servers without.

    Args:
        servers: As WebRTC's ``RTCIceServer``.
        secret: What the relay and the app share; empty leaves the servers as they are.
        now_s: Unix time.

    Source:
        J. Uberti, "A REST API For Access To TURN Services", draft-uberti-behave-turn-rest-00, 2013,
        which coturn's ``use-auth-secret`` follows.
    """
    username = f"{now_s + LIFE_S:.0f}:emoscope"
    digest = hmac.new(secret.encode(), username.encode(), hashlib.sha1).digest()
    login = {"username": username, "credential": base64.b64encode(digest).decode()}
    return [{**login, **server} if secret and _is_relay(server) else server for server in servers]


def has_relay(servers: Sequence[dict[str, object]]) -> bool:
    """Whether one of the servers is a TURN server."""
    return any(map(_is_relay, servers))


def find_route(context: Any) -> Route | None:
    """The way that the stream of a ``webrtc_streamer`` takes; ``None`` while it is unknown.

    The library tells it nowhere, so that its and aiortc's insides are read.
    """
    with suppress(AttributeError, IndexError, KeyError):
        peer = context._get_worker().pc
        ice = peer.getTransceivers()[0].receiver.transport.transport._connection
        pair = ice._nominated[1]
        relays = {(one.host, one.port) for one in ice.remote_candidates if one.type == "relay"}
        is_relayed = pair.local_candidate.type == "relay" or pair.remote_addr in relays
        return Route.RELAYED if is_relayed else Route.DIRECT
    return None


def _is_relay(server: dict[str, object]) -> bool:
    urls = server["urls"]
    return isinstance(urls, list) and str(urls[0]).startswith(("turn:", "turns:"))
