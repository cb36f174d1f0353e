"""How faces lie in images, and cutting faces out of photos."""

import numpy as np
import pytest

from emotion_core.detection.detector import FaceDetector
from emotion_core.detection.opencv import OpenCvFaceModel
from emotion_core.errors import DatasetError
from emotion_core.models.card import Preprocessing
from emotion_core.models.registry import find_any
from emotion_core.recognition.alignment import crop_faces
from emotion_core.training.datasets import read_faces
from emotion_core.training.datasets.face_set import EIGHT_EMOTIONS, LABELS, FaceSet
from emotion_core.training.datasets.framing import crop_largest, find_largest, measure_template
from emotion_core.training.datasets.image_sources import ArrayImages
from emotion_core.training.emotion.config import FERPLUS_TEMPLATE
from emotion_core.types import DEFAULT_OPTIONS, Faces
from tests.factories import encode, make_faces, make_image

FRAMING = Preprocessing(32, (127.5,), (127.5,), template=FERPLUS_TEMPLATE)
POINTS = np.array([[25, 30], [55, 31], [40, 45], [30, 60], [50, 59]], np.float32)


class FakeDetector:
    """Finds what it is told to in each image; keeps what it was shown."""

    def __init__(self, find):
        self._find = find
        self.batches = []
        self.min_scores = set()

    def detect(self, images, options=DEFAULT_OPTIONS):
        self.batches.append(list(images))
        self.min_scores.add(options.min_score)
        return [self._find(image) for image in images]


def face_at(points, box=(30, 30, 130, 130)):
    return Faces(np.array([box], np.float32), np.array([0.9], np.float32), np.asarray(points)[None])


def make_set(n):
    images = ArrayImages(np.arange(n, dtype=np.uint8)[:, None, None].repeat(8, 1).repeat(8, 2))
    return FaceSet(
        "Greys",
        images,
        np.zeros((n, len(LABELS)), np.float32),
        np.full(n, -1),
        np.zeros((n, 2), np.float32),
        EIGHT_EMOTIONS,
        [str(i) for i in range(n)],
    )


def test_a_template_is_the_median_as_fractions_of_the_side():
    jitter = np.random.default_rng(0).normal(0, 1, (60, 5, 2)).astype(np.float32)
    jitter[0] = 1000  # one face that is far off changes nothing
    detector = FakeDetector(lambda image: face_at(POINTS + 40 + jitter[image[0, 0, 0]]))
    template = measure_template(make_set(60), detector)
    assert (template.n_found, template.n_looked_at) == (60, 60)
    np.testing.assert_allclose(template.points, POINTS / 80, atol=0.006)
    assert detector.min_scores == {0.8}
    assert detector.batches[0][0].shape == (160, 160, 3)


def test_the_largest_face_of_an_image_counts():
    def find(_):
        boxes = np.array([[0, 0, 40, 40], [30, 30, 130, 130]], np.float32)
        points = np.stack([np.zeros((5, 2)), POINTS + 40]).astype(np.float32)
        return Faces(boxes, np.array([0.99, 0.9], np.float32), points)

    template = measure_template(make_set(30), FakeDetector(find))
    np.testing.assert_allclose(template.points, POINTS / 80, atol=0.001)


def test_so_many_different_images_are_looked_at_as_the_limit_says():
    detector = FakeDetector(lambda _: face_at(POINTS + 40))
    assert measure_template(make_set(100), detector, limit=40).n_looked_at == 40
    seen = [int(image[0, 0, 0]) for batch in detector.batches for image in batch]
    assert len(set(seen)) == 40
    again = FakeDetector(lambda _: face_at(POINTS + 40))
    measure_template(make_set(100), again, limit=40)
    assert seen == [int(image[0, 0, 0]) for batch in again.batches for image in batch]


@pytest.mark.parametrize("n", [0, 100])
def test_too_few_faces_are_an_error(n):
    def find(image):
        return face_at(POINTS) if image[0, 0, 0] < 19 else Faces.empty()

    with pytest.raises(DatasetError, match=rf"in {min(n, 19)} of {n} images of Greys, which is"):
        measure_template(make_set(n), FakeDetector(find))


def test_a_detector_without_landmarks_finds_too_few():
    detector = FakeDetector(lambda _: make_faces([(0, 0, 9, 9)]))
    with pytest.raises(DatasetError, match="in 0 of 30 images"):
        measure_template(make_set(30), detector)


@pytest.mark.slow
def test_ferplus_faces_lie_where_the_config_says(shared, yunet_path):
    detector = FaceDetector(OpenCvFaceModel(yunet_path), find_any("yunet"))
    faces = read_faces("ferplus", shared / "data" / "ferplus", "valid")
    template = measure_template(faces, detector, limit=120)
    assert template.n_found > 90
    np.testing.assert_allclose(template.points, FERPLUS_TEMPLATE, atol=0.015)


def test_of_no_face_there_is_no_largest():
    assert find_largest(Faces.empty()) is None


def test_the_largest_face_is_cut_as_the_product_cuts_it(tmp_path):
    photo = make_image(80, 60)
    (tmp_path / "a.png").write_bytes(encode(photo))
    found = make_faces([(0, 0, 20, 20), (20, 10, 70, 60), (60, 0, 80, 30)], landmarks=True)
    (crop,) = crop_largest(tmp_path, ["a.png"], FakeDetector(lambda _: found), FRAMING)
    np.testing.assert_array_equal(crop.pixels, crop_faces(photo, found, FRAMING)[1])


def test_photos_come_in_order_whatever_becomes_of_them(tmp_path):
    for i in range(40):
        height = 10 if i % 3 else 11  # photos of 11 px have no face
        (tmp_path / f"{i}.png").write_bytes(encode(make_image(12, height, seed=i)))
    (tmp_path / "5.png").write_bytes(b"broken")
    (tmp_path / "17.png").unlink()

    def find(image):
        if image.shape[0] == 11:
            return Faces.empty()
        return make_faces([(0, 0, 10, 10)], landmarks=True)

    detector = FakeDetector(find)
    names = [f"{i}.png" for i in range(40)]
    crops = list(crop_largest(tmp_path, names, detector, FRAMING))
    assert [crop.image for crop in crops] == names
    for i, crop in enumerate(crops):
        assert (crop.pixels is None) == (i % 3 == 0 or i in (5, 17))
        assert bool(crop.reason) == (crop.pixels is None)
        assert crop.is_readable == (i not in (5, 17))
    assert crops[0].reason == "no face found"
    assert crops[5].reason.startswith("The file is not an image")
    assert crops[17].reason == "The file cannot be read (No such file or directory)."
    assert max(map(len, detector.batches)) == 15  # and one that is broken or missing


def test_photos_held_at_once_have_a_limited_size(tmp_path, monkeypatch):
    monkeypatch.setattr("emotion_core.training.datasets.image_sources._BATCH_PIXELS", 100)
    names = []
    for i, side in enumerate([7, 7, 7, 20, 5, 5, 5, 5]):
        names.append(f"{i}.png")
        (tmp_path / names[-1]).write_bytes(encode(make_image(side, side)))
    detector = FakeDetector(lambda _: Faces.empty())
    assert [crop.image for crop in crop_largest(tmp_path, names, detector, FRAMING)] == names
    assert [len(batch) for batch in detector.batches] == [2, 1, 1, 4]


def test_without_photos_nothing_is_looked_for(tmp_path):
    detector = FakeDetector(lambda _: Faces.empty())
    assert list(crop_largest(tmp_path, [], detector, FRAMING)) == []
    assert detector.batches == []
