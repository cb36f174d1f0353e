"""Training on a tiny synthetic set: the loss falls, a resumed run equals an unbroken one."""

import numpy as np
import pytest
import torch

from emotion_core.errors import WeightsMismatchError
from emotion_core.preprocess import to_input
from emotion_core.training.augment import augment
from emotion_core.training.config import GREY_MEAN, GREY_STD, LABELS, TrainConfig
from emotion_core.training.datasets import FaceSet
from emotion_core.training.loop import Trainer, one_cycle

CONFIG = TrainConfig(architecture="tiny-face-net", epochs=3, batch_size=16, learning_rate=0.02)


@pytest.fixture(autouse=True)
def _one_thread():
    """More threads on pictures this small only wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def faces():
    """Dark left halves are class 0, dark upper halves class 1."""
    rng = np.random.default_rng(0)
    pictures = rng.integers(100, 256, (64, 48, 48)).astype(np.uint8)
    pictures[:32, :, :24] //= 4
    pictures[32:, :24] //= 4
    classes = np.repeat([0, 1], 32)
    return FaceSet(pictures, np.eye(len(LABELS), dtype=np.float32)[classes], classes)


def test_loss_falls(faces, tmp_path):
    losses = [report.loss for report in Trainer(CONFIG, tmp_path).iter_epochs(faces)]
    assert len(losses) == 3
    assert losses[-1] < 0.8 * losses[0]


def test_resumed_run_equals_an_unbroken_one(faces, tmp_path):
    unbroken = Trainer(CONFIG, tmp_path / "unbroken")
    list(unbroken.iter_epochs(faces))
    next(Trainer(CONFIG, tmp_path / "cut").iter_epochs(faces))
    resumed = Trainer(CONFIG, tmp_path / "cut")
    assert resumed.epoch == 1
    list(resumed.iter_epochs(faces))
    expected = unbroken.averaged.state_dict()
    for key, value in resumed.averaged.state_dict().items():
        assert torch.equal(value, expected[key]), key


def test_checkpoint_of_another_configuration_is_refused(faces, tmp_path):
    next(Trainer(CONFIG, tmp_path).iter_epochs(faces))
    with pytest.raises(WeightsMismatchError, match="of another configuration"):
        Trainer(TrainConfig(architecture="tiny-face-net"), tmp_path)


def test_config_survives_json():
    assert TrainConfig.from_json(CONFIG.to_json()) == CONFIG


def test_training_normalises_as_the_product_does(faces):
    crops = np.repeat(faces.faces[:2, :, :, None], 3, axis=3)
    trained_on = (torch.from_numpy(faces.faces[:2])[:, None].float() - GREY_MEAN) / GREY_STD
    np.testing.assert_allclose(to_input(crops, CONFIG.preprocessing), trained_on, atol=1e-5)


@pytest.mark.parametrize("n", [1, 5])
def test_augmentation_is_seeded_and_keeps_range(n):
    planes = torch.arange(n * 48 * 48).reshape(n, 1, 48, 48).float() % 256
    once, again = (augment(planes, CONFIG, torch.Generator().manual_seed(3)) for _ in range(2))
    other = augment(planes, CONFIG, torch.Generator().manual_seed(4))
    assert torch.equal(once, again)
    assert not torch.equal(once, other)
    assert once.shape == planes.shape
    assert once.min() >= 0
    assert once.max() <= 255


@pytest.mark.parametrize(
    ("progress", "rate"), [(0, 0.04), (0.2, 1), (0.6, 0.5), (1, 0)], ids=lambda v: str(v)
)
def test_one_cycle(progress, rate):
    assert one_cycle(progress, 0.2) == pytest.approx(rate, abs=1e-9)
