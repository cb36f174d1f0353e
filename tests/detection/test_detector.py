"""Scales, the second look, suppression: faces come out inside the image, from left to right."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import cv2
import numpy as np
import pytest

from emotion_core.detection.detector import (
    LONGEST_SIDE_PX,
    FaceDetector,
)
from emotion_core.detection.multiscale import MultiScaleFaceModel, MultiScaleRunner
from emotion_core.detection.opencv import OpenCvFaceModel
from emotion_core.errors import WeightsMismatchError
from emotion_core.imaging.codec import decode_image
from emotion_core.local_analyzer import make_detector
from emotion_core.models.download import WEIGHTS_DIR
from emotion_core.models.registry import CARDS
from emotion_core.models.runtime import OnnxNetwork
from emotion_core.types import AnalyzeOptions, Faces
from tests.factories import make_detector_card, make_face_onnx, make_faces, make_image
from tests.paths import PORTRAIT


class Scripted:
    """A face network that answers by a function of the image, and remembers what it saw."""

    def __init__(self, answer):
        self._answer = answer
        self.sizes = []

    def find(self, images, min_score, *, quick=False):
        self.was_quick = quick
        self.sizes.append([image.shape[1::-1] for image in images])
        found = map(self._answer, images)
        return [faces[faces.scores >= np.float32(min_score)] for faces in found]


class Counted:
    """A network that remembers the shapes of its batches."""

    device = "cpu"

    def __init__(self, network):
        self._network = network
        self.shapes = []

    def run(self, batch):
        self.shapes.append(batch.shape)
        return self._network.run(batch)


def detect(answer, *images, **options):
    network = Scripted(answer)
    found = FaceDetector(network, make_detector_card()).detect(images, AnalyzeOptions(**options))
    assert not images or network.was_quick == ("search_px" in options)
    return found, network.sizes


def make_square_finder():
    """Finds the red square as a face with landmarks at its corners and centre."""

    def answer(image):
        red = (image[..., 0] > 180) & (image[..., 1] < 90)
        if not red.any():
            return Faces.empty()
        y, x = np.nonzero(red)
        box = np.array([[x.min(), y.min(), x.max() + 1, y.max() + 1]], np.float32)
        return make_faces(box, landmarks=True)

    return answer


@pytest.mark.parametrize(
    ("size_wh", "seen"),
    [
        ((100, 50), (200, 100)),  # at most twice
        ((400, 100), (640, 160)),
        ((640, 480), (640, 480)),
        ((1280, 720), (1280, 720)),
        ((4000, 2000), (1280, 640)),
        ((1, 1), (2, 2)),
        ((5000, 2), (1280, 1)),
    ],
)
def test_images_are_brought_to_a_working_size(size_wh, seen):
    large = make_faces([(0, 0, 99, 99)])  # nothing small, no reason to look closer
    _, sizes = detect(lambda _: large, np.zeros((*size_wh[::-1], 3), np.uint8))
    assert sizes == [[seen]]
    assert max(seen) <= LONGEST_SIDE_PX[1]


@pytest.mark.parametrize(
    "size_wh", [(100, 80), (400, 300), (640, 480), (1000, 900), (3000, 1500)], ids=str
)
def test_faces_come_back_in_pixels_of_the_image(size_wh):
    image = np.zeros((*size_wh[::-1], 3), np.uint8)
    x, y, side = size_wh[0] // 4, size_wh[1] // 3, size_wh[1] // 4
    image[y : y + side, x : x + side, 0] = 255
    (faces,), _ = detect(make_square_finder(), image)
    np.testing.assert_allclose(faces.boxes, [(x, y, x + side, y + side)], atol=size_wh[0] / 500)
    assert faces.landmarks is not None
    np.testing.assert_allclose(
        faces.landmarks[0, 0], (x + 0.3 * side, y + 0.4 * side), atol=size_wh[0] / 500
    )


@pytest.mark.parametrize(
    ("size_wh", "seen"),
    [((1280, 720), (320, 180)), ((4000, 3000), (320, 240)), ((200, 100), (200, 100))],
)
def test_a_quick_search_looks_once_at_the_size_asked_for(size_wh, seen):
    image = np.zeros((*size_wh[::-1], 3), np.uint8)
    x, y, side = size_wh[0] // 4, size_wh[1] // 3, size_wh[1] // 4
    image[y : y + side, x : x + side, 0] = 255
    blank = np.zeros_like(image)
    (faces, none), sizes = detect(make_square_finder(), image, blank, search_px=320)
    assert sizes == [[seen, seen]]  # no further look, with a border or closer
    assert len(none) == 0
    np.testing.assert_allclose(faces.boxes, [(x, y, x + side, y + side)], atol=size_wh[0] / 160)


def test_a_quick_search_leaves_out_small_faces():
    image = np.zeros((480, 640, 3), np.uint8)
    image[100:120, 100:120, 0] = 255
    (kept,), _ = detect(make_square_finder(), image, search_px=640, min_face_px=20)
    (left_out,), _ = detect(make_square_finder(), image, search_px=640, min_face_px=21)
    assert (len(kept), len(left_out)) == (1, 0)


def test_no_images():
    assert detect(make_square_finder())[0] == []


def test_boxes_are_clipped_and_ordered_and_slivers_left_out():
    found = [(1200, 5, 1400, 50), (-50, -50, 30, 30), (600, 10, 700, 90), (-80, 5, 0.5, 60)]
    (faces,), _ = detect(lambda _: make_faces(found), np.zeros((720, 1280, 3), np.uint8))
    expected = [(0, 0, 30, 30), (600, 10, 700, 90), (1200, 5, 1280, 50)]
    assert faces.boxes.tolist() == [list(map(float, box)) for box in expected]


@pytest.mark.parametrize(
    ("min_face_px", "kept"), [(0, 4), (1, 4), (11, 3), (20, 3), (21, 2), (99, 0)]
)
def test_faces_below_the_least_size_are_left_out(min_face_px, kept):
    found = [(5, 5, 15, 95), (100, 5, 120, 25), (200, 5, 230, 40), (-9, 100, 21, 130)]
    image = np.zeros((720, 1280, 3), np.uint8)
    (faces,), _ = detect(lambda _: make_faces(found), image, min_face_px=min_face_px)
    assert len(faces) == kept


def test_only_images_without_a_face_get_a_second_look():
    with_face, without = np.zeros((2, 640, 640, 3), np.uint8)
    with_face[100:200, 100:200, 0] = 255
    found, sizes = detect(make_square_finder(), with_face, without, with_face)
    assert [len(faces) for faces in found] == [1, 0, 1]
    assert sizes == [[(640, 640)] * 3, [(240, 240)]]  # 160, and a border of 40 on each side


@pytest.mark.parametrize(
    ("side_px", "score", "kept"),
    [
        (100, 0.49, []),
        (100, 0.5, [0.6]),
        (100, 0.58, [0.64]),
        (100, 0.95, [0.95]),
        (40, 0.58, []),  # too small to tell
        (40, 0.61, [0.61]),
    ],
)
def test_a_face_that_fills_the_image_may_be_less_sure(side_px, score, kept):
    image = np.zeros((side_px, side_px, 3), np.uint8)

    def answer(view):
        if not (view[0, 0] == 127).all():
            return Faces.empty()
        side = len(view)
        faces = make_faces([(side / 8, side / 8, 7 * side / 8, 7 * side / 8)])
        return replace(faces, scores=np.array([score], np.float32))

    (faces,), _ = detect(answer, image)
    assert faces.scores.tolist() == pytest.approx(kept)


@pytest.mark.parametrize("min_score", [0.01, 0.3, 0.6])
def test_a_lower_minimum_score_hides_no_face_that_fills_the_image(min_score):
    """The Photos page searches once, with a low one, and filters."""

    def answer(view):
        side = len(view)
        faces = make_faces([(side / 8, side / 8, 7 * side / 8, 7 * side / 8)])
        has_border = (view[0, 0] == 127).all()
        return replace(faces, scores=np.array([0.55 if has_border else 0.4], np.float32))

    (faces,), _ = detect(answer, np.zeros((100, 100, 3), np.uint8), min_score=min_score)
    assert faces.scores.tolist() == pytest.approx([0.64])


@pytest.mark.parametrize("size_wh", [(640, 640), (90, 120), (2000, 1000)], ids=str)
@pytest.mark.parametrize(("share", "found"), [(0.9, 1), (0.65, 1), (0.5, 0)])
def test_second_look_finds_only_what_fills_the_image(size_wh, share, found):
    """A network that needs room around a face: it sees none that comes near the border."""
    image = np.zeros((*size_wh[::-1], 3), np.uint8)
    side = int(min(size_wh) * share)
    x, y = (size_wh[0] - side) // 2, (size_wh[1] - side) // 2
    image[y : y + side, x : x + side, 0] = 255
    find = make_square_finder()

    def answer(view):
        grey_border = (view[0, 0] == 127).all()
        return find(view) if grey_border else Faces.empty()

    (faces,), _ = detect(answer, image)
    assert len(faces) == found
    if found:
        expected = [(x, y, x + side, y + side)]
        np.testing.assert_allclose(faces.boxes, expected, atol=max(size_wh) / 150)


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (5000, 2), (64, 64)], ids=str)
@pytest.mark.parametrize("min_score", [0.0, 0.6, 1.0])
def test_opencv_network_takes_any_size_and_threshold(yunet_path, shape, min_score):
    detector = FaceDetector(OpenCvFaceModel(yunet_path), make_detector_card())
    image = make_image(shape[1], shape[0])
    (faces,) = detector.detect([image], AnalyzeOptions(min_score=min_score, min_face_px=0))
    assert (faces.scores >= min_score).all()
    assert len(faces) > 0 or min_score > 0


def test_opencv_network_is_thread_safe(yunet_path, shared):
    network = OpenCvFaceModel(yunet_path)
    detector = FaceDetector(network, make_detector_card())
    photo = decode_image((shared / "samples" / "photos" / "multi_face.jpg").read_bytes()).pixels
    images = [cv2.resize(photo, size) for size in ((400, 300), (360, 240), (320, 320))]
    expected = [detector.detect([image])[0].boxes for image in images]
    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(lambda i: detector.detect([images[i % 3]])[0].boxes, range(12)))
    for i, boxes in enumerate(found):
        assert np.array_equal(boxes, expected[i % 3])
    assert [len(boxes) > 0 for boxes in expected] == [True] * 3


def test_opencv_network_refuses_another_file_at_once(tmp_path):
    path = tmp_path / "nothing.onnx"
    path.write_bytes(b"nothing")
    with pytest.raises(WeightsMismatchError, match=r"nothing\.onnx cannot be run"):
        OpenCvFaceModel(path)


# The project's own network


@pytest.fixture
def batched(tmp_path):
    path = tmp_path / "faces.onnx"
    path.write_bytes(make_face_onnx())
    network = Counted(OnnxNetwork(path))
    return MultiScaleFaceModel(MultiScaleRunner(network)), network.shapes


def draw_image(red, green, width=64, height=40):
    image = np.zeros((height, width, 3), np.uint8)
    image[-1, -1] = (red, green, 255)
    return image


def test_batched_network_runs_equal_sizes_together(batched):
    network, shapes = batched
    images = [
        draw_image(255, 0),
        draw_image(0, 255, 100, 100),
        draw_image(255, 204),
        draw_image(0, 0, 60, 33),
        draw_image(0, 0, 97, 128),
    ]
    found = network.find(images, 0.6, quick=True)
    assert sorted(shapes) == [(2, 3, 128, 128), (3, 3, 64, 64)]
    assert [faces.boxes[:, 0].tolist() for faces in found] == [[4], [40], [4, 40], [], []]
    np.testing.assert_allclose(found[2].scores, [1, 0.8], atol=1e-6)
    assert found[2].landmarks is not None
    np.testing.assert_allclose(found[2].landmarks[1], np.arange(10).reshape(5, 2), atol=1e-5)


@pytest.mark.parametrize(
    ("min_score", "faces"), [(0.0, 2), (0.5, 1), (0.2, 2), (0.21, 1), (1.0, 1)]
)
def test_batched_network_keeps_scores_at_the_threshold(batched, min_score, faces):
    (found,) = batched[0].find([draw_image(255, 51)], min_score)
    assert len(found) == faces


def test_batched_network_takes_nothing_and_one_pixel(batched):
    network, shapes = batched
    assert network.find([], 0.6) == []
    assert [len(f) for f in network.find([np.full((1, 1, 3), 255, np.uint8)], 0.6)] == [2]
    assert shapes == [(1, 3, 32, 32)]


class Overlapping:
    """Three candidates: two on the same face, one apart; scores may exceed 1 by rounding."""

    device = "cpu"

    def run(self, batch):
        n = len(batch)
        scores = np.tile(np.array([0.8, 1.0001, 0.7], np.float32), (n, 1))
        boxes = np.array([[10, 10, 50, 50], [12, 11, 52, 51], [80, 10, 120, 50]], np.float32)
        return [scores, np.tile(boxes, (n, 1, 1)), np.zeros((n, 3, 10), np.float32)]


def test_of_overlapping_places_the_best_is_kept():
    (found,) = MultiScaleFaceModel(MultiScaleRunner(Overlapping())).find(
        [np.zeros((64, 128, 3), np.uint8)], 0.5
    )
    assert found.boxes[:, 0].tolist() == [12, 80]
    assert found.scores.tolist() == [1.0, np.float32(0.7)]


class Inside(Overlapping):
    """A whole face, and a part of it that looks like a face too."""

    def run(self, batch):
        n = len(batch)
        boxes = np.array([[10, 10, 110, 110], [20, 20, 60, 60], [80, 5, 120, 45]], np.float32)
        scores = np.array([0.9, 0.8, 0.7], np.float32)
        return [
            np.tile(scores, (n, 1)),
            np.tile(boxes, (n, 1, 1)),
            np.zeros((n, 3, 10), np.float32),
        ]


def test_part_of_a_face_is_not_a_second_face():
    (found,) = MultiScaleFaceModel(MultiScaleRunner(Inside())).find(
        [np.zeros((128, 128, 3), np.uint8)], 0.5
    )
    assert found.boxes[:, 0].tolist() == [10, 80]


class WithLandmarks:
    """A face in the middle of every image; its landmarks lie as far off as the image is wide.

    In the smallest images it sees a second face.
    """

    device = "cpu"

    def __init__(self):
        self.widths = []

    def run(self, batch):
        n, _, _, width = batch.shape
        self.widths.append(width)
        box = np.array([0.25, 0.25, 0.75, 0.75], np.float32) * width
        points = np.full((n, 2, 10), width / 2 + width * width / 1000, np.float32)
        boxes = np.stack([box, box / 8])
        scores = np.array([0.9, 0.9 if width < 192 else 0.1], np.float32)
        return [np.tile(scores, (n, 1)), np.tile(boxes, (n, 1, 1)), points]


@pytest.mark.parametrize("quick", [False, True])
def test_landmarks_are_means_over_more_looks_which_add_no_faces(quick):
    network = WithLandmarks()
    image = np.zeros((384, 384, 3), np.uint8)
    (found,) = MultiScaleFaceModel(MultiScaleRunner(network)).find([image], 0.5, quick=quick)
    seen = [384, 192] if quick else [384, 192, 128]
    assert network.widths == seen
    assert found.boxes.tolist() == [[96, 96, 288, 288]]
    points = [(w / 2 + w * w / 1000) * 384 / w for w in seen]
    np.testing.assert_allclose(found.landmarks, np.mean(points), atol=0.01)


@pytest.mark.parametrize(("share", "passes"), [(0.0, 2), (0.24, 2), (0.26, 3)])
def test_only_images_with_a_large_face_get_passes_for_landmarks(share, passes):
    class Sized(WithLandmarks):
        def run(self, batch):
            scores, boxes, points = super().run(batch)
            return [scores * bool(share), boxes * np.float32(2 * share), points]

    network = Sized()
    (found,) = MultiScaleFaceModel(MultiScaleRunner(network)).find(
        [np.zeros((384, 384, 3), np.uint8)], 0.5
    )
    assert len(found) == bool(share)
    assert network.widths == [384, 192, 128][:passes]


def test_large_images_are_looked_at_twice_and_joined(batched):
    network, shapes = batched
    large = draw_image(255, 0, 384, 256)
    small = draw_image(255, 0, 192, 100)
    large[-2:, -2:] = large[-1, -1]  # survives shrinking to half
    found = network.find([large, small], 0.6, quick=True)
    assert sorted(shapes) == [(1, 3, 128, 192), (1, 3, 128, 192), (1, 3, 256, 384)]
    boxes = [faces.boxes.tolist() for faces in found]
    assert boxes[0] == [[4, 6, 20, 26], [8, 12, 40, 52]]  # the same box, in the halved image too
    assert boxes[1] == [[4, 6, 20, 26]]


@pytest.mark.parametrize("search_px", [None, 640])
@pytest.mark.parametrize("min_score", [0.3, 0.45, 0.8])
def test_a_face_is_the_same_whatever_the_least_score(min_score, search_px):
    """Else blurring, which searches for less sure faces, would change what is read."""
    card = CARDS["emoscope-face-s"]
    detector = make_detector(card, WEIGHTS_DIR / card.weights.filename, "cpu")
    photo = decode_image(PORTRAIT.read_bytes()).pixels
    (expected,) = detector.detect([photo], AnalyzeOptions(search_px=search_px))
    (found,) = detector.detect([photo], AnalyzeOptions(min_score=min_score, search_px=search_px))
    best, wanted = (faces[np.argsort(-faces.scores)[:1]] for faces in (found, expected))
    np.testing.assert_array_equal(best.boxes, wanted.boxes)
    np.testing.assert_array_equal(best.landmarks, wanted.landmarks)
