import asyncio
import json

import pytest

from emotion_core.errors import EmotionError
from emotion_core.serving.ingress import Ingress, IngressSettings, read_token, settings_from

END = object()
SESAME = "sesame"


async def echo(_scope, receive, send):
    body = (await receive())["body"]
    await send(
        {"type": "http.response.start", "status": 200, "headers": [(b"x-emoscope-batch", b"3")]}
    )
    await send({"type": "http.response.body", "body": body})


def ask(gate, *parts, path="/v1/analyze", headers=(), pause_s=0.0, gone=False):
    """Send a request whose body comes in parts; END: nothing more comes. Gives status, text."""
    sent = []
    parts = parts or (b"",)
    messages = [
        {"type": "http.request", "body": part, "more_body": i + 1 < len(parts) or gone}
        for i, part in enumerate(parts)
    ]

    async def receive():
        await asyncio.sleep(pause_s)
        if not messages:
            return {"type": "http.disconnect"}
        if messages[0]["body"] is END:
            await asyncio.sleep(60)
        return messages.pop(0)

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "path": path, "method": "POST", "headers": list(headers)}
    asyncio.run(gate(scope, receive, send))
    if not sent:
        return None, "", {}
    return sent[0]["status"], sent[1]["body"].decode(), dict(sent[0]["headers"])


def bearer(token):
    return [(b"authorization", f"Bearer {token}".encode())]


def error_of(text):
    return json.loads(text)["error"]


def test_a_body_in_parts_arrives_whole():
    assert ask(Ingress(echo, IngressSettings()), b"ab", b"", b"cd")[:2] == (200, "abcd")


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [(b"authorization", b"")],
        [(b"authorization", b"Bearer")],
        bearer("wrong"),
        bearer("sesam"),
        [(b"authorization", b"Basic sesame")],
        [(b"authorization", b"Bearer \xff\xfe")],
    ],
    ids=["none", "empty", "no value", "wrong", "too short", "another kind", "not ASCII"],
)
def test_without_the_token_nobody_enters(headers):
    gate = Ingress(echo, IngressSettings(token=SESAME))
    status, text, sent = ask(gate, b"x", headers=headers)
    assert (status, error_of(text)) == (401, "This server requires a bearer token.")
    assert sent[b"www-authenticate"] == b"Bearer"


@pytest.mark.parametrize("path", ["/v1/info", "/docs", "/metrics", "/", "/nothing"])
def test_no_page_is_open_but_those_of_probes(path):
    assert ask(Ingress(echo, IngressSettings(token=SESAME)), path=path)[0] == 401


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_probes_need_no_token(path):
    assert ask(Ingress(echo, IngressSettings(token=SESAME)), path=path)[0] == 200


def test_with_the_token_one_enters():
    gate = Ingress(echo, IngressSettings(token=SESAME))
    assert ask(gate, b"x", headers=bearer("sesame"))[:2] == (200, "x")


def test_a_token_is_not_in_the_settings_text():
    assert "sesame" not in repr(IngressSettings(token=SESAME, drain_key=SESAME))


@pytest.mark.parametrize(
    ("parts", "headers"),
    [
        ((b"x" * 11,), []),
        ((b"x" * 6, b"x" * 6, b"x"), []),
        ((b"",), [(b"content-length", b"11")]),
        ((b"",), [(b"content-length", b"9" * 30)]),
        ((b"",), [(b"content-length", b"-1")]),
    ],
    ids=["at once", "in parts", "announced", "announced with many digits", "nonsense"],
)
def test_what_is_too_large_is_refused(parts, headers):
    gate = Ingress(echo, IngressSettings(body_bytes=10))
    assert ask(gate, *parts, headers=headers)[0] == 413
    assert gate._held_bytes == 0


@pytest.mark.parametrize(
    ("parts", "pause_s"),
    [((b"x", END), 0.0), ((b"x",) * 50, 0.02)],
    ids=["stops", "drips"],
)
def test_what_comes_too_slowly_is_refused(parts, pause_s):
    gate = Ingress(echo, IngressSettings(idle_s=0.1, read_s=0.3))
    status, text, headers = ask(gate, *parts, pause_s=pause_s)
    assert (status, error_of(text)) == (408, "The request's body did not arrive in time.")
    assert headers[b"connection"] == b"close"
    assert gate._held_bytes == 0


def test_more_than_memory_allows_is_put_off(monkeypatch):
    monkeypatch.setattr("emotion_core.serving.ingress._HELD_BYTES", 100)
    status, _, headers = ask(Ingress(echo, IngressSettings()), b"x" * 101)
    assert (status, headers[b"retry-after"]) == (503, b"1")


def test_who_goes_away_while_sending_is_not_answered():
    gate = Ingress(echo, IngressSettings())
    assert ask(gate, b"ab", gone=True)[0] is None
    assert gate._in_flight == gate._held_bytes == 0


def test_a_request_whose_replica_died_goes_to_another():
    bodies = []

    async def dies_once(_scope, receive, send):
        bodies.append((await receive())["body"])
        if len(bodies) > 1:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"done"})

    assert ask(Ingress(dies_once, IngressSettings()), b"abc")[:2] == (200, "done")
    assert bodies == [b"abc", b"abc"]


def test_a_request_that_kills_replicas_is_given_up():
    bodies = []

    async def dies(_scope, receive, _send):
        bodies.append((await receive())["body"])

    status, _, headers = ask(Ingress(dies, IngressSettings()), b"abc")
    assert (status, headers[b"retry-after"], len(bodies)) == (503, b"1", 2)


def test_who_goes_away_is_not_worked_for_twice():
    calls = []

    async def sees_it(_scope, receive, _send):
        calls.append(await receive())
        assert (await receive())["type"] == "http.disconnect"

    assert ask(Ingress(sees_it, IngressSettings()), b"abc")[0] is None
    assert len(calls) == 1


def test_a_drained_gate_takes_nothing_in():
    gate = Ingress(echo, IngressSettings(drain_key="key"))
    assert ask(gate, path="/drain")[0] == 401
    assert ask(gate, path="/drain", headers=bearer("key"))[:2] == (200, "drained")
    status, text, headers = ask(gate, b"x")
    assert (status, error_of(text)) == (503, "The server is shutting down.")
    assert headers[b"retry-after"] == b"5"
    assert ask(gate, path="/healthz")[0] == 200
    assert ask(gate, path="/readyz")[0] == 503


def test_without_a_key_there_is_no_drain_page():
    gate = Ingress(echo, IngressSettings())
    assert ask(gate, path="/drain")[1] == ""
    assert ask(gate, b"x")[0] == 200


def test_everything_is_counted():
    gate = Ingress(echo, IngressSettings(body_bytes=10))
    ask(gate, b"x")
    ask(gate, b"x" * 11)
    lines = ask(gate, path="/metrics")[1].splitlines()
    assert 'emoscope_requests_total{status="200"} 1.0' in lines
    assert 'emoscope_requests_total{status="413"} 1.0' in lines
    assert "emoscope_request_seconds_count 1.0" in lines
    assert 'emoscope_batch_size_bucket{le="2.0"} 0.0' in lines
    assert 'emoscope_batch_size_bucket{le="4.0"} 1.0' in lines
    assert "emoscope_requests_in_hand 0.0" in lines


def test_websockets_are_refused():
    sent = []

    async def send(message):
        sent.append(message)

    asyncio.run(Ingress(echo, IngressSettings())({"type": "websocket"}, None, send))
    assert sent == [{"type": "websocket.close", "code": 1000}]


def test_a_token_comes_from_the_environment_or_a_file(tmp_path):
    file = tmp_path / "token"
    file.write_text("from the file\n")
    assert read_token({"EMOSCOPE_SERVER_TOKEN": " plain "}) == "plain"
    assert read_token({"EMOSCOPE_SERVER_TOKEN_FILE": str(file)}) == "from the file"
    assert settings_from({}) == IngressSettings()


def test_other_limits_come_from_the_environment():
    found = settings_from({"EMOSCOPE_SERVER_BODY_MB": "5", "EMOSCOPE_SERVER_READ_S": "3"})
    assert (found.body_bytes, found.idle_s, found.read_s) == (5 << 20, 3.0, 3.0)


@pytest.mark.parametrize("content", [None, b"", b" \n", b"\xff\xfe"])
def test_a_token_file_without_a_token_starts_no_open_server(tmp_path, content):
    file = tmp_path / "token"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(EmotionError, match="token file"):
        settings_from({"EMOSCOPE_SERVER_TOKEN_FILE": str(file)})
