"""The card of a network that is no network, its file, and the Hub client pointed elsewhere."""

import hashlib

import pytest
from huggingface_hub import constants

from emotion_core.labels import ALL_EMOTIONS
from emotion_core.models.card import ModelCard, Preprocessing, Task, WeightFile

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


def point_hub_client_at(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Do what ``HF_ENDPOINT`` does, which is read when huggingface_hub is imported."""
    monkeypatch.setattr(constants, "ENDPOINT", url)
    template = f"{url}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
