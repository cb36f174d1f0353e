"""WIDER FACE in its official layout."""

import sys
import types

import cv2
import numpy as np
import pytest

from emotion_core.errors import DatasetError
from emotion_core.training.detector.samples import is_held_out
from emotion_core.training.detector.wider import find_settings, read_settings, read_wider
from tests.training.drawn_faces import draw_image

TABLE = "image,x1,y1,x2,y2\na.png,2,2,20,20\nb.png,2,2,20,20\nb.png,30,30,40,44\n"
IMAGES = {"a.png": draw_image(1), "b.png": draw_image(2)}


def write_wider(root, *, with_val=True):
    """One training image with a good, an invalid and an empty box, and two to validate on."""
    lists = {
        "train": "0--Parade/a.jpg\n3\n10 12 20 24 0 0 0 0 0 0\n1 1 9 9 2 0 0 1 2 0\n"
        "5 5 0 9 0 0 0 0 0 0\n",
        "val": "1--Walk/b.jpg\n0\n0 0 0 0 0 0 0 0 0 0\n1--Walk/c.jpg\n1\n3 4 30 40 0 0 0 0 0 0 \n",
    }
    (root / "wider_face_split").mkdir(parents=True)
    for part, text in lists.items():
        if part == "val" and not with_val:
            continue
        (root / "wider_face_split" / f"wider_face_{part}_bbx_gt.txt").write_text(text)
        for name in [line for line in text.splitlines() if line.endswith(".jpg")]:
            path = root / f"WIDER_{part}" / "images" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(cv2.imencode(".jpg", draw_image(1))[1].tobytes())
    return root


def test_wider_is_read_as_published(tmp_path):
    root = write_wider(tmp_path)
    marks = root / "retinaface_gt_v1.1" / "train" / "label.txt"
    marks.parent.mkdir(parents=True)
    points = " ".join(f"{x} {x + 1} 0.0" for x in range(12, 22, 2))
    marks.write_text(f"# 0--Parade/a.jpg\n10 12 20 24 {points} 0.8\n1 1 9 9 {'-1 -1 -1 ' * 5}0.1\n")
    empty, walk, parade = read_wider(root)
    assert [p.held_out for p in (empty, walk, parade)] == [True, True, False]
    assert empty.boxes.shape == (0, 4)
    assert walk.boxes.tolist() == [[3, 4, 33, 44]]
    assert parade.boxes.tolist() == [[10, 12, 30, 36]]
    assert parade.ignored.tolist() == [[1, 1, 10, 10]]
    assert parade.landmarks.tolist() == [[12, 13, 14, 15, 16, 17, 18, 19, 20, 21]]
    assert np.isnan(walk.landmarks).all()
    assert parade.file.read().shape == (96, 96, 3)


def test_without_validation_images_some_training_images_are_held_out(tmp_path):
    (image,) = read_wider(write_wider(tmp_path, with_val=False))
    assert image.held_out == is_held_out("0--Parade/a.jpg")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda root: (root / "WIDER_train").rename(root / "x"), "neither WIDER_train/images"),
        (lambda root: (root / "wider_face_split/wider_face_train_bbx_gt.txt").unlink(), "be read"),
        (lambda root: (root / "WIDER_train/images/0--Parade/a.jpg").unlink(), "names 0--Parade"),
        (
            lambda root: (root / "wider_face_split/wider_face_train_bbx_gt.txt").write_text(
                "a\n2\n"
            ),
            "a count and a line of numbers",
        ),
        (
            lambda root: (root / "wider_face_split/wider_face_train_bbx_gt.txt").write_text(
                "0--Parade/a.jpg\n1\n1 2 3 4\n"
            ),
            "a face must have 10 numbers",
        ),
        (
            lambda root: (root / "wider_face_split/wider_face_train_bbx_gt.txt").write_bytes(
                b"\xff\n1\n"
            ),
            "is not text in UTF-8",
        ),
    ],
    ids=["no samples", "no list", "no image", "cut off", "columns", "bytes"],
)
def test_wider_that_is_not_as_published_is_told(tmp_path, damage, message):
    damage(write_wider(tmp_path, with_val=False))
    with pytest.raises(DatasetError, match=message):
        read_wider(tmp_path)


def _cell(*items):
    """MATLAB's cell array of one column, as scipy reads it."""
    column = np.empty((len(items), 1), object)
    for i, item in enumerate(items):
        column[i, 0] = item
    return column


def _ground_truth(*indices):
    return {
        "event_list": _cell(np.array(["1--Walk"])),
        "file_list": _cell(_cell(np.array(["c"]))),
        "face_bbx_list": _cell(_cell(np.array([[3, 4, 30, 40], [1, 1, 5, 5]], np.uint8))),
        "gt_list": _cell(_cell(np.array(indices, np.uint8).reshape(-1, 1))),
    }


def test_settings_of_wider_say_which_faces_count(tmp_path, monkeypatch):
    (tmp_path / "wider_face_split").mkdir()
    assert find_settings(tmp_path) is None
    for name in ("easy", "medium", "hard"):
        (tmp_path / "wider_face_split" / f"wider_{name}_val.mat").write_bytes(b"")
    folder = find_settings(tmp_path)
    truths = {"easy": _ground_truth(1), "medium": _ground_truth(), "hard": _ground_truth(1, 2)}

    def loadmat(path):
        return truths[path.rpartition("wider_")[2].removesuffix("_val.mat")]

    fake = types.ModuleType("scipy.io")
    fake.loadmat = loadmat
    monkeypatch.setitem(sys.modules, "scipy.io", fake)
    found = read_settings(folder)["1--Walk/c.jpg"]
    assert found.boxes.tolist() == [[3, 4, 33, 44], [1, 1, 6, 6]]
    wanted = {name: mask.tolist() for name, mask in found.targets.items()}
    assert wanted == {"easy": [True, False], "medium": [False, False], "hard": [True, True]}
    truths["hard"].pop("gt_list")
    with pytest.raises(DatasetError, match=r"wider_hard_val\.mat is not WIDER FACE's ground truth"):
        read_settings(folder)
