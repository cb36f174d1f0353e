"""Networks named by their Hub repository: a tiny one of transformers on a Hub on loopback."""

import json
import socket
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from huggingface_hub import constants

from emotion_core.errors import (
    MissingExtraError,
    UnknownModelError,
    WeightsMismatchError,
    WeightsUnavailableError,
)
from emotion_core.labels import Emotion
from emotion_core.local_analyzer import load_runtime
from emotion_core.models import download
from emotion_core.models.card import ModelCard, Task
from emotion_core.models.hub import TRANSFORMERS, find_model, load_transformers_module
from emotion_core.models.hub_errors import HubUnreachableError
from emotion_core.models.registry import CARDS
from emotion_core.models.runtime import TorchNetwork
from emotion_core.recognition.classifier import EmotionClassifier
from emotion_core.types import Image
from tests.factories import make_classifier_onnx
from tests.hub_server import HubServer
from tests.tiny_card import FILENAME, make_card, make_file, point_hub_client_at

VIT = "someone/vit-faces"
WORDS = ("sad", "disgust", "angry", "neutral", "fear", "surprise", "happy")
"""In an order of its own, that of dima806/facial_emotions_image_detection."""

Files = dict[str, bytes]


@pytest.fixture(scope="module")
def vit_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny network with random weights, saved by transformers itself."""
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    import torch

    folder = tmp_path_factory.mktemp("vit")
    config = transformers.ViTConfig(
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        image_size=32,
        patch_size=8,
        initializer_range=0.5,  # else all probabilities are nearly the same
        id2label=dict(enumerate(WORDS)),
        label2id={word: i for i, word in enumerate(WORDS)},
    )
    torch.manual_seed(0)
    transformers.ViTForImageClassification(config).save_pretrained(folder)
    transformers.ViTImageProcessor(
        size={"height": 32, "width": 32}, image_mean=[0.5, 0.4, 0.3], image_std=[0.5, 0.6, 0.7]
    ).save_pretrained(folder)
    return folder


@pytest.fixture
def files(vit_folder: Path) -> Files:
    readme = b"---\nlicense: apache-2.0\n---\n"
    return {"README.md": readme, **{p.name: p.read_bytes() for p in vit_folder.iterdir()}}


@pytest.fixture
def commit(hub: HubServer, files: Files) -> str:
    return hub.add(VIT, files)


def with_json(files: Files, filename: str, **change: object) -> Files:
    """The files, with other entries in a JSON file; ``None`` removes one."""
    content = {**json.loads(files[filename]), **change}
    kept = {key: value for key, value in content.items() if value is not None}
    return {**files, filename: json.dumps(kept).encode()}


def make_crops(n: int, size_px: int = 32) -> Image:
    return np.random.default_rng(0).integers(0, 256, (n, size_px, size_px, 3), np.uint8)


# Finding


def test_repository_becomes_a_card(commit: str) -> None:
    card = find_model(VIT, Task.EMOTION)

    assert card.name == f"{VIT}@{commit[:7]}"
    assert (card.repo_id, card.revision, card.architecture) == (VIT, commit, TRANSFORMERS)
    e = Emotion
    assert card.labels == (
        *(e.SADNESS, e.DISGUST, e.ANGER, e.NEUTRAL, e.FEAR, e.SURPRISE),
        e.HAPPINESS,
    )
    assert card.licence == "apache-2.0"
    assert card.preprocessing is not None
    assert card.preprocessing.size_px == 32
    assert card.preprocessing.mean == pytest.approx((127.5, 102, 76.5))
    assert card.preprocessing.std == pytest.approx((127.5, 153, 178.5))
    assert find_model(f"{VIT}@main", Task.EMOTION) == card
    assert find_model(f"{VIT}@{commit}", Task.EMOTION) == card


def test_branch_is_followed_and_commit_is_not(hub: HubServer, files: Files, commit: str) -> None:
    newer = hub.add(VIT, with_json(files, "config.json", id2label={"0": "sad", "1": "happy"}))

    assert find_model(VIT, Task.EMOTION).revision == newer
    assert len(find_model(f"{VIT}@{commit}", Task.EMOTION).labels) == 7


def test_catalog_name_needs_no_hub(hub: HubServer) -> None:
    assert find_model("yunet", Task.DETECTION) is CARDS["yunet"]
    with pytest.raises(UnknownModelError, match="There is no emotion model named 'nonsense'"):
        find_model("nonsense", Task.EMOTION)
    with pytest.raises(UnknownModelError, match="write owner/name or owner/name@commit"):
        find_model("a/b/c", Task.EMOTION)
    assert hub.requests == []


@pytest.mark.usefixtures("commit")
def test_classifier_is_no_detector() -> None:
    with pytest.raises(UnknownModelError, match="is for emotion, not for detection"):
        find_model(VIT, Task.DETECTION)


# Running


@pytest.mark.slow
def test_probabilities_are_those_of_the_library(vit_folder: Path, commit: str) -> None:
    import transformers
    from PIL import Image as PilImage

    card = find_model(VIT, Task.EMOTION)
    assert card.revision == commit
    download.fetch(card)
    network = TorchNetwork(load_transformers_module(card), "cpu")
    crops = make_crops(5)

    predictions = EmotionClassifier(network, card).classify_crops(crops)

    pipeline = transformers.pipeline("image-classification", str(vit_folder), device="cpu")
    answers = pipeline([PilImage.fromarray(crop) for crop in crops], top_k=len(WORDS))
    scores = [{a["label"]: a["score"] for a in answer} for answer in answers]
    expected = [[score[word] for word in WORDS] for score in scores]
    np.testing.assert_allclose(predictions.probabilities, expected, atol=1e-4)
    assert predictions.probabilities.std() > 0.01  # else the comparison would mean little
    assert len(EmotionClassifier(network, card).classify_crops(crops[:0])) == 0


def test_everything_cached_works_offline(
    hub: HubServer, commit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    online = find_model(VIT, Task.EMOTION)
    download.fetch(online)
    hub.requests.clear()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)

    card = find_model(f"{VIT}@{commit}", Task.EMOTION)
    load_transformers_module(card)

    assert download.fetch(card).detail.startswith("in the cache from")
    assert replace(card, licence=online.licence) == online
    assert hub.requests == []
    with pytest.raises(HubUnreachableError, match="HF_HUB_OFFLINE forbids"):
        find_model(VIT, Task.EMOTION)


def test_unreachable_hub(commit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    point_hub_client_at(f"http://127.0.0.1:{port}", monkeypatch)
    for name in (VIT, f"{VIT}@{commit}"):
        with pytest.raises(HubUnreachableError, match=r"cannot be reached; check"):
            find_model(name, Task.EMOTION)


@pytest.mark.usefixtures("commit")
def test_login_page_of_a_network_is_no_hub(hub: HubServer) -> None:
    hub.is_portal = True
    with pytest.raises(HubUnreachableError, match="does not answer like a Hub"):
        find_model(VIT, Task.EMOTION)


@pytest.mark.usefixtures("hub")
@pytest.mark.parametrize("name", ["owner/none", "owner/none@v1", "owner/none@" + "0" * 40])
def test_repository_that_is_not_there(name: str) -> None:
    with pytest.raises(WeightsUnavailableError, match="has no repository owner/none"):
        find_model(name, Task.EMOTION)


def test_tampered_cache_is_not_run(hub: HubServer, commit: str) -> None:
    card = find_model(VIT, Task.EMOTION)
    download.fetch(card).path.resolve().write_bytes(b"tampered")
    again = find_model(f"{VIT}@{commit}", Task.EMOTION)
    with pytest.raises(WeightsMismatchError, match="SHA-256"):
        load_transformers_module(again)
    assert download.fetch(again).detail.startswith("downloaded from")
    hub.requests.clear()
    load_transformers_module(again)
    assert hub.requests == []


# Repositories that are refused


def without(files: Files, *names: str) -> Files:
    return {name: content for name, content in files.items() if name not in names}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            {"id2label": {"0": "cat", "1": "dog"}},
            "does not classify emotions: 'cat' is not an emotion",
        ),
        ({"id2label": {"0": "sad", "1": "Sadness"}}, "Labels name an emotion twice: sadness"),
        ({"id2label": {"0": "sad", "2": "happy"}}, "does not number its labels from 0 on"),
        ({"id2label": None}, "does not name its labels"),
        ({"architectures": ["RobertaForSequenceClassification"]}, "is no image-classification"),
        ({"architectures": None}, "is no image-classification model"),
    ],
    ids=["other labels", "twice", "gap", "no labels", "text", "no architecture"],
)
def test_what_reads_no_emotions(
    hub: HubServer, files: Files, change: dict[str, object], sentence: str
) -> None:
    hub.add(VIT, with_json(files, "config.json", **change))
    with pytest.raises(UnknownModelError, match=f"^{VIT} .*{sentence}"):
        find_model(VIT, Task.EMOTION)


def test_pickle_is_refused(hub: HubServer, files: Files) -> None:
    pickled = {"pytorch_model.bin": b"cposix\nsystem\n(S'false'\ntR."}
    hub.add(VIT, {**without(files, "model.safetensors"), **pickled})
    with pytest.raises(UnknownModelError, match=r"has no model\.safetensors; other formats may"):
        find_model(VIT, Task.EMOTION)
    assert not any("pytorch_model" in r.path for r in hub.requests)


@pytest.mark.parametrize("filename", ["config.json", "preprocessor_config.json"])
def test_missing_description(hub: HubServer, files: Files, filename: str) -> None:
    commit = hub.add(VIT, without(files, filename))
    for name in (VIT, f"{VIT}@{commit}"):
        with pytest.raises(UnknownModelError, match=f"^{VIT} has no {filename}, without which"):
            find_model(name, Task.EMOTION)


@pytest.mark.parametrize("content", [b"{", b"[]", b"\xff"], ids=["cut", "list", "no text"])
def test_unreadable_description(hub: HubServer, files: Files, content: bytes) -> None:
    hub.add(VIT, {**files, "config.json": content})
    with pytest.raises(WeightsMismatchError, match=r"config\.json cannot be read"):
        find_model(VIT, Task.EMOTION)


def test_missing_library(hub: HubServer, commit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    card = find_model(f"{VIT}@{commit}", Task.EMOTION)
    download.fetch(card)
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(MissingExtraError, match="pip install 'transformers>=5'"):
        load_transformers_module(card)
    hub.requests.clear()
    with pytest.raises(MissingExtraError, match="need the package transformers"):
        find_model(VIT, Task.EMOTION)
    assert not any("safetensors" in r.path for r in hub.requests)


def fetch_changed(hub: HubServer, files: Files) -> ModelCard:
    hub.add(VIT, files)
    card = find_model(VIT, Task.EMOTION)
    download.fetch(card)
    return card


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"hidden_size": 32}, "ignore_mismatched_sizes"),
        ({"num_hidden_layers": 2}, r"no tensor for vit\.layers\.1"),
        ({"hidden_size": "many"}, "hidden_size"),
        ({"model_type": "unheard-of"}, "unheard-of"),
        ({"model_type": "bert"}, "Bert"),
        ({"image_size": 64}, ""),
        ({"id2label": {"0": "sad", "1": "happy"}}, ""),
    ],
    ids=["width", "depth", "type", "unknown", "text network", "input size", "labels"],
)
def test_settings_that_do_not_fit(
    hub: HubServer, files: Files, change: dict[str, object], reason: str
) -> None:
    card = fetch_changed(hub, with_json(files, "config.json", **change))
    with pytest.raises(WeightsMismatchError, match=f"^{VIT} cannot be built .*{reason}"):
        load_transformers_module(card)


def test_wrong_weights(hub: HubServer, files: Files) -> None:
    card = fetch_changed(hub, {**files, "model.safetensors": b"no tensors at all"})
    with pytest.raises(WeightsMismatchError, match=f"^{VIT} cannot be built"):
        load_transformers_module(card)


def test_settings_that_fetch_or_run_are_not_followed(hub: HubServer, files: Files) -> None:
    change: dict[str, object] = {
        "auto_map": {"AutoModelForImageClassification": "evil.Model"},
        "_attn_implementation": "someone/kernel",
        "attn_implementation": "someone/kernel",
        "quantization_config": {"quant_method": "bitsandbytes", "load_in_8bit": True},
        "transformers_weights": "pytorch_model.bin",
        "dtype": "float16",
    }
    files = {**with_json(files, "config.json", **change), "evil.py": b"raise SystemExit"}
    card = fetch_changed(hub, files)
    hub.requests.clear()

    network = TorchNetwork(load_transformers_module(card), "cpu")

    batch = np.zeros((3, 3, 32, 32), np.float32)
    assert network.run(batch)[0].shape == (3, len(WORDS))
    assert hub.requests == []


# Checkpoints of this project


def test_published_card(hub: HubServer) -> None:
    card = make_card("team/tiny")
    commit = hub.add("team/tiny", {"config.json": card.to_json().encode()})

    found = find_model(f"team/tiny@{commit}", Task.EMOTION)

    assert found == replace(card, revision=commit)
    with pytest.raises(UnknownModelError, match="is for emotion, not for detection"):
        find_model(f"team/tiny@{commit}", Task.DETECTION)
    for name in ("team/tiny", "team/tiny@main"):
        with pytest.raises(WeightsUnavailableError, match="names no pinned model; write owner/"):
            find_model(name, Task.EMOTION)


def test_published_graph_that_does_not_fit_its_card(hub: HubServer) -> None:
    graph = make_classifier_onnx("fixed", labels=3)
    card = replace(make_card("team/tiny"), weights=make_file(graph), has_va=False)
    commit = hub.add("team/tiny", {"config.json": card.to_json().encode(), FILENAME: graph})
    found = find_model(f"team/tiny@{commit}", Task.EMOTION)
    with pytest.raises(
        WeightsMismatchError, match=r"^tiny does not give its declared output: \[\(1, 3\)"
    ):
        load_runtime(found, download.fetch(found).path, "cpu")


def test_broken_published_card(hub: HubServer) -> None:
    commit = hub.add("team/tiny", {"config.json": b'{"task": "emotion", "weights": 1}'})
    with pytest.raises(WeightsMismatchError, match="holds no readable Emoscope model card"):
        find_model(f"team/tiny@{commit}", Task.EMOTION)
