"""The pages around the real service with fakes inside, without Ray, over a real connection."""

import base64
import contextlib
import json
import re
import socket
import time

import numpy as np
import PIL.Image
import pytest
import requests

from emotion_core.recognition.classifier import EmotionClassifier
from emotion_core.serving.schema import analysis_from_json, info_from_json
from tests.factories import (
    FakeNetwork,
    LyingDetector,
    encode,
    make_counting_photo,
    make_emotion_card,
    make_fake_analyzer,
    make_image,
)
from tests.serving.conftest import serving_here


@pytest.fixture(scope="module")
def server():
    classifier = EmotionClassifier(FakeNetwork(), make_emotion_card())
    with serving_here(make_fake_analyzer(), classifier.classify_crops) as server:
        yield server


@pytest.fixture
def url(server):
    return server.url


def connection(url):
    return socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])), timeout=5)


def predict(url, body):
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return requests.post(f"{url}/v1/models/emotion:predict", data=data, timeout=20)


def b64(data):
    return {"b64": base64.b64encode(data).decode()}


@pytest.mark.parametrize("n", [0, 1, 3])
def test_an_image_is_analysed_like_in_this_process(url, n):
    answer = requests.post(f"{url}/v1/analyze", data=make_counting_photo(n), timeout=20)
    found = analysis_from_json(answer.content)
    image = make_image(seed=0)
    image[0, 0, 0] = n
    wanted = make_fake_analyzer().analyze([image])[0]
    np.testing.assert_array_equal(found.faces.boxes, wanted.faces.boxes)
    np.testing.assert_array_equal(found.predictions.probabilities, wanted.predictions.probabilities)
    assert answer.headers["x-emoscope-batch"] == "1"


def test_turned_faces_are_searched_at_the_angles_of_the_request_and_hidden_ones_twice():
    detector = LyingDetector()
    with serving_here(make_fake_analyzer(detector), None) as server:
        query = "rolls_deg=90&rolls_deg=345&for_redaction=true"
        requests.post(f"{server.url}/v1/analyze?{query}", data=make_counting_photo(1), timeout=20)
    assert detector.rolls[-1] == (90, 345)
    assert detector.are_hidden[-1] is True


def test_a_form_holds_an_image_too(url):
    files = {"image": ("a.png", make_counting_photo(2), "image/png")}
    answer = requests.post(f"{url}/v1/analyze", files=files, timeout=20)
    assert len(analysis_from_json(answer.content)) == 2


def test_what_is_odd_about_an_image_is_said(url):
    frames = [make_image(seed=i) for i in range(2)]
    first, second = (PIL.Image.fromarray(frame) for frame in frames)
    data = encode(first, "GIF", save_all=True, append_images=[second])
    answer = requests.post(f"{url}/v1/analyze", data=data, timeout=20).json()
    assert answer["warnings"] == [
        "Animated: only the first frame is analysed; analyse it as a video for all of them."
    ]


@pytest.mark.parametrize(
    ("query", "data", "status", "text"),
    [
        ("", b"", 422, "empty"),
        ("", b"no image", 422, "not an image"),
        ("min_score=2", None, 422, "min_score: "),
        ("min_score=0.09", None, 422, "min_score: "),
        ("min_score=nan", None, 422, "min_score: "),
        ("min_face_px=-1", None, 422, "min_face_px: "),
        ("search_px=1.5", None, 422, "search_px: "),
        ("search_px=2049", None, 422, "search_px: "),
        ("rolls_deg=360", None, 422, "rolls_deg: "),
        ("rolls_deg=0" + 4 * "&rolls_deg=90", None, 422, "rolls_deg: "),
    ],
    ids=[
        "empty",
        "text",
        "score 2",
        "score .09",
        "score nan",
        "negative",
        "half a pixel",
        "too many pixels",
        "full turn",
        "too many angles",
    ],
)
def test_what_cannot_be_analysed_is_refused_in_a_sentence(url, query, data, status, text):
    data = make_counting_photo(1) if data is None else data
    answer = requests.post(f"{url}/v1/analyze?{query}", data=data, timeout=20)
    assert answer.status_code == status
    assert text in answer.json()["error"]


@pytest.mark.parametrize(
    ("kind", "body", "text"),
    [
        ("multipart/form-data", b"x", "boundary"),
        ("multipart/form-data; boundary=a", b"no form", "cannot be read"),
        ("multipart/form-data; boundary=a", b"--a--\r\n", "holds no file"),
    ],
    ids=["no boundary", "damaged", "empty"],
)
def test_a_form_without_an_image_is_refused(url, kind, body, text):
    headers = {"Content-Type": kind}
    answer = requests.post(f"{url}/v1/analyze", data=body, headers=headers, timeout=20)
    assert answer.status_code == 400
    assert text in answer.json()["error"]


def test_protocol_v1_tells_its_status(url):
    status = requests.get(f"{url}/v1/models/emotion", timeout=20).json()
    assert status["model_version_status"][0]["state"] == "AVAILABLE"
    assert (status["name"], status["ready"]) == ("emotion", True)
    assert requests.get(f"{url}/v1/models", timeout=20).json() == {"models": ["emotion"]}
    assert requests.get(url, timeout=20).json() == {"status": "alive"}


def test_protocol_v1_takes_images_and_crops_together(url):
    crop = make_image(9, 7).tolist()
    instances = [b64(make_counting_photo(2)), {"image_bytes": b64(make_counting_photo(0))}, crop]
    answer = predict(url, {"signature_name": "serving_default", "instances": instances})
    whole, none, cut = answer.json()["predictions"]
    assert len(whole["faces"]) == 2
    assert none == {
        **dict.fromkeys(("emotion", "probabilities", "valence", "arousal")),
        "faces": [],
    }
    for read in (whole, cut, *whole["faces"]):
        assert sum(read["probabilities"].values()) == pytest.approx(1, abs=1e-5)
        assert read["emotion"] == max(read["probabilities"], key=read["probabilities"].get)
        assert -1 <= read["valence"] <= 1
        assert -1 <= read["arousal"] <= 1
    assert "faces" not in cut


def test_a_crop_of_the_networks_size_reaches_it_unchanged(url):
    crop = make_image(8, 8, seed=3)
    classifier = EmotionClassifier(FakeNetwork(), make_emotion_card())
    wanted = classifier.classify_crops(crop[None]).probabilities[0]
    found = predict(url, {"instances": [crop.tolist()]}).json()["predictions"][0]
    np.testing.assert_allclose(list(found["probabilities"].values()), wanted, rtol=1e-5)


def test_the_largest_face_speaks_for_the_image(url):
    prediction = predict(url, {"instances": [b64(make_counting_photo(1))]}).json()["predictions"][0]
    assert {k: prediction[k] for k in ("emotion", "valence")} == {
        k: prediction["faces"][0][k] for k in ("emotion", "valence")
    }


PIXEL = [[[0, 0, 0]]]
HOSTILE = {
    "no JSON": (b"hello", "not JSON"),
    "not UTF-8": (b"\xff\xfe", "not UTF-8"),
    "nested deeply": (b"[" * 200_000, "nested too deeply"),
    "millions of lists": (b'{"instances": [' + b"[]," * 1_000_001 + b"[]]}", "a million lists"),
    "NaN": (b'{"instances": [NaN]}', "NaN is not a number"),
    "thousands of digits": (b'{"instances": [' + b"9" * 5000 + b"]}", "too many digits"),
    "a list": ([], "row format"),
    "columns": ({"inputs": [PIXEL]}, "row format"),
    "no instances": ({"instances": []}, "1 to 64"),
    "too many instances": ({"instances": [PIXEL] * 65}, "1 to 64"),
    "null": ({"instances": [None]}, "Instance 0 cannot be read"),
    "text": ({"instances": ["hello"]}, "Instance 0 cannot be read"),
    "no base64": ({"instances": [PIXEL, {"b64": "!!"}]}, "Instance 1: .*base64"),
    "b64 is a number": ({"instances": [{"b64": 1}]}, "cannot be read"),
    "grey": ({"instances": [[[0, 0], [0, 0]]]}, "H x W x 3"),
    "ragged": ({"instances": [[[[0, 0, 0]], []]]}, "H x W x 3"),
    "text as numbers": ({"instances": [[[["1", "2", "3"]]]]}, "H x W x 3"),
    "no pixels": ({"instances": [[[]]]}, "H x W x 3"),
    "too bright": ({"instances": [[[[256, 0, 0]]]]}, "between 0 and 255"),
    "infinite": (b'{"instances": [[[[1e999, 0, 0]]]]}', "between 0 and 255"),
    "huge": ({"instances": [[[[10**30, 0, 0]]]]}, "between 0 and 255"),
    "endless": ({"instances": [[[[10**400, 0, 0]]]]}, "H x W x 3"),
    "true": ({"instances": [[[[True, False, True]]]]}, "H x W x 3"),
    "too wide": ({"instances": [[[[0, 0, 0]] * 2049]]}, "1 to 2048"),
}


@pytest.mark.parametrize(("body", "text"), HOSTILE.values(), ids=HOSTILE)
def test_what_is_not_protocol_v1_is_refused_in_a_sentence(url, body, text):
    answer = predict(url, body)
    assert answer.status_code == 400
    assert re.search(text, answer.json()["error"])


def test_json_that_is_too_large_is_not_parsed(url):
    answer = predict(url, b'{"instances": ["' + b"x" * (16 << 20) + b'"]}')
    assert (answer.status_code, answer.json()["error"]) == (
        413,
        "JSON of more than 16 MB is not read.",
    )


def test_an_image_that_cannot_be_read_is_named(url):
    answer = predict(url, {"instances": [b64(make_counting_photo(1)), b64(b"no image")]})
    assert answer.status_code == 422
    assert answer.json()["error"].startswith("Instance 1: The file is not an image")


@pytest.mark.parametrize(("path", "status"), [("/nothing", 404), ("/v1/analyze", 405)])
def test_what_is_not_there_is_said_in_a_sentence(url, path, status):
    answer = requests.get(f"{url}{path}", timeout=20)
    assert answer.status_code == status
    assert "listed under /docs" in answer.json()["error"]


def test_the_cards_are_told(url):
    info = info_from_json(requests.get(f"{url}/v1/info", timeout=20).content)
    assert info == make_fake_analyzer().info


def test_both_formats_are_described(url):
    assert "swagger" in requests.get(f"{url}/docs", timeout=20).text
    paths = requests.get(f"{url}/openapi.json", timeout=20).json()["paths"]
    analyze = paths["/v1/analyze"]["post"]
    assert set(analyze["requestBody"]["content"]) == {"image/*", "multipart/form-data"}
    assert {"200", "400", "401", "408", "413", "422", "503"} <= set(analyze["responses"])
    assert (
        "example"
        in (
            paths["/v1/models/emotion:predict"]["post"]["requestBody"]["content"][
                "application/json"
            ]
        )
    )


@pytest.mark.parametrize(
    "first", [b"", b"POST /v1/analyze HTTP/1.1\r\nHost: x\r\n"], ids=["silent", "half a header"]
)
def test_a_connection_without_a_request_is_closed(url, monkeypatch, first):
    monkeypatch.setattr("emotion_core.serving.connection_limits.HEADERS_S", 0.3)
    with connection(url) as client:
        client.sendall(first)
        assert client.recv(100) == b""


@pytest.mark.parametrize(
    "endless",
    [
        b"GET /healthz HTTP/1.1\r\nX: ",
        b"GET /",
        b"POST /v1/analyze HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nX: ",
    ],
    ids=["header", "address", "trailer"],
)
def test_headers_without_end_are_refused(url, endless):
    with connection(url) as client:
        client.sendall(endless)
        with contextlib.suppress(OSError):  # the server closes while there is more to come
            for _ in range(40):
                client.sendall(b"a" * 10_000)
                time.sleep(0.005)
        assert client.recv(100).startswith(b"HTTP/1.1 431 ")


@pytest.mark.parametrize(
    ("first", "then"),
    [
        (b"GET /healthz HTTP/1.1\r\n\r\n", b"\r\n"),
        (b"POST /healthz HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", b"1"),
        (b"POST /healthz HTTP/1.1\r\nContent-Length: 9000\r\n\r\n", b"x"),
    ],
    ids=["empty line", "half a chunk", "some of the body"],
)
def test_after_an_answer_only_another_request_keeps_a_connection(url, monkeypatch, first, then):
    monkeypatch.setattr("emotion_core.serving.connection_limits.HEADERS_S", 0.3)
    with connection(url) as client:
        client.sendall(first)
        assert client.recv(1000).endswith(b"ok")
        client.sendall(then)
        assert client.recv(100) == b""


def test_who_takes_no_answers_loses_the_connection(server, url, monkeypatch):
    monkeypatch.setattr("emotion_core.serving.connection_limits.UNREAD_S", 0.3)
    answer = len(requests.get(f"{url}/openapi.json", timeout=20).content)
    asked = (24 << 20) // answer  # more than systems hold back
    others = set(server.server_state.connections)
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(("127.0.0.1", int(url.rpartition(":")[2])))
        wait_until(lambda: server.server_state.connections - others)
        client.sendall(b"GET /openapi.json HTTP/1.1\r\n\r\n" * asked)
        wait_until(lambda: not server.server_state.connections - others)
        received = 0
        with contextlib.suppress(ConnectionResetError):
            while piece := client.recv(1 << 20):
                received += len(piece)
    assert received < asked * answer / 2


def wait_until(is_so, patience_s=60):
    end_s = time.monotonic() + patience_s
    while not is_so():
        assert time.monotonic() < end_s
        time.sleep(0.01)


def test_a_connection_is_used_again_after_a_while(url, monkeypatch):
    monkeypatch.setattr("emotion_core.serving.connection_limits.HEADERS_S", 0.5)
    with connection(url) as client:
        for _ in range(2):
            client.sendall(b"GET /healthz HTTP/1.1\r\n\r\n")
            assert client.recv(1000).endswith(b"ok")
            time.sleep(0.7)
