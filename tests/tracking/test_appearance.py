"""Looks: what they average, where they end, and how they tell scenes and people apart."""

import numpy as np
import pytest

from emotion_core.tracking.appearance import (
    DIFFERENT,
    appearance_cost,
    color_descriptors,
    descriptor_distances,
    frame_signature,
    is_shot_boundary,
)
from tests.factories import make_image, make_smooth_image


@pytest.mark.parametrize(
    "box", [(10, 10, 40, 40), (-50, -50, 10, 10), (60, 40, 900, 900), (5, 5, 5, 5)], ids=str
)
def test_one_colour_is_that_colour_everywhere(box):
    image = np.full((48, 64, 3), (51, 102, 255), np.uint8)
    (look,) = color_descriptors(image, np.array([box], np.float32))
    np.testing.assert_allclose(look.reshape(-1, 3), [[0.2, 0.4, 1.0]] * 24)


def test_colours_stand_where_they_are():
    image = make_smooth_image(200, 200)
    (look,) = color_descriptors(image, np.array([[60, 60, 140, 140]], np.float32))
    cells = look.reshape(6, 4, 3)
    assert (np.diff(cells[:, :, 0], axis=1) > 0.05).all(), "red grows to the right"
    assert (np.diff(cells[:, :, 1], axis=0) > 0.05).all(), "green grows downwards"
    np.testing.assert_allclose(cells[:, :, 0].mean(), 0.5, atol=0.02)


def test_several_are_as_one_by_one():
    image = make_image(200, 100)
    boxes = np.array([[0, 0, 30, 40], [50, 10, 120, 90], [150, 50, 260, 160]], np.float32)
    together = color_descriptors(image, boxes)
    for i, look in enumerate(together):
        np.testing.assert_array_equal(color_descriptors(image, boxes[i : i + 1])[0], look)
    assert color_descriptors(image, boxes[:0]).shape == (0, 72)


def test_a_glance_sees_neither_brightness_nor_contrast():
    image = make_smooth_image(160, 90)
    dim = (image * 0.4 + 20).astype(np.uint8)
    assert float(frame_signature(image) @ frame_signature(dim)) > 0.99
    assert not is_shot_boundary(frame_signature(image), frame_signature(dim))
    assert is_shot_boundary(frame_signature(image), frame_signature(image[::-1, ::-1]))


def test_a_frame_of_one_colour_has_no_glance():
    black, one_pixel = np.zeros((48, 64, 3), np.uint8), np.full((1, 1, 3), 9, np.uint8)
    for image in (black, one_pixel):
        np.testing.assert_allclose(frame_signature(image), 0, atol=1e-6)
    assert is_shot_boundary(frame_signature(black), frame_signature(make_smooth_image()))
    assert not is_shot_boundary(
        frame_signature(black), frame_signature(np.full((48, 64, 3), 77, np.uint8))
    )


def test_likeness_counts_less_the_longer_ago_it_was():
    known, seen = np.full((2, 6), 0.5), np.array([[0.5] * 6, [0.5 + DIFFERENT] * 6])
    apart = descriptor_distances(known, seen)
    np.testing.assert_allclose(apart, [[0, DIFFERENT]] * 2)
    found = appearance_cost(apart, np.array([[0.04], [4.0]]))
    assert found.shape == (2, 2)
    assert (found[:, 0] < 0).all()
    assert found[0, 1] > found[1, 1]


def test_what_is_not_known_is_no_likeness():
    known = np.array([[0.5, 0.5], [np.nan, np.nan]])
    assert np.isnan(descriptor_distances(known, known)).tolist() == [[False, True], [True, True]]
