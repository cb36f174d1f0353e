"""Fixtures of the core's tests, and what several of them build."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import close_session, constants

from emotion_core.labels import ALL_EMOTIONS
from emotion_core.models import download as weights
from emotion_core.models.card import ModelCard, Preprocessing, Task, WeightFile
from tests.hub_server import HubServer

REPO = "owner/tiny"
FILENAME = "tiny.onnx"
CONTENT = bytes(range(256)) * 1200  # 0.3 MB


def make_file(content: bytes = CONTENT, filename: str = FILENAME) -> WeightFile:
    return WeightFile(filename, hashlib.sha256(content).hexdigest())


def make_card(repo_id: str | None = None, revision: str | None = None) -> ModelCard:
    return ModelCard(
        name="tiny",
        task=Task.EMOTION,
        architecture="onnx",
        weights=make_file(),
        licence="MIT",
        source="made by this test",
        repo_id=repo_id,
        revision=revision,
        labels=ALL_EMOTIONS,
        has_va=True,
        preprocessing=Preprocessing(size_px=8, mean=(0.0,), std=(1.0,)),
        metrics={"made-up accuracy": 0.5},
    )


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    """A Hub on loopback, an empty cache and no token, for huggingface_hub in this process."""
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


def point_hub_client_at(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Do what ``HF_ENDPOINT`` does, which is read when huggingface_hub is imported."""
    monkeypatch.setattr(constants, "ENDPOINT", url)
    template = f"{url}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)


@pytest.fixture
def weights_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A ``weights/`` with the file of ``make_card()``."""
    folder = tmp_path / "weights"
    folder.mkdir()
    (folder / FILENAME).write_bytes(CONTENT)
    monkeypatch.setattr(weights, "WEIGHTS_DIR", folder)
    return folder
