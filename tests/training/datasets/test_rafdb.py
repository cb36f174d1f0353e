"""The RAF-DB reader on small copies of its layouts."""

import numpy as np
import pytest

from emotion_core.errors import DatasetError
from emotion_core.labels import Emotion
from emotion_core.training.datasets import read_faces
from emotion_core.training.datasets.face_set import LABELS
from emotion_core.training.datasets.splits import SplitMissingError
from tests.factories import encode, make_image

IN_ORDER = [
    *(Emotion.SURPRISE, Emotion.FEAR, Emotion.DISGUST, Emotion.HAPPINESS),
    *(Emotion.SADNESS, Emotion.ANGER, Emotion.NEUTRAL),
]


def write_image(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode(make_image(20, 20)))


def write_official(root, lines=None):
    lines = lines or [f"train_{i:05}.jpg {i}" for i in range(1, 8)] + ["test_0001.jpg 5"]
    path = root / "EmoLabel" / "list_patition_label.txt"
    path.parent.mkdir(parents=True)
    path.write_text("\n".join(lines) + "\n")
    for line in lines:
        name = line.split()[0].removesuffix(".jpg")
        write_image(root / "Image" / "aligned" / f"{name}_aligned.jpg")


def write_kaggle(root):
    for number in range(1, 8):
        write_image(root / "train" / str(number) / f"train_{number}_aligned.jpg")
        write_image(root / "test" / str(number) / f"test_{number}_aligned.jpg")
    (root / "test" / "7" / "Thumbs.db").write_bytes(b"x")


@pytest.mark.parametrize(
    ("write", "inner"),
    [
        (write_official, ""),
        (write_official, "basic"),
        (write_kaggle, ""),
        (write_kaggle, "DATASET"),
    ],
    ids=["basic", "its parent", "Kaggle's folder", "its parent on Kaggle"],
)
def test_reads_the_seven_emotions(tmp_path, write, inner):
    write(tmp_path / inner)
    faces = read_faces("rafdb", tmp_path, "train")
    assert [LABELS[i] for i in faces.majority] == IN_ORDER
    assert set(faces.classes) == set(IN_ORDER)
    assert faces.name == "RAF-DB train"
    assert faces.images.load(np.arange(7), 10, 3).shape == (7, 10, 10, 3)


def test_the_test_split_is_that_of_its_names(tmp_path):
    write_official(tmp_path)
    faces = read_faces("rafdb", tmp_path, "test")
    assert list(faces.files) == ["test_0001_aligned.jpg"]
    assert faces.targets[0, LABELS.index(Emotion.SADNESS)] == 1


def test_there_is_no_validation_split(tmp_path):
    with pytest.raises(SplitMissingError, match="it has train and test"):
        read_faces("rafdb", tmp_path, "valid")


def test_missing_images_are_counted(tmp_path):
    write_official(tmp_path)
    for i in (2, 3):
        (tmp_path / "Image" / "aligned" / f"train_{i:05}_aligned.jpg").unlink()
    with pytest.raises(DatasetError, match=r"lacks train_00002_aligned\.jpg \(2 of 7 are missing"):
        read_faces("rafdb", tmp_path, "train")


def test_images_that_are_still_packed_are_asked_for(tmp_path):
    write_official(tmp_path)
    (tmp_path / "Image" / "aligned").rename(tmp_path / "Image" / "other")
    with pytest.raises(DatasetError, match=r"unpack Image/aligned\.zip"):
        read_faces("rafdb", tmp_path, "train")


@pytest.mark.parametrize("line", ["train_1.jpg", "train_1.jpg 8", "train_1.jpg 0", "a b 1"])
def test_a_wrong_line_is_named(tmp_path, line):
    write_official(tmp_path, ["train_00001.jpg 1", line])
    with pytest.raises(DatasetError, match=r"Line 2 of list_patition_label\.txt is not: file name"):
        read_faces("rafdb", tmp_path, "train")


def test_a_list_without_the_split_is_an_error(tmp_path):
    write_official(tmp_path, ["train_00001.jpg 1"])
    with pytest.raises(DatasetError, match="names no image of the split test"):
        read_faces("rafdb", tmp_path, "test")


def test_a_missing_class_folder_is_named(tmp_path):
    write_kaggle(tmp_path)
    (tmp_path / "test" / "3").rename(tmp_path / "test" / "x")
    with pytest.raises(DatasetError, match=r"has no folder 3 \(disgust\)"):
        read_faces("rafdb", tmp_path, "test")


def test_a_folder_without_the_data_set_tells_where_it_is_had(tmp_path):
    with pytest.raises(DatasetError, match=r"list_patition_label\.txt.*www\.whdeng\.cn"):
        read_faces("rafdb", tmp_path, "train")
