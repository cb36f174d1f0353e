"""Loading the network that is to be measured, whatever it is kept in."""

import json
from dataclasses import asdict

import numpy as np
import onnx
import pytest
import torch
from safetensors.torch import save_file

from emotion_core.errors import UnknownModelError, WeightsMismatchError, WeightsUnavailableError
from emotion_core.labels import ALL_EMOTIONS
from emotion_core.models.card import Preprocessing, Task
from emotion_core.models.registry import candidates
from emotion_core.networks.emotion_net import make_network
from emotion_core.training.emotion import load as load_module
from emotion_core.training.emotion.config import TrainConfig
from emotion_core.training.emotion.load import load_model, load_pipeline
from emotion_core.types import VaSource
from tests.factories import make_classifier_onnx, make_image

CONFIG = TrainConfig(architecture="tiny-face-net", has_va=True)


def make_metadata(**changes):
    return {
        "architecture": "tiny-face-net",
        "labels": ",".join(ALL_EMOTIONS),
        "has_va": "True",
        "preprocessing": json.dumps(asdict(CONFIG.preprocessing)),
        "temperature": "0.5",
        **changes,
    }


def write_safetensors(path, metadata=None):
    torch.manual_seed(0)
    network = make_network("tiny-face-net", 9, has_va=True)
    save_file(network.state_dict(), path, make_metadata() if metadata is None else metadata)
    return network.eval()


def write_onnx(path, metadata):
    model = onnx.load_from_string(make_classifier_onnx("dynamic"))
    onnx.helper.set_model_props(model, metadata)
    onnx.save(model, path)


def write_checkpoint(path):
    """A run whose averaged weights are not its current ones."""
    averaged = write_safetensors(path.with_suffix(".safetensors"))
    current = make_network("tiny-face-net", 9, has_va=True)
    saved = {"config": CONFIG.to_json(), "epoch": 3, "optimiser": {}}
    saved |= {"network": current.state_dict(), "averaged": averaged.state_dict()}
    torch.save(saved, path)


def read_crops(model, n=3):
    size_px = model.classifier.card.preprocessing.size_px
    crops = np.stack([make_image(size_px, size_px, seed) for seed in range(n)])
    return model.classifier.classify_crops(crops)


def test_a_released_file_is_read_as_its_metadata_says(tmp_path):
    path = tmp_path / "net.safetensors"
    network = write_safetensors(path)
    model = load_model(str(path), "cpu")
    card = model.classifier.card
    assert (card.name, card.temperature, card.has_va) == ("net.safetensors", 0.5, True)
    assert card.labels == ALL_EMOTIONS
    assert card.preprocessing == CONFIG.preprocessing
    size = model.count()
    assert size.parameters == sum(p.numel() for p in network.parameters())
    assert size.multiply_adds > 0
    assert read_crops(model).va_source is VaSource.HEAD


def test_a_checkpoint_gives_its_averaged_weights_uncalibrated(tmp_path):
    path = tmp_path / "last.pt"
    write_checkpoint(path)
    model = load_model(str(path), "cpu")
    assert model.classifier.card.temperature == 1
    assert model.classifier.card.source.endswith("epoch 3")
    released = load_model(str(path.with_suffix(".safetensors")), "cpu")
    np.testing.assert_allclose(read_crops(model).valence, read_crops(released).valence, atol=1e-6)
    logits = np.log(read_crops(released).probabilities) * 0.5
    powers = np.exp(logits)
    np.testing.assert_allclose(
        read_crops(model).probabilities, powers / powers.sum(1, keepdims=True), atol=1e-5
    )
    assert model.count().parameters == released.count().parameters


def test_a_graph_is_read_as_its_metadata_says(tmp_path):
    path = tmp_path / "net.onnx"
    preprocessing = Preprocessing(size_px=8, mean=(0.0,), std=(255.0,), margin=0.2)
    labels = "neutral,happy,sad,surprise,fear,disgust,angry"
    write_onnx(
        path,
        make_metadata(preprocessing=json.dumps(asdict(preprocessing)), labels=labels, has_va=""),
    )
    model = load_model(str(path), "cpu")
    assert model.classifier.card.preprocessing == preprocessing
    assert read_crops(model).probabilities.shape == (3, 7)
    assert read_crops(model).va_source is VaSource.EXPECTATION
    assert model.count().multiply_adds == 2 * 36 * 9 + 72 * 7


def test_without_a_name_the_products_default_is_taken():
    model = load_model(None, "cpu")
    assert model.classifier.card.name in {card.name for card in candidates(Task.EMOTION)}
    assert model.path.is_file()


@pytest.mark.parametrize("name", ["net.safetensors", "net.onnx", "last.pt"])
def test_a_missing_file_is_named(tmp_path, name):
    with pytest.raises(WeightsUnavailableError, match=f"There is no weight file .*{name}"):
        load_model(str(tmp_path / name), "cpu")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        pytest.param("net.safetensors", "is no safetensors file", id="safetensors"),
        pytest.param("net.onnx", "is not an ONNX graph", id="onnx"),
        pytest.param("last.pt", "is no readable checkpoint", id="checkpoint"),
    ],
)
@pytest.mark.parametrize("content", [b"", b"no weights at all"], ids=["empty", "text"])
def test_a_foreign_file_is_refused(tmp_path, name, reason, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(WeightsMismatchError) as caught:
        load_model(str(tmp_path / name), "cpu")
    assert name in str(caught.value)
    assert reason in str(caught.value) or (name == "net.onnx" and not content)


def test_a_checkpoint_of_something_else_is_refused(tmp_path):
    torch.save({"weights": torch.zeros(1)}, tmp_path / "last.pt")
    with pytest.raises(WeightsMismatchError, match=r"last\.pt is no checkpoint"):
        load_model(str(tmp_path / "last.pt"), "cpu")


def test_a_checkpoint_whose_weights_do_not_fit_is_refused(tmp_path):
    saved = {"config": CONFIG.to_json(), "epoch": 1, "optimiser": {}, "network": {}}
    torch.save({**saved, "averaged": {"a": torch.zeros(1)}}, tmp_path / "last.pt")
    with pytest.raises(WeightsMismatchError, match=r"last\.pt is no checkpoint of a training run"):
        load_model(str(tmp_path / "last.pt"), "cpu")


@pytest.mark.parametrize(
    ("metadata", "reason"),
    [
        pytest.param({}, "it lacks 'preprocessing'", id="none"),
        pytest.param(make_metadata(labels="neutral,ennui"), "'ennui' is not", id="unknown label"),
        pytest.param(make_metadata(temperature="hot"), "'hot'", id="no number"),
        pytest.param(make_metadata(temperature="-1"), "must be positive", id="negative"),
        pytest.param(make_metadata(preprocessing="{"), "Expecting", id="no JSON"),
        pytest.param(make_metadata(preprocessing="[]"), "list", id="no object"),
    ],
)
@pytest.mark.parametrize("suffix", [".safetensors", ".onnx"])
def test_a_file_must_tell_its_labels_and_input(tmp_path, suffix, metadata, reason):
    path = tmp_path / f"net{suffix}"
    if suffix == ".onnx":
        write_onnx(path, metadata)
    else:
        write_safetensors(path, metadata)
    with pytest.raises(WeightsMismatchError) as caught:
        load_model(str(path), "cpu")
    assert f"net{suffix} lacks its labels and its input" in str(caught.value)
    assert reason in str(caught.value)


def test_a_file_of_another_kind_is_refused(tmp_path):
    (tmp_path / "readme.md").write_text("text")
    with pytest.raises(UnknownModelError, match=r"readme\.md is no network; give one of"):
        load_model(str(tmp_path / "readme.md"), "cpu")


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(UnknownModelError, match="no emotion model named 'vgg'; there are: "):
        load_model("vgg", "cpu")


def test_a_pipeline_has_the_network_behind_a_detector(tmp_path, monkeypatch):
    write_safetensors(tmp_path / "net.safetensors")
    model = load_model(str(tmp_path / "net.safetensors"), "cpu")
    local = [card for card in candidates(Task.DETECTION) if card.is_local]
    monkeypatch.setattr(load_module, "resolve_models", lambda *_: local)
    analyzer = load_pipeline(model, None, "cpu")
    assert analyzer.info.emotion.name == "net.safetensors"
    assert analyzer.info.detector.name == local[0].name
    (analysis,) = analyzer.analyze([np.full((60, 80, 3), 127, np.uint8)])
    assert len(analysis) == 0


def test_an_unknown_detector_lists_the_known_ones(tmp_path):
    write_safetensors(tmp_path / "net.safetensors")
    model = load_model(str(tmp_path / "net.safetensors"), "cpu")
    with pytest.raises(UnknownModelError, match="no detection model named 'haar'; there are: "):
        load_pipeline(model, "haar", "cpu")
