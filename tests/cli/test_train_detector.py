"""``train-detector`` as a user types it."""

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path

import cv2
import pytest
import torch
from safetensors.torch import save_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from emotion_core.cli.train_detector import add_train_detector
from emotion_core.errors import (
    DatasetError,
    EmotionError,
    WeightsMismatchError,
    WeightsUnavailableError,
)
from emotion_core.training.detector import run as detector_run
from emotion_core.training.detector.load import load_average
from emotion_core.training.detector.samples import is_held_out
from emotion_core.training.detector.trainer import DetectorTrainer
from tests.paths import ROOT
from tests.training.drawn_faces import write_boxes, write_scenes

TINY = (
    *("--size", 64, "--batch-size", 2, "--workers", 0, "--teacher", "none"),
    *("--set", "stem=8", "--set", "body=8", "--set", "deep=[1,1,1]"),
    *("--set", "epoch_steps=2", "--set", "validate_every=2", "--set", "bf16=false"),
)


@pytest.fixture(autouse=True)
def _folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def data(tmp_path):
    return (
        "--boxes",
        write_boxes(tmp_path / "b.zip", 12),
        "--scenes",
        write_scenes(tmp_path / "s.zip", 4),
    )


def _run(*words):
    parser = argparse.ArgumentParser()
    add_train_detector(parser)
    chosen = parser.parse_args([str(word) for word in words])
    return chosen.run(chosen)


def test_training_fills_the_run_folder(data, capsys):
    assert _run(*data, *TINY, "--epochs", 2) == 0
    run = Path("debug/detector")
    files = sorted(str(path.relative_to(run)) for path in run.rglob("*") if path.is_file())
    assert files[:3] == ["config.json", "logs/metrics.csv", "logs/train.log"]
    assert files[3].startswith("summary/events")
    assert files[4:] == ["weights/best.pt", "weights/last.pt"]
    config = json.loads((run / "config.json").read_text())
    assert (config["epochs"], config["deep"], config["teacher"]) == (2, [1, 1, 1], "")
    header, first, second = (run / "logs" / "metrics.csv").read_text().splitlines()
    assert header.split(",")[:3] == ["epoch", "step", "loss_total"]
    assert (first.split(",")[:2], second.split(",")[:2]) == (["1", "2"], ["2", "4"])
    written = capsys.readouterr()
    assert written.out == ""
    assert "4 steps of 2 images of 64 px on cpu: " in written.err
    assert "epoch 2  step 4  100.0%  total " in written.err
    assert "2 epochs, 4 steps are done; the best was epoch 2 (AP 0." in written.err
    events = EventAccumulator(str(run / "summary"), {"images": 0}).Reload()
    curves = {f"loss/{name}" for name in ("total", "score", "box", "landmarks")}
    curves |= {"learning rate", "validation/average precision"}
    assert set(events.Tags()["scalars"]) == curves
    assert [event.step for event in events.Scalars("loss/total")] == [1, 2]
    (image,) = events.Images("composed images")
    assert (image.width, image.height) == (4 * 320, 320)
    assert [image.step for image in events.Images("held-out images")] == [2]


@pytest.mark.slow
def test_second_start_goes_on_with_the_settings_of_the_first(data, monkeypatch, capsys):
    def stop(trainer, *words, **named):
        yield next(iter_epochs(trainer, *words, **named))
        raise KeyboardInterrupt

    iter_epochs = DetectorTrainer.iter_epochs
    with monkeypatch.context() as patch:
        patch.setattr(DetectorTrainer, "iter_epochs", stop)
        assert _run(*data, *TINY, "--run", "mine", "--epochs", 2) == 130
    assert "Stopped after epoch 1; the same command goes on" in capsys.readouterr().err
    again = (*data, "--run", "mine", "--workers", 0, "--teacher", "none")
    assert _run(*again) == 0
    assert "Resumed after epoch 1." in capsys.readouterr().err
    assert torch.load("debug/mine/weights/last.pt", weights_only=True)["epoch"] == 2
    with pytest.raises(WeightsMismatchError, match=r"\(epochs 2, not 4\); choose another --run"):
        _run(*again, "--epochs", 4)


def test_any_checkpoint_can_be_resumed_with_its_own_settings(data):
    assert _run(*data, *TINY, "--epochs", 2, "--keep-every", 1) == 0
    first = Path("debug/detector/weights")
    words = ("--resume", first / "epoch-0001.pt", "--run", "b", "--workers", 0, "--teacher", "none")
    assert _run(*data, *words) == 0
    a, b = (
        torch.load(folder / "last.pt", weights_only=True)["average"]
        for folder in (first, Path("debug/b/weights"))
    )
    for name, value in a.items():
        assert torch.equal(b[name], value), name


def test_a_run_can_start_from_released_weights(data, tmp_path):
    assert _run(*data, *TINY, "--epochs", 1) == 0
    weights = tmp_path / "a.safetensors"
    last = Path("debug/detector/weights/last.pt")
    network = load_average(last)
    save_file(network.state_dict(), weights, {"config": json.dumps(asdict(network.config))})
    assert _run(*data, *TINY, "--epochs", 1, "--init", weights, "--run", "b",
                "--learning-rate", 1e-9) == 0  # fmt: skip
    config = json.loads(Path("debug/b/config.json").read_text())
    assert (config["init"], config["warm_up_steps"]) == ("a.safetensors", 50)
    assert len(config["init_sha256"]) == 64
    after = load_average(Path("debug/b/weights/last.pt"))
    for (name, value), its in zip(network.named_parameters(), after.parameters(), strict=True):
        torch.testing.assert_close(its, value, msg=name, rtol=0, atol=1e-6)
    wide = (*data, *TINY, "--epochs", 1, "--init", weights, "--run", "c", "--set", "body=16")
    with pytest.raises(WeightsMismatchError, match="weights to start from are not of the widths"):
        _run(*wide)
    with pytest.raises(WeightsUnavailableError, match="There is no weight file"):
        _run(*data, *TINY, "--init", "nowhere.safetensors", "--run", "d")


@pytest.mark.parametrize(
    ("words", "error", "message"),
    [
        ((), DatasetError, "Name data: --boxes"),
        (("--portraits", "s.zip", "--teacher", "none"), EmotionError, "Portraits need a teacher"),
        (("--scenes", "s.zip", "--teacher", "none"), DatasetError, "no face to learn from"),
        (("--scenes", "s.zip", "--set", "seed"), EmotionError, "--set takes KEY=VALUE, not 'seed'"),
        (("--scenes", "s.zip", "--epochs", 0), EmotionError, "epochs must be at least 1"),
        (("--scenes", "s.zip", "--config", "x.json"), EmotionError, "x.json cannot be read"),
        (("--scenes", "s.zip", "--resume", "x.pt"), WeightsUnavailableError, "There is no check"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_wrong_use_is_told(tmp_path, words, error, message):
    write_scenes(tmp_path / "s.zip")
    with pytest.raises(error, match=message):
        _run(*words)
    assert not Path("debug/detector").exists()


def test_a_number_out_of_range_is_refused(capsys):
    with pytest.raises(SystemExit, match="2"):
        _run("--scenes", "s.zip", "--workers", -1)
    assert "--workers: -1 is not a number from 0" in capsys.readouterr().err


def test_validation_falls_back_on_portraits(yunet_path, shared, tmp_path, capsys):
    album = tmp_path / "album"
    album.mkdir()
    photo = cv2.imread(str(shared / "samples" / "photos" / "astronaut.png"))
    photo = cv2.imencode(".png", cv2.resize(photo, (96, 96), interpolation=cv2.INTER_AREA))[1]
    names = [f"{i}.png" for i in range(40)]
    kept = [name for name in names if not is_held_out(name)]
    for name in (*kept[:2], next(name for name in names if name not in kept)):
        (album / name).write_bytes(photo.tobytes())
    words = ("--portraits", album, *TINY, "--epochs", 1, "--teacher", yunet_path)
    assert _run(*words) == 0
    log = capsys.readouterr().err
    assert "Asking yunet_n_dynamic.onnx about 3 images" in log
    assert "validated on 1." in log
    labels = list(Path("debug/detector-labels").iterdir())
    assert [path.name.partition("-album-")[0] for path in labels] == ["portraits"]
    assert _run(*words, "--run", "again") == 0
    assert "Asking" not in capsys.readouterr().err


def test_stopping_the_teacher_says_so(monkeypatch, tmp_path, yunet_path, capsys):
    def teach(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(detector_run, "pseudo_label", teach)
    words = ("--scenes", write_scenes(tmp_path / "s.zip"), "--teacher", yunet_path)
    assert _run(*words) == 130
    assert "Stopped; the labels so far are kept" in capsys.readouterr().err


@pytest.mark.slow
def test_ctrl_c_ends_a_run_with_workers_in_one_sentence(data, tmp_path):
    script = (
        "import argparse, signal, sys\n"
        "from emotion_core.cli.train_detector import add_train_detector\n"
        "if __name__ == '__main__':\n"
        # As in a terminal: what a shell starts in the background ignores the signal.
        "    signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "    parser = argparse.ArgumentParser()\n"
        "    add_train_detector(parser)\n"
        "    chosen = parser.parse_args()\n"
        "    sys.exit(chosen.run(chosen))\n"
    )
    (tmp_path / "train.py").write_text(script)
    words = [*data, *TINY, "--workers", 1, "--minutes", 10, "--threads", 1]
    with subprocess.Popen(
        [sys.executable, "train.py", *map(str, words)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            last = tmp_path / "debug/detector/weights/last.pt"
            end_s = time.monotonic() + 120
            while not last.exists() and process.poll() is None and time.monotonic() < end_s:
                time.sleep(0.2)
            os.killpg(process.pid, signal.SIGINT)  # a terminal's Ctrl-C reaches the workers, too
            _, errors = process.communicate(timeout=120)
        finally:
            process.kill()
    assert process.returncode == 130, errors
    assert "Traceback" not in errors
    assert "the same command goes on from there." in errors
