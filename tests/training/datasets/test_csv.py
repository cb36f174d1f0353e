"""The reader of a CSV file of labels."""

import numpy as np
import pytest

from emotion_core.errors import DatasetError
from emotion_core.labels import Emotion
from emotion_core.training.datasets import read_faces
from emotion_core.training.datasets.face_set import EIGHT_EMOTIONS, LABELS, NO_CLASS
from emotion_core.training.datasets.splits import SplitMissingError
from tests.factories import encode, make_image


def write(folder, text, *images, name="labels.csv"):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text, encoding="utf-8")
    for image in images:
        (folder / image).parent.mkdir(parents=True, exist_ok=True)
        (folder / image).write_bytes(encode(make_image(6, 6)))
    return folder


@pytest.mark.parametrize("column", ["label", "emotion"])
def test_reads_labels_and_ratings(tmp_path, column):
    text = f"image,{column},valence,arousal\na.png,happy,0.5,-1\nsub/b.png,,,\n\nc.png,None,1,\n"
    faces = read_faces("csv", write(tmp_path, text, "a.png", "sub/b.png", "c.png"), "all")
    assert list(faces.files) == ["a.png", "sub/b.png", "c.png"]
    assert faces.majority.tolist() == [LABELS.index(Emotion.HAPPINESS), NO_CLASS, NO_CLASS]
    assert faces.targets.sum(axis=1).tolist() == [1, 0, 1]
    assert faces.targets[2, LABELS.index(Emotion.UNCERTAIN)] == 1
    assert faces.classes == EIGHT_EMOTIONS
    np.testing.assert_array_equal(faces.va, np.array([[0.5, -1], [np.nan] * 2, [1, np.nan]]))
    assert faces.images.load(np.arange(3), 6, 3).shape == (3, 6, 6, 3)


def test_reads_decimal_commas_of_spreadsheets(tmp_path):
    text = "image;label;valence;arousal\na,1.png;happy;0,5;-0,25\n"
    faces = read_faces("csv", write(tmp_path, text, "a,1.png"), "all")
    np.testing.assert_array_equal(faces.va, np.array([[0.5, -0.25]]))


@pytest.mark.parametrize(
    ("text", "rated"),
    [("image\na.png\n", 0), ("image,valence\na.png,0.5\n", 1)],
    ids=["names only", "valence only"],
)
def test_columns_may_be_missing(tmp_path, text, rated):
    faces = read_faces("csv", write(tmp_path, text, "a.png"), "train")
    assert faces.majority.tolist() == [NO_CLASS]
    assert np.isfinite(faces.va).sum() == rated


def test_shares_of_the_votes_are_read(tmp_path):
    text = "image,emotion,p_fear,p_surprise\na.png,fear,2,1\nb.png,sad,,0\n"
    faces = read_faces("csv", write(tmp_path, text, "a.png", "b.png"), "train")
    fear, surprise, sadness = (LABELS.index(Emotion(w)) for w in ("fear", "surprise", "sadness"))
    np.testing.assert_allclose(faces.targets[0, [fear, surprise]], [2 / 3, 1 / 3])
    assert faces.targets[1, sadness] == 1, "nobody's share is known, so the word counts"
    assert faces.majority.tolist() == [fear, sadness]
    write(tmp_path, text.replace("2", "-2"))
    with pytest.raises(DatasetError, match="p_fear must not be negative"):
        read_faces("csv", tmp_path, "train")


def test_the_file_itself_may_be_given(tmp_path):
    folder = write(tmp_path, "image,label\na.png,sad\n", "a.png", name="my faces.csv")
    faces = read_faces("csv", folder / "my faces.csv", "all")
    assert faces.name == "my faces all"
    assert len(faces) == 1


def test_a_file_of_excel_is_read(tmp_path):
    write(tmp_path, "", "ä.png")
    (tmp_path / "labels.csv").write_bytes("image , label\r\n ä.png,Sad \r\n".encode("utf-8-sig"))
    faces = read_faces("csv", tmp_path, "all")
    assert list(faces.files) == ["ä.png"]
    assert faces.majority.tolist() == [LABELS.index(Emotion.SADNESS)]


@pytest.mark.parametrize("separator", [";", "\t"])
def test_other_separators_and_capitals_are_read(tmp_path, separator):
    text = "Image,Emotion,Valence,AROUSAL\na,1.png,sad,-0.5,0.25\n".replace(",", separator)
    text = text.replace(f"a{separator}1", "a,1")  # a comma is a letter like others here
    faces = read_faces("csv", write(tmp_path, text, "a,1.png"), "all")
    assert list(faces.files) == ["a,1.png"]
    assert faces.va.tolist() == [[-0.5, 0.25]]
    assert faces.majority.tolist() == [LABELS.index(Emotion.SADNESS)]


def test_the_column_split_is_heeded(tmp_path):
    text = "image,label,split\na.png,sad,Train\nb.png,fear,val\nc.png,fear,train\n"
    folder = write(tmp_path, text, "a.png", "b.png", "c.png")
    assert list(read_faces("csv", folder, "train").files) == ["a.png", "c.png"]
    assert list(read_faces("csv", folder, "valid").files) == ["b.png"]
    assert len(read_faces("csv", folder, "all")) == 3
    with pytest.raises(SplitMissingError, match="no line of the split 'test'; it has: train, vali"):
        read_faces("csv", folder, "test")


def test_a_file_without_the_column_split_is_for_training_only(tmp_path):
    folder = write(tmp_path, "image,label\na.png,sad\n", "a.png")
    assert len(read_faces("csv", folder, "train")) == 1
    for split in ("valid", "test"):
        with pytest.raises(SplitMissingError, match="read all of it as the split 'all'"):
            read_faces("csv", folder, split)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("a.png,grumpy,,,train", "Line 3 of labels.csv: 'grumpy' is not an emotion; known words"),
        ("a.png,sad,2,,train", "Line 3 of labels.csv: valence must lie between -1 and 1, not be"),
        ("a.png,sad,,high,train", "Line 3 of labels.csv: arousal must be a number, not 'high'"),
        ('a.png,sad,"0,5",,train', r"valence must be a number, not '0,5' \(decimals need a point"),
        ("1.png,sad,,,valid", r"Line 3 .*: 1.png is listed already \(Line 2 of labels.csv\)"),
        ("a.png,sad,nan,,train", "Line 3 of labels.csv: valence must be a number, not 'nan'"),
        ("a.png,sad,,,", "Line 3 of labels.csv: There is no split ''"),
        ("a.png,sad,,,later", "Line 3 of labels.csv: There is no split 'later'"),
        (",sad,,,train", "Line 3 of labels.csv: '' does not lead to an image inside"),
        ("../a.png,sad,,,train", r"Line 3 of labels.csv: '\.\./a.png' does not lead to an image"),
        ("x/../../a.png,sad,,,train", "does not lead to an image inside the folder"),
        (r"..\a.png,sad,,,train", "does not lead to an image inside the folder"),
        ("/etc/a.png,sad,,,train", "Line 3 of labels.csv: '/etc/a.png' does not lead"),
        (r"C:\a.png,sad,,,train", "does not lead to an image inside the folder"),
        ("b.png,sad,,,train", r"Line 3 of labels.csv: there is no image b.png .*\(1 of 2 are"),
        ("gone/b.png,sad,,,train", "Line 3 of labels.csv: there is no image gone/b.png"),
    ],
)
def test_a_wrong_line_is_named(tmp_path, line, message):
    text = f"image,label,valence,arousal,split\n1.png,sad,0,0,train\n{line}\n"
    with pytest.raises(DatasetError, match=message):
        read_faces("csv", write(tmp_path, text, "1.png", "a.png"), "train")


def test_lines_are_counted_as_an_editor_does(tmp_path):
    text = 'image,label,note\na.png,sad,"two\nlines"\n\nb.png,odd,\n'
    with pytest.raises(DatasetError, match=r"Line 5 of labels\.csv: 'odd' is not an emotion"):
        read_faces("csv", write(tmp_path, text, "a.png", "b.png"), "all")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"labels\.csv is empty; its first line must name the columns"),
        (b"image,label\n", r"labels\.csv lists no image"),
        (b"file,label\na.png,sad\n", r"has no column 'image'; its columns are: file, label"),
        (b"image,label,Label\na.png,sad,fear\n", r"has two columns 'label'; rename or remove one"),
        (b"image,label\n\xff\xfe,sad\n", r"labels\.csv is not a CSV file in UTF-8"),
    ],
    ids=["empty", "heading only", "no image", "twice", "binary"],
)
def test_a_wrong_file_is_named(tmp_path, content, message):
    (tmp_path / "labels.csv").write_bytes(content)
    with pytest.raises(DatasetError, match=message):
        read_faces("csv", tmp_path, "all")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DatasetError, match=r"no file .*labels\.csv; it must list the images in"):
        read_faces("csv", tmp_path, "all")
