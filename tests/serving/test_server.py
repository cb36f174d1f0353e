"""A real server process on Ray Serve, driven by the real client."""

import base64
import os
import re
import signal
import socket
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import requests

pytest.importorskip("ray.serve", reason="The extra `serve` is not installed.")

from emotion_core.analyzer import load_analyzer
from emotion_core.errors import EmotionError, RemoteError
from emotion_core.imaging.codec import decode_image
from emotion_core.models.card import Task
from emotion_core.models.registry import find_card
from emotion_core.serving.client import load_remote_analyzer
from tests.paths import PORTRAIT
from tests.serving.conftest import SESAME, ServerProcess, running_server

AUTHORIZED = {"Authorization": f"Bearer {SESAME}"}


@pytest.fixture(scope="module")
def server():
    with running_server("--replicas", "2", "--batch", "2", "--queue", "4") as running:
        yield running


@pytest.fixture(scope="module")
def remote(server):
    analyzer = load_remote_analyzer(server.url, SESAME, timeout_s=60)
    yield analyzer
    analyzer.close()


@pytest.fixture(scope="module")
def local():
    return load_analyzer(
        [find_card("emoscope-fer-s", Task.EMOTION)],
        [find_card("emoscope-face-s", Task.DETECTION)],
        device="cpu",
    )


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


def test_the_far_core_is_the_near_one(remote, local):
    assert remote.info.emotion == local.info.emotion
    assert remote.info.detector == local.info.detector
    assert remote.info.device == "cpu"


@pytest.mark.parametrize("search_px", [None, 320])
def test_far_and_near_find_the_same(remote, local, portrait, search_px):
    far = remote.analyze([portrait, portrait[:40, :40]], search_px=search_px)
    near = local.analyze([portrait, portrait[:40, :40]], search_px=search_px)
    assert [len(one) for one in far] == [1, 0]
    np.testing.assert_allclose(far[0].faces.boxes, near[0].faces.boxes, atol=1.5)
    np.testing.assert_allclose(far[0].faces.landmarks, near[0].faces.landmarks, atol=1.5)
    np.testing.assert_allclose(
        far[0].predictions.probabilities, near[0].predictions.probabilities, atol=0.02
    )
    assert far[0].size_wh == near[0].size_wh


def test_protocol_v1_reads_a_picture_and_a_crop(server, portrait):
    picture = {"b64": base64.b64encode(PORTRAIT.read_bytes()).decode()}
    body = {"instances": [picture, portrait[74:181, 180:270].tolist()]}
    url = f"{server.url}/v1/models/emotion:predict"
    answer = requests.post(url, json=body, headers=AUTHORIZED, timeout=60).json()
    assert [read["emotion"] for read in answer["predictions"]] == ["happiness"] * 2


@pytest.mark.parametrize("path", ["/v1/info", "/v1/models/emotion", "/metrics", "/docs", "/"])
def test_without_the_token_there_is_nothing_to_see(server, path):
    assert requests.get(server.url + path, timeout=20).status_code == 401


def test_a_client_without_the_token_is_told_what_to_set(server):
    with pytest.raises(RemoteError, match="EMOSCOPE_SERVER_TOKEN"):
        load_remote_analyzer(server.url, "wrong")


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_probes_are_answered(server, path):
    assert requests.get(server.url + path, timeout=20).status_code == 200


def test_what_is_too_large_is_refused_by_the_proxy(server):
    headers = {**AUTHORIZED, "Content-Length": str(61 << 20)}
    with socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2]))) as client:
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
    for client in slow:
        client.sendall(start)
    assert len(remote.analyze([portrait])[0]) == 1
    for client in slow:
        client.settimeout(20)
        assert client.recv(100).startswith(b"HTTP/1.1 408 ")
        client.close()


def test_more_than_it_can_hold_is_put_off_and_passes(server, remote):
    data = PORTRAIT.read_bytes()
    at_once = threading.Barrier(120)

    def ask(_):
        at_once.wait()  # or a fast server would be done with some before others come
        return requests.post(f"{server.url}/v1/analyze", data=data, headers=AUTHORIZED, timeout=60)

    with ThreadPoolExecutor(120) as pool:
        answers = list(pool.map(ask, range(120)))
    refused = [answer for answer in answers if answer.status_code == 503]
    assert {answer.status_code for answer in answers} == {200, 503}
    assert {answer.headers["Retry-After"] for answer in refused} == {"1"}
    start = time.monotonic()
    remote.analyze_jpeg(data)
    assert time.monotonic() - start < 5


def test_a_killed_replica_loses_no_request(server, remote):
    data, failures, counts = PORTRAIT.read_bytes(), [], [0] * 4
    is_over = threading.Event()

    def keep_asking(i):
        while not is_over.is_set():
            try:
                remote.analyze_jpeg(data, search_px=320)
            except EmotionError as error:
                failures.append(str(error))
            counts[i] += 1

    threads = [threading.Thread(target=keep_asking, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    time.sleep(1)
    os.kill(children_of(server.process, "ray::ServeReplica")[0], signal.SIGKILL)
    time.sleep(3)
    before = sum(counts)
    time.sleep(1)
    is_over.set()
    for thread in threads:
        thread.join()
    assert failures == []
    assert sum(counts) > before


def test_the_proxy_counts_what_it_answers(server):
    page = requests.get(f"{server.url}/metrics", headers=AUTHORIZED, timeout=20).text
    for status in ("200", "401", "408", "413", "503"):
        assert re.search(rf'emoscope_requests_total{{status="{status}"}} [1-9]', page), status
    assert float(re.search(r"emoscope_batch_size_count (\S+)", page)[1]) > 10


def test_a_second_server_on_the_port_is_told_to_take_another(server, tmp_path):
    token_file = tmp_path / "token"
    token_file.write_text("x")
    second = ServerProcess(int(server.url.rpartition(":")[2]), token_file, tmp_path)
    assert second.stop(None) == 2
    assert re.search(
        r"cannot be used \(Address already in use\); choose another with --port", second.said
    )


def test_at_the_end_what_is_in_hand_is_answered_and_nothing_is_left(server):
    """The last test of the module: it ends the server."""
    data = PORTRAIT.read_bytes()
    family = children_of(server.process, "")
    answers = []

    def ask():
        answers.append(
            requests.post(f"{server.url}/v1/analyze", data=data, headers=AUTHORIZED, timeout=60)
        )

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    time.sleep(0.15)
    assert server.stop(signal.SIGTERM) == 0
    for thread in threads:
        thread.join()
    assert [answer.status_code for answer in answers] == [200] * 4
    assert [pid for pid in family if pid != server.process.pid and is_alive(pid)] == []
    assert list(server.folder.glob("emo-ray-*")) == []


def is_alive(pid):
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
    return "State:\tZ" not in status
