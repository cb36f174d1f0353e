"""The FER+ reader: layouts, votes, errors."""

import argparse
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest

from emotion_core.cli.data import add_data
from emotion_core.errors import DatasetError
from emotion_core.labels import Emotion
from emotion_core.training.datasets.face_set import EIGHT_EMOTIONS, LABELS
from emotion_core.training.datasets.ferplus import find_majority, read_ferplus, to_target
from emotion_core.training.datasets.splits import SplitMissingError

# neutral, happiness, surprise, sadness, anger, disgust, fear, contempt, unknown, not a face
ROWS = [
    ("fer0000000.png", [4, 0, 0, 1, 3, 2, 0, 0, 0, 0]),
    ("fer0000001.png", [0, 9, 1, 0, 0, 0, 0, 0, 0, 0]),
    ("fer0000002.png", [2, 0, 0, 0, 0, 0, 0, 0, 8, 0]),
    ("fer0000003.png", [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]),
]


def write_folder(root: Path, rows: list[tuple[str, list[int]]] = ROWS) -> Path:
    folder = root / "FER2013Valid"
    folder.mkdir(parents=True)
    for i, (name, _) in enumerate(rows):
        cv2.imwrite(str(folder / name), np.full((48, 48), 10 * i, np.uint8))
    lines = [f'{name},"(0, 0, 48, 48)",{",".join(map(str, votes))}' for name, votes in rows]
    (folder / "label.csv").write_text("\n".join(lines) + "\n")
    return folder


def zip_folder(folder: Path) -> None:
    with zipfile.ZipFile(folder.with_suffix(".zip"), "w") as archive:
        for path in folder.iterdir():
            archive.write(path, f"{folder.name}/{path.name}")
            path.unlink()
    folder.rmdir()


@pytest.mark.parametrize("zipped", [False, True], ids=["folder", "zip"])
def test_reads_faces_and_votes(tmp_path, zipped):
    folder = write_folder(tmp_path)
    if zipped:
        zip_folder(folder)
    faces = read_ferplus(tmp_path, "valid")
    assert len(faces) == 3  # the face with nothing but single votes is left out
    assert faces.name == "FER+ Valid"
    assert faces.classes == EIGHT_EMOTIONS
    assert faces.files[1] == "FER2013Valid/fer0000001.png"
    assert np.isnan(faces.va).all()
    images = faces.images.load(np.arange(3), 48, 1)
    assert images.shape == (3, 48, 48, 1)
    assert images[:, 0, 0, 0].tolist() == [0, 10, 20]
    np.testing.assert_allclose(faces.targets.sum(axis=1), 1)
    assert faces.targets[0, LABELS.index(Emotion.ANGER)] == pytest.approx(3 / 9)
    assert faces.targets[2, LABELS.index(Emotion.UNCERTAIN)] == pytest.approx(0.8)
    assert faces.majority.tolist() == [-1, LABELS.index(Emotion.HAPPINESS), -1]
    assert faces.has_majority.tolist() == [False, True, False]


@pytest.mark.parametrize(
    ("votes", "winner"),
    [
        pytest.param([10, 0, 0, 0, 0, 0, 0, 0, 0, 0], Emotion.NEUTRAL, id="all agree"),
        pytest.param([0, 0, 6, 4, 0, 0, 0, 0, 0, 0], Emotion.SURPRISE, id="six of ten"),
        pytest.param([5, 5, 0, 0, 0, 0, 0, 0, 0, 0], None, id="half is not more than half"),
        pytest.param([0, 0, 0, 5, 4, 1, 0, 0, 0, 0], Emotion.SADNESS, id="single vote dropped"),
        pytest.param([0, 0, 0, 4, 3, 3, 0, 0, 0, 0], None, id="largest but under half"),
        pytest.param([2, 0, 0, 0, 0, 0, 0, 0, 8, 0], None, id="unknown wins"),
        pytest.param([2, 0, 0, 0, 0, 0, 0, 0, 0, 8], None, id="not a face wins"),
        pytest.param([0, 0, 0, 0, 0, 0, 0, 5, 3, 2], None, id="others count towards the half"),
        pytest.param([1, 1, 1, 1, 1, 1, 1, 1, 1, 1], None, id="single votes only"),
        pytest.param([0, 0, 0, 0, 0, 0, 6, 0, 2, 2], Emotion.FEAR, id="fear"),
    ],
)
def test_majority_rule(votes, winner):
    expected = -1 if winner is None else LABELS.index(winner)
    assert find_majority(np.array(votes)) == expected


def test_target_leaves_out_votes_for_not_a_face():
    target = to_target(np.array([3, 0, 0, 0, 0, 0, 0, 0, 0, 7]))
    assert target is not None
    assert target[LABELS.index(Emotion.NEUTRAL)] == 1


def test_missing_split_is_named(tmp_path):
    with pytest.raises(DatasetError, match=r"neither a folder FER2013Train nor FER2013Train\.zip"):
        read_ferplus(tmp_path, "train")


def test_broken_zip_is_named(tmp_path):
    (tmp_path / "FER2013Valid.zip").write_bytes(b"no zip")
    with pytest.raises(DatasetError, match=r"FER2013Valid\.zip is not a readable zip file"):
        read_ferplus(tmp_path, "valid")


def test_zip_with_a_damaged_file_is_named(tmp_path):
    with zipfile.ZipFile(tmp_path / "FER2013Valid.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("FER2013Valid/label.csv", "x" * 1000)
    data = bytearray((tmp_path / "FER2013Valid.zip").read_bytes())
    start = data.index(b"label.csv") + len("label.csv")
    data[start : start + 4] = b"\xff" * 4
    (tmp_path / "FER2013Valid.zip").write_bytes(data)
    with pytest.raises(DatasetError, match=r"FER2013Valid\.zip is not a readable zip file"):
        read_ferplus(tmp_path, "valid")


@pytest.mark.parametrize("file", ["label.csv", "fer0000001.png"])
@pytest.mark.parametrize("zipped", [False, True], ids=["folder", "zip"])
def test_missing_file_is_named(tmp_path, file, zipped):
    folder = write_folder(tmp_path)
    (folder / file).unlink()
    if zipped:
        zip_folder(folder)
    with pytest.raises(DatasetError, match=f"FER2013Valid lacks {file}"):
        read_ferplus(tmp_path, "valid")


@pytest.mark.parametrize(
    "line", ["fer0000000.png,box,1,2", "fer0000000.png,box,1,2,3,4,5,6,7,8,9,x", "only"]
)
def test_malformed_line_is_named(tmp_path, line):
    (write_folder(tmp_path) / "label.csv").write_text(line)
    with pytest.raises(DatasetError, match=r"Line 1 of FER2013Valid/label\.csv is not"):
        read_ferplus(tmp_path, "valid")


@pytest.mark.parametrize("content", [b"", b"no image"], ids=["empty", "text"])
def test_unreadable_image_is_named(tmp_path, content):
    (write_folder(tmp_path) / "fer0000000.png").write_bytes(content)
    with pytest.raises(DatasetError, match=r"fer0000000\.png is not an image of 48x48"):
        read_ferplus(tmp_path, "valid")


def test_label_file_that_is_not_text_is_named(tmp_path):
    (write_folder(tmp_path) / "label.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DatasetError, match=r"FER2013Valid/label\.csv is not text in UTF-8"):
        read_ferplus(tmp_path, "valid")


def test_other_splits_are_refused(tmp_path):
    with pytest.raises(SplitMissingError, match="FER\\+ has no split 'all'"):
        read_ferplus(tmp_path, "all")


def test_a_split_that_is_not_there_is_no_fault_of_the_others(tmp_path):
    with pytest.raises(DatasetError, match="holds neither a folder FER2013Test nor") as raised:
        read_ferplus(tmp_path, "test")
    assert not isinstance(raised.value, SplitMissingError)
    write_folder(tmp_path)
    with pytest.raises(SplitMissingError, match="holds neither a folder FER2013Test nor"):
        read_ferplus(tmp_path, "test")
    parser = argparse.ArgumentParser()
    add_data(parser)
    chosen = parser.parse_args(["show", "ferplus", str(tmp_path)])
    assert chosen.run(chosen) == 0


def test_official_validation_set_has_its_published_size(shared):
    faces = read_ferplus(shared / "data" / "ferplus", "valid")
    assert faces.has_majority.sum() == 3191
    assert len(faces) == 3579


def test_no_face_at_all_is_an_error(tmp_path):
    write_folder(tmp_path, rows=ROWS[3:])
    with pytest.raises(DatasetError, match="names no face with votes"):
        read_ferplus(tmp_path, "valid")
