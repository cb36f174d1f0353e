"""What a run leaves behind: log, figures, TensorBoard, configuration."""

import csv
import logging
import sys
from contextlib import nullcontext
from dataclasses import replace

import numpy as np
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from emotion_core.training.emotion.config import TrainConfig
from emotion_core.training.emotion.history import progress_line
from emotion_core.training.emotion.tensorboard import (
    draw_confusion,
    to_sample_grid,
    write_emotion_epoch,
    write_faces,
)
from emotion_core.training.emotion.trainer import EmotionTrainer
from emotion_core.training.engine.checkpoint import CheckpointPolicy
from emotion_core.training.engine.progress import Progress
from emotion_core.training.engine.run_dir import RunFolder
from emotion_core.training.evaluation.metrics import to_metrics
from tests.training.synthetic import SIDE, TINY, make_faces


def _train(folder, n_epochs, faces, held_out):
    """Some epochs of the run in a folder, with its summary."""
    trainer = EmotionTrainer(TINY, CheckpointPolicy(folder / "weights"))
    summary = RunFolder(folder).open_summary(trainer.epoch)
    with summary or nullcontext():
        if summary:
            write_faces(summary, faces, TINY)
        for _, report in zip(range(n_epochs), trainer.iter_epochs(faces, held_out), strict=False):
            if summary:
                write_emotion_epoch(summary, report)
    return trainer


def _read(folder):
    found = EventAccumulator(str(folder / "summary"), {"images": 0})
    return found.Reload()


@pytest.fixture(scope="module")
def rated():
    faces = make_faces(16, seed=1)
    va = np.where(faces.targets[:, :1] > 0, [[0.8, -0.6]], [[-0.8, 0.6]]).astype(np.float32)
    return replace(faces, va=va)


@pytest.mark.slow
def test_tensorboard_reads_the_summary(rated, tmp_path):
    trainer = _train(tmp_path, 3, make_faces(), rated)
    events = _read(tmp_path)
    curves = {
        *("loss/training", "loss/validation cross-entropy", "learning rate"),
        *("validation/accuracy", "validation/macro-F1", "validation/calibration error"),
        *("valence/CCC", "arousal/CCC", "recall/neutral", "recall/happiness"),
    }
    assert set(events.Tags()["scalars"]) == curves
    for tag, name in (("validation/accuracy", "accuracy"), ("valence/CCC", "valence_ccc")):
        found = [(event.step, event.value) for event in events.Scalars(tag)]
        expected = [(row["epoch"], row[name]) for row in trainer.history]
        assert np.allclose(found, expected)
    confusions = events.Images("validation/confusion")
    assert [image.step for image in confusions] == [1, 2, 3]
    samples = events.Images("faces, augmented")[0]
    assert (samples.width, samples.height) == (8 * SIDE, 8 * SIDE)


def test_curves_of_a_resumed_run_have_each_epoch_once(rated, tmp_path):
    faces = make_faces()
    _train(tmp_path, 2, faces, rated)
    (tmp_path / "weights" / "last.pt").unlink()  # killed before any checkpoint was written
    _train(tmp_path, 3, faces, rated)
    steps = [event.step for event in _read(tmp_path).Scalars("loss/training")]
    assert steps == [1, 2, 3]


def test_training_goes_on_without_tensorboard(rated, tmp_path, monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    trainer = _train(tmp_path, 3, make_faces(), rated)
    assert trainer.is_done
    assert caplog.text.count("pip install tensorboard adds it") == 1
    assert not (tmp_path / "summary").exists()


def test_confusion_matrix_is_darker_where_more_faces_are():
    faces = make_faces(20)  # half neutral, half happy
    readings = np.eye(9, dtype=np.float32)[[0] * 9 + [1] + [1] * 10]
    image = draw_confusion(to_metrics(readings, np.zeros((20, 2), np.float32), faces))
    red = image[..., 0]
    for dark in (range(0x32, 0x33), range(0x46, 0x48)):  # all of a row, and nine tenths of one
        assert np.isin(red, list(dark)).mean() > 0.02
    assert red.max() == 255


@pytest.mark.parametrize("architecture", ["tiny-face-net", "resnet18"], ids=["grey", "colour"])
@pytest.mark.parametrize(("n", "rows"), [(1, 1), (9, 2), (100, 8)])
def test_sample_grid_has_at_most_eight_rows(architecture, n, rows):
    config = replace(TINY, architecture=architecture)
    grid = to_sample_grid(make_faces(n, channels=3), config)
    assert grid.shape == (rows * SIDE, 8 * SIDE, 3)
    assert grid.dtype == np.uint8
    if n == 1:
        assert not grid[:, SIDE:].any()


def test_config_and_figures_are_written(rated, tmp_path):
    folder = RunFolder(tmp_path / "run")
    folder.write_config(TINY)
    assert TrainConfig.from_json((tmp_path / "run" / "config.json").read_text()) == TINY
    trainer = EmotionTrainer(TINY, CheckpointPolicy(folder.weights))
    for _ in trainer.iter_epochs(make_faces(), rated):
        folder.write_history(trainer.history)
    with (folder.logs / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    assert float(rows[2]["valence_ccc"]) == trainer.history[2]["valence_ccc"]
    assert not list(tmp_path.rglob("*.part"))


def test_table_has_empty_cells_where_there_is_no_figure(tmp_path):
    history = [{"epoch": 1, "accuracy": None}, {"epoch": 2, "accuracy": 0.5, "recall_fear": 1.0}]
    RunFolder(tmp_path).write_history(history)
    table = (tmp_path / "logs" / "metrics.csv").read_text()
    assert table == "epoch,accuracy,recall_fear\n1,,\n2,0.5,1.0\n"


def test_log_goes_to_the_file_with_the_time_and_to_stderr_without(tmp_path, capsys):
    folder = RunFolder(tmp_path)
    log = logging.getLogger("emotion_core.training.emotion.run")
    for text in ("first", "second"):
        with folder.keep_log():
            log.info(text)
    log.info("not in the log")
    lines = (tmp_path / "logs" / "train.log").read_text().splitlines()
    assert [line[20:] for line in lines] == ["first", "second"]
    written = capsys.readouterr()
    assert written.err == "first\nsecond\n"
    assert written.out == ""


def test_progress_is_silent_where_there_is_no_terminal(capsys):
    with Progress(10, 0, is_visible=True) as bar:
        bar.on_step(1, torch.tensor(0.5))
    assert capsys.readouterr() == ("", "")


def test_progress_shows_loss_accuracy_and_the_whole_run(rated, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    trainer = EmotionTrainer(TINY, CheckpointPolicy(tmp_path))
    with Progress(12, 0, is_visible=True) as bar:
        for report in trainer.iter_epochs(make_faces(), rated, bar.on_step):
            bar.on_epoch(report.metrics)
            bar._next_s = 0.0
    shown = capsys.readouterr().err
    assert "12/12" in shown
    assert "loss " in shown
    assert "validation accuracy " in shown


def test_line_of_an_epoch_names_its_figures(rated, tmp_path):
    trainer = EmotionTrainer(TINY, CheckpointPolicy(tmp_path))
    report = next(trainer.iter_epochs(make_faces(), rated))
    line = progress_line(report, 3)
    assert line.startswith(f"epoch 1/3  loss {report.loss:.4f}  validation accuracy 0.")
    assert "valence CCC" in line
