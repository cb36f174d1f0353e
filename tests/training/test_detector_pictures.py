"""Pictures for the face detector: reading, composing, judging."""

import zipfile

import cv2
import numpy as np
import pytest

from emotion_core.errors import DatasetError
from emotion_core.training.detector_augment import (
    FLIPPED,
    SMALLEST_PX,
    Composer,
    Sample,
    mirror,
    move_labels,
)
from emotion_core.training.detector_data import (
    BOXES,
    PORTRAITS,
    SCENES,
    LabelledPicture,
    is_held_out,
    iter_annotated,
    iter_portraits,
    iter_scenes,
    load_cache,
    overlaps,
    save_cache,
)
from emotion_core.training.detector_evaluate import (
    letterbox,
    measure_portraits,
    measure_scenes,
    suppress,
)
from emotion_core.training.detector_metrics import Match, average_precision, match_faces
from emotion_core.training.detector_pixels import paint, spoil

LANDMARKS = np.array([[30, 40, 50, 40, 40, 50, 32, 60, 48, 60]], np.float32)
BOX = np.array([[20, 25, 60, 70]], np.float32)


def make_picture(kind=PORTRAITS, held_out=False, size_wh=(80, 90)):
    rng = np.random.default_rng(1)
    image = rng.integers(0, 256, (size_wh[1], size_wh[0], 3), dtype=np.uint8)
    if kind == SCENES:
        return LabelledPicture(image, kind, held_out)
    return LabelledPicture(
        image, kind, held_out, BOX, LANDMARKS, BOX[:, [0, 1, 0, 1]] + [0, 0, 5, 5]
    )


def make_faces(*rows):
    """Detections from ``x1, y1, x2, y2, score``."""
    faces = np.zeros((len(rows), 15), np.float32)
    for face, row in zip(faces, rows, strict=True):
        face[:4], face[14] = row[:4], row[4]
    return faces


def make_archive(path, tables, names=("a.jpg", "b.png")):
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            coded = cv2.imencode(name[-4:], np.full((40, 30, 3), 90, np.uint8))[1]
            archive.writestr(f"folder/{name}", coded.tobytes())
        archive.writestr("folder/broken.jpg", b"no picture")
        for name, text in tables.items():
            archive.writestr(f"folder/{name}", text)
    return path


def make_teacher(*rows):
    """A teacher that finds the same faces in every picture."""
    return lambda *_, **__: make_faces(*rows)


def test_overlaps():
    a = np.array([[0, 0, 10, 10], [0, 0, 0, 0]], np.float32)
    b = np.array([[0, 0, 10, 10], [5, 0, 15, 10], [20, 20, 30, 30]], np.float32)
    assert overlaps(a, b).tolist() == [pytest.approx([1, 1 / 3, 0]), [0, 0, 0]]


def test_a_fifth_is_held_out():
    assert 0.17 < np.mean([is_held_out(f"person {i}") for i in range(2000)]) < 0.23


def test_annotation_and_teacher_are_joined(tmp_path):
    table = "image,x1,y1,x2,y2\na.jpg,2,2,20,20\nb.png,2,2,20,20\n"
    path = make_archive(tmp_path / "boxes.zip", {"boxes.csv": table})
    rows = [(3, 2, 20, 21, 0.9), (2, 24, 20, 40, 0.95), (24, 30, 28, 36, 0.5)]
    pictures = list(iter_annotated(path, make_teacher(*rows)))
    assert len(pictures) == 2
    for picture in pictures:
        assert np.isfinite(picture.landmarks[0]).all()
        assert len(picture.boxes) == (1 if picture.held_out else 2)
        assert len(picture.boxes) + len(picture.ignored) == 3


def test_missing_annotation_is_said(tmp_path):
    path = make_archive(tmp_path / "boxes.zip", {})
    with pytest.raises(DatasetError, match=r"holds no boxes\.csv"):
        list(iter_annotated(path, make_teacher()))
    wrong = make_archive(tmp_path / "wrong.zip", {"boxes.csv": "image,left\na.jpg,1\n"})
    with pytest.raises(DatasetError, match="needs image, x1"):
        list(iter_annotated(wrong, make_teacher()))


def test_portraits_without_a_sure_face_are_left_out(tmp_path):
    table = "image,emotion,person\na.jpg,anger,P\nb.png,anger,P\n"
    path = make_archive(tmp_path / "portraits.zip", {"labels.csv": table})
    teacher = make_teacher((3, 2, 20, 21, 0.9), (2, 24, 20, 40, 0.4))
    pictures = list(iter_portraits(path, teacher))
    assert [p.held_out for p in pictures] == [is_held_out("P")] * 2
    assert [(len(p.boxes), len(p.ignored)) for p in pictures] == [(1, 1)] * 2
    assert not list(iter_portraits(path, make_teacher((3, 2, 20, 21, 0.5))))
    assert [p.kind for p in iter_scenes(path)] == [SCENES, SCENES]


def test_cache_round_trip(tmp_path):
    pictures = [make_picture(SCENES), make_picture(), make_picture(BOXES, held_out=True)]
    save_cache(pictures, tmp_path)
    for before, after in zip(pictures, load_cache(tmp_path), strict=True):
        assert (after.kind, after.held_out) == (before.kind, before.held_out)
        for name in ("image", "boxes", "landmarks", "ignored"):
            np.testing.assert_array_equal(getattr(after, name), getattr(before, name))
    with pytest.raises(DatasetError, match="holds no cache"):
        load_cache(tmp_path / "nowhere")


def test_labels_follow_the_pixels():
    image = np.zeros((90, 80, 3), np.uint8)
    image[39:42, 29:32] = 255
    picture = LabelledPicture(image, PORTRAITS, False, BOX, LANDMARKS)
    matrix = np.array([[1.5, 0, 7], [0, 1.5, -20]])
    drawn = paint(np.zeros((100, 110, 3), np.uint8), image, matrix)
    boxes, marks, ignored = move_labels(picture, matrix, (110, 100))
    ys, xs = np.nonzero(drawn[..., 0] > 128)
    assert (xs.mean() + 0.5, ys.mean() + 0.5) == pytest.approx(
        (30.5 * 1.5 + 7, 40.5 * 1.5 - 20), abs=0.6
    )
    assert marks[0, :2].tolist() == [52, 40]
    assert boxes.tolist() == [[37, 17.5, 97, 85]]
    assert len(ignored) == 0


def test_small_and_cut_faces_become_doubtful():
    picture = LabelledPicture(np.zeros((90, 80, 3), np.uint8), PORTRAITS, False, BOX, LANDMARKS)
    tiny = move_labels(picture, np.array([[0.1, 0, 0], [0, 0.1, 0]]), (100, 100))
    cut = move_labels(picture, np.array([[1.0, 0, -52], [0, 1.0, 0]]), (100, 100))
    assert [len(part) for part in tiny] == [0, 0, 1]
    assert [len(part) for part in cut] == [0, 0, 1]


def test_mirror_twice_changes_nothing():
    picture = make_picture()
    sample = Sample(picture.image, picture.boxes, picture.landmarks, picture.ignored)
    once = mirror(sample)
    assert once.landmarks[0, 0] < once.landmarks[0, 2]  # the left eye is still on the left
    twice = mirror(once)
    for name in ("image", "boxes", "landmarks", "ignored"):
        np.testing.assert_array_equal(getattr(twice, name), getattr(sample, name))
    assert sorted(FLIPPED.tolist()) == list(range(10))


def test_composing_is_repeatable_and_in_bounds():
    pictures = [make_picture(BOXES), make_picture(), make_picture(SCENES, size_wh=(200, 150))]
    one, two = (Composer(pictures, 96, seed=3) for _ in range(2))
    for _ in range(80):
        a, b = one.compose(), two.compose()
        np.testing.assert_array_equal(a.image, b.image)
        assert a.image.shape == (96, 96, 3)
        assert a.image.dtype == np.uint8
        assert len(a.boxes) == len(a.landmarks)
        assert ((a.boxes >= 0) & (a.boxes <= 96)).all()
        if len(a.boxes):
            assert (a.boxes[:, 2:] - a.boxes[:, :2]).max() > SMALLEST_PX / 2


def test_spoiling_leaves_its_argument_alone():
    image = np.full((32, 32, 3), 200, np.uint8)
    rng = np.random.default_rng(0)
    for _ in range(30):
        assert spoil(image, rng).shape == image.shape
    assert (image == 200).all()


def test_suppress_keeps_the_best_of_a_pile():
    faces = make_faces((0, 0, 10, 10, 0.9), (1, 0, 11, 10, 0.8), (30, 0, 40, 10, 0.7))
    assert suppress(faces) == [0, 2]
    assert suppress(make_faces()) == []


def test_suppress_drops_parts_of_a_face():
    faces = make_faces((0, 0, 100, 100, 0.9), (10, 10, 40, 40, 0.8), (90, 90, 120, 120, 0.7))
    assert suppress(faces) == [0, 2]


@pytest.mark.parametrize("size_wh", [(1, 1), (33, 64), (640, 480)], ids=str)
def test_letterbox_pads_to_multiples_of_32(size_wh):
    batch = letterbox(np.full((size_wh[1], size_wh[0], 3), [10, 20, 30], np.uint8), 1.0)
    assert batch.dtype == np.float32
    assert batch.shape == (1, 3, -(-size_wh[1] // 32) * 32, -(-size_wh[0] // 32) * 32)
    assert batch[0, :, 0, 0].tolist() == [10, 20, 30]
    assert batch.sum() == 60 * size_wh[0] * size_wh[1]


def test_matching_and_average_precision():
    truth = np.array([[0, 0, 20, 20], [50, 50, 70, 70], [80, 0, 86, 6]], np.float32)
    found = make_faces(
        (0, 0, 20, 20, 0.9), (100, 100, 130, 130, 0.8), (50, 50, 70, 70, 0.7), (80, 0, 86, 6, 0.6)
    )
    none = np.zeros((0, 4), np.float32)
    matches = match_faces(found, truth, none, 16)
    assert [(m.right, m.counts) for m in matches] == [
        (True, True),
        (False, True),
        (True, True),
        (False, False),
    ]
    assert average_precision(matches, 2) == pytest.approx((1 + 2 / 3) / 2)
    assert match_faces(found, none, none, 16)[0] == Match(pytest.approx(0.9), False, True)
    excused = match_faces(found, truth, np.array([[100, 100, 130, 130]], np.float32), 16)
    assert average_precision(excused, 2) == 1.0


def test_portraits_and_scenes_are_counted():
    good = make_faces((20, 25, 60, 70, 0.9), (0, 0, 8, 8, 0.6))
    good[0, 4:14] = LANDMARKS[0]
    figures = measure_portraits(lambda _: good, [make_picture()], 0.5)
    assert figures["recall"] == 1
    assert figures["precision"] == 0.5
    assert figures["landmark error"] == 0
    scenes = measure_scenes(lambda _: good, [make_picture(SCENES)] * 3, 0.5)
    assert scenes == {"pictures": 3, "pictures with a false face": 3, "false faces": 6}
