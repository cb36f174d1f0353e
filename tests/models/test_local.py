"""Networks that a user names by a path."""

import json
import shutil
from contextlib import nullcontext

import numpy as np
import onnx
import pandas as pd
import pytest
from safetensors import safe_open
from safetensors.torch import save_file

from emotion_core.cli.arguments import network
from emotion_core.cli.main import main
from emotion_core.errors import (
    UnknownModelError,
    WeightsMismatchError,
    WeightsUnavailableError,
)
from emotion_core.imaging.codec import decode_image
from emotion_core.local_analyzer import load_analyzer
from emotion_core.models.card import AnalyzerInfo, ModelCard, Task
from emotion_core.models.download import WEIGHTS_DIR, fetch, is_available
from emotion_core.models.hub import find_model
from emotion_core.models.local import is_path, read_file_card, read_released_card
from emotion_core.models.registry import CARDS
from emotion_core.serving.schema import info_from_json, info_to_wire
from tests.paths import PORTRAIT

KINDS = {Task.EMOTION: "emoscope-fer-s", Task.DETECTION: "emoscope-face-s"}


@pytest.fixture
def mine(tmp_path):
    """A folder with the shipped networks under other names."""
    for task, name in KINDS.items():
        for suffix in (".onnx", ".safetensors"):
            shutil.copy(WEIGHTS_DIR / f"{name}{suffix}", tmp_path / f"my-{task}{suffix}")
    return tmp_path


def read(emotion, detector):
    analyzer = load_analyzer([emotion], [detector], device="cpu")
    (analysis,) = analyzer.analyze([decode_image(PORTRAIT.read_bytes()).pixels])
    return analysis


@pytest.mark.parametrize("suffix", [".onnx", ".safetensors"])
def test_a_file_reads_as_the_shipped_network_does(mine, suffix):
    cards = [find_model(str(mine / f"my-{task}{suffix}"), task) for task in KINDS]
    found, expected = read(*cards), read(*(CARDS[name] for name in KINDS.values()))
    assert found.model == f"my-emotion{suffix}"
    assert found.faces.boxes == pytest.approx(expected.faces.boxes, abs=0.5)
    np.testing.assert_allclose(
        found.predictions.probabilities, expected.predictions.probabilities, atol=1e-3
    )


def test_a_graph_has_its_safetensors_for_the_gpu(mine):
    path = mine / "my-emotion.onnx"
    twin = CARDS["emoscope-fer-s"].torch_weights
    assert read_file_card(path, Task.EMOTION).torch_weights.sha256 == twin.sha256
    path.with_suffix(".safetensors").unlink()
    assert read_file_card(path, Task.EMOTION).torch_weights is None


def test_a_graph_does_not_take_another_networks_safetensors(mine):
    path = mine / "my-emotion.safetensors"
    with safe_open(path, framework="pt") as file:
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        metadata = {**file.metadata(), "temperature": "0.9"}
    save_file(tensors, path, metadata)
    assert read_file_card(path.with_suffix(".onnx"), Task.EMOTION).torch_weights is None


def change_metadata(path, **changes):
    graph = onnx.load(path)
    metadata = {entry.key: entry.value for entry in graph.metadata_props}
    onnx.helper.set_model_props(graph, metadata | changes)
    onnx.save(graph, path)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"labels": "neutral,happiness,anger"}, "does not give its declared output"),
        ({"has_va": "False"}, None),
        ({"temperature": "nan"}, "temperature must be positive"),
        ({"preprocessing": {"size_px": 50}}, "does not take its declared input"),
        ({"preprocessing": {"size_px": 48.5}}, "must be a positive whole number"),
        (
            {"preprocessing": {"mean": [1, 2, 3], "std": [1, 1, 1]}},
            "does not take its declared input",
        ),
    ],
    ids=["labels", "less is fine", "temperature", "size", "half pixels", "colours"],
)
def test_a_file_that_tells_something_untrue_is_refused(mine, changes, reason):
    path = mine / "my-emotion.onnx"
    how = json.loads(
        next(e.value for e in onnx.load(path).metadata_props if e.key == "preprocessing")
    )
    if "preprocessing" in changes:
        changes = {"preprocessing": json.dumps(how | changes["preprocessing"])}
    change_metadata(path, **changes)
    detector = CARDS["emoscope-face-s"]
    with pytest.raises(WeightsMismatchError, match=reason) if reason else nullcontext():
        load_analyzer([find_model(str(path), Task.EMOTION)], [detector], device="cpu")


def test_weights_outside_the_file_are_a_sentence(mine):
    path = mine / "outside.onnx"
    graph = onnx.load(mine / "my-emotion.onnx")
    onnx.save(graph, path, save_as_external_data=True, location="data.bin", size_threshold=0)
    (mine / "data.bin").unlink()
    with pytest.raises(WeightsMismatchError, match=r"outside\.onnx cannot be run"):
        load_analyzer(
            [find_model(str(path), Task.EMOTION)], [CARDS["emoscope-face-s"]], device="cpu"
        )


def test_a_file_that_cannot_be_read_is_a_sentence(mine, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    path = mine / "my-emotion.onnx"
    monkeypatch.setattr(type(path), "open", refuse)
    with pytest.raises(WeightsUnavailableError, match=r"cannot be read \(Permission denied\)"):
        read_file_card(path, Task.EMOTION)


def test_a_file_is_no_part_of_the_project(mine):
    card = find_model(str(mine / "my-emotion.onnx"), Task.EMOTION)
    fetched = fetch(card)
    assert (card.is_local, is_available(card)) == (False, True)
    assert fetched.path == mine / "my-emotion.onnx"
    assert fetched.detail == "a file on this machine (5.5 MB)"
    (mine / "my-emotion.onnx").write_bytes(b"changed")
    with pytest.raises(WeightsMismatchError, match="not the file that its card describes"):
        fetch(card)
    (mine / "my-emotion.onnx").unlink()
    with pytest.raises(WeightsUnavailableError, match=r"my-emotion\.onnx is missing\.$"):
        fetch(card)


def test_nobody_else_is_told_the_folder(mine):
    cards = [find_model(str(mine / f"my-{task}.onnx"), task) for task in KINDS]
    sent = json.dumps(info_to_wire(AnalyzerInfo(*cards, "cpu")))
    assert "my-emotion.onnx" in sent
    assert str(mine) not in sent + cards[0].to_json()
    assert info_from_json(sent.encode()).emotion.name == "my-emotion.onnx"


def test_a_published_card_names_no_folder_here(mine):
    fields = json.loads(find_model(str(mine / "my-emotion.onnx"), Task.EMOTION).to_json())
    text = json.dumps({**fields, "folder": "/etc"})
    assert ModelCard.from_json(text, repo_id="a/b", revision="0" * 40).folder == ""


def test_the_photos_command_takes_files(mine, tmp_path, monkeypatch):
    monkeypatch.setattr("emotion_core.reporting.photo_folder.to_html", lambda *_, **__: "")
    monkeypatch.chdir(mine)
    options = ["--model", "my-emotion.onnx", "--detector", "my-detection.onnx"]
    assert main(["photos", str(PORTRAIT), "--out", "out", "--device", "cpu", *options]) == 0
    faces = pd.read_csv(tmp_path / "out" / "faces.csv", encoding="utf-8-sig")
    assert faces["model"].tolist() == ["my-emotion.onnx"]


def test_paths_are_absolute_and_names_stay(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert network("weights/a.onnx") == str(tmp_path / "weights" / "a.onnx")
    assert network("team/net") == "team/net"
    assert [is_path(n) for n in ("a.onnx", "b/c.safetensors", "yunet", "a/b@main")] == [
        True,
        True,
        False,
        False,
    ]


@pytest.mark.parametrize("task", KINDS)
def test_a_missing_file_is_named(tmp_path, task):
    with pytest.raises(WeightsUnavailableError, match=r"There is no weight file .*none\.onnx"):
        find_model(str(tmp_path / "none.onnx"), task)


def test_a_file_for_something_else_is_refused(mine):
    with pytest.raises(WeightsMismatchError, match="is no face detector: its graph gives"):
        find_model(str(mine / "my-emotion.onnx"), Task.DETECTION)
    with pytest.raises(WeightsMismatchError, match="lacks its labels and its input"):
        find_model(str(mine / "my-detection.onnx"), Task.EMOTION)


def test_emotion_weights_are_no_face_network(mine):
    with pytest.raises(WeightsMismatchError, match="is no face network: it lacks 'config'"):
        find_model(str(mine / "my-emotion.safetensors"), Task.DETECTION)


def test_a_file_of_another_kind_is_not_looked_for_on_the_hub(tmp_path, monkeypatch):
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "best.pt").write_bytes(b"a checkpoint")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UnknownModelError, match=r"^best\.pt cannot be used; give the \.onnx"):
        find_model("runs/best.pt", Task.EMOTION)


def test_two_files_that_tell_different_things_are_not_published(mine):
    assert read_released_card(mine / "my-emotion.onnx").torch_weights is not None
    change_metadata(mine / "my-emotion.onnx", temperature="0.9")
    with pytest.raises(WeightsMismatchError, match="have different metadata"):
        read_released_card(mine / "my-emotion.safetensors")
