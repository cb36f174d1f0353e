"""Releasing a checkpoint: both files, their metadata, calibration; and the files that ship."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from emotion_core.errors import EmotionError, WeightsMismatchError, WeightsUnavailableError
from emotion_core.networks.emotion_net import load_network, make_network
from emotion_core.training.datasets.face_set import LABELS
from emotion_core.training.emotion.config import TrainConfig
from emotion_core.training.emotion.distillation import (
    EmotionTeacher,
    learn_from_teachers,
    load_emotion_teacher,
    predict_both_ways,
)
from emotion_core.training.emotion.export import (
    check_emotion_onnx,
    favour_rare,
    load_trained,
    mix_in,
    release_emotion,
    to_word_shares,
)
from emotion_core.training.emotion.load import load_model, make_classifier
from emotion_core.training.emotion.trainer import EmotionTrainer
from emotion_core.training.engine.checkpoint import CheckpointPolicy, load_checkpoint
from tests.paths import WEIGHTS
from tests.training.synthetic import SIDE, TINY, make_faces

RELEASED = WEIGHTS / "emoscope-fer-s.safetensors"


def _train(config, folder):
    trainer = EmotionTrainer(config, CheckpointPolicy(folder))
    faces = make_faces(16, channels=len(config.preprocessing.mean))
    list(trainer.iter_epochs(faces, faces))
    return trainer.saving.last


@pytest.fixture(scope="module")
def tiny_checkpoint(tmp_path_factory):
    config = replace(TINY, epochs=6, batch_size=4, ema_decay=0.9)
    return _train(config, tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def tiny_files(tiny_checkpoint, tmp_path_factory):
    """Translated to ONNX once: that takes seconds, even of a network as small as this."""
    path = tmp_path_factory.mktemp("release") / "tiny.safetensors"
    return release_emotion(tiny_checkpoint, path, make_faces(16, seed=1))


def _assert_graph_equals_torch(weights, outputs):
    """For one face and for several, of which the exporter knew nothing."""
    network = load_network(weights)
    session = onnxruntime.InferenceSession(
        weights.with_suffix(".onnx"), providers=["CPUExecutionProvider"]
    )
    assert [output.name for output in session.get_outputs()] == outputs
    channels = session.get_inputs()[0].shape[1]
    for n in (1, 5):
        faces = torch.randn(n, channels, SIDE, SIDE)
        with torch.inference_mode():
            expected = network(faces)
        for ours, its in zip(expected, session.run(outputs, {"faces": faces.numpy()}), strict=True):
            np.testing.assert_allclose(its, ours.numpy(), atol=1e-4)


@pytest.mark.slow
def test_onnx_equals_torch(tiny_files):
    _assert_graph_equals_torch(tiny_files[0].path, ["logits", "va"])


@pytest.mark.slow
def test_onnx_of_a_colour_network_for_emotions_alone_equals_torch(tmp_path):
    config = replace(TINY, architecture="resnet18", has_va=False, pretrained="none", epochs=1)
    path = tmp_path / "net.safetensors"
    release_emotion(_train(config, tmp_path), path, make_faces(8, channels=3))
    _assert_graph_equals_torch(path, ["logits"])


@pytest.mark.slow
def test_released_file_holds_the_averaged_weights_and_tells_what_it_is(tiny_checkpoint, tiny_files):
    weights, graph = tiny_files
    saved = load_checkpoint(tiny_checkpoint)
    with safe_open(weights.path, framework="pt") as file:
        metadata = file.metadata()
        for key, value in saved["averaged"].items():
            assert torch.equal(file.get_tensor(key), value), key
    session = onnxruntime.InferenceSession(graph.path, providers=["CPUExecutionProvider"])
    assert session.get_modelmeta().custom_metadata_map == metadata
    assert metadata["labels"] == ",".join(LABELS)
    assert metadata["has_va"] == "True"
    assert metadata["epoch"] == "6"
    assert metadata["data"] == "patterns"
    assert float(metadata["temperature"]) == weights.temperature == graph.temperature
    config = TrainConfig.from_json(metadata["train_config"])
    assert json.loads(metadata["preprocessing"])["size_px"] == config.size_px


@pytest.mark.slow
def test_line_of_a_released_file_has_what_the_catalog_needs(tiny_files):
    for file in tiny_files:
        assert str(file) == (
            f"{file.path}  {file.path.stat().st_size} bytes  sha256 {file.sha256}  "
            f"temperature {file.temperature}"
        )


@pytest.mark.slow
def test_classifier_reads_a_checkpoint_and_its_released_files_alike(tiny_checkpoint, tiny_files):
    crops = make_faces(6).images.load(np.arange(6), SIDE, 3)
    weights, graph = (load_model(str(file.path), "cpu").classifier for file in tiny_files)
    expected = weights.classify_crops(crops)
    found = graph.classify_crops(crops)
    np.testing.assert_allclose(found.probabilities, expected.probabilities, atol=1e-4)
    np.testing.assert_allclose(found.valence, expected.valence, atol=1e-4)
    raw = load_model(str(tiny_checkpoint), "cpu").classifier.classify_crops(crops)
    logits = np.log(raw.probabilities) / tiny_files[0].temperature
    softmax = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(expected.probabilities, softmax, atol=1e-4)


def test_rare_emotions_are_favoured_by_the_gain_in_accuracy_and_mean_recall(tiny_checkpoint):
    plain, trained = load_trained(tiny_checkpoint), load_trained(tiny_checkpoint)
    favour_rare(trained, 0.5, 2.0, np.array([0.9, 0.1, *[0.0] * 7]))  # no face is of the others
    gain = trained.network.head[1].bias - plain.network.head[1].bias
    factors = torch.tensor([0.5 + 0.5 / (9 * 0.9), 0.5 + 0.5 / (9 * 0.1), *[1.0] * 7])
    torch.testing.assert_close(gain.detach(), 2 * factors.log())
    assert trained.metadata["recall_weight"] == "0.5"
    assert "recall_weight" not in plain.metadata


def test_shares_of_words_are_those_of_clear_faces():
    faces = make_faces(6)
    faces.targets[:] = 0
    faces.targets[:4, 1], faces.targets[4, 3] = 0.8, 0.9
    faces.targets[5, :2] = 0.5
    assert to_word_shares(faces).tolist() == [0, 0.8, 0, 0.2, 0, 0, 0, 0, 0]


def test_weights_of_two_networks_are_averaged(tiny_checkpoint):
    trained, plain, other = (load_trained(tiny_checkpoint) for _ in range(3))
    with torch.no_grad():
        for weights in other.network.parameters():
            weights.add_(1)
    mix_in(trained, other, 0.25)
    for mixed, own in zip(trained.network.parameters(), plain.network.parameters(), strict=True):
        torch.testing.assert_close(mixed, own + 0.25)
    assert json.loads(trained.metadata["mixed_in"])["share"] == 0.25


def test_only_like_networks_are_averaged(tiny_checkpoint):
    trained, other = load_trained(tiny_checkpoint), load_trained(tiny_checkpoint)
    with pytest.raises(EmotionError, match=r"must lie in 0 to 1, not be 1\.5"):
        mix_in(trained, other, 1.5)
    other.network.head = torch.nn.Identity()
    with pytest.raises(EmotionError, match="Only networks of the same architecture"):
        mix_in(trained, other, 0.5)


def test_rare_emotions_are_favoured_only_once(tiny_checkpoint):
    trained, shares = load_trained(tiny_checkpoint), np.full(9, 1 / 9)
    balanced = replace(trained, config=replace(trained.config, balance="sampler"))
    with pytest.raises(EmotionError, match="trained with balance sampler, which already makes"):
        favour_rare(balanced, 0.5, 1.0, shares)
    with pytest.raises(EmotionError, match=r"must lie in 0 to 1, not be 1\.5"):
        favour_rare(trained, 1.5, 1.0, shares)


def test_name_of_another_kind_of_file_is_refused(tiny_checkpoint, tmp_path):
    with pytest.raises(EmotionError, match=r"Name the file OUT\.safetensors, not net\.onnx"):
        release_emotion(tiny_checkpoint, tmp_path / "net.onnx", make_faces(4))


@pytest.mark.slow
def test_released_files_are_for_all_to_read(tiny_files, tmp_path):
    (tmp_path / "usual").touch()
    usual = (tmp_path / "usual").stat().st_mode
    assert [file.path.stat().st_mode for file in tiny_files] == [usual, usual]
    assert len(list(tiny_files[0].path.parent.iterdir())) == 2


def test_a_file_that_cannot_be_written_is_told(tiny_checkpoint):
    path = Path("/dev/null/net.safetensors")
    with pytest.raises(EmotionError, match=r"net\.safetensors cannot be written \(.+\)\.$"):
        release_emotion(tiny_checkpoint, path, make_faces(4))


@pytest.mark.slow
def test_graph_of_other_weights_is_found_out(tiny_files, tmp_path):
    weights, graph = tiny_files
    with safe_open(weights.path, framework="pt") as file:
        state = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        metadata = file.metadata()
    state["head.1.bias"] = state["head.1.bias"] + 0.01
    save_file(state, tmp_path / "other.safetensors", metadata)
    with pytest.raises(WeightsMismatchError, match=r"tiny\.onnx is off by 1\.0e-02 from other"):
        check_emotion_onnx(tmp_path / "other.safetensors", graph.path)


@pytest.mark.slow
def test_teacher_is_averaged_over_mirror_images_at_temperature_one(tiny_checkpoint, tiny_files):
    faces = make_faces(6)
    network = load_trained(tiny_checkpoint).network
    grey = faces.images.load(np.arange(6), SIDE, 1).transpose(0, 3, 1, 2).astype(np.float32)
    planes = torch.from_numpy((grey - 127.5) / 64)
    with torch.inference_mode():
        logits = (network(planes)[0] + network(planes.flip(3))[0]) / 2
    teacher = load_emotion_teacher(str(tiny_files[1].path), "cpu")
    assert (teacher.name, teacher.sha256) == ("tiny.onnx", tiny_files[1].sha256)
    taught, _ = predict_both_ways(teacher.classifier, faces)
    np.testing.assert_allclose(taught, logits.softmax(1).numpy(), atol=1e-4)


@pytest.mark.slow
def test_teachers_take_their_share_and_all_of_what_is_unlabelled(tiny_files):
    faces = make_faces(6)
    faces.targets[0] = 0
    faces.va[1:] = 0.5  # those of the first are not known
    one = load_emotion_teacher(str(tiny_files[0].path), "cpu")
    network = make_network("tiny-face-net", 9, has_va=True).eval()
    other = EmotionTeacher("other", "", make_classifier(network, TINY, "cpu"))
    read = [predict_both_ways(each.classifier, faces) for each in (one, other)]
    taught, va = (np.mean(values, axis=0) for values in zip(*read, strict=True))
    config = replace(TINY, teacher_share=0.25, teacher_va=True)
    learned = learn_from_teachers(faces, [one, other], config)
    mixed = learned.targets
    np.testing.assert_allclose(learned.va, [va[0], *faces.va[1:]], atol=1e-6)
    np.testing.assert_allclose(mixed[0], taught[0], atol=1e-6)
    np.testing.assert_allclose(mixed[1:], 0.75 * faces.targets[1:] + 0.25 * taught[1:], atol=1e-6)
    np.testing.assert_allclose(mixed.sum(1), 1, atol=1e-5)


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


def test_shipped_onnx_equals_shipped_safetensors():
    session = onnxruntime.InferenceSession(
        RELEASED.with_suffix(".onnx"), providers=["CPUExecutionProvider"]
    )
    planes = np.random.default_rng(0).normal(0, 1, (3, 1, 48, 48)).astype(np.float32)
    with torch.inference_mode():
        expected = [output.numpy() for output in load_network(RELEASED)(torch.from_numpy(planes))]
    for n in (1, 3):
        found = session.run(None, {"faces": planes[:n]})
        for ours, its in zip(expected, found, strict=True):
            np.testing.assert_allclose(its, ours[:n], atol=1e-4)


def test_shipped_files_tell_what_they_are():
    with safe_open(RELEASED, framework="np") as file:
        metadata = file.metadata()
    session = onnxruntime.InferenceSession(
        RELEASED.with_suffix(".onnx"), providers=["CPUExecutionProvider"]
    )
    assert session.get_modelmeta().custom_metadata_map == metadata
    assert metadata["labels"] == ",".join(LABELS)
    assert TrainConfig.from_json(metadata["train_config"]).architecture == metadata["architecture"]
