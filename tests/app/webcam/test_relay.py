"""Passwords for relays, and which way a stream takes."""

from types import SimpleNamespace

import pytest

from streamlit_app.webcam.relay import LIFE_S, Route, find_route, has_relay, with_passwords

STUN = {"urls": ["stun:a.example:3478"]}
TURN = {"urls": ["turn:b.example:3478", "turns:b.example:5349"]}
FIXED = {**TURN, "username": "me", "credential": "key"}


def test_relays_get_a_password_for_a_limited_time():
    stun, turn, fixed = with_passwords([STUN, TURN, FIXED], "secret", 1_800_000_000.0)
    assert (stun, fixed) == (STUN, FIXED)
    assert turn == {
        **TURN,
        "username": f"{1_800_000_000 + LIFE_S:.0f}:emoscope",
        # printf 1800043200:emoscope | openssl dgst -sha1 -hmac secret -binary | base64
        "credential": "zNQPo91whjPQfkRxgXPvhaH39Kg=",
    }
    assert with_passwords([TURN], "", 0.0) == [TURN]
    assert has_relay([STUN, TURN])
    assert not has_relay([STUN])


def make_context(local: str, relays: list[tuple[str, int]]) -> SimpleNamespace:
    """The insides of a ``webrtc_streamer`` whose browser is at ("b", 2)."""
    pair = SimpleNamespace(local_candidate=SimpleNamespace(type=local), remote_addr=("b", 2))
    candidates = [SimpleNamespace(type="relay", host=host, port=port) for host, port in relays]
    ice = SimpleNamespace(_nominated={1: pair}, remote_candidates=candidates)
    transport = SimpleNamespace(transport=SimpleNamespace(_connection=ice))
    transceiver = SimpleNamespace(receiver=SimpleNamespace(transport=transport))
    peer = SimpleNamespace(getTransceivers=lambda: [transceiver])
    return SimpleNamespace(_get_worker=lambda: SimpleNamespace(pc=peer))


@pytest.mark.parametrize(
    ("context", "route"),
    [
        pytest.param(make_context("host", [("c", 3)]), Route.DIRECT, id="direct"),
        pytest.param(make_context("host", [("b", 2)]), Route.RELAYED, id="the browser's relay"),
        pytest.param(make_context("relay", []), Route.RELAYED, id="the server's relay"),
        pytest.param(SimpleNamespace(), None, id="another library"),
        pytest.param(SimpleNamespace(_get_worker=lambda: None), None, id="not connected"),
    ],
)
def test_the_route_is_found(context, route):
    assert find_route(context) is route
