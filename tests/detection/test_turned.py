"""Turned faces: views and the way back, and a search that turns only where it doubts."""

import tracemalloc

import cv2
import numpy as np
import pytest

from emotion_core.detection.boxes import concat
from emotion_core.detection.detector import FaceDetector
from emotion_core.detection.turned import TurnedFaceDetector
from emotion_core.detection.turned_view import cut_square, estimate_rolls, turn
from emotion_core.imaging.codec import decode_image
from emotion_core.local_analyzer import make_detector
from emotion_core.models.download import WEIGHTS_DIR
from emotion_core.models.registry import CARDS
from emotion_core.types import AnalyzeOptions, Faces
from tests.factories import make_detector_card, make_faces, make_image
from tests.paths import PORTRAIT

RED, GREEN, BLUE = np.eye(3, dtype=np.uint8) * 255


def make_scene(rolls, size_px=400, side_px=80):
    """Marks side by side: red eyes and a blue mouth, turned clockwise."""
    scene = np.full((size_px, size_px * len(rolls), 3), 127, np.uint8)
    for i, roll in enumerate(rolls):
        cut = scene[:, i * size_px : (i + 1) * size_px]
        cut[:] = draw_mark(size_px, side_px, roll)
    return scene


def draw_mark(size_px, side_px, roll):
    middle, half = size_px // 2, side_px // 2
    tile = np.full((size_px, size_px, 3), 127, np.uint8)
    tile[middle - half : middle, middle - half : middle + half] = RED
    tile[middle : middle + half, middle - half : middle + half] = BLUE
    matrix = cv2.getRotationMatrix2D((middle - 0.5, middle - 0.5), -roll, 1)
    return cv2.warpAffine(tile, matrix, (size_px, size_px), borderValue=(127, 127, 127))


class UprightOnly:
    """A network that sees marks whose red half is above the blue one, give or take some degrees."""

    def __init__(self, upside_down_score=0.0, lying_score=0.0, sure_deg=25):
        self._upside_down_score = upside_down_score
        self._lying_score = lying_score
        self._sure_deg = sure_deg
        self.n_images = 0

    def find(self, images, min_score, **_):
        self.n_images += len(images)
        return [self._find(image, min_score) for image in images]

    def _find(self, image, min_score):
        marks = image[..., 1] < 60
        n, parts = cv2.connectedComponents(marks.astype(np.uint8))
        found = [self._read(image, parts == i) for i in range(1, n)]
        rows = [row for row in found if row is not None and row[1] >= min_score]
        if not rows:
            return Faces.empty()
        boxes, scores, points = zip(*rows, strict=True)
        return Faces(
            np.array(boxes, np.float32), np.array(scores, np.float32), np.array(points, np.float32)
        )

    def _read(self, image, mark):
        y, x = np.nonzero(mark)
        if len(x) < 100:
            return None
        is_eyes = image[y, x, 0] > image[y, x, 2]
        if is_eyes.all() or not is_eyes.any():
            return None
        points = np.stack([x, y], axis=1) + 0.5
        eyes, mouth = points[is_eyes].mean(axis=0), points[~is_eyes].mean(axis=0)
        down = mouth - eyes
        turned = np.degrees(np.arctan2(-down[0], down[1]))
        if abs(turned) > 155:
            score, down = self._upside_down_score, -down  # as networks do: upright landmarks
        else:
            score = 0.95 if abs(turned) <= self._sure_deg else self._lying_score
        middle, side = points.mean(axis=0), 2 * np.linalg.norm(down)
        across = np.array([down[1], -down[0]])
        eyes, mouth = middle - down / 2, middle + down / 2
        spots = [
            eyes - across / 2,
            eyes + across / 2,
            middle,
            mouth - across / 2,
            mouth + across / 2,
        ]
        return [*(middle - side / 2), *(middle + side / 2)], score, spots


def make_fake(architecture="onnx", **options):
    network, card = UprightOnly(**options), make_detector_card(architecture=architecture)
    return TurnedFaceDetector(FaceDetector(network, card)), network


@pytest.mark.parametrize("roll", [0, 30, 90, 135, 180, 270, -45])
@pytest.mark.parametrize("whole", [True, False])
def test_pixels_and_faces_of_a_view_find_their_places(roll, whole):
    """A spot at a known place: seen in the view where the matrix says, and mapped back exactly."""
    image = np.zeros((60, 90, 3), np.uint8)
    image[27:30, 51:54] = 255  # its centre: x 52.5, y 28.5
    view = turn(image, roll, whole=whole)
    y, x = np.nonzero(view.pixels.min(axis=2) > 150)
    spot = np.array([x.mean() + 0.5, y.mean() + 0.5])
    points = np.tile(spot, (1, 5, 1)).astype(np.float32)
    box = np.array([[*spot - 6, *spot + 6]], np.float32)
    faces = view.to_image(Faces(box, np.ones(1, np.float32), points))
    np.testing.assert_allclose(faces.landmarks[0], np.tile((52.5, 28.5), (5, 1)), atol=0.3)
    np.testing.assert_allclose(faces.boxes, [(46.5, 22.5, 58.5, 34.5)], atol=0.3)


def test_right_angles_change_no_pixel_and_swap_the_sides_of_boxes():
    image = make_image(50, 30)
    view = turn(image, 90)
    np.testing.assert_array_equal(view.pixels, np.rot90(image))
    faces = view.to_image(make_faces([(2, 4, 12, 34)], landmarks=True))
    np.testing.assert_allclose(faces.boxes, [(16, 2, 46, 12)], atol=1e-4)
    np.testing.assert_allclose(estimate_rolls(faces), [90], atol=1e-3)


def test_nothing_of_a_whole_view_is_cut_off():
    view = turn(np.full((40, 100, 3), 255, np.uint8), 37)
    assert (view.pixels == 255).all(axis=2).sum() == pytest.approx(4000, rel=0.05)


@pytest.mark.parametrize(
    ("box", "px", "wanted"), [((20, 10, 40, 40), 60, 1), ((20, 10, 100, 40), 40, 0.25)]
)
def test_the_square_around_a_face_tells_its_place_and_scale(box, px, wanted):
    part, scale, (x, y) = cut_square(make_image(120, 60), make_faces([box]), 2.0, px)
    assert (part.shape, scale) == ((px, px, 3), wanted)
    middle = px / 2 / scale
    assert (x + middle, y + middle) == ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)


def test_the_square_around_a_large_face_takes_no_more_memory_than_its_result():
    image = np.zeros((600, 600, 3), np.uint8)
    tracemalloc.start()
    part, *_ = cut_square(image, make_faces([(0, 0, 600, 600)]), 50.0, 96)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert part.shape == (96, 96, 3)
    assert peak < image.nbytes


@pytest.mark.parametrize("roll", range(-180, 180, 45))
def test_roll_is_clockwise(roll):
    faces = turn(np.zeros((9, 9, 3), np.uint8), roll).to_image(
        make_faces([(0, 0, 9, 9)], landmarks=True)
    )
    away = (estimate_rolls(faces)[0] - roll + 180) % 360 - 180
    assert away == pytest.approx(0, abs=0.01)


@pytest.mark.parametrize("roll", [15, 30, 45, 75, 90, 150, 180, 240, 315])
def test_a_face_is_found_at_every_angle(roll):
    (faces,) = make_fake()[0].detect([make_scene([roll])])
    assert len(faces) == 1
    np.testing.assert_allclose(faces.landmarks[0, 2], (200, 200), atol=4)
    away = (estimate_rolls(faces)[0] - roll + 180) % 360 - 180
    assert abs(away) < 4


@pytest.mark.parametrize(
    ("architecture", "score", "roll"),
    [
        *[("onnx", 0.68, 180), ("onnx", 0.8, 180), ("onnx", 0.9, 0)],
        *[("opencv-yunet", 0.8, 180), ("opencv-yunet", 0.87, 180), ("opencv-yunet", 0.9, 0)],
    ],
)
def test_an_upside_down_face_with_upright_landmarks_is_replaced_unless_certain(
    architecture, score, roll
):
    """How certain is certain depends on the network: YuNet is surer of faces upside down."""
    detector, _ = make_fake(architecture, upside_down_score=score)
    (faces,) = detector.detect([make_scene([180, 0])])
    assert len(faces) == 2
    np.testing.assert_allclose(abs(estimate_rolls(faces)), [roll, 0], atol=3)
    assert (faces.scores.min() > 0.9) == (roll == 180)


def test_a_face_that_two_neighbouring_views_see_faintly_is_found_upright():
    (faces,) = make_fake(sure_deg=10, lying_score=0.5)[0].detect([make_scene([155])])
    np.testing.assert_allclose(estimate_rolls(faces), [155], atol=4)


def test_a_doubtful_face_is_looked_at_with_its_own_landmarks_turned_round():
    detector, _ = make_fake(sure_deg=10, upside_down_score=0.68)
    (faces,) = detector.detect([make_scene([160])])
    np.testing.assert_allclose(estimate_rolls(faces), [160], atol=4)


def test_people_at_several_angles_are_found_in_an_image_without_an_upright_one():
    (faces,) = make_fake()[0].detect([make_scene([90, 270, 90])])
    np.testing.assert_allclose(estimate_rolls(faces) % 360, [90, 270, 90], atol=4)


@pytest.mark.parametrize(("lying_score", "rolls"), [(0.35, [0, 90]), (0.25, [0])])
def test_beside_a_sure_face_a_lying_one_is_found_where_something_like_a_face_was_seen(
    lying_score, rolls
):
    detector, _ = make_fake(lying_score=lying_score)
    (faces,) = detector.detect([make_scene([0, 90], side_px=140)])
    np.testing.assert_allclose(estimate_rolls(faces) % 360, rolls, atol=4)
    assert faces.scores.min() > 0.9


def test_what_is_no_turned_face_beside_a_sure_one_costs_a_glance():
    class Sees(UprightOnly):
        """Sees something like a face, and nothing there when it is turned."""

        def find(self, images, min_score, **_):
            found = super().find(images, min_score)
            if images[0].shape[1] < 700:
                return found
            odd = make_faces([(580, 130, 720, 270)], landmarks=True)
            odd = Faces(odd.boxes, np.full(1, 0.4, np.float32), odd.landmarks)
            return [concat(faces, odd[odd.scores >= min_score]) for faces in found]

    network = Sees()
    detector = TurnedFaceDetector(FaceDetector(network, make_detector_card()))
    scene = make_scene([0, 0])
    scene[:, 400:] = 127
    (faces,) = detector.detect([scene])
    assert len(faces) == 1
    assert network.n_images == 1 + 8


def test_sure_upright_faces_cost_no_further_look():
    detector, network = make_fake()
    detector.detect([make_scene([0, 10, -10])])
    assert network.n_images == 1


def test_a_quick_search_looks_only_at_the_angles_it_is_told():
    detector, network = make_fake()
    scene = make_scene([90, 0])
    (upright,) = detector.detect([scene], AnalyzeOptions(search_px=640))
    assert (len(upright), network.n_images) == (1, 1)
    (both,) = detector.detect([scene], AnalyzeOptions(search_px=640, rolls_deg=(90.0,)))
    assert network.n_images == 3
    np.testing.assert_allclose(estimate_rolls(both), [90, 0], atol=3)


def test_a_face_that_fills_a_corner_and_images_of_a_pixel_are_no_trouble():
    scene = make_scene([180])[150:, 150:]
    (faces,) = make_fake(upside_down_score=0.68)[0].detect([scene])
    assert (faces.boxes >= 0).all()
    assert [len(f) for f in make_fake()[0].detect([np.zeros((1, 1, 3), np.uint8)])] == [0]


@pytest.mark.parametrize("roll", [90, 135, 180])
def test_the_shipped_network_finds_a_turned_portrait(roll):
    card = CARDS["emoscope-face-s"]
    upright = make_detector(card, WEIGHTS_DIR / card.weights.filename, "cpu")
    photo = decode_image(PORTRAIT.read_bytes()).pixels
    (expected,) = upright.detect([photo])
    view = turn(photo, -roll)
    (faces,) = TurnedFaceDetector(upright).detect([view.pixels])
    best = faces[np.argsort(-faces.scores)[:1]]
    away = (estimate_rolls(best) - estimate_rolls(expected[:1]) - roll + 180) % 360 - 180
    assert abs(away[0]) < 8
    back = view.to_image(best)
    x1, y1, x2, y2 = expected.boxes[0]
    to_photo = view.matrix
    chin = np.array([(x1 + x2) / 2, y2 - 0.05 * (y2 - y1)])
    spot = np.linalg.solve(to_photo[:, :2], chin - to_photo[:, 2])
    reach = 0.1 * (y2 - y1)  # less than the margin of the blur
    assert (best.boxes[0, :2] - reach <= spot).all()
    assert (spot <= best.boxes[0, 2:] + reach).all()
    eye_px = np.linalg.norm(expected.landmarks[0, 1] - expected.landmarks[0, 0])
    assert np.abs(back.landmarks[0] - expected.landmarks[0]).max() < 0.2 * eye_px
