"""What all tests share: the large samples, a Hub on loopback, and the order of the tests."""

from __future__ import annotations

import gc
import os
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.paths import ROOT, SHARED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from emotion_core.local_analyzer import LocalAnalyzer
    from tests.hub_server import HubServer

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # some tests import it themselves
# More threads on images this small only wait for each other; read when torch is imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Imports make no garbage: looking for it took a third of the time in which tests are collected.
gc.disable()


_WORKERS = 3
"""Of a run of many tests: those with a browser or a server wait more than they compute."""


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Run one or a few files in this process, without the start of workers."""
    asked = [Path(arg.split("::")[0]) for arg in config.args]
    return 0 if all(path.suffix == ".py" for path in asked) else _WORKERS


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    """Give a file's tests to one worker, and all of the browser's, which share an app."""
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.split("::")[0]
            return "browser" if file.startswith("tests/browser/") else file

    return ByFile(config, log)


def pytest_collection_finish() -> None:
    """Collect garbage from here on, leaving out all that was imported."""
    gc.freeze()
    gc.enable()


_LONGEST = ("browser", "batch", "serving", "training", "cli", "reporting", "app")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest, and mark what needs the samples or a browser."""
    for item in items:
        if {"shared", "yunet_path"} & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.shared)
        if "browser" in item.path.parts:
            item.add_marker(pytest.mark.browser)
    items.sort(key=_rank)


def _rank(item: pytest.Item) -> int:
    folder = item.path.relative_to(ROOT / "tests").parts[0]
    return _LONGEST.index(folder) if folder in _LONGEST else len(_LONGEST)


@pytest.fixture(autouse=True)
def _same_chance() -> None:
    """Let tests draw the same random numbers every time, without importing torch for it."""
    if torch := sys.modules.get("torch"):
        torch.manual_seed(0)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of large samples; not part of the repository."""
    if not SHARED.is_dir():
        reason = f"The samples are not here: no folder {SHARED} (set EMOSCOPE_SHARED to theirs)."
        if os.environ.get("EMOSCOPE_REQUIRE_ALL"):
            pytest.fail(reason)
        pytest.skip(reason)
    return SHARED


@pytest.fixture(scope="session")
def yunet_path(shared: Path) -> Path:
    """A real face detector."""
    return shared / "weights" / "yunet" / "yunet_n_dynamic.onnx"


@pytest.fixture(scope="session")
def nasty_photos(shared: Path) -> dict[str, bytes]:
    """Awkward files by name, as the archive spells it; ``EXPECTED.csv`` among them."""
    with zipfile.ZipFile(shared / "samples" / "nasty_photos.zip") as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    """A Hub on loopback, an empty cache and no token, for huggingface_hub in this process."""
    from huggingface_hub import close_session, constants

    from tests.hub_server import HubServer
    from tests.tiny_card import point_hub_client_at

    with HubServer() as server:
        point_hub_client_at(server.url, monkeypatch)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no-token"))
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_TELEMETRY", True)  # writes to HF_HOME
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
            monkeypatch.delenv(name, raising=False)
        close_session()
        yield server
        close_session()


@pytest.fixture
def weights_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A ``weights/`` with the file of ``make_card()``."""
    from emotion_core.models import download
    from tests.tiny_card import CONTENT, FILENAME

    folder = tmp_path / "weights"
    folder.mkdir()
    (folder / FILENAME).write_bytes(CONTENT)
    monkeypatch.setattr(download, "WEIGHTS_DIR", folder)
    return folder


@pytest.fixture(scope="session")
def shipped_analyzer() -> LocalAnalyzer:
    """The networks that ship with the project, on the processor."""
    from emotion_core.local_analyzer import load_analyzer
    from emotion_core.models.registry import find_any

    emotion, detector = find_any("emoscope-fer-s"), find_any("emoscope-face-s")
    return load_analyzer([emotion], [detector], device="cpu")
