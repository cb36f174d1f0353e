"""Composed training images and their batches."""

import math

import cv2
import numpy as np
import pytest
import torch

from emotion_core.errors import DatasetError
from emotion_core.training.detector.augment import degrade, paint
from emotion_core.training.detector.batches import collate, compose_step, iter_detector_batches
from emotion_core.training.detector.config import DetectorTrainConfig
from emotion_core.training.detector.mosaic import (
    FLIPPED,
    SMALLEST_PX,
    Mosaic,
    MosaicSampler,
    mirror,
    move_labels,
)
from emotion_core.training.detector.samples import SampleKind
from tests.training.drawn_faces import BOX, LANDMARKS, make_sample

N_WORKERS = pytest.mark.parametrize("n_workers", [0, pytest.param(1, marks=pytest.mark.slow)])
CONFIG = DetectorTrainConfig(size_px=96, batch_size=3, epochs=2, epoch_steps=3)


@pytest.fixture
def samples(tmp_path):
    return [
        make_sample(tmp_path, SampleKind.BOXES),
        make_sample(tmp_path),
        make_sample(tmp_path, SampleKind.SCENES, size_wh=(200, 150)),
    ]


def test_labels_follow_the_pixels(tmp_path):
    image = np.zeros((90, 80, 3), np.uint8)
    image[39:42, 29:32] = 255
    sample = make_sample(tmp_path, image=image)
    matrix = np.array([[1.5, 0, 7], [0, 1.5, -20]])
    drawn = paint(np.zeros((100, 110, 3), np.uint8), image, matrix)
    boxes, marks, ignored = move_labels(sample, matrix, (110, 100))
    ys, xs = np.nonzero(drawn[..., 0] > 128)
    assert (xs.mean() + 0.5, ys.mean() + 0.5) == pytest.approx(
        (30.5 * 1.5 + 7, 40.5 * 1.5 - 20), abs=0.6
    )
    assert marks[0, :2].tolist() == [52, 40]
    assert boxes.tolist() == [[37, 17.5, 97, 85]]
    assert ignored.tolist() == [[37, 17.5, 44.5, 25]]


def test_small_and_cut_faces_become_doubtful(tmp_path):
    image = make_sample(tmp_path)
    tiny = move_labels(image, np.array([[0.1, 0, 0], [0, 0.1, 0]]), (100, 100))
    cut = move_labels(image, np.array([[1.0, 0, -52], [0, 1.0, 0]]), (100, 100))
    assert [len(part) for part in tiny] == [0, 0, 2]
    assert [len(part) for part in cut] == [0, 0, 1]


def test_mirror_twice_changes_nothing(tmp_path):
    image = make_sample(tmp_path)
    sample = Mosaic(image.file.read(), BOX, LANDMARKS, image.ignored)
    once = mirror(sample)
    assert once.landmarks[0, 0] < once.landmarks[0, 2]  # the left eye is still on the left
    twice = mirror(once)
    for name in ("image", "boxes", "landmarks", "ignored"):
        np.testing.assert_array_equal(getattr(twice, name), getattr(sample, name))
    assert sorted(FLIPPED.tolist()) == list(range(10))


def test_composing_is_repeatable_and_in_bounds(samples):
    composer = MosaicSampler(samples, 96)
    n_faces = 0
    for seed in range(40):
        a = composer.compose(np.random.default_rng(seed))
        if seed < 8:
            again = composer.compose(np.random.default_rng(seed))
            np.testing.assert_array_equal(a.image, again.image)
        assert a.image.shape == (96, 96, 3)
        assert a.image.dtype == np.uint8
        assert len(a.boxes) == len(a.landmarks)
        assert ((a.boxes >= 0) & (a.boxes <= 96)).all()
        n_faces += len(a.boxes)
        if len(a.boxes):
            assert (a.boxes[:, 2:] - a.boxes[:, :2]).max() > SMALLEST_PX / 2
    assert n_faces > 40


def test_composed_boxes_lie_on_the_drawn_faces(tmp_path):
    """A white square in a large JPEG, which is decoded at a half or a quarter of its size."""
    image = np.full((800, 640, 3), 20, np.uint8)
    image[200:600, 160:480] = 255
    sample = make_sample(tmp_path, SampleKind.BOXES, image=image)
    path = sample.file.source / sample.file.name
    path.write_bytes(cv2.imencode(".jpg", image)[1].tobytes())
    box = np.array([[160, 200, 480, 600]], np.float32)
    none = np.zeros((0, 4), np.float32)
    sample = type(sample)(
        sample.file, SampleKind.BOXES, False, box, np.tile(LANDMARKS, (1, 1)), none
    )
    composer = MosaicSampler([sample], 96)
    n_checked = 0
    for seed in range(80):
        sample = composer._assemble(np.random.default_rng(seed))
        for x1, y1, x2, y2 in sample.boxes:
            w, h = (x2 - x1) / 4, (y2 - y1) / 4
            inner = sample.image[
                math.ceil(y1 + h) : math.floor(y2 - h), math.ceil(x1 + w) : math.floor(x2 - w)
            ]
            if inner.size:
                n_checked += 1
                assert inner.mean() > 215
    assert n_checked > 20


@pytest.mark.parametrize("kinds", [[], [SampleKind.SCENES], [SampleKind.PORTRAITS]], ids=str)
def test_kinds_that_are_missing_leave_plain_colours(tmp_path, kinds):
    composer = MosaicSampler([make_sample(tmp_path, kind) for kind in kinds], 64)
    for seed in range(10):
        sample = composer.compose(np.random.default_rng(seed))
        assert sample.image.shape == (64, 64, 3)
        assert SampleKind.PORTRAITS in kinds or not len(sample.boxes)


def test_spoiling_leaves_its_argument_alone():
    image = np.full((32, 32, 3), 200, np.uint8)
    rng = np.random.default_rng(0)
    for _ in range(30):
        assert degrade(image, rng).shape == image.shape
    assert (image == 200).all()


def test_batches_are_filled_up_to_equal_counts():
    none = np.zeros((0, 4), np.float32)
    empty = Mosaic(np.zeros((32, 32, 3), np.uint8), none, np.zeros((0, 10), np.float32), BOX)
    full = Mosaic(np.ones((32, 32, 3), np.uint8), BOX, LANDMARKS, none)
    images, targets = collate([empty, full])
    assert images.shape == (2, 3, 32, 32)
    assert targets.is_face.tolist() == [[False], [True]]
    assert targets.boxes[1].tolist() == BOX.tolist()
    assert targets.ignored.tolist() == [BOX.tolist(), [[0, 0, 0, 0]]]
    assert torch.isnan(targets.landmarks[0]).all()


@N_WORKERS
def test_a_batch_depends_on_its_number_only(samples, n_workers):
    whole = list(iter_detector_batches(samples, CONFIG, 0, device="cpu", n_workers=0))
    assert len(whole) == 6
    rest = list(iter_detector_batches(samples, CONFIG, 4, device="cpu", n_workers=n_workers))
    for (images, targets), (its, theirs) in zip(whole[4:], rest, strict=True):
        assert torch.equal(images, its)
        for a, b in zip(targets, theirs, strict=True):
            assert torch.equal(a.nan_to_num(-1), b.nan_to_num(-1))
    assert not torch.equal(whole[0][0], whole[1][0])
    shown = np.stack([sample.image for sample in compose_step(samples, CONFIG, 4)])
    np.testing.assert_array_equal(shown, whole[4][0].permute(0, 2, 3, 1).numpy())


@N_WORKERS
def test_an_unreadable_image_is_named_whatever_process_meets_it(samples, tmp_path, n_workers):
    (tmp_path / samples[0].file.name).write_text("no image")
    with pytest.raises(DatasetError) as raised:
        list(iter_detector_batches(samples[:1], CONFIG, 0, device="cpu", n_workers=n_workers))
    assert str(raised.value).startswith("boxes-0.png in ")
    assert "Traceback" not in str(raised.value)
