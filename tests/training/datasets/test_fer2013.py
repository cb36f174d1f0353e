"""The FER2013 reader on small copies of Kaggle's layouts."""

import numpy as np
import pytest

from emotion_core.errors import DatasetError
from emotion_core.labels import Emotion
from emotion_core.training.datasets import read_faces
from emotion_core.training.datasets.face_set import LABELS
from emotion_core.training.datasets.splits import SplitMissingError
from tests.factories import encode

WORDS = ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")
PIXELS = " ".join(["7"] * 2304)
LINES = [
    ("0", "Training"),
    ("3", "Training"),
    ("6", "PublicTest"),
    ("4", "PrivateTest"),
    ("5", "PrivateTest"),
]


def write_table(path, lines=LINES, heading="emotion,pixels,Usage", order="epu"):
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [
        ",".join({"e": code, "p": f'"{i} {PIXELS[2:]}"', "u": usage}[key] for key in order)
        for i, (code, usage) in enumerate(lines)
    ]
    path.write_text("\n".join([heading, *rows]) + "\n")


def write_image(path, value=50):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode(np.full((48, 48), value, np.uint8), "JPEG"))


def write_folders(root):
    for i, word in enumerate(WORDS):
        write_image(root / "train" / word / "Training_1.jpg", 10 * i)
        write_image(root / "test" / word / "PublicTest_1.jpg", 10 * i)
        write_image(root / "test" / word / "PrivateTest_1.jpg", 10 * i)
    write_image(root / "test" / "sad" / "PrivateTest_2.jpg")


def emotions(faces):
    return [LABELS[i] for i in faces.majority]


@pytest.mark.parametrize(
    ("split", "expected", "first"),
    [
        ("train", [Emotion.ANGER, Emotion.HAPPINESS], 0),
        ("valid", [Emotion.NEUTRAL], 2),
        ("test", [Emotion.SADNESS, Emotion.SURPRISE], 3),
    ],
)
@pytest.mark.parametrize(
    ("name", "heading", "order"),
    [
        ("fer2013.csv", "emotion,pixels,Usage", "epu"),
        ("fer2013/fer2013.csv", "emotion,pixels,Usage", "epu"),
        ("icml_face_data.csv", "emotion, Usage, pixels", "eup"),
    ],
    ids=["csv", "unpacked archive", "later csv"],
)
def test_reads_the_table(tmp_path, name, heading, order, split, expected, first):
    write_table(tmp_path / name, heading=heading, order=order)
    faces = read_faces("fer2013", tmp_path, split)
    assert emotions(faces) == expected
    images = faces.images.load(np.arange(len(faces)), 48, 1)
    assert images[0, 0, 0, 0] == first
    assert images[0, 1].max() == images[0, 1].min() == 7
    assert len(faces.classes) == 7
    assert Emotion.CONTEMPT not in faces.classes
    np.testing.assert_allclose(faces.targets.sum(axis=1), 1)
    assert np.isnan(faces.va).all()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (("7", "Training"), r"Line 2 of fer2013\.csv: emotion must be 0 to 6, not '7'"),
        (("", "Training"), r"Line 2 of fer2013\.csv: emotion must be 0 to 6, not ''"),
        (("0", "Holiday"), r"Line 2 of fer2013\.csv: Usage must be one of Training, PublicTest"),
    ],
    ids=["unknown emotion", "no emotion", "unknown usage"],
)
def test_a_wrong_line_is_named(tmp_path, line, message):
    write_table(tmp_path / "fer2013.csv", [line])
    with pytest.raises(DatasetError, match=message):
        read_faces("fer2013", tmp_path, "train")


@pytest.mark.parametrize(
    "pixels", ["", "1 2 3", PIXELS + " 1", "x " + PIXELS[2:], "256 " + PIXELS[2:], "-1 " * 2304]
)
def test_wrong_pixels_are_named(tmp_path, pixels):
    path = tmp_path / "fer2013.csv"
    path.write_text(f"emotion,pixels,Usage\n0,{pixels},Training\n")
    with pytest.raises(DatasetError, match=r"Line 2 of fer2013\.csv: pixels must be 2304 numbers"):
        read_faces("fer2013", tmp_path, "train")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"fer2013\.csv is empty"),
        (b"emotion,pixels\n0,1\n", r"fer2013\.csv has no column 'usage'; its columns are: emotion"),
        (b"emotion,pixels,Usage\n", r"fer2013\.csv has no line whose Usage is Training"),
        (b"\xff\xfe\x00\x01", r"fer2013\.csv is not a CSV file in UTF-8"),
    ],
    ids=["empty", "no usage", "no line", "binary"],
)
def test_a_wrong_table_is_named(tmp_path, content, message):
    (tmp_path / "fer2013.csv").write_bytes(content)
    with pytest.raises(DatasetError, match=message):
        read_faces("fer2013", tmp_path, "train")


@pytest.mark.parametrize(("split", "n"), [("train", 7), ("valid", 7), ("test", 8)])
def test_folders_are_split_by_the_names_of_their_files(tmp_path, split, n):
    write_folders(tmp_path)
    faces = read_faces("fer2013", tmp_path, split)
    assert len(faces) == n
    word = {"train": "Training", "valid": "PublicTest", "test": "PrivateTest"}[split]
    assert all(word in file for file in faces.files)
    assert faces.files[0].replace("\\", "/").endswith(f"angry/{word}_1.jpg")
    assert emotions(faces)[0] is Emotion.ANGER
    assert faces.images.load(np.array([1]), 48, 1)[0, 0, 0, 0] == pytest.approx(10, abs=3)


@pytest.mark.parametrize("name", ["valid", "validation"])
def test_a_folder_for_validation_counts_before_names(tmp_path, name):
    write_folders(tmp_path)
    write_image(tmp_path / name / "sad" / "1.jpg")
    assert len(read_faces("fer2013", tmp_path, "valid")) == 1
    assert len(read_faces("fer2013", tmp_path, "test")) == 15


def test_folders_whose_names_tell_nothing_have_no_validation(tmp_path):
    write_image(tmp_path / "train" / "sad" / "1.jpg")
    write_image(tmp_path / "test" / "sad" / "1.jpg")
    with pytest.raises(SplitMissingError, match=r"no file in test is named PublicTest_\*"):
        read_faces("fer2013", tmp_path, "valid")
    assert len(read_faces("fer2013", tmp_path, "test")) == 1


def test_a_missing_folder_is_named(tmp_path):
    write_image(tmp_path / "train" / "sad" / "1.jpg")
    with pytest.raises(SplitMissingError, match="has no folder test"):
        read_faces("fer2013", tmp_path, "test")


def test_empty_folders_are_an_error(tmp_path):
    (tmp_path / "train" / "sad").mkdir(parents=True)
    with pytest.raises(DatasetError, match="train holds no image in folders named after"):
        read_faces("fer2013", tmp_path, "train")


def test_a_folder_without_the_data_set_tells_how_to_get_it(tmp_path):
    with pytest.raises(DatasetError, match="data download fer2013 fetches it from Kaggle"):
        read_faces("fer2013", tmp_path, "train")


def test_there_is_no_split_all(tmp_path):
    with pytest.raises(SplitMissingError, match="it has train, valid and test"):
        read_faces("fer2013", tmp_path, "all")
