"""Images of faces: sizes, channels, files, joining and taking."""

import os
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import PIL.Image
import pytest

from emotion_core.errors import DatasetError
from emotion_core.labels import Emotion
from emotion_core.training.datasets.face_set import LABELS, NO_CLASS, FaceSet
from emotion_core.training.datasets.image_sources import (
    ArrayImages,
    FileImages,
    join_faces,
    take_faces,
)
from tests.factories import encode, make_image, make_smooth_image


def index(*numbers):
    return np.array(numbers, np.int64)


def make_set(name, values, classes, files=None):
    """Faces of one grey value each, all neutral."""
    n = len(values)
    targets = np.zeros((n, len(LABELS)), np.float32)
    targets[:, 0] = 1
    return FaceSet(
        name,
        ArrayImages(np.array(values, np.uint8)[:, None, None].repeat(4, 1).repeat(4, 2)),
        targets,
        np.arange(n) - 1,
        np.full((n, 2), np.nan, np.float32),
        classes,
        files or [f"{name}{i}.png" for i in range(n)],
    )


def write_files(folder, images):
    paths = []
    for i, image in enumerate(images):
        paths.append(folder / f"{i}.png")
        paths[-1].write_bytes(encode(image))
    return paths


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("colour", [False, True], ids=["grey", "RGB"])
def test_arrays_are_given_in_the_order_and_form_asked_for(colour, channels):
    faces = np.stack([make_image(8, 8, seed=i) for i in range(3)])
    if not colour:
        faces = faces[..., 0]
    loaded = ArrayImages(faces).load(index(2, 0, 2), 8, channels)
    assert loaded.shape == (3, 8, 8, channels)
    assert loaded.dtype == np.uint8
    expected = faces[2]
    if colour and channels == 1:
        expected = cv2.cvtColor(expected, cv2.COLOR_RGB2GRAY)
    expected = np.broadcast_to(expected.reshape(8, 8, -1), (8, 8, channels))
    np.testing.assert_array_equal(loaded[0], expected)
    np.testing.assert_array_equal(loaded[0], loaded[2])


def test_shrinking_averages_areas():
    checkers = np.tile(np.array([[0, 200], [200, 0]], np.uint8), (4, 4))
    assert (ArrayImages(checkers[None]).load(index(0), 4, 1) == 100).all()


def test_growing_keeps_a_flat_image_flat():
    flat = np.full((1, 4, 4, 3), 77, np.uint8)
    assert (ArrayImages(flat).load(index(0), 9, 3) == 77).all()


def test_what_is_loaded_is_a_copy():
    faces = np.zeros((1, 4, 4), np.uint8)
    ArrayImages(faces).load(index(0), 4, 1)[...] = 9
    assert faces.max() == 0


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("shape", [(2, 4, 4), (2, 4, 4, 3)], ids=["grey", "RGB"])
def test_no_index_gives_no_image(shape, channels):
    images = ArrayImages(np.zeros(shape, np.uint8))
    assert images.load(index(), 6, channels).shape == (0, 6, 6, channels)
    assert FileImages([]).load(index(), 6, channels).shape == (0, 6, 6, channels)


@pytest.mark.parametrize("shape", [(4, 4), (2, 4, 5), (2, 4, 4, 4), (2, 4, 4, 1)])
def test_arrays_of_other_shapes_are_refused(shape):
    with pytest.raises(ValueError, match="must be \\(N, S, S\\)"):
        ArrayImages(np.zeros(shape, np.uint8))


def test_files_are_read_in_the_order_asked_for(tmp_path):
    faces = [make_image(8, 8, seed=i) for i in range(20)]
    images = FileImages(write_files(tmp_path, faces))
    order = np.random.default_rng(0).permutation(20)
    loaded = images.load(order, 8, 3)
    np.testing.assert_array_equal(loaded, np.stack([faces[i] for i in order]))


def test_files_and_arrays_agree(tmp_path):
    faces = [make_smooth_image(24, 24), make_image(24, 24)]
    from_files = FileImages(write_files(tmp_path, faces))
    from_memory = ArrayImages(np.stack(faces))
    for size_px, channels in ((24, 1), (12, 3), (40, 1)):
        np.testing.assert_array_equal(
            from_files.load(index(1, 0), size_px, channels),
            from_memory.load(index(1, 0), size_px, channels),
        )


def test_files_are_turned_upright(tmp_path):
    image = np.zeros((16, 16, 3), np.uint8)
    image[:, 8:] = 255  # right half white
    exif = PIL.Image.Exif()
    exif[0x0112] = 3  # upside down
    path = tmp_path / "a.jpg"
    path.write_bytes(encode(image, "JPEG", exif=exif))
    loaded = FileImages([path]).load(index(0), 16, 1)[0, :, :, 0]
    assert loaded[:, :6].min() > 200
    assert loaded[:, 10:].max() < 50


def test_of_a_long_image_the_middle_is_taken(tmp_path):
    image = np.zeros((8, 16, 3), np.uint8)
    image[:, 4:12] = 100
    (path,) = write_files(tmp_path, [image])
    assert (FileImages([path]).load(index(0), 8, 1) == 100).all()


def test_a_box_is_cut_out_and_nan_means_all(tmp_path):
    image = np.zeros((16, 16, 3), np.uint8)
    image[4:12, 6:14] = 100
    paths = write_files(tmp_path, [image, image])
    boxes = np.array([[6, 4, 14, 12], [np.nan] * 4], np.float32)
    inside, whole = FileImages(paths, boxes).load(index(0, 1), 8, 1)
    assert (inside == 100).all()
    assert whole.min() == 0


def test_a_box_beyond_the_image_is_cut_to_it(tmp_path):
    (path,) = write_files(tmp_path, [np.full((8, 8, 3), 50, np.uint8)])
    boxes = np.array([[-5, -5, 20, 20]], np.float32)
    assert (FileImages([path], boxes).load(index(0), 4, 1) == 50).all()


def test_a_box_outside_of_the_image_is_an_error(tmp_path):
    (path,) = write_files(tmp_path, [make_image(8, 8)])
    with pytest.raises(DatasetError, match=r"box of the face in .*0\.png lies outside"):
        FileImages([path], np.array([[20, 20, 30, 30]], np.float32)).load(index(0), 4, 1)


def test_every_image_needs_a_box_if_any_has_one():
    with pytest.raises(ValueError, match="with N = 1"):
        FileImages(["a.png"], np.zeros((2, 4), np.float32))


@pytest.mark.parametrize(
    "content",
    [b"", b"no image", b"\x89PNG\r\n\x1a\n" + bytes(50), b"\xff\xd8\xff\xe0broken", bytes(9999)],
    ids=["empty", "text", "PNG header", "JPEG header", "zeros"],
)
def test_a_broken_file_is_named(tmp_path, content):
    good, bad = tmp_path / "good.png", tmp_path / "bad.png"
    good.write_bytes(encode(make_image(8, 8)))
    bad.write_bytes(content)
    images = FileImages([good, bad])
    with pytest.raises(DatasetError, match=r"bad\.png cannot be used: The "):
        images.load(index(0, 1, 0), 8, 3)
    assert images.load(index(0), 8, 3).shape == (1, 8, 8, 3)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DatasetError, match=r"gone\.png cannot be read \(No such file"):
        FileImages([tmp_path / "gone.png"]).load(index(0), 8, 3)


def test_files_are_opened_only_when_asked_for(tmp_path):
    assert len(FileImages(os.fspath(tmp_path / f"{i}.jpg") for i in range(1000))) == 1000


def test_memory_does_not_grow_with_the_number_of_files(tmp_path):
    (path,) = write_files(tmp_path, [make_image(64, 64)])
    images = FileImages([path] * 2000)

    def peak(n):
        tracemalloc.start()
        for start in range(0, n, 20):
            images.load(np.arange(start, start + 20), 64, 3)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(20)
    assert peak(400) < 2 * peak(40)


def test_loading_from_many_threads_gives_what_one_gives(tmp_path):
    images = FileImages(write_files(tmp_path, [make_image(8, 8, seed=i) for i in range(6)]))
    joined = join_faces([take_faces(as_set(images), index(5, 1, 3))] * 2).images
    expected = joined.load(np.arange(6), 12, 3)
    with ThreadPoolExecutor(4) as pool:
        for loaded in pool.map(lambda _: joined.load(np.arange(6), 12, 3), range(12)):
            np.testing.assert_array_equal(loaded, expected)


def as_set(images):
    n = len(images)
    targets = np.zeros((n, len(LABELS)), np.float32)
    va = np.zeros((n, 2), np.float32)
    files = [str(i) for i in range(n)]
    return FaceSet("Files", images, targets, np.full(n, NO_CLASS), va, LABELS, files)


def test_joined_faces_keep_their_order_and_all_that_is_known_of_them():
    first = make_set("First", [10, 20], (Emotion.NEUTRAL, Emotion.FEAR))
    second = make_set("Second", [30], (Emotion.HAPPINESS, Emotion.NEUTRAL))
    joined = join_faces([first, second])
    assert len(joined) == 3
    assert joined.name == "First + Second"
    assert joined.classes == (Emotion.NEUTRAL, Emotion.HAPPINESS, Emotion.FEAR)
    assert list(joined.files) == ["First0.png", "First1.png", "Second0.png"]
    assert joined.majority.tolist() == [-1, 0, -1]
    loaded = joined.images.load(index(2, 0, 1, 2), 4, 3)
    assert loaded[:, 0, 0, 0].tolist() == [30, 10, 20, 30]


def test_a_set_joined_twice_counts_twice():
    twice = join_faces([make_set("One", [5], LABELS)] * 2)
    assert len(twice) == 2
    assert twice.name == "One"


def test_an_empty_set_can_be_joined():
    joined = join_faces([make_set("None", [], LABELS), make_set("One", [5], LABELS)])
    assert joined.images.load(index(0), 4, 1)[0, 0, 0, 0] == 5


def test_nothing_cannot_be_joined():
    with pytest.raises(ValueError, match="no face set to join"):
        join_faces([])


@pytest.mark.parametrize(
    "chosen", [index(3, 1), np.array([3, -3])], ids=["indices", "from the end"]
)
def test_taken_faces_are_those_chosen_in_that_order(chosen):
    taken = take_faces(make_set("Four", [10, 20, 30, 40], LABELS), chosen)
    assert taken.images.load(index(0, 1), 4, 1)[:, 0, 0, 0].tolist() == [40, 20]
    assert list(taken.files) == ["Four3.png", "Four1.png"]
    assert taken.majority.tolist() == [2, 0]


def test_faces_are_taken_by_a_mask():
    faces = make_set("Four", [10, 20, 30, 40], LABELS)
    taken = take_faces(faces, faces.has_majority)
    assert taken.images.load(index(0, 1, 2), 4, 1)[:, 0, 0, 0].tolist() == [20, 30, 40]


def test_taking_no_face_gives_an_empty_set():
    assert len(take_faces(make_set("Two", [1, 2], LABELS), index())) == 0
