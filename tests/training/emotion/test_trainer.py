"""Training on a tiny synthetic set: the loss falls, a resumed run equals an unbroken one."""

import json
import re
import shutil
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from emotion_core.actions import ACTIONS, POSE
from emotion_core.errors import DatasetError, EmotionError, WeightsMismatchError
from emotion_core.labels import ALL_EMOTIONS
from emotion_core.networks.emotion_net import make_network
from emotion_core.training.emotion.class_balance import (
    to_class_shares,
    to_class_weights,
    to_face_weights,
)
from emotion_core.training.emotion.config import TrainConfig
from emotion_core.training.emotion.history import best_epoch, is_exhausted
from emotion_core.training.emotion.landmarker import N_OUTPUTS
from emotion_core.training.emotion.loader import (
    count_steps,
    draw_order,
    split_order,
)
from emotion_core.training.emotion.losses import concordance, to_loss
from emotion_core.training.emotion.mixup import Batch, fill_va
from emotion_core.training.emotion.trainer import EmotionTrainer
from emotion_core.training.engine.checkpoint import CheckpointPolicy, load_checkpoint
from emotion_core.training.engine.distributed import DistributedContext
from emotion_core.training.engine.optim import one_cycle
from emotion_core.training.engine.read_ahead import iter_ahead
from emotion_core.training.engine.release import save_network
from tests.paths import ROOT
from tests.training.synthetic import TINY, make_faces


@pytest.fixture(scope="module")
def faces():
    return make_faces()


@pytest.fixture(scope="module")
def held_out():
    return make_faces(16, seed=1)


@dataclass(frozen=True)
class Unbroken:
    """A run of ``TINY`` to its end: what it told, and its checkpoints; tests only read them."""

    trainer: EmotionTrainer
    reports: list
    folder: Path

    def copy_after(self, epoch, folder):
        """Its folder as the run left it when it was cut off after an epoch."""
        folder.mkdir()
        shutil.copy(self.folder / f"epoch-000{epoch}.pt", folder / "last.pt")
        return CheckpointPolicy(folder)


@pytest.fixture(scope="module")
def unbroken(faces, held_out, tmp_path_factory):
    folder = tmp_path_factory.mktemp("unbroken")
    trainer = EmotionTrainer(TINY, CheckpointPolicy(folder, keep_every=1))
    return Unbroken(trainer, list(trainer.iter_epochs(faces, held_out)), folder)


def _run(config, folder, faces, held_out):
    trainer = EmotionTrainer(config, CheckpointPolicy(folder))
    reports = list(trainer.iter_epochs(faces, held_out))
    return trainer, reports


def _assert_equal(state, expected):
    assert state.keys() == expected.keys()
    for key, value in state.items():
        assert torch.equal(value, expected[key]), key


def test_loss_falls_and_validation_improves(unbroken):
    losses = [report.loss for report in unbroken.reports]
    errors = [report.metrics.cross_entropy for report in unbroken.reports]
    assert len(losses) == 3
    assert losses[-1] < 0.5 * losses[0]
    assert errors[-1] < 0.5 * errors[0]


COLOUR = {"architecture": "mobilenet-v3", "pretrained": "none", "epochs": 2}


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param({}, id="default"),
        pytest.param({"mixup": 0.4, "cutmix": 1.0, "label_smoothing": 0.1}, id="mixed"),
        pytest.param({"balance": "sampler"}, id="sampler"),
        pytest.param({"balance": "loss"}, id="balanced loss"),
        pytest.param({"bf16": True}, id="bfloat16", marks=pytest.mark.slow),
        pytest.param(COLOUR, id="colour", marks=pytest.mark.slow),
    ],
)
def test_resumed_run_equals_an_unbroken_one(settings, held_out, tmp_path):
    config, faces = replace(TINY, **settings), make_faces(32)
    unbroken, _ = _run(config, tmp_path / "unbroken", faces, held_out)
    cut = CheckpointPolicy(tmp_path / "cut")
    next(EmotionTrainer(config, cut).iter_epochs(faces, held_out))
    resumed = EmotionTrainer(config, cut)
    assert resumed.epoch == 1
    list(resumed.iter_epochs(faces, held_out))
    _assert_equal(resumed.averaged.state_dict(), unbroken.averaged.state_dict())


KILLED = """
import os, sys, signal, torch
from pathlib import Path
from emotion_core.training.engine.checkpoint import CheckpointPolicy
from emotion_core.training.emotion.config import TrainConfig
from emotion_core.training.emotion.trainer import EmotionTrainer
from tests.training.synthetic import make_faces
torch.set_num_threads(1)
trainer = EmotionTrainer(TrainConfig.from_json(sys.argv[1]), CheckpointPolicy(Path(sys.argv[2])))
for report in trainer.iter_epochs(
    make_faces(), make_faces(16, seed=1),
    lambda step, _: step == 6 and os.kill(os.getpid(), signal.SIGKILL),
):
    print(report.epoch, flush=True)
"""


@pytest.mark.slow
def test_run_that_was_killed_ends_with_the_same_weights(unbroken, faces, held_out, tmp_path):
    """In the midst of the second epoch."""
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, TINY.to_json(), str(tmp_path / "cut")],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert (killed.returncode, killed.stdout) == (-signal.SIGKILL, "1\n")
    resumed = EmotionTrainer(TINY, CheckpointPolicy(tmp_path / "cut"))
    assert resumed.epoch == 1
    list(resumed.iter_epochs(faces, held_out))
    _assert_equal(resumed.averaged.state_dict(), unbroken.trainer.averaged.state_dict())


def test_checkpoint_of_another_configuration_is_refused(unbroken):
    message = r"of another configuration \(epochs 3, not 5\); choose another --run"
    with pytest.raises(WeightsMismatchError, match=message):
        EmotionTrainer(replace(TINY, epochs=5), CheckpointPolicy(unbroken.folder))


def test_other_training_faces_are_refused(unbroken, held_out, tmp_path):
    resumed = EmotionTrainer(TINY, unbroken.copy_after(1, tmp_path / "cut"))
    with pytest.raises(DatasetError, match="began with 64 training faces, and now there are 32"):
        next(resumed.iter_epochs(make_faces(32), held_out))


def test_any_checkpoint_starts_a_run_even_with_other_settings(unbroken, faces, held_out, tmp_path):
    longer = replace(TINY, epochs=4)
    rule = CheckpointPolicy(tmp_path / "second", resume=unbroken.trainer.saving.last)
    second = EmotionTrainer(longer, rule)
    assert second.epoch == 3
    assert len(list(second.iter_epochs(faces, held_out))) == 1
    with pytest.raises(WeightsMismatchError, match=r"checkpoint's network .* is not the one"):
        EmotionTrainer(replace(TINY, has_va=False), rule)


@pytest.mark.parametrize("best", [1, 2], ids=["a better epoch before", "the best epoch"])
def test_best_of_a_run_from_another_runs_checkpoint_is_there(
    best, unbroken, faces, held_out, tmp_path
):
    first = tmp_path / "first"
    first.mkdir()
    saved = load_checkpoint(unbroken.folder / "epoch-0002.pt")
    for row in saved["history"]:
        row["accuracy"] = 1.0 if row["epoch"] == best else 0.9
    torch.save(saved, first / "epoch-0002.pt")
    rule = CheckpointPolicy(tmp_path / "second", resume=first / "epoch-0002.pt")
    second = EmotionTrainer(TINY, rule)
    assert load_checkpoint(rule.best)["epoch"] == best_epoch(second.history) == 2
    list(second.iter_epochs(faces, held_out))
    assert load_checkpoint(rule.best)["epoch"] == best_epoch(second.history)
    own = EmotionTrainer(TINY, CheckpointPolicy(first, resume=first / "epoch-0002.pt"))
    assert [row["epoch"] for row in own.history] == [1, 2], "its best lies there"


def test_damaged_checkpoint_is_refused(tmp_path):
    for name, content in (("empty.pt", b""), ("text.pt", b"no checkpoint")):
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(WeightsMismatchError, match=f"{name} is no readable checkpoint"):
            load_checkpoint(path)
    torch.save({"a": 1}, tmp_path / "other.pt")
    with pytest.raises(WeightsMismatchError, match=r"other\.pt is no checkpoint of an emotion net"):
        load_checkpoint(tmp_path / "other.pt")


def test_checkpoint_without_the_newer_keys_and_settings_is_continued(
    unbroken, faces, held_out, tmp_path
):
    """As runs wrote them before history and early stop were part of it."""
    rule = unbroken.copy_after(1, tmp_path / "old")
    saved = load_checkpoint(rule.last)
    old = {key: saved[key] for key in ("epoch", "network", "averaged", "optimiser")}
    newer = ("patience", "has_va", "pretrained", "balance", "mixup", "template")
    settings = {k: v for k, v in json.loads(saved["config"]).items() if k not in newer}
    torch.save(old | {"config": json.dumps(settings)}, rule.last)
    resumed = EmotionTrainer(TINY, rule)
    assert [report.epoch for report in resumed.iter_epochs(faces, held_out)] == [2, 3]


def test_early_stop_is_the_same_after_a_resume(faces, held_out, tmp_path):
    # A rate of almost nothing lets no epoch be better than the first few.
    config = replace(TINY, learning_rate=1e-9, epochs=9, patience=2, ema_decay=0.0)
    unbroken, reports = _run(config, tmp_path / "unbroken", faces, held_out)
    assert len(reports) < 9
    assert unbroken.is_done
    cut = CheckpointPolicy(tmp_path / "cut")
    next(EmotionTrainer(config, cut).iter_epochs(faces, held_out))
    resumed = EmotionTrainer(config, cut)
    list(resumed.iter_epochs(faces, held_out))
    assert resumed.epoch == unbroken.epoch
    assert EmotionTrainer(config, cut).is_done


def test_best_and_kept_checkpoints_are_those_of_their_epochs(faces, held_out, tmp_path):
    trainer = EmotionTrainer(TINY, CheckpointPolicy(tmp_path, keep_every=2))
    list(trainer.iter_epochs(faces, held_out))
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["best.pt", "epoch-0002.pt", "last.pt"]
    assert load_checkpoint(tmp_path / "best.pt")["epoch"] == best_epoch(trainer.history)
    assert load_checkpoint(tmp_path / "epoch-0002.pt")["epoch"] == 2


@pytest.mark.parametrize(
    ("rows", "best"),
    [
        ([], 0),
        ([(0.5, 1.0), (0.6, 2.0), (0.4, 0.1)], 2),
        ([(0.5, 1.0), (0.5, 0.9), (0.5, 0.9)], 2),
        ([(None, None), (None, None)], 1),
    ],
    ids=["none", "accuracy", "cross-entropy between equals", "no truth"],
)
def test_best_epoch(rows, best):
    history = [
        {"epoch": i, "accuracy": accuracy, "cross_entropy": cross_entropy}
        for i, (accuracy, cross_entropy) in enumerate(rows, 1)
    ]
    assert best_epoch(history) == best


def test_without_labels_concordance_decides():
    history = [
        {"epoch": 1, "accuracy": None, "valence_ccc": 0.2, "arousal_ccc": 0.2},
        {"epoch": 2, "accuracy": None, "valence_ccc": 0.9, "arousal_ccc": None},
    ]
    assert best_epoch(history) == 2


@pytest.mark.parametrize(("patience", "stops"), [(0, False), (1, True), (2, True), (3, False)])
def test_patience_counts_the_epochs_since_the_best(patience, stops):
    history = [{"epoch": i, "accuracy": a} for i, a in enumerate([0.5, 0.4, 0.3], 1)]
    assert is_exhausted(history, patience) is stops


def test_loss_that_is_no_number_ends_the_run_and_keeps_the_checkpoint(
    unbroken, faces, held_out, tmp_path
):
    trainer = EmotionTrainer(TINY, unbroken.copy_after(1, tmp_path / "cut"))
    with torch.no_grad():
        next(trainer._network.parameters()).fill_(float("nan"))
    with pytest.raises(EmotionError, match="loss of epoch 2 is not a number; train with a smaller"):
        next(trainer.iter_epochs(faces, held_out))
    assert load_checkpoint(trainer.saving.last)["epoch"] == 1


def test_rated_faces_teach_valence_and_arousal(faces, held_out, tmp_path):
    va = np.where(faces.targets[:, :1] > 0, [[0.8, -0.6]], [[-0.8, 0.6]]).astype(np.float32)
    rated = replace(faces, targets=np.zeros_like(faces.targets), va=va)
    held_out = replace(held_out, va=va[[0] * 8 + [63] * 8])
    _, reports = _run(replace(TINY, epochs=6, ema_decay=0.9), tmp_path, rated, held_out)
    assert reports[-1].metrics.valence_ccc > 0.5 > reports[0].metrics.valence_ccc


def test_missing_ratings_become_the_expectation_under_the_targets():
    targets = torch.zeros(2, 9)
    targets[:, 1] = 1  # happiness, rated (0.92, 0.464) as a word
    va = torch.tensor([[float("nan"), 0.1], [0.2, float("nan")]])
    torch.testing.assert_close(fill_va(va, targets), torch.tensor([[0.92, 0.1], [0.2, 0.464]]))


def _make_truth(n=4):
    """Faces of one emotion each, with random ratings, actions and poses."""
    generator = torch.Generator().manual_seed(0)
    va, actions = (torch.rand(n, k, generator=generator) for k in (2, N_OUTPUTS))
    return Batch(torch.zeros(n, 1, 8, 8), torch.eye(9)[:n], va, actions)


def test_loss_is_cross_entropy_plus_the_lack_of_concordance():
    truth, logits = _make_truth(), {"logits": torch.zeros(4, 9)}
    cross_entropy = float(np.log(9))
    assert float(to_loss(logits, truth, TrainConfig())) == pytest.approx(cross_entropy)
    right = to_loss({**logits, "va": truth.va}, truth, TrainConfig())
    assert float(right) == pytest.approx(cross_entropy, abs=1e-4)
    opposite = {**logits, "va": 2 * truth.va.mean(0) - truth.va}
    worst = to_loss(opposite, truth, TrainConfig(va_weight=0.5))
    assert float(worst) == pytest.approx(cross_entropy + 0.5 * 2, abs=1e-3)


def test_what_is_not_known_of_a_face_is_not_learnt():
    """Each loss is that of the faces that have the truth, and its gradient is theirs alone."""
    truth, config = _make_truth(), TrainConfig(va_square_weight=1.0)
    unknown = torch.tensor([False, True, False, True])
    partly = truth._replace(
        va=truth.va.masked_fill(unknown[:, None], float("nan")),
        actions=truth.actions.masked_fill(unknown[:, None], float("nan")),
    )
    torch.manual_seed(1)  # other numbers than the truth
    outputs = {
        "logits": torch.zeros(4, 9),
        "va": torch.rand(4, 2).requires_grad_(),
        "actions": torch.rand(4, len(ACTIONS)).requires_grad_(),
        "pose": torch.rand(4, len(POSE)).requires_grad_(),
    }
    loss = to_loss(outputs, partly, config)
    known = Batch(*(part[~unknown] for part in truth))
    alone = to_loss({name: part[~unknown] for name, part in outputs.items()}, known, config)
    torch.testing.assert_close(loss, alone)
    loss.backward()
    for name in ("va", "actions", "pose"):
        assert (outputs[name].grad[unknown] == 0).all()
        assert (outputs[name].grad[~unknown] != 0).all()


def test_without_any_rating_there_is_still_a_loss():
    truth = _make_truth()
    unrated = truth._replace(va=torch.full_like(truth.va, float("nan")))
    outputs = {"logits": torch.zeros(4, 9), "va": torch.rand(4, 2)}
    assert to_loss(outputs, unrated, TrainConfig(va_weight=0.0)).isfinite()


def test_concordance_equals_the_formula():
    a, b = torch.tensor([[0.0], [1.0], [2.0]]), torch.tensor([[0.5], [1.0], [2.5]])
    x, y = a.numpy().ravel(), b.numpy().ravel()
    expected = 2 * np.cov(x, y, bias=True)[0, 1] / (x.var() + y.var() + (x.mean() - y.mean()) ** 2)
    assert float(concordance(a, b)) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(
    ("progress", "rate"), [(0, 0.04), (0.2, 1), (0.6, 0.5), (1, 0)], ids=lambda v: str(v)
)
def test_one_cycle(progress, rate):
    assert one_cycle(progress, 0.2) == pytest.approx(rate, abs=1e-9)


@pytest.mark.parametrize(
    ("n", "world", "sizes"),
    [(10, 1, [4, 4, 2]), (9, 1, [4, 4]), (11, 2, [4, 4]), (3, 1, [3]), (4, 2, [4])],
    ids=["whole", "single face left out", "cut to the processes", "one step", "two processes"],
)
def test_order_is_cut_into_steps(n, world, sizes):
    steps = split_order(np.arange(n), 4, world)
    assert [len(step) for step in steps] == sizes


def test_an_epoch_may_show_some_of_the_faces_only(faces):
    config = replace(TINY, epoch_faces=20, batch_size=8)
    first, second = (draw_order(faces, config, np.random.default_rng(i)) for i in range(2))
    assert len(first) == len(set(first)) == 20
    assert set(first) != set(second)
    assert count_steps(faces, config, DistributedContext()) == 3


@pytest.mark.parametrize(("n", "batch_size"), [(0, 8), (1, 8), (9, 1)])
def test_too_few_faces_for_a_step_are_refused(n, batch_size):
    with pytest.raises(DatasetError, match=f"there are {n} faces in steps of {batch_size}"):
        split_order(np.arange(n), batch_size, 1)


def test_read_ahead_keeps_the_order_and_passes_errors_on():
    def work(item):
        if item == 3:
            raise DatasetError("broken.png cannot be read.")
        return 2 * item

    done = []
    with pytest.raises(DatasetError, match=r"broken\.png"):
        done.extend(iter_ahead(work, range(9)))  # what came before the error is kept
    assert list(iter_ahead(work, range(3))) == [0, 2, 4]


def test_read_ahead_is_bounded_and_ends_with_its_consumer():
    started = []
    ahead = iter_ahead(started.append, range(1000), ahead=2)
    next(ahead)
    ahead.close()
    assert len(started) <= 4
    assert not [thread for thread in threading.enumerate() if "read-ahead" in thread.name]


def test_unreadable_image_ends_the_epoch_with_its_name(faces, held_out, tmp_path):
    class Broken:
        def __len__(self):
            return 64

        def load(self, *_):
            raise DatasetError("face 7.png is no image.")

    trainer = EmotionTrainer(TINY, CheckpointPolicy(tmp_path))
    with pytest.raises(DatasetError, match=r"face 7\.png is no image"):
        next(trainer.iter_epochs(replace(faces, images=Broken()), held_out))


RARE = np.zeros((10, 9), np.float32)
RARE[:8, 0] = 1
RARE[8, 1] = 1


def test_rare_classes_are_drawn_as_often_as_others():
    weights = to_face_weights(RARE)  # the last row has no label and gets the mean weight
    assert weights.sum() == pytest.approx(1)
    assert weights[:8].sum() == pytest.approx(weights[8])
    assert weights[9] == pytest.approx(weights[:9].mean())


def test_class_weights_follow_the_effective_numbers():
    weights = to_class_weights(RARE, 0.9)
    effective = (1 - 0.9**8) / (1 - 0.9)
    assert weights[1] / weights[0] == pytest.approx(effective)
    assert weights[2:].tolist() == [0] * 7
    assert (weights * RARE.sum(0)).sum() / RARE.sum() == pytest.approx(1)
    np.testing.assert_allclose(to_class_weights(RARE, 0.0)[:2], 1)
    assert to_class_shares(RARE)[:2] == pytest.approx([8 / 9, 1 / 9])


def test_config_survives_json():
    config = replace(TINY, balance="loss", template=((0.1, 0.2),) * 5)
    assert TrainConfig.from_json(config.to_json()) == config


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ('{"epochs": 0}', "epochs must be at least 1, not 0"),
        ('{"size_px": 7}', "size_px must be between 16 and 1024, not 7"),
        ('{"size_px": 4096}', "size_px must be between 16 and 1024, not 4096"),
        ('{"epochs": 2.5}', "epochs must be a whole number, not 2.5"),
        ('{"epochs": true}', "epochs must be a whole number, not True"),
        ('{"bf16": 1}', "bf16 must be true or false, not 1"),
        ('{"learning_rate": 0}', "learning_rate must be positive, not 0"),
        ('{"learning_rate": NaN}', "learning_rate must be positive, not nan"),
        ('{"erase": 1.5}', "erase must be between 0 and 1, not 1.5"),
        ('{"warmup": 0}', "warmup must lie between 0 and 1"),
        ('{"balance": "some"}', "balance must be one of none, sampler, loss, not 'some'"),
        ('{"architecture": "vgg"}', "no architecture 'vgg'; there are: small-face-net"),
        ('{"template": [[0, 1]]}', "template must be five pairs of numbers"),
        ('{"lr": 1}', "no setting 'lr'; there are: architecture"),
        ("[1]", "not a JSON object"),
        ("{", "not JSON"),
    ],
)
def test_wrong_settings_are_named(settings, message):
    with pytest.raises(EmotionError, match=re.escape(message)):
        TrainConfig.from_json(settings)


def test_heads_learn_on_features_that_stay(faces, held_out, tmp_path):
    first = make_network("tiny-face-net", 9, has_va=True)
    metadata = {
        "architecture": "tiny-face-net",
        "labels": ",".join(ALL_EMOTIONS),
        "has_va": "True",
    }
    save_network(first, tmp_path / "first.safetensors", metadata)
    config = replace(TINY, init=str(tmp_path / "first.safetensors"), heads_only=True)
    trainer, reports = _run(config, tmp_path / "run", faces, held_out)
    assert reports[-1].loss < reports[0].loss
    for name, value in trainer.averaged.state_dict().items():
        assert torch.equal(value, first.state_dict()[name]) == name.startswith("features."), name
    with pytest.raises(EmotionError, match="--init"):
        replace(TINY, heads_only=True)
