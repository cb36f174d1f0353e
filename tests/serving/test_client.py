import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from emotion_core.errors import ImageDecodeError, RemoteError
from emotion_core.imaging.codec import decode_image
from emotion_core.serving.client import CONNECTIONS, load_remote_analyzer
from emotion_core.types import AnalyzeOptions
from tests.factories import difference, make_fake_analyzer, make_image, make_smooth_image
from tests.paths import ROOT
from tests.serving.misbehaving_server import MisbehavingServer


@pytest.fixture
def server():
    with MisbehavingServer() as running:
        yield running


@pytest.fixture
def analyzer(server):
    remote = load_remote_analyzer(server.url, timeout_s=3.0)
    yield remote
    remote.close()


class Clock:
    """Takes the place of ``time`` in the client: nobody really waits."""

    def __init__(self):
        self.now_s, self.waits_s = 0.0, []

    def monotonic(self):
        return self.now_s

    def sleep(self, seconds):
        self.waits_s.append(seconds)
        self.now_s += seconds


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr("emotion_core.serving.client.time", clock)
    return clock


def analyses(server):
    return [request for request in server.requests if request[0].startswith("/v1/analyze")]


def test_the_server_tells_what_is_at_work(analyzer):
    assert analyzer.info == make_fake_analyzer().info


def test_images_travel_as_fine_jpeg_with_their_options(server, analyzer):
    image = make_smooth_image(96, 64)
    options = AnalyzeOptions(
        0.3, 20, search_px=320, rolls_deg=(90.0, -15.0), actions=True, for_redaction=True
    )
    found = analyzer.analyze([image], options)
    path, headers, body = analyses(server)[0]
    query = "min_score=0.3&min_face_px=20&search_px=320&rolls_deg=90.0&rolls_deg=345.0"
    query += "&actions=true&for_redaction=true"
    assert path == f"/v1/analyze?{query}"
    assert headers["Content-Type"] == "image/jpeg"
    assert difference(decode_image(body).pixels, image) < 2
    assert len(found) == 1
    np.testing.assert_array_equal(found[0].faces.boxes, [[4, 4, 20, 24]])


def test_no_image_is_no_request(server, analyzer):
    assert analyzer.analyze([]) == []
    assert analyses(server) == []


def test_an_image_of_one_pixel_is_sent_too(server, analyzer):
    analyzer.analyze([make_image(1, 1)])
    assert decode_image(analyses(server)[0][2]).pixels.shape == (1, 1, 3)


def test_search_px_is_left_out_where_nobody_asked_for_it(server, analyzer):
    analyzer.analyze([make_image()])
    assert "search_px" not in analyses(server)[0][0]


def test_several_images_are_on_their_way_at_once_but_not_too_many(server, analyzer):
    server.delay_s = 0.1
    assert len(analyzer.analyze([make_image()] * 2 * CONNECTIONS)) == 2 * CONNECTIONS
    assert 1 < server.most_busy <= CONNECTIONS


def test_many_threads_share_one_client(server, analyzer):
    with ThreadPoolExecutor(12) as pool:
        found = list(pool.map(lambda _: analyzer.analyze([make_image()]), range(24)))
    assert [len(one) for one in found] == [1] * 24
    assert len(analyses(server)) == 24


@pytest.mark.parametrize(
    "plan",
    [[503], ["reset"], ["cut"], [502, 504], [429], ["reset", 503, "cut"]],
    ids=["busy", "lost", "cut off", "a proxy's errors", "too many", "one after the other"],
)
@pytest.mark.usefixtures("clock")
def test_what_passes_by_is_tried_again(server, analyzer, plan):
    server.plan = list(plan)
    assert len(analyzer.analyze([make_image()])) == 1
    assert len(analyses(server)) == len(plan) + 1


def test_retry_after_is_honoured(server, clock, analyzer):
    server.plan = [(503, b"", {"Retry-After": "1"})]
    analyzer.analyze([make_image()])
    assert clock.waits_s == [1.0]


@pytest.mark.parametrize(
    "plan",
    [[503] * 1000, ["reset"] * 1000, [(503, b"", {"Retry-After": "9999"})]],
    ids=["always busy", "always lost", "asks for hours"],
)
def test_a_call_ends_at_its_deadline(server, clock, analyzer, plan):
    server.plan = list(plan)
    with pytest.raises(RemoteError, match=r"No answer from the server.*\(.+\); check that it runs"):
        analyzer.analyze([make_image()])
    assert sum(clock.waits_s) == pytest.approx(3.0)


def test_a_server_that_says_nothing_is_given_up_at_the_deadline(server):
    remote = load_remote_analyzer(server.url, timeout_s=0.5)
    server.plan = ["hang"] * 9
    with pytest.raises(RemoteError, match=r"No answer from the server.*\(it took too long\)"):
        remote.analyze([make_image()])
    assert len(analyses(server)) == 1
    remote.close()


def test_waits_between_tries_grow(server, clock):
    remote = load_remote_analyzer(server.url, timeout_s=20.0)
    server.plan = [503] * 1000
    with pytest.raises(RemoteError):
        remote.analyze([make_image()])
    longest = [0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0, 2.0]
    for waited_s, most_s in zip(clock.waits_s, longest, strict=False):
        assert most_s / 2 <= waited_s <= most_s
    assert len(clock.waits_s) > len(longest)
    remote.close()


@pytest.mark.parametrize(
    ("step", "kind", "text"),
    [
        ((401, b'{"error": "No."}'), RemoteError, "requires a token.*EMOSCOPE_SERVER_TOKEN"),
        ((404, b"Not Found"), RemoteError, "HTTP 404.*same version"),
        ((500, b'{"error": "Sorry."}'), RemoteError, r"HTTP 500: Sorry\."),
        ((302, b"", {"Location": "http://127.0.0.1:9/"}), RemoteError, "HTTP 302"),
        ((200, b"<html>"), RemoteError, "response is not valid"),
        ((200, b""), RemoteError, "response is not valid"),
        ((200, b'{"version": 1}'), RemoteError, "response is not valid"),
        ((200, b" " * (33 << 20)), RemoteError, "far too much"),
        ((422, b'{"error": "The image is damaged."}'), ImageDecodeError, "is damaged"),
        ((413, b'{"error": "At most 60 MB."}'), ImageDecodeError, "At most 60 MB"),
        (
            (413, b"<html>nginx</html>"),
            ImageDecodeError,
            "larger than http.* accepts; make it smal",
        ),
        ((400, b'{"error": {"a": 1}}'), RemoteError, r"\(HTTP 400\)"),
        ((400, b'{"error": "' + b"x" * 5000 + b'"}'), RemoteError, "x{300}[^x]"),
    ],
    ids=[
        *("token", "elsewhere", "fault", "redirect", "a web page", "nothing", "half a form"),
        *("endless", "bad image", "too large", "too large for a proxy"),
        *("an error of another form", "a long error"),
    ],
)
def test_what_does_not_pass_by_is_said_at_once(server, analyzer, step, kind, text):
    server.plan = [step]
    with pytest.raises(kind, match=text):
        analyzer.analyze([make_image()])
    assert len(analyses(server)) == 1


def test_one_failed_image_fails_the_call_without_waiting_for_the_rest(server, analyzer):
    server.plan = [(500, b"")]
    with pytest.raises(RemoteError):
        analyzer.analyze([make_image()] * 3)


def test_the_token_is_sent_and_shown_nowhere(server):
    remote = load_remote_analyzer(server.url, "sesame", timeout_s=1.0)
    server.plan = [(401, b'{"error": "No."}')]
    with pytest.raises(RemoteError) as caught:
        remote.analyze([make_image()])
    assert "sesame" not in str(caught.value)
    assert [headers["Authorization"] for _, headers, _ in server.requests] == ["Bearer sesame"] * 2
    remote.close()


@pytest.mark.usefixtures("clock")
def test_a_server_that_is_not_there_is_said_to_be_so():
    with pytest.raises(RemoteError, match="nothing listens at this address"):
        load_remote_analyzer("http://127.0.0.1:9")


@pytest.mark.parametrize(
    "url",
    ["", "server", "ftp://server", "http://", "http://a:99999", "http://u:p@a", "http://a/?x=1"],
)
def test_what_is_no_address_is_said_to_be_none(url):
    with pytest.raises(RemoteError, match="is not a server address"):
        load_remote_analyzer(url)


def test_a_client_needs_neither_torch_nor_ray():
    script = (
        "import sys, emotion_core.serving.client, emotion_core.cli.webcam\n"
        "print(sorted({'torch', 'ray', 'onnxruntime', 'fastapi'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
