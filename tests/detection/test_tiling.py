"""Small faces in large images: found once, whole, and at no cost where there are none."""

import zipfile

import cv2
import numpy as np
import pytest

from emotion_core.detection.detector import FaceDetector
from emotion_core.detection.multiscale import MultiScaleFaceModel, MultiScaleRunner
from emotion_core.detection.opencv import OpenCvFaceModel
from emotion_core.detection.tiling import next_scale
from emotion_core.imaging.codec import decode_image
from emotion_core.imaging.resize import scale_image
from emotion_core.models.download import WEIGHTS_DIR
from emotion_core.models.registry import CARDS
from emotion_core.models.runtime import OnnxNetwork
from emotion_core.types import AnalyzeOptions, Faces
from tests.factories import make_detector_card


class SquareFinder:
    """Takes white squares for faces: sure from 16 pixels, unsure from 8, blind below.

    A square on a view's edge is found as far as it is seen there. ``parts``: squares of more than
    100 pixels have a part that looks like a face, too, and surer.
    """

    def __init__(self, *, parts=False):
        self._parts = parts
        self.sizes = []

    def find(self, images, min_score):
        self.sizes.append([image.shape[1::-1] for image in images])
        return [self._find(image, min_score) for image in images]

    def _find(self, image, min_score):
        _, _, stats, _ = cv2.connectedComponentsWithStats((image[..., 0] > 127).astype(np.uint8))
        boxes, scores = [], []
        for x, y, width, height, _ in stats[1:]:
            side = min(width, height)
            boxes.append((x, y, x + width, y + height))
            scores.append(0.9 if side >= 16 else 0.4 if side >= 8 else 0.0)
            if self._parts and side > 100:
                boxes.append((x + side / 4, y + side / 4, x + side / 2, y + side / 2))
                scores.append(0.95)
        array = np.array(boxes, np.float32).reshape(-1, 4)
        faces = Faces(array, np.array(scores, np.float32))
        return faces[np.flatnonzero(faces.scores >= min_score)]


def make_scene(size_wh, squares):
    image = np.zeros((*size_wh[::-1], 3), np.uint8)
    for x, y, side in squares:
        image[y : y + side, x : x + side] = 255
    return image


def detect(image, *, parts=False, **options):
    network = SquareFinder(parts=parts)
    (faces,) = FaceDetector(network, make_detector_card()).detect(
        [image], AnalyzeOptions(**options)
    )
    return faces, network.sizes


def test_every_small_face_of_a_large_image_is_found_once():
    """A dense grid: whatever the tiles' borders, some faces lie on them."""
    squares = [(x, y, 36) for x in range(20, 3900, 97) for y in range(30, 2900, 89)]
    faces, sizes = detect(make_scene((4000, 3000), squares))
    expected = sorted([x, y, x + 36, y + 36] for x, y, _ in squares)
    assert len(faces) == len(squares)
    np.testing.assert_allclose(sorted(faces.boxes.round().tolist()), expected, atol=3)
    assert sizes[0] == [(1280, 960)]
    assert max(max(size) for look in sizes[1:] for size in look) <= 640


@pytest.mark.parametrize("is_tall", [True, False], ids=["chat", "panorama"])
def test_every_face_of_a_long_image_is_found_once(is_tall):
    """Wherever the pieces' borders are, some faces lie on them."""
    squares = [(x, 30, 45) for x in range(20, 13_900, 97)] + [(5000, 200, 300), (13_500, 100, 400)]
    image = make_scene((14_000, 540), squares)
    faces, sizes = detect(image.transpose(1, 0, 2).copy() if is_tall else image)
    boxes = faces.boxes[:, [1, 0, 3, 2]] if is_tall else faces.boxes
    expected = sorted([x, y, x + side, y + side] for x, y, side in squares)
    np.testing.assert_allclose(sorted(boxes.round().tolist()), expected, atol=3)
    assert max(len(look) for look in sizes) <= 8
    assert max(max(size) for look in sizes for size in look) <= 1280


def test_an_image_of_countless_faces_takes_no_countless_time(monkeypatch):
    monkeypatch.setattr("emotion_core.detection.tiling.MAX_CANDIDATES", 50)
    squares = [(x, y, 36) for x in range(20, 3900, 97) for y in range(30, 2900, 89)]
    assert len(detect(make_scene((4000, 3000), squares))[0]) == 50


def test_only_the_parts_with_a_hint_are_looked_at():
    image = make_scene((8000, 6000), [(300, 300, 60), (380, 300, 20), (7000, 5000, 20)])
    faces, sizes = detect(image)
    assert faces.boxes[:, 0].tolist() == pytest.approx([300, 380], abs=3)
    # The first look, the one with a border, then 2, 4 and 6.25 times the scale of the first. The
    # third face gave no hint.
    assert [len(look) for look in sizes] == [1] * 5


@pytest.mark.parametrize(
    ("size_wh", "side", "options"),
    [
        ((640, 480), 20, {}),
        ((1280, 960), 20, {}),
        ((1920, 1080), 30, {}),
        ((8000, 6000), 400, {}),
        ((4000, 3000), 70, {"min_face_px": 65}),
    ],
    ids=["webcam", "photo", "full HD", "no small face", "no small face asked for"],
)
def test_one_look_is_enough(size_wh, side, options):
    faces, sizes = detect(make_scene(size_wh, [(100, 100, side)]), **options)
    assert len(faces) == 1
    assert [len(look) for look in sizes] == [1]


def test_hints_at_faces_that_nobody_asked_for_cost_nothing():
    image = make_scene((4000, 3000), [(1000, 1000, 200), (2000, 1000, 28)])
    assert len(detect(image, min_face_px=30)[1]) == 1
    assert len(detect(image, min_face_px=25)[1]) > 1


def test_a_hint_alone_is_no_face():
    image = make_scene((1920, 1080), [(100, 100, 20)])  # 13 pixels at its only look
    faces, _ = detect(image)
    assert len(faces) == 0


def test_parts_of_a_large_face_do_not_take_its_place():
    """Beside it lies a small face, so that its tile is looked at, where its part is surer."""
    image = make_scene((4000, 3000), [(1000, 1000, 200), (1300, 1000, 40)])
    faces, sizes = detect(image, parts=True)
    assert len(sizes) > 1
    expected = [(1000, 1000, 1200, 1200), (1300, 1000, 1340, 1040)]
    np.testing.assert_allclose(faces.boxes, expected, atol=4)


@pytest.mark.parametrize("min_score", [0.0, 0.3, 1.0])
def test_any_threshold(min_score):
    faces, _ = detect(make_scene((4000, 3000), [(1000, 1000, 40)]), min_score=min_score)
    assert len(faces) == (0 if min_score == 1 else 1)


@pytest.mark.parametrize(
    ("scale", "face_px", "expected"),
    [
        (0.1, 16, 0.2),
        (0.6, 16, 1.0),
        (0.7, 16, None),  # 1 would be too little more
        (1.0, 16, None),
        (2.0, 16, None),
        (0.1, 100, 0.2),
        (0.1, 125, 0.16),  # there, such faces have 20 pixels
        (0.2, 100, None),
        (0.05, 1, 0.1),
    ],
)
def test_scale_of_the_next_look(scale, face_px, expected):
    assert next_scale(scale, face_px) == (None if expected is None else pytest.approx(expected))


@pytest.mark.parametrize("size_wh", [(1, 1), (9000, 1), (1, 900), (2001, 1503), (4, 4000)], ids=str)
@pytest.mark.parametrize("scale", [0.1, 0.4, 0.7, 1, 2])
def test_any_size_can_be_scaled(size_wh, scale):
    image = np.full((*size_wh[::-1], 3), 100, np.uint8)
    scaled = scale_image(image, scale)
    assert scaled.shape[1::-1] == tuple(max(1, round(side * scale)) for side in size_wh)
    assert (scaled == 100).all()


def test_scaling_in_steps_moves_nothing():
    image = make_scene((3001, 2001), [(1500, 1000, 300)])
    scaled = scale_image(image, 0.15).astype(int)
    once = cv2.resize(image, scaled.shape[1::-1], interpolation=cv2.INTER_AREA).astype(int)
    assert np.abs(scaled - once).mean() < 0.5
    (faces,) = SquareFinder().find([scaled.astype(np.uint8)], 0)
    np.testing.assert_allclose(faces.boxes[0], np.array([1500, 1000, 1800, 1300]) * 0.15, atol=1)


# Real networks on a real image


@pytest.fixture(scope="module")
def group(shared):
    """The group photo of 1927, 29 faces of some 57 x 73 pixels, in a scene of 12 megapixels."""
    with zipfile.ZipFile(shared / "data" / "faces" / "non_faces_dev.zip") as archive:
        scene = decode_image(archive.read(sorted(archive.namelist())[5])).pixels
    image = cv2.resize(scene, (4000, 3000), interpolation=cv2.INTER_CUBIC)
    photo = decode_image((shared / "samples" / "photos" / "solvay1927.jpg").read_bytes()).pixels
    image[900 : 900 + photo.shape[0], 700 : 700 + photo.shape[1]] = photo
    return image


def make_own(_):
    card = CARDS["emoscope-face-s"]
    return MultiScaleFaceModel(MultiScaleRunner(OnnxNetwork(WEIGHTS_DIR / card.weights.filename)))


@pytest.mark.parametrize(
    ("make_network", "least"),
    [
        pytest.param(make_own, 27, id="own"),
        pytest.param(OpenCvFaceModel, 29, id="yunet", marks=pytest.mark.slow),
    ],
)
def test_group_photo_of_12_megapixels(group, yunet_path, make_network, least):
    """One look of 1280 pixels finds 15 of them with the project's first network."""
    detector = FaceDetector(make_network(yunet_path), make_detector_card())
    (faces,) = detector.detect([group])
    x, y = faces.boxes[:, :2].T
    people = faces.boxes[(x > 700) & (x < 2748) & (y > 890) & (y < 1200)]
    assert least <= len(people) <= 29
    centres = (people[:, :2] + people[:, 2:]) / 2
    distances = np.linalg.norm(centres[:, None] - centres[None], axis=2) + 1e9 * np.eye(len(people))
    assert distances.min() > 30  # none is found twice
    assert len(faces) - len(people) <= 1
