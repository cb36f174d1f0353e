"""Square crops at any angle and scale."""

import cv2
import numpy as np
import pytest

from emotion_core.imaging.warp import square_matrix, warp_square
from tests.factories import make_image


def test_a_square_that_keeps_its_size_keeps_its_pixels_and_repeats_edges():
    image = make_image(40, 30)
    crop = warp_square(image, square_matrix(np.float32([5, 20, 25, 40]), 0, 20), 20)
    np.testing.assert_array_equal(crop[:10], image[20:, 5:25])
    np.testing.assert_array_equal(crop[10:], np.tile(image[29:, 5:25], (10, 1, 1)))


@pytest.mark.parametrize("cell", [1, 2, 3])
@pytest.mark.parametrize("angle", [0, 30])
def test_shrinking_averages(cell, angle):
    """A fine checkerboard becomes grey; without averaging it would become stripes."""
    y, x = np.mgrid[0:900, 0:900]
    board = np.repeat((((x // cell + y // cell) % 2) * 255).astype(np.uint8)[..., None], 3, axis=2)
    matrix = cv2.getRotationMatrix2D((450, 450), angle, 48 / 600)
    matrix[:, 2] += 24 - 450
    crop = warp_square(board, matrix, 48)
    assert crop.std() < 8
    assert crop.mean() == pytest.approx(127.5, abs=3)
