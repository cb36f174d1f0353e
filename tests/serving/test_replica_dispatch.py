import asyncio
import json
import types

import pytest

pytest.importorskip("ray.serve", reason="The extra `serve` is not installed.")

from ray.exceptions import ActorUnavailableError
from ray.serve.exceptions import (
    BackPressureError,
    DeploymentUnavailableError,
    RayServeException,
)

from emotion_core.serving import replica_dispatch
from emotion_core.serving.api import make_web_app
from emotion_core.serving.ingress import Ingress, IngressSettings
from emotion_core.serving.replica_dispatch import ONE_CALL_BYTES, ReplicaDispatcher, respond_once

HEADERS = [(b"content-type", b"text/plain"), (b"x-emoscope-batch", b"2")]


class Replicas:
    """Stands for a handle: gives what it is told to give, in turn; the last one for ever."""

    def __init__(self, *outcomes):
        self.outcomes = list(outcomes)
        self.asked = []
        self.cancelled = 0
        self.answer = types.SimpleNamespace(remote=self.remote)

    def remote(self, scope, body):
        self.asked.append((scope, body))
        return Call(self, self.outcomes.pop(0) if len(self.outcomes) > 1 else self.outcomes[0])


class Call:
    def __init__(self, replicas, outcome):
        self.replicas, self.outcome = replicas, outcome

    def cancel(self):
        self.replicas.cancelled += 1

    def __await__(self):
        yield from asyncio.sleep(0).__await__()
        if self.outcome is None:
            yield from asyncio.Event().wait().__await__()
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome


async def rays_own(scope, receive, send):
    body = (await receive())["body"]
    await send({"type": "http.response.start", "status": 418, "headers": []})
    await send({"type": "http.response.body", "body": scope["path"].encode() + body[:5]})


@pytest.fixture
def served_by(monkeypatch):
    """Have a stand-in be the application, or have there be none."""

    def serve(replicas):
        looked = []

        def find(name):
            looked.append(name)
            if isinstance(replicas, Exception):
                raise replicas
            return replicas

        monkeypatch.setattr(replica_dispatch.serve, "get_app_handle", find)
        return looked

    return serve


async def ask(app, body=b"", path="/v1/analyze", leaves=False):
    sent, messages = [], [{"type": "http.request", "body": body, "more_body": False}]

    async def receive():
        if messages:
            return messages.pop(0)
        if not leaves:
            await asyncio.Event().wait()
        await asyncio.sleep(0.05)
        return {"type": "http.disconnect"}

    async def send(message):
        sent.append(message)

    scope = {
        "type": "http",
        "http_version": "1.1",
        "scheme": "http",
        "method": "POST",
        "path": path,
        "query_string": b"search_px=320",
        "headers": [(b"content-length", str(len(body)).encode())],
        "client": ("192.0.2.7", 4711),
        "state": {"not": lambda: "to be carried"},
    }
    await app(scope, receive, send)
    if not sent:
        return None, b"", {}
    return sent[0]["status"], sent[1]["body"], dict(sent[0]["headers"])


def run(app, *arguments, **options):
    return asyncio.run(ask(app, *arguments, **options))


def test_a_request_goes_in_one_call_and_its_answer_comes_back_as_it_is(served_by):
    replicas = Replicas((207, HEADERS, b"answer"))
    assert served_by(replicas) == []
    assert run(ReplicaDispatcher(rays_own), b"body") == (207, b"answer", dict(HEADERS))
    ((scope, body),) = replicas.asked
    assert body == b"body"
    assert scope["query_string"] == b"search_px=320"
    assert not {"client", "state"} & set(scope)


def test_the_application_is_looked_for_once(served_by):
    looked = served_by(Replicas((200, [], b"")))
    app = ReplicaDispatcher(rays_own)

    async def many():
        return await asyncio.gather(*(ask(app) for _ in range(5)))

    assert [status for status, _, _ in asyncio.run(many())] == [200] * 5
    assert looked == [replica_dispatch.APP]


def test_without_an_application_the_proxy_answers_and_it_is_looked_for_again_later(
    served_by, monkeypatch
):
    looked = served_by(RayServeException("none"))
    app = ReplicaDispatcher(rays_own)
    assert [run(app)[:2] for _ in range(3)] == [(418, b"/v1/analyze")] * 3
    assert len(looked) == 1
    monkeypatch.setattr(replica_dispatch, "_RETRY_LOOKUP_S", 0.0)
    served_by(Replicas((200, [], b"there")))
    assert run(app)[:2] == (200, b"there")


@pytest.mark.parametrize("path", ["/-/healthz", "/docs", "/another/application"])
def test_other_pages_are_the_proxys_business(served_by, path):
    served_by(Replicas((200, [], b"")))
    assert run(ReplicaDispatcher(rays_own), path=path)[:2] == (418, path.encode())


def test_the_pages_that_are_asked_often_exist():
    service = types.SimpleNamespace()
    assert set(replica_dispatch.IN_ONE_CALL) <= {
        route.path for route in make_web_app(service).routes
    }


@pytest.mark.parametrize(("more", "status"), [(0, 200), (1, 418)])
def test_a_large_body_is_streamed(served_by, more, status):
    served_by(Replicas((200, [], b"/v1/analyzexxxxx")))
    body = b"x" * (ONE_CALL_BYTES + more)
    assert run(ReplicaDispatcher(rays_own), body)[:2] == (status, b"/v1/analyzexxxxx")


@pytest.mark.parametrize(
    "error",
    [
        BackPressureError(num_queued_requests=4, max_queued_requests=4),
        DeploymentUnavailableError(types.SimpleNamespace(name="x", app_name="x")),
    ],
    ids=["full", "gone"],
)
def test_without_room_the_client_is_asked_to_come_again(served_by, error):
    served_by(Replicas(error))
    status, body, headers = run(ReplicaDispatcher(rays_own))
    assert (status, headers[b"retry-after"]) == (503, b"1")
    assert json.loads(body)["error"].endswith((" busy.", " not ready."))


def test_a_request_whose_replica_died_goes_to_another_once(served_by):
    died = ActorUnavailableError("died", b"x" * 16)
    replicas = Replicas(died, (200, [], b"from another"))
    served_by(replicas)
    app = Ingress(ReplicaDispatcher(rays_own), IngressSettings())
    assert run(app, b"body")[:2] == (200, b"from another")
    assert [body for _, body in replicas.asked] == [b"body"] * 2


@pytest.mark.parametrize(
    "error", [ActorUnavailableError("died", b"x" * 16), RuntimeError("of gRPC")], ids=str
)
def test_a_request_that_no_replica_survives_is_given_up(served_by, error):
    replicas = Replicas(error)
    served_by(replicas)
    status, body, headers = run(Ingress(ReplicaDispatcher(rays_own), IngressSettings()), b"body")
    assert (status, headers[b"retry-after"]) == (503, b"1")
    assert json.loads(body) == {"error": "The request could not be finished."}
    assert len(replicas.asked) == 2


def test_who_leaves_frees_the_replica(served_by):
    replicas = Replicas(None)
    served_by(replicas)
    assert (
        run(Ingress(ReplicaDispatcher(rays_own), IngressSettings()), b"body", leaves=True)[0]
        is None
    )
    assert replicas.cancelled == 1
    assert len(replicas.asked) == 1


def answer(app, body=b""):
    scope = {"type": "http", "path": "/"}
    return asyncio.run(respond_once(app, scope, body))


def test_an_answer_in_parts_is_put_together():
    async def app(_scope, receive, send):
        message = await receive()
        await send({"type": "http.response.start", "status": 201, "headers": HEADERS})
        for part in (message["body"], b"-", b"end"):
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body"})

    assert answer(app, b"body") == (201, HEADERS, b"body-end")


def test_an_error_after_the_answer_does_not_take_it_back():
    async def app(_scope, _receive, send):
        await send({"type": "http.response.start", "status": 500})
        await send({"type": "http.response.body", "body": b"sorry"})
        raise RuntimeError("logged already")

    assert answer(app) == (500, [], b"sorry")


def test_an_error_in_place_of_an_answer_is_one():
    async def app(_scope, _receive, _send):
        raise RuntimeError("nothing said")

    with pytest.raises(RuntimeError, match="nothing said"):
        answer(app)
