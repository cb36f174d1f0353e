"""Weight files from the cache, a Hub on loopback and ``weights/``, with the genuine client."""

import errno
import os
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from huggingface_hub import constants

from emotion_core.errors import WeightsMismatchError, WeightsUnavailableError
from emotion_core.models import download
from emotion_core.models.card import ModelCard, WeightFile
from emotion_core.models.hub_errors import HubUnreachableError
from tests.hub_server import HubServer
from tests.tiny_card import (
    CONTENT,
    FILENAME,
    REPO,
    make_card,
    make_file,
    point_hub_client_at,
)


@pytest.fixture
def card(hub: HubServer) -> ModelCard:
    """A card whose file lies on the loopback Hub."""
    return make_card(REPO, hub.add(REPO, {FILENAME: CONTENT}))


def cached_files() -> list[Path]:
    """Blobs and links in the cache."""
    found = Path(constants.HF_HUB_CACHE).glob("models--*/*/**/*")
    return [p for p in found if p.is_symlink() or p.is_file()]


# Downloading


def test_first_download_reports_progress(hub: HubServer, card: ModelCard) -> None:
    steps: list[tuple[str, int, int]] = []

    assert not download.is_available(card)
    fetched = download.fetch(card, on_progress=lambda *step: steps.append(step))

    assert fetched.path.read_bytes() == CONTENT
    host = hub.url.removeprefix("http://")
    assert fetched.detail == f"downloaded from {host}/{REPO} (0.3 MB)"
    assert steps[0] == (FILENAME, 0, len(CONTENT))
    assert steps[-1] == (FILENAME, len(CONTENT), len(CONTENT))
    assert download.is_available(card)


@pytest.mark.parametrize("pinned", [True, False], ids=["commit", "main branch"])
def test_cached_file_needs_no_request(hub: HubServer, card: ModelCard, *, pinned: bool) -> None:
    card = card if pinned else replace(card, revision=None)
    first = download.fetch(card)
    hub.requests.clear()

    again = download.fetch(card, on_progress=lambda *_: pytest.fail("nothing is downloaded"))

    assert again.path == first.path
    assert again.detail.startswith("in the cache from 127.0.0.1")
    assert download.verify(card) == again
    assert hub.requests == []


def test_interrupted_download_is_resumed(
    hub: HubServer, card: ModelCard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 10_000)
    hub.cut_after = 100_000
    done: list[int] = []

    fetched = download.fetch(card, on_progress=lambda _, n, __: done.append(n))

    assert fetched.path.read_bytes() == CONTENT
    assert [r.range for r in hub.downloads()] == [None, "bytes=100000-"]
    assert done == sorted(done)
    assert done[-1] == len(CONTENT)


def test_wrong_hash_is_refused_and_cleaned_up(hub: HubServer, card: ModelCard) -> None:
    hub.corrupt = True
    with pytest.raises(WeightsMismatchError, match=r"tiny\.onnx is not the file that its card"):
        download.fetch(card)
    assert cached_files() == []
    assert not download.is_available(card)

    hub.corrupt = False
    assert download.fetch(card).path.read_bytes() == CONTENT


def test_tampered_cache_is_replaced(hub: HubServer, card: ModelCard) -> None:
    path = download.fetch(card).path
    path.resolve().write_bytes(b"tampered")
    with pytest.raises(WeightsMismatchError, match="SHA-256"):
        download.verify(card)
    hub.requests.clear()

    fetched = download.fetch(card)

    assert fetched.detail.startswith("downloaded from")
    assert fetched.path.read_bytes() == CONTENT
    assert len(hub.downloads()) == 1


def test_file_outside_the_cache_is_not_removed(card: ModelCard, tmp_path: Path) -> None:
    own = tmp_path / "own.onnx"
    own.write_bytes(b"someone's own")
    path = download.fetch(card).path
    path.unlink()
    path.symlink_to(own)

    assert download.fetch(card).path.read_bytes() == CONTENT
    assert own.read_bytes() == b"someone's own"


@pytest.mark.parametrize("filename", ["../../escape.onnx", "/etc/hostname"])
def test_path_outside_the_repository_is_refused(card: ModelCard, filename: str) -> None:
    card = replace(card, weights=make_file(filename=filename))
    assert not download.is_available(card)
    with pytest.raises(WeightsUnavailableError, match="check its name"):
        download.fetch(card)


def test_token_goes_to_the_endpoint_only(
    hub: HubServer, card: ModelCard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_test")
    download.fetch(card)

    sent = {(r.host, r.authorization) for r in hub.requests}
    assert sent == {("hub", "Bearer hf_test"), ("cdn", None)}


# What can go wrong


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"repo_id": "owner/none"}, "has no repository owner/none"),
        ({"revision": "0" * 40}, "has no commit 0000000000"),
        ({"weights": make_file(filename="none.onnx")}, r"has no file none\.onnx at [0-9a-f]{40}"),
        ({"repo_id": "a/b/c"}, r"a/b/c/tiny\.onnx could not be transferred"),
    ],
    ids=["repository", "revision", "file", "malformed"],
)
def test_what_is_not_there(card: ModelCard, change: dict[str, object], sentence: str) -> None:
    with pytest.raises(WeightsUnavailableError, match=sentence) as caught:
        download.fetch(replace(card, **change))
    assert not isinstance(caught.value, HubUnreachableError)


@pytest.mark.parametrize(
    ("refusal", "unreachable", "sentence"),
    [
        ((403, "GatedRepo"), False, "refuses access to owner/tiny; accept the conditions"),
        ((403, None), False, "refuses access to owner/tiny"),
        ((401, None), False, "set HF_TOKEN to a token that may use it"),
        ((429, None), True, "too many requests"),
        ((503, None), True, r"out of order at the moment \(HTTP 503\)"),
        ((418, None), False, r"refuses owner/tiny/tiny\.onnx \(HTTP 418\)"),
    ],
    ids=["gated", "forbidden", "no token", "rate limit", "server error", "other"],
)
def test_refusals(
    hub: HubServer,
    card: ModelCard,
    monkeypatch: pytest.MonkeyPatch,
    *,
    refusal: tuple[int, str | None],
    unreachable: bool,
    sentence: str,
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    hub.refusal = refusal
    with pytest.raises(WeightsUnavailableError, match=sentence) as caught:
        download.fetch(card)
    assert isinstance(caught.value, HubUnreachableError) is unreachable
    assert "hf_secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_unreachable_server_fails_at_once(card: ModelCard, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    point_hub_client_at(f"http://user:pass@127.0.0.1:{port}", monkeypatch)

    start_s = time.monotonic()
    with pytest.raises(HubUnreachableError, match=rf"^127\.0\.0\.1:{port} cannot be reached;"):
        download.fetch(card)
    assert time.monotonic() - start_s < 5


def test_login_page_of_a_network_is_no_hub(hub: HubServer, card: ModelCard) -> None:
    hub.is_portal = True
    with pytest.raises(HubUnreachableError, match="does not answer like a Hub"):
        download.fetch(card)


def test_offline_mode_makes_no_request(
    hub: HubServer, card: ModelCard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(HubUnreachableError, match="HF_HUB_OFFLINE forbids downloading it"):
        download.fetch(card)
    with pytest.raises(WeightsUnavailableError, match="has not been downloaded yet"):
        download.verify(card)
    assert hub.requests == []


def test_unusable_cache_folder(
    card: ModelCard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(WeightsUnavailableError, match=r"cannot be used \(Not a directory\)"):
        download.fetch(card)


def test_full_disk(card: ModelCard) -> None:
    def fill(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(WeightsUnavailableError, match="The disk is full"):
        download.fetch(card, on_progress=fill)
    assert cached_files() == []


# Files that ship with the project


@pytest.mark.usefixtures("weights_dir")
def test_local_file() -> None:
    card = make_card()
    fetched = download.fetch(card)
    assert fetched.detail == "ships with the project (0.3 MB)"
    assert download.verify(card) == fetched
    assert download.is_available(card)


def test_second_file_of_a_card(weights_dir: Path) -> None:
    (weights_dir / "tiny.safetensors").write_bytes(b"torch")
    file = make_file(b"torch", "tiny.safetensors")
    assert download.fetch(make_card(), file).path == weights_dir / "tiny.safetensors"


def test_local_file_missing(weights_dir: Path) -> None:
    (weights_dir / FILENAME).unlink()
    assert not download.is_available(make_card())
    with pytest.raises(WeightsUnavailableError, match=r"tiny\.onnx is missing; it ships with"):
        download.fetch(make_card())


def test_local_file_tampered(weights_dir: Path) -> None:
    (weights_dir / FILENAME).write_bytes(b"tampered")
    with pytest.raises(WeightsMismatchError, match="is not the file that its card describes"):
        download.fetch(make_card())
    assert (weights_dir / FILENAME).read_bytes() == b"tampered"


# The environment variables, in processes of their own

SCRIPT = """
import sys
from dataclasses import replace
from emotion_core.models.registry import CARDS
from emotion_core.models.card import WeightFile
from emotion_core.errors import EmotionError
from emotion_core.models.download import fetch

assert "huggingface_hub" not in sys.modules and "torch" not in sys.modules
revision, filename, sha256 = sys.argv[1:]
card = replace(CARDS["yunet"], repo_id="owner/tiny", revision=revision)
try:
    fetched = fetch(card, WeightFile(filename, sha256))
    print(fetched.path, fetched.detail)
    print("then", fetch(card, WeightFile(filename, sha256)).detail)
except EmotionError as error:
    print(type(error).__name__, error)
"""


@pytest.mark.slow
def test_environment_is_honoured(hub: HubServer, card: ModelCard, tmp_path: Path) -> None:
    def run(file: WeightFile, **more: str) -> str:
        env = {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "home"), "NO_PROXY": "127.0.0.1"}
        run = subprocess.run(
            [sys.executable, "-c", SCRIPT, str(card.revision), file.filename, file.sha256],
            env={"PATH": os.environ["PATH"], **env, **more},
            capture_output=True,
            text=True,
            check=True,
        )
        assert run.stderr == ""
        return run.stdout

    token = {"HF_TOKEN": "hf_test"}
    fetched = run(make_file(), **token)
    assert fetched.startswith(str(tmp_path / "home"))
    assert " downloaded from " in fetched
    heads = [r.authorization for r in hub.requests if r.method == "HEAD"]
    assert set(heads) == {"Bearer hf_test"}
    assert "\nthen in the cache from " in fetched
    hub.requests.clear()
    refused = run(make_file(filename="other.onnx"), HF_HUB_OFFLINE="1")
    assert refused.startswith("HubUnreachableError owner/tiny/other.onnx is not on this machine")
    assert hub.requests == []
