"""Augmentation keeps the range, is seeded, and does what each setting says; so does mixing."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from emotion_core.actions import ACTIONS, MIRRORED
from emotion_core.recognition.alignment import to_input
from emotion_core.training.emotion.augment import (
    Moves,
    _blur,
    _coarsen,
    _colour,
    augment,
    draw_moves,
    move_actions,
)
from emotion_core.training.emotion.config import TrainConfig
from emotion_core.training.emotion.mixup import Batch, mix, sharpen, smooth
from tests.training.synthetic import make_faces

CONFIG = TrainConfig()
STILL = replace(
    CONFIG,
    shift=0.0,
    zoom=1.0,
    rotation_deg=0.0,
    blur_px=0.0,
    gamma=1.0,
    noise=0.0,
    erase=0.0,
    saturation=0.0,
    channel_gain=1.0,
    grey_share=0.0,
)
MIRROR = torch.tensor([[[-1.0, 0, 0], [0, 1, 0]]])


def _seeded(seed):
    return torch.Generator().manual_seed(seed)


def _make_planes(n, channels, side=48):
    return 255 * torch.rand((n, channels, side, side), generator=_seeded(9))


@pytest.mark.parametrize("channels", [1, 3], ids=["grey", "colour"])
@pytest.mark.parametrize(("n", "side"), [(1, 48), (5, 48), (2, 64), (2, 8)])
def test_augmentation_is_seeded_and_keeps_range(n, side, channels):
    planes = _make_planes(n, channels, side)
    before = planes.clone()
    once, again = (augment(planes, CONFIG, _seeded(3)) for _ in range(2))
    assert torch.equal(once, again)
    assert not torch.equal(once, augment(planes, CONFIG, _seeded(4)))
    assert torch.equal(planes, before)
    assert once.shape == planes.shape
    assert once.min() >= 0
    assert once.max() <= 255


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[("shift", 0.3), ("zoom", 1.5), ("rotation_deg", 30.0), ("blur_px", 2.0)],
        *[("gamma", 2.0), ("noise", 20.0), ("erase", 1.0), ("coarse", 1.0)],
        *[("saturation", 1.0), ("channel_gain", 1.5), ("grey_share", 1.0)],
    ],
)
def test_each_setting_changes_the_faces(name, value):
    planes = _make_planes(4, 3)
    still = augment(planes, STILL, _seeded(0))
    changed = augment(planes, replace(STILL, **{name: value}), _seeded(0))
    assert not torch.allclose(still, changed, atol=1)


def test_blur_grows_with_the_side():
    """A step blurred at 48 px and enlarged looks like the enlarged step when it is blurred."""
    small = torch.zeros(40, 1, 48, 48)
    small[..., 24:] = 255
    large = small.repeat_interleave(4, 2).repeat_interleave(4, 3)
    soft, soft_large = (_blur(planes, 1.1, _seeded(1)) for planes in (small, large))
    gap = (soft_large[..., 1::4, 1::4] + soft_large[..., 2::4, 2::4]) / 2 - soft
    assert gap.abs().mean() < 0.3 * (soft - small).abs().mean()


def test_blur_leaves_three_in_five_faces_alone():
    planes = _make_planes(200, 1, 48)
    same = (_blur(planes, 1.1, _seeded(0)) == planes).flatten(1).all(1)
    assert 100 < int(same.sum()) < 140


def test_coarse_faces_lose_detail_and_keep_their_light():
    planes = _make_planes(64, 1)
    changed = _coarsen(planes, replace(CONFIG, coarse=0.5, coarse_px=12), _seeded(0))
    kept = (changed == planes).flatten(1).all(1)
    assert 16 < int(kept.sum()) < 48
    assert changed[~kept].std() < 0.7 * planes.std()
    torch.testing.assert_close(changed.mean((2, 3)), planes.mean((2, 3)), atol=4, rtol=0)


def test_actions_and_pose_change_sides_with_the_face():
    features = torch.arange(len(ACTIONS)) / 100
    seen = torch.cat([features, torch.tensor([20.0, 5.0, 10.0])])[None]
    mirrored = move_actions(seen, Moves(MIRROR, torch.tensor([True]), torch.tensor([4.0])))
    assert mirrored[0, ACTIONS.index("jawLeft")] == features[ACTIONS.index("jawRight")]
    assert mirrored[0, -3:].tolist() == [-20, 5, -6]
    assert [MIRRORED[i] for i in MIRRORED] == list(range(len(ACTIONS)))
    turned = move_actions(seen, Moves(MIRROR, torch.tensor([False]), torch.tensor([4.0])))
    assert turned[0, :-1].tolist() == seen[0, :-1].tolist()
    assert turned[0, -1] == 6
    assert (
        move_actions(seen[:, :0], Moves(MIRROR, torch.tensor([True]), torch.zeros(1))).numel() == 0
    )


def test_faces_turn_by_the_angle_that_is_said():
    """A line from the centre to the right, turned anticlockwise, goes up."""
    plane = torch.zeros(1, 1, 65, 65)
    plane[..., 32, 36:] = 255
    config = replace(STILL, rotation_deg=30.0)
    for seed in range(6):
        moves = draw_moves(1, config, _seeded(seed))
        rows, columns = torch.nonzero(augment(plane, config, _seeded(0), moves)[0, 0] > 60).T
        across = (columns - 32.0) * (-1 if moves.is_mirrored else 1)
        angle = torch.rad2deg(torch.atan2(32.0 - rows, across)).mean()
        assert float(angle) == pytest.approx(float(moves.turned_deg), abs=3)


def test_faces_that_turn_grey_have_equal_channels():
    planes = _make_planes(200, 3, 8)
    faces = _colour(planes, replace(CONFIG, grey_share=0.3), _seeded(0))
    grey = (faces.amax(1) - faces.amin(1)).flatten(1).amax(1) < 1e-2
    assert 40 < int(grey.sum()) < 80


def test_training_normalises_as_the_product_does():
    images = make_faces(2).images
    crops, grey = (images.load(np.arange(2), 48, channels) for channels in (3, 1))
    preprocessing = CONFIG.preprocessing
    normalised = (grey.transpose(0, 3, 1, 2) - preprocessing.mean[0]) / preprocessing.std[0]
    np.testing.assert_allclose(to_input(crops, preprocessing), normalised, atol=1e-5)


@pytest.fixture
def batch():
    """Face i is of the grey value 10 i, of class i, with valence i / 10."""
    faces = (10 * torch.arange(8.0)).view(8, 1, 1, 1).expand(8, 1, 16, 16)
    va = torch.stack([torch.arange(8) / 10, torch.zeros(8)], 1)
    return Batch(faces, torch.eye(9)[:8], va, torch.zeros(8, 0))


def test_nothing_is_mixed_by_default(batch):
    assert mix(batch, CONFIG, np.random.default_rng(0)) is batch


@pytest.mark.parametrize(
    "settings",
    [{"mixup": 0.5}, {"cutmix": 1.0}, {"mixup": 0.5, "cutmix": 1.0}],
    ids=["mixup", "cutmix", "both"],
)
def test_targets_and_ratings_are_mixed_as_the_faces_are(settings, batch):
    config = replace(CONFIG, **settings)
    rng = np.random.default_rng(0)
    for _ in range(20):
        mixed = mix(batch, config, rng)
        mean = mixed.faces.mean((1, 2, 3)) / 10  # the face's number, weighted by its share
        torch.testing.assert_close(mixed.targets[:, :8] @ torch.arange(8.0), mean)
        torch.testing.assert_close(mixed.va[:, 0] * 10, mean)
        torch.testing.assert_close(mixed.targets.sum(1), torch.ones(8))


@pytest.mark.parametrize("name", ["mixup", "cutmix"])
def test_mixing_is_seeded_and_leaves_its_input_alone(name, batch):
    config = replace(CONFIG, **{name: 1.0})
    before = batch.faces.clone()
    once, again, other = (mix(batch, config, np.random.default_rng(s)) for s in (1, 1, 2))
    assert torch.equal(once.faces, again.faces)
    assert not torch.equal(once.faces, other.faces)
    assert torch.equal(batch.faces, before)


def test_cutmix_pastes_one_rectangle(batch):
    mixed = mix(batch, replace(CONFIG, cutmix=1.0), np.random.default_rng(3))
    for face in mixed.faces:
        assert len(face.unique()) <= 2


def test_sharp_targets_count_first_choices_more():
    targets = torch.tensor([[2 / 3, 1 / 3, 0], [0.0, 0, 0], [1.0, 0, 0]])
    sharp = sharpen(targets, 2.0)
    torch.testing.assert_close(sharp, torch.tensor([[0.8, 0.2, 0], [0, 0, 0], [1, 0, 0]]))
    torch.testing.assert_close(sharpen(targets, 1.0), targets)


def test_smoothing_spreads_a_share_and_leaves_rows_of_zeros():
    targets = torch.cat([torch.eye(9)[:1], torch.zeros(1, 9)])
    smoothed = smooth(targets, 0.09)
    torch.testing.assert_close(smoothed[0], torch.tensor([0.92, *[0.01] * 8]))
    assert smoothed[1].tolist() == [0.0] * 9
