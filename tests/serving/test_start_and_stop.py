"""The server's start and end in this process, without Ray."""

import asyncio
import json
import os
import signal
import threading
import time
from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from emotion_core.cli import serve as serve_command
from emotion_core.serving.schema import analysis_from_json
from emotion_core.serving.server import StopSignals, drain, prepare_server
from tests.paths import PORTRAIT
from tests.serving.misbehaving_server import MisbehavingServer

pytest.importorskip("ray.serve", reason="The extra `serve` is not installed.")

from emotion_core.serving.deployment import EmotionServer, ServerSettings

NETWORKS = ("--model", "emoscope-fer-s", "--detector", "emoscope-face-s")


@pytest.fixture
def started(monkeypatch, capsys):
    """Runs the command around a Ray with some GPUs; gives what it came to.

    Attributes of what is given: ``code``, ``settings``, ``address``, ``cpus`` and ``said``.
    """

    def start(*arguments, gpus=0, drains=True):
        seen = SimpleNamespace()

        @contextmanager
        def session(library, *, cpus, log_to_driver):
            assert (library, log_to_driver) == ("ray.serve", True)
            seen.cpus = cpus
            yield SimpleNamespace(cluster_resources=lambda: {"GPU": gpus} if gpus else {})

        def start_application(settings, host, port):
            seen.settings, seen.address = settings, (host, port)

        def drained(address, key):
            seen.drained = (address, key)
            return drains

        @contextmanager
        def stopped_at_once():
            yield SimpleNamespace(wait=lambda: None)

        monkeypatch.setattr(serve_command, "ray_session", session)
        monkeypatch.setattr(serve_command, "check_port", lambda *_: None)
        monkeypatch.setattr(serve_command, "prepare_server", lambda: "the key")
        monkeypatch.setattr(serve_command, "start_application", start_application)
        monkeypatch.setattr(serve_command, "drain", drained)
        monkeypatch.setattr(serve_command, "StopSignals", stopped_at_once)
        monkeypatch.setattr(serve_command, "usable_cores", lambda: 2)
        chosen = parse(*arguments, *NETWORKS)
        seen.code = chosen.run(chosen)
        seen.said = capsys.readouterr().err
        return seen

    return start


def parse(*arguments):
    import argparse

    parser = argparse.ArgumentParser()
    serve_command.add_serve(parser)
    return parser.parse_args(arguments)


def test_the_command_starts_what_was_asked_for_and_ends_it(started):
    seen = started("--device", "cpu", "--replicas", "3", "--batch", "4", "--queue", "5", gpus=1)
    assert seen.settings == ServerSettings(
        model="emoscope-fer-s",
        detector="emoscope-face-s",
        device="cpu",
        min_replicas=3,
        max_replicas=3,
        batch=4,
        queue=5,
    )
    assert seen.address == ("127.0.0.1", 8000)
    assert seen.cpus == 3
    assert "Ready: http://127.0.0.1:8000 (described at" in seen.said
    assert seen.drained == ("http://127.0.0.1:8000", "the key")
    assert seen.code == 0


def test_replicas_share_the_gpus_there_are(started):
    assert started("--autoscale", "1:4", gpus=2).settings.gpus == 0.5
    assert started("--replicas", "2", gpus=4).settings.gpus == 1.0


def test_requests_that_were_not_answered_in_time_are_a_failure(started):
    assert started(drains=False).code == 1


@pytest.mark.parametrize(
    ("host", "token", "is_warned"),
    [("127.0.0.1", "", False), ("0.0.0.0", "", True), ("0.0.0.0", "sesame", False)],  # noqa: S104
    ids=["this machine", "open to all", "with a token"],
)
def test_a_server_without_a_token_that_others_reach_is_warned_of(
    started, monkeypatch, host, token, is_warned
):
    monkeypatch.setenv("EMOSCOPE_SERVER_TOKEN", token)
    said = started("--host", host).said
    assert ("anyone who can reach this address may use it" in said) == is_warned


def test_the_environment_has_a_key_for_the_drain_page_and_is_closed_to_others(monkeypatch):
    monkeypatch.setattr(os, "environ", dict(os.environ))
    key = prepare_server()
    assert len(key) > 20
    assert os.environ["EMOSCOPE_SERVER_DRAIN_KEY"] == key
    assert os.environ["RAY_AUTH_MODE"] == "token"
    assert prepare_server() != key


@pytest.mark.parametrize(
    ("step", "is_drained"), [(200, True), (401, False), ("reset", False)], ids=str
)
def test_a_drain_is_done_when_the_server_says_so(step, is_drained):
    with MisbehavingServer() as server:
        server.plan = [step]
        assert drain(server.url, "key") is is_drained
    ((path, headers, _),) = server.requests
    assert (path, headers["Authorization"]) == ("/drain", "Bearer key")


def test_a_signal_ends_the_start_then_the_wait_and_a_second_one_all():
    stop = StopSignals()
    with pytest.raises(KeyboardInterrupt):
        stop.on_signal()
    waiting = threading.Thread(target=stop.wait, daemon=True)
    waiting.start()
    end_s = time.monotonic() + 60
    while waiting.is_alive() and time.monotonic() < end_s:
        try:
            stop.on_signal()
        except KeyboardInterrupt:  # it does not wait yet
            time.sleep(0.01)
        else:
            break
    waiting.join(60)
    assert not waiting.is_alive()
    with pytest.raises(KeyboardInterrupt):
        stop.on_signal()


def test_signals_are_handled_while_a_server_runs():
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt), StopSignals():
        signal.raise_signal(signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_replica_answers_with_the_networks_it_was_given():
    async def ask(path, method="GET", body=b""):
        scope = {
            "type": "http",
            "http_version": "1.1",
            "method": method,
            "path": path,
            "query_string": b"",
            "headers": [],
        }
        status, _, answer = await server.answer(scope, body)
        assert status == 200
        return answer

    async def visit():
        info = json.loads(await ask("/v1/info"))
        return info, await ask("/v1/analyze", "POST", PORTRAIT.read_bytes())

    server = EmotionServer(ServerSettings("emoscope-fer-s", "emoscope-face-s", batch=1))
    info, answer = asyncio.run(visit())
    assert info["device"] == "cpu"
    assert info["emotion"]["name"] == "emoscope-fer-s"
    assert len(analysis_from_json(answer)) == 1
