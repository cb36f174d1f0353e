"""Crops: where landmarks come to lie, what happens at edges and scales, and the network's input."""

import cv2
import numpy as np
import PIL.Image
import pytest

from emotion_core.imaging.warp import fit_similarity
from emotion_core.models.card import Preprocessing
from emotion_core.models.registry import ARCFACE_TEMPLATE
from emotion_core.recognition.alignment import crop_faces, to_input
from emotion_core.types import Faces
from tests.factories import difference, make_faces, make_image, make_smooth_image

ALIGNED = Preprocessing(112, (127.5,) * 3, (127.5,) * 3, template=ARCFACE_TEMPLATE)
SQUARE = Preprocessing(32, (0.0,), (1.0,), margin=0.0)


@pytest.mark.parametrize("seed", range(20))
def test_similarity_is_found_exactly(seed):
    rng = np.random.default_rng(seed)
    source = rng.uniform(-50, 50, (rng.integers(2, 9), 2))
    angle, scale, shift = rng.uniform(-np.pi, np.pi), rng.uniform(0.01, 20), rng.uniform(-99, 99, 2)
    linear = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    found = fit_similarity(source, source @ linear.T + shift)
    np.testing.assert_allclose(found, np.column_stack([linear, shift]), atol=1e-9)


def test_similarity_of_noisy_points_is_least_squares():
    rng = np.random.default_rng(0)
    source = rng.uniform(0, 100, (5, 2))
    target = source * 0.3 + rng.normal(0, 2, (5, 2))
    rows = [[x, -y, 1, 0] for x, y in source] + [[y, x, 0, 1] for x, y in source]
    (a, b, tx, ty), *_ = np.linalg.lstsq(np.array(rows), target.T.ravel(), rcond=None)
    expected = [[a, -b, tx], [b, a, ty]]
    np.testing.assert_allclose(fit_similarity(source, target), expected, atol=1e-9)


def test_points_that_coincide_give_a_shift():
    matrix = fit_similarity(np.full((5, 2), 7.0), np.full((5, 2), 10.0))
    assert matrix.tolist() == [[1, 0, 3], [0, 1, 3]]


@pytest.mark.parametrize("angle", [-100, -25, 0, 40, 180])
@pytest.mark.parametrize("size_px", [20, 60, 400])
def test_landmarks_come_to_the_template(angle, size_px):
    """Five dots are drawn on a turned face of any size, and found where the template says."""
    template = np.asarray(ARCFACE_TEMPLATE) * 112
    tolerance = max(0.5, 0.2 * 112 / size_px)  # a fifth of a pixel of the image
    turn = cv2.getRotationMatrix2D((56, 56), angle, size_px / 112)
    places = template @ turn[:, :2].T + turn[:, 2]
    side = int(size_px * 1.6) + 8
    places += side / 2 - places.mean(axis=0)
    y, x = np.mgrid[0:side, 0:side] + 0.5
    dots = sum(np.exp(-((x - px) ** 2 + (y - py) ** 2) / (size_px / 35) ** 2) for px, py in places)
    image = np.repeat((255 * np.clip(dots, 0, 1)).astype(np.uint8)[..., None], 3, axis=2)
    box = np.array([[0, 0, side, side]], np.float32)
    faces = Faces(box, np.ones(1, np.float32), places[None].astype(np.float32))
    crop = crop_faces(image, faces, ALIGNED)[0, :, :, 0].astype(float)
    yy, xx = np.mgrid[0:112, 0:112] + 0.5
    for tx, ty in template:
        near = crop * ((xx - tx) ** 2 + (yy - ty) ** 2 < 8**2)
        found = np.array([(near * xx).sum(), (near * yy).sum()]) / near.sum()
        np.testing.assert_allclose(found, (tx, ty), atol=tolerance)


@pytest.mark.parametrize(
    "points",
    [
        pytest.param(np.full((5, 2), 3.0), id="all in one place"),
        pytest.param(np.full((5, 2), 1e6), id="far outside"),
        pytest.param(np.array([(1e5, 0), (-1e5, 0), (0, 0), (1e5, 9), (-1e5, 9)]), id="huge"),
        pytest.param(np.array([(0, 0), (0, 9), (0, 3), (0, 6), (0, 4)]), id="on a line"),
        pytest.param(np.array([(1, 0), (-1, 0), (0, 0), (-1, 0), (1, 0)]), id="crossed"),
    ],
)
def test_senseless_landmarks_give_some_crop(points):
    box = np.array([[2, 2, 30, 30]], np.float32)
    faces = Faces(box, np.ones(1, np.float32), points[None].astype(np.float32))
    assert crop_faces(make_image(), faces, ALIGNED).shape == (1, 112, 112, 3)


def test_square_around_a_box_is_cut_out_exactly():
    image = make_image(200, 160)
    (crop,) = crop_faces(image, make_faces([(50, 40, 82, 72)]), SQUARE)
    assert (crop == image[40:72, 50:82]).all()


@pytest.mark.parametrize("box", [(50, 44, 82, 68), (54, 40, 78, 72)], ids=["wide", "tall"])
def test_longer_side_of_a_box_counts(box):
    image = make_image(200, 160)
    (crop,) = crop_faces(image, make_faces([box]), SQUARE)
    assert (crop == image[40:72, 50:82]).all()


def test_margin_is_added_on_each_side():
    image = make_image(200, 160)
    wide = Preprocessing(64, (0.0,), (1.0,), margin=0.5)
    (crop,) = crop_faces(image, make_faces([(50, 40, 82, 72)]), wide)
    assert (crop == image[24:88, 34:98]).all()


def test_outside_the_image_its_edge_is_repeated():
    image = make_image(100, 80)
    wide = Preprocessing(64, (0.0,), (1.0,), margin=0.5)
    (crop,) = crop_faces(image, make_faces([(0, 0, 32, 32)]), wide)
    assert (crop == np.pad(image, [(16, 0), (16, 0), (0, 0)], mode="edge")[:64, :64]).all()
    (crop,) = crop_faces(image, make_faces([(68, 48, 100, 80)]), wide)
    assert (crop == np.pad(image, [(0, 16), (0, 16), (0, 0)], mode="edge")[-64:, -64:]).all()


def test_large_face_at_the_edge_repeats_it_too():
    image = np.zeros((600, 800, 3), np.uint8)
    image[:, 400:] = 200
    (crop,) = crop_faces(image, make_faces([(400, 0, 800, 600)]), SQUARE)
    assert (crop[:, -10:] == 200).all()
    (crop,) = crop_faces(np.full_like(image, 77), make_faces([(0, 0, 20, 600)]), SQUARE)
    assert (crop == 77).all()


@pytest.mark.parametrize("landmarks", [False, True])
@pytest.mark.parametrize("value", [0, 255])
def test_one_pixel(value, landmarks):
    image = np.full((1, 1, 3), value, np.uint8)
    faces = make_faces([(0, 0, 1, 1)], landmarks=landmarks)
    assert (crop_faces(image, faces, ALIGNED) == value).all()


@pytest.mark.parametrize("preprocessing", [ALIGNED, SQUARE], ids=["aligned", "square"])
def test_no_face_gives_no_crop(preprocessing):
    crops = crop_faces(make_image(), Faces.empty(), preprocessing)
    channels = len(preprocessing.mean)
    size_px = preprocessing.size_px
    assert crops.shape == (0, size_px, size_px, 3)
    assert to_input(crops, preprocessing).shape == (0, channels, size_px, size_px)


@pytest.mark.parametrize("factor", [4, 8])
def test_large_image_gives_the_crop_of_a_small_one(factor):
    small = cv2.GaussianBlur(make_image(120, 100), (0, 0), 2)
    large = cv2.resize(small, None, fx=factor, fy=factor, interpolation=cv2.INTER_LINEAR)
    boxes = np.array([[20, 20, 84, 84]], np.float32)
    (a,) = crop_faces(small, make_faces(boxes, landmarks=True), ALIGNED)
    (b,) = crop_faces(large, make_faces(boxes * factor, landmarks=True), ALIGNED)
    assert difference(a, b) <= 1.5


def test_nothing_is_modified():
    image, faces = make_image(), make_faces([(4, 4, 40, 40)], landmarks=True)
    before, boxes = image.copy(), faces.boxes.copy()
    crops = crop_faces(image, faces, ALIGNED)
    kept = crops.copy()
    to_input(crops, ALIGNED)
    assert (image == before).all()
    assert (faces.boxes == boxes).all()
    assert (crops == kept).all()


def test_colour_input():
    means, stds = (10.0, 20.0, 30.0), (2.0, 4.0, 8.0)
    crops = make_image(8, 8)[None]
    batch = to_input(crops, Preprocessing(8, means, stds))
    assert batch.dtype == np.float32
    assert batch.flags.c_contiguous
    for channel in range(3):
        expected = (crops[0, :, :, channel].astype(float) - means[channel]) / stds[channel]
        np.testing.assert_allclose(batch[0, channel], expected, rtol=1e-6)


def test_grey_input_is_the_luma_of_opencv_and_pillow():
    crop = make_image(64, 64)
    grey = to_input(crop[None], Preprocessing(64, (0.0,), (1.0,)))[0, 0]
    assert np.abs(grey - cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY)).max() <= 1
    assert np.abs(grey - np.asarray(PIL.Image.fromarray(crop).convert("L"))).max() <= 1
    assert grey.min() >= 0
    white = to_input(np.full((1, 2, 2, 3), 255, np.uint8), Preprocessing(2, (0.0,), (1.0,)))
    assert white.max() <= 255.001


def test_smooth_image_survives_rotation():
    """The crop of a turned image is the crop of the image."""
    image = make_smooth_image(100, 100)
    faces = make_faces([(20, 20, 80, 80)], landmarks=True)
    turned = np.rot90(image).copy()
    points = faces.landmarks[..., ::-1].copy()
    points[..., 1] = 100 - points[..., 1]
    a = crop_faces(image, faces, ALIGNED)
    b = crop_faces(turned, Faces(faces.boxes, faces.scores, points), ALIGNED)
    assert difference(a, b) <= 1
