import io
import os
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from emotion_core.batch import sources, storage_faults
from emotion_core.batch.listing import list_inputs
from emotion_core.batch.sources import (
    Input,
    MediaKind,
    file_name_of,
    local_copy,
    read_photo,
    to_path,
    to_url,
)
from emotion_core.batch.storage_faults import StorageError
from emotion_core.errors import ImageDecodeError, MissingExtraError


def test_name_that_is_not_utf8_goes_there_and_back(tmp_path):
    path = tmp_path / os.fsdecode(b"bad\xff.jpg")
    path.write_bytes(b"data")
    ((url, kind),) = ((one.url, one.kind) for one in list_inputs([str(tmp_path)]))
    assert url.encode().endswith(b"/bad%FF.jpg")
    assert url.startswith("file:///")
    assert kind is MediaKind.PHOTO
    assert to_path(url) == path
    assert read_photo(url) == b"data"
    assert file_name_of(url) == "bad?.jpg"


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("file:///a%20b/c.jpg", "/a b/c.jpg"),
        ("file://localhost/c.jpg", "/c.jpg"),
        ("/a/../b.jpg", "/b.jpg"),
        ("/a/b::c.jpg", "/a/b::c.jpg"),
        ("s3://bucket/key.jpg", "s3://bucket/key.jpg"),
    ],
    ids=["escaped", "host", "dots", "colons in a name", "s3"],
)
def test_place_is_written_in_one_way(text, url):
    assert to_url(text) == url


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("/a/b.jpg", "b.jpg"),
        ("https://example.org/x/y.png?size=3#top", "y.png"),
        ("https://example.org", "example.org"),
        ("zip://in/side.jpg::s3://bucket/all.zip", "side.jpg"),
    ],
    ids=["path", "query", "host only", "chained"],
)
def test_name_is_the_last_part(url, name):
    assert file_name_of(url) == name


@pytest.mark.parametrize("place", ["http://[::1/a.jpg", "x" * 300], ids=["address", "long name"])
def test_place_that_cannot_be_ends_no_list(place):
    (found,) = list_inputs([place])
    with pytest.raises(StorageError, match="cannot be"):
        read_photo(found.url)


def test_unknown_kind_of_url_is_an_error():
    with pytest.raises(StorageError, match=r"^nope://x/y\.jpg cannot be reached: "):
        read_photo("nope://x/y.jpg")


def test_driver_that_is_not_installed_is_named(monkeypatch):
    def fail(*_, **__):
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr("fsspec.core.url_to_fs", fail)
    with pytest.raises(MissingExtraError, match="Install s3fs to access S3"):
        read_photo("s3://bucket/y.jpg")


@pytest.mark.parametrize("url", ["{0}/none.jpg", "memory://none.jpg"], ids=["path", "url"])
def test_missing_photo_is_an_error(url, tmp_path):
    expected = r"^The file cannot be read \(No such file or directory\)\.$"
    with pytest.raises(StorageError, match=expected):
        read_photo(url.format(tmp_path))


def test_photo_beyond_the_limit_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(sources.codec, "MAX_BYTES", 2**20)
    (tmp_path / "large.jpg").write_bytes(bytes(2**20 + 1))
    with pytest.raises(ImageDecodeError, match=r"more than 1 MB; at most 1 MB are read\.$"):
        read_photo(str(tmp_path / "large.jpg"))


def test_video_elsewhere_is_copied_and_one_here_is_not(memory, tmp_path):
    memory.pipe_file("/clip.mp4", b"frames")
    with local_copy("memory://clip.mp4") as path:
        assert path.read_bytes() == b"frames"
    (tmp_path / "clip.mp4").touch()
    with local_copy(str(tmp_path / "clip.mp4")) as path:
        assert path == tmp_path / "clip.mp4"


@pytest.mark.parametrize(
    ("url", "error", "trials"),
    [
        ("memory://a.jpg", ConnectionResetError("reset"), 3),
        ("memory://a.jpg", FileNotFoundError(), 1),
        ("memory://a.jpg", PermissionError(13, "Permission denied"), 1),
        ("/a.jpg", OSError(5, "Input/output error"), 1),
        ("memory://a.mp4", ConnectionResetError("reset"), 3),
        ("memory://a.mp4", FileNotFoundError(), 1),
    ],
    ids=["may pass", "not there", "not allowed", "here", "video may pass", "video not there"],
)
def test_storage_elsewhere_is_asked_again(monkeypatch, url, error, trials):
    asked = []

    def fail(url):
        asked.append(url)
        raise error

    monkeypatch.setattr(sources, "open_url", fail)
    monkeypatch.setattr(storage_faults, "_PAUSE_S", 0.001)
    with pytest.raises(StorageError):
        read_photo(url) if url.endswith(".jpg") else local_copy(url).__enter__()
    assert len(asked) == trials


def test_what_came_at_the_second_trial_is_whole(memory, monkeypatch):
    memory.pipe_file("/clip.mp4", b"frames")
    real, asked = sources.open_url, []

    class Torn(io.BytesIO):
        def read(self, n=-1):
            if data := super().read(n):
                return data
            raise ConnectionResetError("reset")

    def open_url(url):
        asked.append(url)
        return Torn(b"pict" * 10) if len(asked) == 1 else real(url)

    monkeypatch.setattr(sources, "open_url", open_url)
    monkeypatch.setattr(storage_faults, "_PAUSE_S", 0.001)
    with local_copy("memory://clip.mp4") as path:
        assert path.read_bytes() == b"frames"


def test_errors_of_a_drivers_own_kind_become_ours(monkeypatch):
    class DriverError(Exception):
        pass

    def fail(_):
        raise DriverError("403 Forbidden")

    monkeypatch.setattr(sources, "open_url", fail)
    monkeypatch.setattr(storage_faults, "_PAUSE_S", 0.001)
    with pytest.raises(StorageError, match=r"^The file cannot be read \(403 Forbidden\)\.$"):
        read_photo("gs://bucket/y.jpg")


def test_input_is_a_value():
    assert Input("/a.jpg", MediaKind.PHOTO) == Input("/a.jpg", MediaKind.PHOTO)


class Moody(BaseHTTPRequestHandler):
    """Answers each GET with the next of some statuses, the last one for ever."""

    def do_HEAD(self):
        self._answer(self.server.statuses[0])

    def do_GET(self):
        self.server.asked += 1
        left = self.server.statuses
        self._answer(left.pop(0) if len(left) > 1 else left[0])

    def _answer(self, status):
        self.send_response(status)
        data = b"a photo" if status == 200 else b""
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(data)

    def log_message(self, *_):
        pass


@pytest.fixture
def moody(monkeypatch):
    """A web server; makes the place of a photo on it that is answered as is said."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Moody)
    monkeypatch.setattr(storage_faults, "_PAUSE_S", 0.001)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()

    def place(*statuses):
        server.statuses, server.asked = list(statuses), 0
        return f"http://127.0.0.1:{server.server_port}/photo.jpg"

    yield server, place
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_server_that_is_busy_for_a_moment_is_asked_again(moody):
    _, place = moody
    assert read_photo(place(503, 503, 200)) == b"a photo"


@pytest.mark.parametrize(
    ("status", "said", "again"),
    [
        (503, r"HTTP 503", True),
        (429, r"HTTP 429", True),
        (404, r"No such file or directory", False),
        (403, r"HTTP 403", False),
    ],
)
def test_what_a_web_server_answers_is_said(moody, monkeypatch, status, said, again):
    server, place = moody
    with pytest.raises(StorageError, match=rf"^The file cannot be read \({said}\)\.$"):
        read_photo(place(status))
    once = server.asked
    assert once >= 1
    monkeypatch.setattr(storage_faults, "_ATTEMPTS", 1)
    with pytest.raises(StorageError):
        read_photo(place(status))
    assert once == (3 if again else 1) * server.asked


def test_a_server_that_says_nothing_is_given_up(monkeypatch):
    monkeypatch.setattr(sources, "_SILENT_S", 0.2)
    monkeypatch.setattr(storage_faults, "_ATTEMPTS", 1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/a.jpg"
        with pytest.raises(StorageError, match=r"^The file cannot be read \(\S.*\)\.$") as caught:
            read_photo(url)
    assert "No such file" not in str(caught.value)
