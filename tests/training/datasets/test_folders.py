"""A folder of images per emotion, and data sets and splits by name."""

import numpy as np
import pytest

from emotion_core.errors import DatasetError
from emotion_core.labels import Emotion
from emotion_core.training.datasets import READERS, read_faces
from emotion_core.training.datasets.face_set import LABELS, NO_CLASS
from emotion_core.training.datasets.splits import SplitMissingError, to_split
from tests.factories import encode


def write(root, *files):
    for i, file in enumerate(files):
        path = root / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode(np.full((6, 6, 3), i, np.uint8)))


def names(faces):
    return [file.replace("\\", "/") for file in faces.files]


def test_images_are_read_by_their_folders(tmp_path):
    write(tmp_path, "sad/b.png", "sad/a.JPG", "Happiness/c.webp", "sad/anna/d.png")
    (tmp_path / "sad" / "notes.txt").write_text("no image")
    (tmp_path / "sad" / ".hidden.png").write_bytes(b"x")
    (tmp_path / "__MACOSX").mkdir()
    (tmp_path / "readme.txt").write_text("x")
    faces = read_faces("folders", tmp_path, "all")
    assert names(faces) == ["Happiness/c.webp", "sad/a.JPG", "sad/b.png", "sad/anna/d.png"]
    assert [LABELS[i] for i in faces.majority] == [Emotion.HAPPINESS] + [Emotion.SADNESS] * 3
    assert faces.classes == (Emotion.HAPPINESS, Emotion.SADNESS)
    assert faces.images.load(np.arange(4), 6, 1)[:, 0, 0, 0].tolist() == [2, 1, 0, 3]


def test_uncertain_faces_are_left_out_of_the_protocol(tmp_path):
    write(tmp_path, "uncertain/a.png", "fear/b.png")
    faces = read_faces("folders", tmp_path, "all")
    assert faces.classes == (Emotion.FEAR,)
    assert faces.majority.tolist() == [LABELS.index(Emotion.FEAR), NO_CLASS]
    assert faces.targets[1, LABELS.index(Emotion.UNCERTAIN)] == 1


@pytest.mark.parametrize("folder", ["valid", "val", "validation", "Validation"])
def test_splits_are_folders(tmp_path, folder):
    write(tmp_path, "train/sad/a.png", "train/fear/a.png", f"{folder}/sad/b.png", "test/sad/c.png")
    for split, n in (("train", 2), ("valid", 1), ("test", 1), ("all", 4)):
        faces = read_faces("folders", tmp_path, split)
        assert len(faces) == n
        assert faces.classes == (Emotion.SADNESS, Emotion.FEAR)
        assert faces.images.load(np.arange(n), 6, 3).shape == (n, 6, 6, 3)


def test_a_split_without_a_folder_is_missing(tmp_path):
    write(tmp_path, "train/sad/a.png")
    with pytest.raises(SplitMissingError, match="has no split 'test'; it has: train"):
        read_faces("folders", tmp_path, "test")


def test_what_is_not_split_is_for_training_only(tmp_path):
    write(tmp_path, "sad/a.png")
    assert len(read_faces("folders", tmp_path, "train")) == 1
    with pytest.raises(
        SplitMissingError, match=r"is not split .*read all of it as the split 'all'"
    ):
        read_faces("folders", tmp_path, "valid")


@pytest.mark.parametrize("folder", ["smirk", "0"])
def test_a_folder_that_is_no_emotion_is_named(tmp_path, folder):
    write(tmp_path, "sad/a.png", f"{folder}/b.png")
    with pytest.raises(DatasetError, match=f"'{folder}' is not an emotion; known words are: neutr"):
        read_faces("folders", tmp_path, "all")


@pytest.mark.parametrize("made", [False, True], ids=["nothing", "empty class"])
def test_a_tree_without_images_is_an_error(tmp_path, made):
    if made:
        (tmp_path / "sad").mkdir()
    with pytest.raises(DatasetError, match="holds no image; it needs a folder of images for"):
        read_faces("folders", tmp_path, "all")


def test_the_readers_have_the_names_that_users_type():
    assert set(READERS) >= {"ferplus", "fer2013", "rafdb", "affectnet", "folders", "csv"}


def test_an_unknown_data_set_is_told_with_those_that_there_are(tmp_path):
    with pytest.raises(DatasetError, match="no data set 'fer'; there are: ferplus, fer2013, rafdb"):
        read_faces("fer", tmp_path, "train")


@pytest.mark.parametrize("dataset", list(READERS))
def test_a_missing_folder_is_named_by_every_reader(tmp_path, dataset):
    with pytest.raises(
        DatasetError, match=r"There is no folder .*gone; give the folder that holds"
    ):
        read_faces(dataset, tmp_path / "gone", "train")


@pytest.mark.parametrize("dataset", list(READERS))
def test_a_file_instead_of_a_folder_is_an_error_for_every_reader(tmp_path, dataset):
    path = tmp_path / "file"
    path.write_bytes(b"\x00\xff")
    with pytest.raises(DatasetError):
        read_faces(dataset, path, "train")


def test_data_sets_and_splits_are_named_in_any_case(tmp_path):
    write(tmp_path, "Val/sad/a.png")
    assert len(read_faces("Folders", tmp_path, "VALIDATION")) == 1


@pytest.mark.parametrize(
    ("word", "split"),
    [
        ("Train", "train"),
        ("training", "train"),
        ("val", "valid"),
        (" Test ", "test"),
        ("All", "all"),
    ],
)
def test_splits_have_the_usual_spellings(word, split):
    assert to_split(word) == split


@pytest.mark.parametrize("word", ["", "holdout"])
def test_an_unknown_split_is_told_with_those_that_there_are(word):
    with pytest.raises(DatasetError, match=f"no split '{word}'; there are: train, valid, test"):
        to_split(word)
