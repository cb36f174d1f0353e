"""Networks, the released files, and the commands."""

import json
from pathlib import Path

import cv2
import numpy as np
import onnxruntime
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from emotion_core.errors import UnknownModelError, WeightsMismatchError, WeightsUnavailableError
from emotion_core.models import ARCHITECTURES, load_network, make_network
from emotion_core.training.__main__ import main
from emotion_core.training.config import LABELS, TrainConfig
from emotion_core.training.datasets import FaceSet
from emotion_core.training.export import (
    export_onnx,
    export_safetensors,
    predict_checkpoint,
    predict_onnx,
)
from emotion_core.training.loop import Trainer

RELEASED = Path(__file__).parents[2] / "weights" / "emoscope-fer-s.safetensors"


@pytest.fixture(autouse=True)
def _one_thread():
    """More threads on pictures this small only wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def planes():
    rng = np.random.default_rng(0)
    return rng.normal(0, 1, (3, 1, 48, 48)).astype(np.float32)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_architecture_builds_and_predicts(architecture, planes):
    network = make_network(architecture, 9).eval()
    assert network(torch.from_numpy(planes)).shape == (3, 9)


def test_exposure_and_contrast_do_not_count(planes):
    network = make_network("tiny-face-net", 9).eval()
    faces = torch.from_numpy(planes)
    torch.testing.assert_close(network(faces), network(2 * faces + 1), atol=0.02, rtol=0.05)


def test_picture_of_one_colour_gives_finite_logits():
    network = make_network("tiny-face-net", 9).eval()
    assert network(torch.full((1, 1, 48, 48), 7.0)).isfinite().all()


def test_unknown_architecture_is_named():
    with pytest.raises(UnknownModelError, match="no architecture 'vgg'; there are: small-face-net"):
        make_network("vgg", 9)


def test_missing_weights_are_named(tmp_path):
    with pytest.raises(WeightsUnavailableError, match=r"no weight file gone\.safetensors"):
        load_network(tmp_path / "gone.safetensors")


def test_foreign_weights_are_refused(tmp_path):
    text, bare, other = (tmp_path / f"{name}.safetensors" for name in ("text", "bare", "other"))
    text.write_text("no weights")
    save_file({"a": torch.zeros(1)}, bare)
    metadata = {"architecture": "tiny-face-net", "labels": ",".join(LABELS)}
    save_file({"a": torch.zeros(1)}, other, metadata)
    for path in (text, bare, other):
        with pytest.raises(WeightsMismatchError, match=f"{path.name} is no Emoscope weight file"):
            load_network(path)


def test_export_keeps_the_outputs(tmp_path):
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, (8, 48, 48)).astype(np.uint8)
    faces = FaceSet(pictures, np.full((8, 9), 1 / 9, np.float32), np.full(8, -1))
    config = TrainConfig(architecture="tiny-face-net", epochs=1, batch_size=4)
    trainer = Trainer(config, tmp_path)
    next(trainer.iter_epochs(faces))
    weights, graph = tmp_path / "net.safetensors", tmp_path / "net.onnx"
    export_safetensors(trainer.checkpoint_path, weights, temperature=1.25)
    export_onnx(weights, graph)
    logits, temperature = predict_onnx(graph, faces)
    assert temperature == 1.25
    np.testing.assert_allclose(
        logits, predict_checkpoint(trainer.checkpoint_path, faces), atol=1e-4
    )


def test_released_onnx_equals_released_safetensors(planes):
    session = onnxruntime.InferenceSession(
        RELEASED.with_suffix(".onnx"), providers=["CPUExecutionProvider"]
    )
    with torch.inference_mode():
        expected = load_network(RELEASED)(torch.from_numpy(planes)).numpy()
    for n in (1, 3):
        logits = session.run(["logits"], {"faces": planes[:n]})[0]
        np.testing.assert_allclose(logits, expected[:n], atol=1e-4)


def test_released_files_tell_what_they_are():
    with safe_open(RELEASED, framework="np") as file:
        metadata = file.metadata()
    session = onnxruntime.InferenceSession(
        RELEASED.with_suffix(".onnx"), providers=["CPUExecutionProvider"]
    )
    assert session.get_modelmeta().custom_metadata_map == metadata
    assert metadata["labels"] == ",".join(LABELS)
    assert TrainConfig.from_json(metadata["train_config"]).architecture == metadata["architecture"]


def test_commands_train_export_and_evaluate(tmp_path, monkeypatch, capsys):
    rng = np.random.default_rng(0)
    for split in ("Train", "Valid"):
        (tmp_path / f"FER2013{split}").mkdir()
        lines = []
        for i in range(4):
            picture = rng.integers(0, 256, (48, 48)).astype(np.uint8)
            cv2.imwrite(str(tmp_path / f"FER2013{split}" / f"{i}.png"), picture)
            votes = [10 * (column == i) for column in range(10)]
            lines.append(f'{i}.png,"(0, 0, 48, 48)",{",".join(map(str, votes))}')
        (tmp_path / f"FER2013{split}" / "label.csv").write_text("\n".join(lines))
    run, weights, figures = (tmp_path / name for name in ("run", "net.safetensors", "net.json"))
    for command in (
        ["train", run, "--epochs", 1],
        ["export", run / "last.pt", weights],
        ["evaluate", weights.with_suffix(".onnx"), "--json", figures],
    ):
        words = ["training", *command, "--data", tmp_path, "--threads", 1]
        monkeypatch.setattr("sys.argv", [str(word) for word in words])
        assert main() == 0
    assert json.loads(figures.read_text())["n"] == 4
    printed = capsys.readouterr().out
    assert "epoch 1/1" in printed
    assert "accuracy, 8 classes" in printed


def test_command_says_what_is_missing(tmp_path, monkeypatch, capsys):
    weights = str(tmp_path / "gone.onnx")
    monkeypatch.setattr(
        "sys.argv", ["training", "evaluate", weights, "--data", str(tmp_path), "--threads", "1"]
    )
    assert main() == 1
    assert "holds neither a folder FER2013Valid" in capsys.readouterr().err
