"""The training loop of the face detector."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from emotion_core.errors import DatasetError, EmotionError
from emotion_core.networks.face_net import FaceNetwork
from emotion_core.training.detector.config import DetectorTrainConfig
from emotion_core.training.detector.epoch_report import best_row
from emotion_core.training.detector.loss import Targets
from emotion_core.training.detector.tensorboard import draw_boxes, lay_out
from emotion_core.training.detector.trainer import DetectorTrainer
from emotion_core.training.engine.checkpoint import CheckpointPolicy
from tests.training.drawn_faces import make_sample

CONFIG = DetectorTrainConfig(
    size_px=64, batch_size=2, epochs=3, epoch_steps=2, warm_up_steps=2, stem=8, body=8,
    deep=(1, 1, 1), validate_every=2, bf16=False,
)  # fmt: skip


@pytest.fixture
def samples(tmp_path):
    (tmp_path / "samples").mkdir()
    return [make_sample(tmp_path / "samples") for _ in range(3)]


def _states(*folders):
    return [torch.load(f / "last.pt", weights_only=True) for f in folders]


def test_training_lowers_the_loss(tmp_path):
    config = replace(CONFIG, learning_rate=1e-2, warm_up_steps=5, epochs=20, ema_decay=0.9)
    trainer = DetectorTrainer(config, CheckpointPolicy(tmp_path))
    images = torch.zeros(4, 3, 64, 64, dtype=torch.uint8)
    images[:, :, 20:44, 16:40] = 255
    box = torch.tensor([16.0, 20, 40, 44]).expand(4, 1, 4)
    marks = torch.full((4, 1, 10), math.nan)
    targets = Targets(box, marks, torch.ones(4, 1).bool(), torch.zeros(4, 1, 4))
    first, *_, last = [float(trainer.advance(images, targets)[0]) for _ in range(40)]
    assert last < 0.6 * first
    assert trainer.is_done


def test_a_resumed_run_equals_an_unbroken_one(tmp_path, samples):
    folders = tmp_path / "whole", tmp_path / "cut"
    reports = list(
        DetectorTrainer(CONFIG, CheckpointPolicy(folders[0])).iter_epochs(samples, lambda _: 0.5)
    )
    assert [report.step for report in reports] == [2, 4, 6]
    next(DetectorTrainer(CONFIG, CheckpointPolicy(folders[1])).iter_epochs(samples, lambda _: 0.5))
    again = DetectorTrainer(CONFIG, CheckpointPolicy(folders[1]))
    assert (again.epoch, again.step) == (1, 2)
    rest = list(again.iter_epochs(samples, lambda _: 0.5))
    assert [r.losses for r in rest] == [r.losses for r in reports[1:]]
    whole, cut = _states(*folders)
    for part in ("network", "average"):
        for name, value in whole[part].items():
            assert torch.equal(cut[part][name], value), name
    assert [row["average_precision"] for row in again.history] == [None, 0.5, 0.5]
    assert not list(
        DetectorTrainer(CONFIG, CheckpointPolicy(folders[1])).iter_epochs(samples, None)
    )


def test_the_best_validation_is_kept(tmp_path, samples):
    ratings = iter([0.3, 0.6, 0.6, 0.1])
    config = replace(CONFIG, epochs=4, validate_every=1)
    trainer = DetectorTrainer(config, CheckpointPolicy(tmp_path, keep_every=2))
    for _ in trainer.iter_epochs(samples, lambda _: next(ratings)):
        pass
    assert torch.load(tmp_path / "best.pt", weights_only=True)["epoch"] == 2
    assert best_row(trainer.history)["epoch"] == 2
    files = sorted(path.name for path in tmp_path.iterdir() if path.is_file())
    assert files == ["best.pt", "epoch-0002.pt", "epoch-0004.pt", "last.pt"]
    assert best_row([]) is None


@pytest.mark.parametrize(
    ("ratings", "best"),
    [((0.3, 0.6), 2), ((0.6, 0.3), 2), ((None, None), None)],
    ids=["the best epoch", "a better epoch before", "never validated"],
)
def test_best_of_a_run_from_another_runs_checkpoint_is_there(tmp_path, samples, ratings, best):
    config = replace(CONFIG, epochs=2, validate_every=1)
    given = iter(ratings)
    validate = None if ratings[0] is None else lambda _: next(given)
    first = DetectorTrainer(config, CheckpointPolicy(tmp_path / "first", keep_every=1))
    list(first.iter_epochs(samples, validate))
    rule = CheckpointPolicy(tmp_path / "second", resume=tmp_path / "first" / "epoch-0002.pt")
    row = best_row(DetectorTrainer(config, rule).history)
    assert (row and row["epoch"]) == best
    assert rule.best.is_file() == (best is not None)


def test_the_clock_can_end_a_run(tmp_path, samples):
    config = replace(CONFIG, epochs=0, minutes=1.0)
    trainer = DetectorTrainer(config, CheckpointPolicy(tmp_path))
    epochs = trainer.iter_epochs(samples, None)
    assert next(epochs).step == 2
    trainer.elapsed_s = 59.999
    assert trainer._rate() < 0.02 * config.learning_rate
    report = next(epochs)
    assert report.step == 3  # the step in which the time ran out
    assert trainer.is_done
    assert list(epochs) == []
    assert DetectorTrainer(config, CheckpointPolicy(tmp_path)).is_done


def test_the_rate_rises_then_falls_to_nothing(tmp_path):
    config = replace(CONFIG, epochs=10, epoch_steps=10, warm_up_steps=10)
    trainer = DetectorTrainer(config, CheckpointPolicy(tmp_path))
    rates = []
    for trainer.step in range(100):
        rates.append(trainer._rate())
    assert int(np.argmax(rates)) in (8, 9)
    assert rates[0] == pytest.approx(config.learning_rate * 1.005 / 10)
    assert rates[-1] < 0.01 * config.learning_rate
    assert rates[9:] == sorted(rates[9:], reverse=True)


def test_other_data_than_before_are_refused(tmp_path, samples):
    next(DetectorTrainer(CONFIG, CheckpointPolicy(tmp_path)).iter_epochs(samples, None))
    with pytest.raises(DatasetError, match="began with 3 images, and now there are 2"):
        next(DetectorTrainer(CONFIG, CheckpointPolicy(tmp_path)).iter_epochs(samples[:2], None))


def test_a_loss_that_is_no_number_ends_the_run(tmp_path, samples):
    trainer = DetectorTrainer(replace(CONFIG, learning_rate=1e30), CheckpointPolicy(tmp_path))
    with pytest.raises(EmotionError, match="epoch 1 is not a number; train with a smaller"):
        list(trainer.iter_epochs(samples, None))
    assert not (tmp_path / "last.pt").exists()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"size": 320}, "There is no setting 'size'; there are: size_px, "),
        ({"size_px": 100}, "multiple of 32 from 64, not 100"),
        ({"batch_size": 0}, "batch_size must be at least 1, not 0"),
        ({"learning_rate": -1}, "learning_rate must be positive"),
        ({"seed": 0.5}, "seed must be a whole number, not 0.5"),
        ({"bf16": 1}, "bf16 must be true or false"),
        ({"deep": [4, 4]}, "deep must be three whole numbers"),
        ({"ema_decay": 1}, "ema_decay must be"),
        ({"epochs": 3, "minutes": 3}, "Either epochs or minutes"),
        ({"epochs": 0}, "epochs must be at least 1, or minutes more than 0"),
        ({"minutes": float("inf")}, "minutes must be at least 0, not inf"),
    ],
    ids=str,
)
def test_settings_that_cannot_be_are_told(values, message):
    with pytest.raises(EmotionError, match=message):
        DetectorTrainConfig().changed(values)


def test_config_survives_json_and_ends_in_one_way():
    config = CONFIG.changed({"minutes": 5})
    assert (config.epochs, config.minutes, config.n_steps) == (0, 5, None)
    assert DetectorTrainConfig.from_json(config.to_json()) == config
    assert config.changed({"epochs": 7}).n_steps == 14
    for text in ("{", "[]"):
        with pytest.raises(EmotionError, match="The configuration is not"):
            DetectorTrainConfig.from_json(text)


def test_images_are_drawn_with_boxes_side_by_side():
    image = np.zeros((100, 640, 3), np.uint8)
    box = np.array([[10, 10, 60, 60]], np.float32)
    marks = np.full((1, 10), np.nan, np.float32)
    marks[0, :2] = 300, 50
    drawn = draw_boxes(image, box, marks)
    assert drawn[10, 30].any()
    assert drawn[50, 300].any()
    assert not image.any()
    grid = lay_out([drawn] * 5)
    assert grid.shape == (640, 1280, 3)
    assert grid[320:370, :320].any()
    assert not grid[320:, 320:].any()


def test_a_network_can_be_trained_at_its_released_widths(tmp_path):
    trainer = DetectorTrainer(
        replace(CONFIG, stem=16, body=64, deep=(4, 4, 4)), CheckpointPolicy(tmp_path)
    )
    assert trainer.network.config == FaceNetwork().config
