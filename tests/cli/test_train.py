"""The commands that train and release, as a user types them."""

import argparse
import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from emotion_core.cli.train import add_export, add_train
from emotion_core.errors import DatasetError, EmotionError, WeightsMismatchError
from emotion_core.training.datasets import read_faces
from emotion_core.training.datasets.image_sources import take_faces
from emotion_core.training.datasets.loading import DatasetSource, read_sources
from emotion_core.training.emotion import export
from emotion_core.training.emotion.config import TrainConfig
from emotion_core.training.emotion.export import export_safetensors, load_trained
from emotion_core.training.emotion.trainer import EmotionTrainer
from emotion_core.training.engine.checkpoint import CheckpointPolicy, load_checkpoint
from tests.paths import ROOT
from tests.training.synthetic import write_folders


@pytest.fixture(autouse=True)
def _folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def data(tmp_path):
    return write_folders(tmp_path / "data", {"train": 32, "valid": 8, "test": 6})


def _run(command, *words):
    parser = argparse.ArgumentParser()
    {"train": add_train, "export": add_export}[command](parser)
    chosen = parser.parse_args([str(word) for word in words])
    return chosen.run(chosen)


TINY = ("--backbone", "tiny-face-net", "--size", 16, "--batch-size", 16, "--set", "bf16=false")


def test_training_fills_the_run_folder(data, capsys):
    assert _run("train", "folders", data, *TINY, "--epochs", 2, "--set", "erase=0.1") == 0
    run = Path("debug/folders-tiny-face-net")
    files = sorted(str(path.relative_to(run)) for path in run.rglob("*") if path.is_file())
    assert files[0:3] == ["config.json", "logs/metrics.csv", "logs/train.log"]
    assert files[3].startswith("summary/events")
    assert files[4:] == ["weights/best.pt", "weights/last.pt"]
    config = json.loads((run / "config.json").read_text())
    assert (config["erase"], config["epochs"], config["batch_size"]) == (0.1, 2, 16)
    written = capsys.readouterr()
    assert written.out == ""
    assert "32 faces of data train, validated on 8 of data valid" in written.err
    assert "epoch 2/2" in written.err
    assert "2 of 2 epochs are done; the best was epoch" in written.err


def test_second_start_goes_on_with_the_settings_of_the_first(data, monkeypatch, capsys):
    words = ("folders", data, "--run", "mine")

    def stop(trainer, faces, held_out, on_step):
        yield next(iter_epochs(trainer, faces, held_out, on_step))
        raise KeyboardInterrupt

    iter_epochs = EmotionTrainer.iter_epochs
    with monkeypatch.context() as patch:
        patch.setattr(EmotionTrainer, "iter_epochs", stop)
        assert _run("train", *words, *TINY, "--epochs", 3) == 130
    message = "Stopped after epoch 1 of 3; the same command goes on from there."
    assert message in capsys.readouterr().err
    assert _run("train", *words) == 0
    written = capsys.readouterr().err
    assert "Resumed after epoch 1." in written
    assert "epoch 3/3" in written
    assert load_checkpoint(Path("debug/mine/weights/last.pt"))["epoch"] == 3
    assert _run("train", *words) == 0
    assert "epoch 3/3" not in capsys.readouterr().err  # nothing is left to do


def test_other_settings_for_the_same_run_are_refused(data):
    _run("train", "folders", data, *TINY, "--epochs", 1)
    with pytest.raises(WeightsMismatchError, match=r"\(epochs 1, not 2\); choose another --run"):
        _run("train", "folders", data, *TINY, "--epochs", 2)


def test_any_checkpoint_can_be_resumed_with_its_own_settings(data, capsys):
    _run("train", "folders", data, *TINY, "--epochs", 2, "--keep-every", 1)
    first = Path("debug/folders-tiny-face-net/weights")
    words = ("--resume", first / "epoch-0001.pt", "--run", "second")
    assert _run("train", "folders", data, *words) == 0
    assert "Resumed after epoch 1." in capsys.readouterr().err
    ends = [load_checkpoint(path / "last.pt") for path in (first, Path("debug/second/weights"))]
    for key, value in ends[0]["averaged"].items():
        assert torch.equal(ends[1]["averaged"][key], value), key


def test_settings_come_from_a_file_and_flags_win(data):
    settings = {"architecture": "tiny-face-net", "size_px": 16, "bf16": False, "epochs": 7}
    Path("settings.json").write_text(json.dumps(settings))
    words = (
        "--config",
        "settings.json",
        "--epochs",
        1,
        "--set",
        "template=" + str([[0.5, 0.5]] * 5),
    )
    assert _run("train", "folders", data, *words) == 0
    text = Path("debug/folders-tiny-face-net/config.json").read_text()
    config = TrainConfig.from_json(text)
    assert config.epochs == 1
    assert config.template == ((0.5, 0.5),) * 5


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--set", "erase"], "--set takes KEY=VALUE, not 'erase'"),
        (["--set", "colour=1"], "There is no setting 'colour'"),
        (["--set", "bf16=maybe"], "bf16 must be true or false, not 'maybe'"),
        (["--epochs", "0"], "epochs must be at least 1, not 0"),
        (["--backbone", "vgg"], "no architecture 'vgg'"),
        (["--config", "gone.json"], r"gone\.json cannot be read"),
        (["--resume", "gone.pt"], r"There is no checkpoint gone\.pt"),
        (["--size", "7"], "size_px must be between 16 and 1024, not 7"),
        (["--run", "/dev/null/run"], r"^/dev/null/run cannot be written \(Not a directory\)\.$"),
        (["--teacher", "gone.onnx"], r"no weight file gone\.onnx"),
    ],
)
def test_wrong_use_is_one_sentence(words, message, data):
    with pytest.raises(EmotionError, match=message):
        _run("train", "folders", data, *words)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--keep-every", "-1"], "--keep-every: -1 is not a number from 0"),
        (["--threads", "0"], "--threads: 0 is not a number from 1"),
    ],
)
def test_numbers_out_of_range_are_refused(words, message, data, capsys):
    with pytest.raises(SystemExit, match="2"):
        _run("train", "folders", data, *words)
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("words", [("nope", "."), ("csv", "empty"), ("folders", "empty")], ids=str)
def test_a_run_that_is_refused_leaves_no_folder(words, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(DatasetError):
        _run("train", *words, *TINY, "--run", "new")
    assert not Path("debug/new").exists()
    Path("debug/old").mkdir(parents=True)
    with pytest.raises(DatasetError):
        _run("train", *words, *TINY, "--run", "old")
    assert Path("debug/old").exists(), "it was there before"


def test_unknown_data_set_is_named(data):
    with pytest.raises(DatasetError, match="no data set 'imagenet'"):
        _run("train", "imagenet", data)


def test_same_data_set_given_twice_more_counts_three_times(data):
    source = DatasetSource("folders", data)
    faces, held_out = read_sources(source, [source, source], None, TrainConfig())
    assert (len(faces), len(held_out)) == (96, 8)
    assert faces.targets.sum() == 96


@pytest.mark.parametrize(
    ("splits", "n_faces", "n_held_out", "remark"),
    [
        ({"train": 20, "valid": 4, "test": 6}, 20, 4, ""),
        ({"train": 20, "test": 6}, 20, 6, "no valid split; validating on the test split"),
        ({"train": 20}, 18, 2, "no valid or test split; validating on 2 faces drawn by the seed"),
    ],
    ids=["valid", "test", "a tenth"],
)
def test_validation_is_on_what_there_is(splits, n_faces, n_held_out, remark, tmp_path, caplog):
    root = write_folders(tmp_path / "split", splits)
    with caplog.at_level("INFO"):
        faces, held_out = read_sources(DatasetSource("folders", root), [], None, TrainConfig())
    assert (len(faces), len(held_out)) == (n_faces, n_held_out)
    assert not set(faces.files) & set(held_out.files)
    assert remark in caplog.text
    assert bool(caplog.text) is bool(remark)


def test_validation_can_be_another_data_set(data, tmp_path):
    other = write_folders(tmp_path / "other", {"test": 10})
    valid = DatasetSource("folders", other, "test")
    _, held_out = read_sources(DatasetSource("folders", data), [], valid, TrainConfig())
    assert len(held_out) == 10


def test_faces_that_nobody_labelled_or_rated_are_left_out(data, tmp_path):
    labels = tmp_path / "data" / "labels.csv"
    train = sorted((data / "train" / "neutral").iterdir())[:3]
    rows = [
        f"{path.relative_to(data)},{cells}"
        for path, cells in zip(train, ("neutral,,", ",0.5,0.1", ",,"), strict=True)
    ]
    labels.write_text("image,label,valence,arousal\n" + "\n".join(rows))
    source, valid = DatasetSource("csv", labels), DatasetSource("folders", data, "valid")
    for has_va, n in ((True, 2), (False, 1)):
        faces, _ = read_sources(source, [], valid, TrainConfig(has_va=has_va))
        assert len(faces) == n
    labels.write_text(f"image,label,valence,arousal\n{rows[2]}")
    with pytest.raises(DatasetError, match="holds no face with a label to learn from"):
        read_sources(source, [], valid, TrainConfig())


def test_teacher_is_noted_and_asked_for_again(data, tmp_path):
    words = ("folders", data, *TINY, "--epochs", 1)
    _run("train", *words, "--run", "teacher")
    weights = tmp_path / "net.safetensors"
    export_safetensors(load_trained(Path("debug/teacher/weights/best.pt")), weights, 1.5)
    _run("train", *words, "--run", "taught", "--teacher", weights)
    config = json.loads(Path("debug/taught/config.json").read_text())
    assert config["teacher"] == "net.safetensors"
    assert config["teacher_sha256"] == hashlib.sha256(weights.read_bytes()).hexdigest()
    with pytest.raises(EmotionError, match=r"learns from the teacher net\.safetensors; say where"):
        _run("train", "folders", data, "--run", "taught")
    assert _run("train", "folders", data, "--run", "taught", "--teacher", weights) == 0


def test_export_calibrates_on_the_split_and_prints_a_line_for_each_file(data, monkeypatch, capsys):
    asked = []

    def release(checkpoint, path, faces, *, recall_weight, mixed_in):
        asked.append((checkpoint.name, path.name, len(faces), recall_weight, mixed_in))
        return "the weights", "the graph"

    monkeypatch.setattr(export, "release_emotion", release)
    words = ("best.pt", "net.safetensors", "--calibrate", "folders", data)
    assert _run("export", *words) == 0
    assert capsys.readouterr().out == "the weights\nthe graph\n"
    options = ("--split", "test", "--recall-weight", 0.5, "--mix", "other.pt", 0.3)
    assert _run("export", *words, *options) == 0
    assert asked == [
        ("best.pt", "net.safetensors", 8, 0, None),
        ("best.pt", "net.safetensors", 6, 0.5, (Path("other.pt"), 0.3)),
    ]
    with pytest.raises(EmotionError, match="must be a number from 0 to 1, not 'half'"):
        _run("export", *words, "--mix", "other.pt", "half")


def test_export_needs_a_split_that_is_there(tmp_path):
    root = write_folders(tmp_path / "unsplit", {"train": 4})
    with pytest.raises(DatasetError, match="no split 'valid'"):
        _run("export", "last.pt", "net.safetensors", "--calibrate", "folders", root)


def test_command_line_is_made_without_torch():
    code = (
        "import argparse, sys\n"
        "from emotion_core.cli.train import add_export, add_train\n"
        "add_train(argparse.ArgumentParser()), add_export(argparse.ArgumentParser())\n"
        "sys.exit(bool({'torch', 'pandas', 'cv2', 'tensorboard'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


@pytest.mark.slow
def test_real_faces_are_learnt(shared):
    """Four steps with FER+ through the default network: what is read fits what trains."""
    held_out = read_faces("ferplus", shared / "data" / "ferplus", "valid")
    few = take_faces(held_out, np.arange(32))
    config = TrainConfig(epochs=2, batch_size=16, bf16=False)
    reports = list(EmotionTrainer(config, CheckpointPolicy(Path("real"))).iter_epochs(few, few))
    assert reports[1].metrics.n == few.has_majority.sum()
    assert reports[1].loss < reports[0].loss
