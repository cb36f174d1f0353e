"""A detector's checkpoint to the files that are released, and loading any of them."""

import argparse
import hashlib
import io
import json
import math
import shutil
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from safetensors import safe_open

from emotion_core.cli.train_detector import add_export_detector
from emotion_core.errors import (
    EmotionError,
    MissingExtraError,
    UnknownModelError,
    WeightsMismatchError,
    WeightsUnavailableError,
)
from emotion_core.networks.face_net import FaceNetwork, FaceNetworkConfig, load_face_network
from emotion_core.training.detector import export as export_module
from emotion_core.training.detector.config import DetectorTrainConfig
from emotion_core.training.detector.export import check_detector_onnx, find_shift, release_detector
from emotion_core.training.detector.load import (
    load_average,
    load_detector,
    read_train_config,
)
from emotion_core.training.detector.metrics import DetectionMatches
from emotion_core.training.detector.trainer import DetectorTrainer
from emotion_core.training.engine.checkpoint import CheckpointPolicy
from emotion_core.types import AnalyzeOptions
from tests.paths import WEIGHTS
from tests.training.drawn_faces import make_sample, write_boxes

SHIPPED = WEIGHTS / "emoscope-face-s.onnx"
CONFIG = DetectorTrainConfig(
    size_px=64, batch_size=2, epochs=1, epoch_steps=1, stem=8, body=8, deep=(1, 1, 1), bf16=False
)


def _train(folder):
    (folder / "samples").mkdir()
    trainer = DetectorTrainer(CONFIG, CheckpointPolicy(folder))
    list(trainer.iter_epochs([make_sample(folder / "samples")], None))


@pytest.fixture(scope="module")
def released(tmp_path_factory):
    """A folder with a checkpoint, ``last.pt``, and what the command makes of it.

    ``a.onnx`` is another graph, as the translation takes twenty seconds; see ``translated``.
    """
    _train(folder := tmp_path_factory.mktemp("released"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", printed := io.StringIO())
        patch.setattr(
            export_module, "export_detector_onnx", lambda _, path: shutil.copy(SHIPPED, path)
        )
        patch.setattr(export_module, "check_detector_onnx", lambda *_: None)
        assert _run(folder / "last.pt", folder / "a.safetensors", "--shift", -0.5) == 0
    (folder / "printed.txt").write_text(printed.getvalue())
    return folder


@pytest.fixture(scope="module")
def translated(tmp_path_factory):
    """A folder with ``last.pt``, ``a.safetensors`` and the ``a.onnx`` that was made of it."""
    _train(folder := tmp_path_factory.mktemp("translated"))
    release_detector(folder / "last.pt", folder / "a.safetensors", shift=-0.5)
    return folder


@pytest.fixture
def checkpoint(released, tmp_path):
    return Path(shutil.copy(released / "last.pt", tmp_path))


def _run(*words):
    parser = argparse.ArgumentParser()
    add_export_detector(parser)
    chosen = parser.parse_args([str(word) for word in words])
    return chosen.run(chosen)


@pytest.mark.slow
def test_exported_graph_equals_torch(translated):
    graph = translated / "a.onnx"
    assert str(translated).encode() not in graph.read_bytes()
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    network = load_face_network(translated / "a.safetensors")
    for shape in [(1, 3, 32, 32), (3, 3, 64, 96)]:
        images = torch.rand(shape, generator=torch.Generator().manual_seed(1)) * 255
        with torch.inference_mode():
            wanted = network(images)
        for ours, its in zip(wanted, session.run(None, {"images": images.numpy()}), strict=True):
            gap = np.abs(ours.numpy() - its).max()
            assert gap <= 1e-4 * max(1, float(ours.abs().max()))


def test_the_shift_moves_all_scores_and_nothing_else(checkpoint):
    images = torch.rand(1, 3, 64, 64) * 255
    with torch.inference_mode():
        plain, shifted = (load_average(checkpoint, shift=s)(images) for s in (0.0, -1.5))
    difference = plain - shifted
    shifts = torch.full_like(difference[..., 0], 1.5)
    torch.testing.assert_close(difference[..., 0], shifts, rtol=0, atol=1e-4)
    assert float(difference[..., 1:].abs().max()) == 0


def test_a_graph_that_is_another_is_refused(released):
    with pytest.raises(WeightsMismatchError, match=r"face-s\.onnx is off by .* from a\."):
        check_detector_onnx(released / "a.safetensors", SHIPPED)


def test_the_command_prints_size_and_hash_of_both_files(released):
    printed = (released / "printed.txt").read_text().splitlines()
    for line, name in zip(printed, ("a.safetensors", "a.onnx"), strict=True):
        data = (released / name).read_bytes()
        digest = hashlib.sha256(data).hexdigest()
        assert line == f"{released / name}  {len(data)} bytes  sha256 {digest}"


def test_a_precision_sets_the_threshold(checkpoint, tmp_path, monkeypatch, capsys):
    scores = np.array([0.9, 0.8, 0.5, 0.3], np.float32)
    judged = DetectionMatches(scores, np.array([True, True, True, False]), 5)
    monkeypatch.setattr(export_module, "match_large", lambda *_: judged)
    shift = find_shift(checkpoint, [None], 1.0)
    assert math.log(0.5 / 0.5) + shift == pytest.approx(math.log(0.6 / 0.4), abs=1e-3)
    with pytest.raises(EmotionError, match="--precision needs images marked by hand"):
        find_shift(checkpoint, [], 0.95)
    judged = DetectionMatches(scores, np.array([False] * 4), 5)
    with pytest.raises(EmotionError, match=r"No threshold gives a precision of 0\.95"):
        find_shift(checkpoint, [None], 0.95)
    judged = DetectionMatches(scores, np.array([True, True, False, False]), 5)
    boxes = write_boxes(tmp_path / "b.zip")
    asked = []
    monkeypatch.setattr(
        export_module, "release_detector", lambda *_, shift: asked.append(shift) or ()
    )
    assert _run(checkpoint, tmp_path / "a.safetensors", "--precision", 1, "--boxes", boxes) == 0
    assert asked == [pytest.approx(math.log(1.5) - math.log(0.8 / 0.2), abs=1e-3)]
    assert capsys.readouterr().out.startswith(f"shift {asked[0]:g}, from ")


def test_a_precision_out_of_range_is_refused(checkpoint, capsys):
    with pytest.raises(SystemExit, match="2"):
        _run(checkpoint, "a.safetensors", "--precision", 0)
    assert "0 is not above 0 and at most 1" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("a.onnx",), r"Name the file OUT\.safetensors, not a\.onnx"),
        (("a.safetensors", "--precision", 0.9), "Name data: --boxes"),
    ],
    ids=["ending", "no data"],
)
def test_wrong_use_is_told(checkpoint, words, message):
    with pytest.raises(EmotionError, match=message):
        _run(checkpoint, *words)


def test_released_files_are_for_all_to_read(released):
    modes = {name: (released / name).stat().st_mode for name in ("a.safetensors", "printed.txt")}
    assert modes["a.safetensors"] == modes["printed.txt"]


def test_a_file_that_cannot_be_written_is_told(checkpoint):
    with pytest.raises(EmotionError, match=r"a\.safetensors cannot be written \(.+\)\.$"):
        release_detector(checkpoint, Path("/dev/null/a.safetensors"))


def test_a_missing_exporter_is_told(checkpoint, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(MissingExtraError, match="pip install onnxscript"):
        release_detector(checkpoint, tmp_path / "a.safetensors")


def test_checkpoints_of_the_first_form_can_be_exported_not_resumed(tmp_path):
    network = FaceNetwork(FaceNetworkConfig(8, 8, (1, 1, 1)))
    old = {
        "network": network.state_dict(), "average": network.state_dict(), "optimiser": {},
        "step": 3, "elapsed_s": 1.0, "config": {"batch": 16},
        "network_config": asdict(network.config),
    }  # fmt: skip
    path = tmp_path / "last.pt"
    torch.save(old, path)
    loaded = load_average(path)
    for name, value in network.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value), name
    with pytest.raises(WeightsMismatchError, match=r"older version; export it, .* --init"):
        read_train_config(path)


@pytest.mark.parametrize("content", [b"rubbish", None, {"config": "{}"}], ids=str)
def test_files_that_are_no_checkpoint_are_told(tmp_path, content):
    path = tmp_path / "x.pt"
    error = WeightsMismatchError
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is None:
        error = WeightsUnavailableError
    else:
        torch.save(content, path)
    with pytest.raises(error, match="checkpoint"):
        load_average(path)


def test_a_checkpoint_that_does_not_hold_its_network_is_told(checkpoint):
    state = torch.load(checkpoint, weights_only=True)
    for change, message in (
        ({"network_config": state["network_config"] | {"body": 16}}, "does not hold the network"),
        ({"network_config": {"stem": 8}}, "does not hold the network"),
    ):
        torch.save(state | change, checkpoint)
        with pytest.raises(WeightsMismatchError, match=message):
            load_average(checkpoint)


@pytest.mark.slow
def test_its_files_find_the_same_faces(translated):
    image = np.random.default_rng(0).integers(0, 256, (64, 96, 3), dtype=np.uint8)
    ours, its = (
        load_detector(str(translated / name), "cpu").detector.detect(
            [image], AnalyzeOptions(min_score=0.01)
        )[0]
        for name in ("a.safetensors", "a.onnx")
    )
    np.testing.assert_allclose(ours.boxes, its.boxes, atol=0.01)


def test_detectors_are_loaded_from_any_file(released):
    image = np.random.default_rng(0).integers(0, 256, (64, 96, 3), dtype=np.uint8)
    found = {}
    for name in ("a.safetensors", "a.onnx", "last.pt"):
        loaded = load_detector(str(released / name), "cpu")
        assert loaded.card.name == name
        digest = hashlib.sha256((released / name).read_bytes()).hexdigest()
        assert loaded.sha256 == loaded.card.weights.sha256 == digest
        (found[name],) = loaded.detector.detect([image], AnalyzeOptions(min_score=0.01))
    # The shift took some away.
    assert len(found["last.pt"]) >= len(found["a.safetensors"])
    shipped = load_detector("emoscope-face-s", "cpu")
    assert shipped.sha256 == hashlib.sha256(SHIPPED.read_bytes()).hexdigest()


def test_a_yunet_file_is_run_as_one(yunet_path):
    loaded = load_detector(str(yunet_path), "cpu")
    assert loaded.card.architecture == "opencv-yunet"
    (faces,) = loaded.detector.detect([np.zeros((64, 64, 3), np.uint8)])
    assert len(faces) == 0


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("nowhere.onnx", WeightsUnavailableError, "There is no weight file nowhere.onnx"),
        ("no-such-name", UnknownModelError, "There is no detection model named 'no-such-name'"),
        ("wrong.onnx", WeightsMismatchError, r"wrong\.onnx is not an ONNX graph"),
        ("wrong.safetensors", WeightsMismatchError, r"wrong\.safetensors is no safetensors file"),
    ],
    ids=str,
)
def test_what_is_no_detector_is_told(tmp_path, monkeypatch, name, error, message):
    monkeypatch.chdir(tmp_path)
    for ending in ("onnx", "safetensors"):
        Path(f"wrong.{ending}").write_text("no network")
    with pytest.raises(error, match=message):
        load_detector(name, "cpu")


def test_metadata_tell_the_network_and_the_shift(released):
    with safe_open(released / "a.safetensors", "pt") as file:
        metadata = file.metadata()
    assert json.loads(metadata["config"]) == {"stem": 8, "body": 8, "deep": [1, 1, 1]}
    assert metadata["shift"] == "-0.5"
