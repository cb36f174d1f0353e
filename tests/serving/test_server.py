"""A real server process on Ray Serve, driven by the real client."""

import base64
import os
import re
import signal
import socket
import subprocess
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import requests

pytest.importorskip("ray.serve", reason="The extra `serve` is not installed.")

from emotion_core.errors import EmotionError, RemoteError
from emotion_core.imaging.codec import decode_image
from emotion_core.serving.client import load_remote_analyzer
from emotion_core.types import AnalyzeOptions
from tests.paths import PORTRAIT
from tests.serving.conftest import SESAME, running_server

pytestmark = pytest.mark.slow

AUTHORIZED = {"Authorization": f"Bearer {SESAME}"}
PATIENCE_S = 60


@pytest.fixture(scope="module")
def server():
    """At its end what is in hand must be answered, and nothing be left."""
    with running_server("--replicas", "2", "--batch", "2", "--queue", "4") as running:
        yield running
        assert_ends_well(running)


@pytest.fixture(scope="module")
def remote(server):
    analyzer = load_remote_analyzer(server.url, SESAME, timeout_s=PATIENCE_S)
    yield analyzer
    analyzer.close()


@pytest.fixture(scope="module")
def portrait():
    return decode_image(PORTRAIT.read_bytes()).pixels


def children_of(process, name):
    """Process ids of Ray's workers of one kind that belong to a server."""
    listed = subprocess.run(
        ["ps", "-eo", "pid,ppid,args"], capture_output=True, text=True, check=True
    ).stdout.splitlines()[1:]
    rows = [line.split(None, 2) for line in listed]
    family = {process.pid}
    for _ in range(4):
        family |= {int(pid) for pid, parent, _ in rows if int(parent) in family}
    return [int(pid) for pid, _, command in rows if int(pid) in family and name in command]


def counts(server):
    """How often the proxy has answered with each status, and how many batches it has seen."""
    page = requests.get(f"{server.url}/metrics", headers=AUTHORIZED, timeout=20).text
    found = Counter(
        {
            int(status): int(float(n))
            for status, n in re.findall(r'emoscope_requests_total\{status="(\d+)"\} (\S+)', page)
        }
    )
    batches = re.search(r"emoscope_batch_size_count (\S+)", page)
    return found + Counter(batches=int(float(batches[1])) if batches else 0)


@contextmanager
def counted(server, **expected):
    """Check that the proxy counts what the block asks for, e.g. ``status_401=1``."""
    before = counts(server)
    yield
    after = counts(server)
    for name, n in expected.items():
        key = int(name.removeprefix("status_")) if name.startswith("status_") else name
        assert after[key] - before[key] == n


def test_the_far_core_is_the_near_one(remote, shipped_analyzer):
    assert remote.info.emotion == shipped_analyzer.info.emotion
    assert remote.info.detector == shipped_analyzer.info.detector
    assert remote.info.device == "cpu"


@pytest.mark.parametrize("search_px", [None, 320])
def test_far_and_near_find_the_same(remote, shipped_analyzer, portrait, search_px):
    far = remote.analyze([portrait, portrait[:40, :40]], AnalyzeOptions(search_px=search_px))
    near = shipped_analyzer.analyze(
        [portrait, portrait[:40, :40]], AnalyzeOptions(search_px=search_px)
    )
    assert [len(one) for one in far] == [1, 0]
    np.testing.assert_allclose(far[0].faces.boxes, near[0].faces.boxes, atol=1.5)
    np.testing.assert_allclose(far[0].faces.landmarks, near[0].faces.landmarks, atol=1.5)
    np.testing.assert_allclose(
        far[0].predictions.probabilities, near[0].predictions.probabilities, atol=0.02
    )
    assert far[0].size_wh == near[0].size_wh


def test_protocol_v1_reads_an_image_and_a_crop(server, portrait):
    image = {"b64": base64.b64encode(PORTRAIT.read_bytes()).decode()}
    body = {"instances": [image, portrait[74:181, 180:270].tolist()]}
    url = f"{server.url}/v1/models/emotion:predict"
    with counted(server, status_200=1, batches=1):
        answer = requests.post(url, json=body, headers=AUTHORIZED, timeout=PATIENCE_S).json()
    assert [read["emotion"] for read in answer["predictions"]] == ["happiness"] * 2


@pytest.mark.parametrize("path", ["/v1/info", "/v1/models/emotion", "/metrics", "/docs", "/"])
def test_without_the_token_there_is_nothing_to_see(server, path):
    with counted(server, status_401=1):
        assert requests.get(server.url + path, timeout=20).status_code == 401


def test_a_client_without_the_token_is_told_what_to_set(server):
    with pytest.raises(RemoteError, match="EMOSCOPE_SERVER_TOKEN"):
        load_remote_analyzer(server.url, "wrong")


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_probes_are_answered(server, path):
    assert requests.get(server.url + path, timeout=20).status_code == 200


def test_what_is_too_large_is_refused_by_the_proxy(server):
    headers = {**AUTHORIZED, "Content-Length": str(61 << 20)}
    port = int(server.url.rpartition(":")[2])
    with counted(server, status_413=1), socket.create_connection(("127.0.0.1", port)) as client:
        lines = [f"{name}: {value}" for name, value in headers.items()]
        client.sendall(
            "\r\n".join(["POST /v1/analyze HTTP/1.1", "Host: x", *lines, "", ""]).encode()
        )
        assert client.recv(100).startswith(b"HTTP/1.1 413 ")


def test_who_sends_too_slowly_is_told_so_and_holds_up_nobody(server, remote, portrait):
    start = (
        f"POST /v1/analyze HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {SESAME}\r\n"
        "Content-Length: 1000\r\n\r\nabc"
    ).encode()
    port = int(server.url.rpartition(":")[2])
    slow = [socket.create_connection(("127.0.0.1", port)) for _ in range(30)]
    with counted(server, status_408=30):
        for client in slow:
            client.sendall(start)
        assert len(remote.analyze([portrait])[0]) == 1
        for client in slow:
            client.settimeout(PATIENCE_S)
            assert client.recv(100).startswith(b"HTTP/1.1 408 ")
            client.close()


def test_more_than_it_can_hold_is_put_off_and_passes(server, remote):
    data = PORTRAIT.read_bytes()
    at_once = threading.Barrier(120)

    def ask(_):
        at_once.wait()  # or a fast server would be done with some before others come
        return post(server, data)

    before = counts(server)
    with ThreadPoolExecutor(120) as pool:
        answers = list(pool.map(ask, range(120)))
    refused = [answer for answer in answers if answer.status_code == 503]
    assert {answer.status_code for answer in answers} == {200, 503}
    assert {answer.headers["Retry-After"] for answer in refused} == {"1"}
    assert (counts(server) - before)[503] == len(refused)
    assert len(remote.analyze_jpeg(data)) == 1


def test_a_killed_replica_loses_no_request(server, remote):
    data, failures, answered = PORTRAIT.read_bytes(), [], [0] * 4
    is_over = threading.Event()

    def keep_asking(i):
        while not is_over.is_set():
            try:
                remote.analyze_jpeg(data, search_px=320)
            except EmotionError as error:
                failures.append(str(error))
            answered[i] += 1

    threads = [threading.Thread(target=keep_asking, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    try:
        wait_until(lambda: min(answered) >= 2)
        killed = children_of(server.process, "ray::ServeReplica")[0]
        os.kill(killed, signal.SIGKILL)
        wait_until(lambda: not is_alive(killed))
        before = list(answered)
        wait_until(lambda: all(now >= then + 5 for now, then in zip(answered, before, strict=True)))
    finally:
        is_over.set()
        for thread in threads:
            thread.join()
    assert failures == []


def post(server, data):
    return requests.post(
        f"{server.url}/v1/analyze", data=data, headers=AUTHORIZED, timeout=PATIENCE_S
    )


def assert_ends_well(server):
    """End a server as an operator would: it answers what is in hand, and leaves nothing behind."""
    family = children_of(server.process, "")
    answers = []
    threads = [
        threading.Thread(target=lambda: answers.append(post(server, PORTRAIT.read_bytes())))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    time.sleep(0.3)  # they are on their way, or would not be let in any more
    assert server.stop(signal.SIGTERM) == 0
    for thread in threads:
        thread.join()
    assert [answer.status_code for answer in answers] == [200] * 4
    assert [pid for pid in family if pid != server.process.pid and is_alive(pid)] == []
    assert list(server.folder.glob("emo-ray-*")) == []


def wait_until(is_so):
    end_s = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < end_s
        time.sleep(0.05)


def is_alive(pid):
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
    return "State:\tZ" not in status
