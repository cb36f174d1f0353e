"""``python -m emotion_core data`` as a user types it, with the detector that ships."""

import argparse
import csv
import subprocess
import sys
import zlib

import cv2
import numpy as np
import pytest

from emotion_core.cli.data import add_data
from emotion_core.errors import DatasetError
from emotion_core.training.datasets import read_faces
from emotion_core.training.datasets.kaggle import SOURCES
from tests.factories import encode, make_image

DETECTOR = ("--detector", "emoscope-face-s", "--device", "cpu")


def run(*words):
    parser = argparse.ArgumentParser(prog="data")
    add_data(parser)
    chosen = parser.parse_args([str(word) for word in words])
    return chosen.run(chosen)


def read_table(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def portrait(shared):
    """A part of a photo that one face fills."""
    photo = cv2.imread(str(shared / "samples" / "photos" / "astronaut.png"))[:300, 80:380]
    return cv2.cvtColor(photo, cv2.COLOR_BGR2RGB)


@pytest.fixture
def labelled(tmp_path, portrait):
    """Labelled photos: faces, one without a face, and a file that is no image."""
    folder = tmp_path / "photos"
    (folder / "sub").mkdir(parents=True)
    for name in ("a.jpg", "sub/a.jpg", "b.jpg", "c.jpg"):
        (folder / name).write_bytes(encode(portrait, "JPEG"))
    (folder / "a.png").write_bytes(encode(portrait[:, ::-1]))
    (folder / "empty.png").write_bytes(encode(make_image(200, 200)))
    (folder / "broken.png").write_bytes(b"broken")
    (folder / "labels.csv").write_text(
        "image,emotion,person,valence\n"
        "a.jpg,happy,ann,0.5\na.png,happy,bob,\nsub/a.jpg,sad,ann,\nb.jpg,neutral,cem,\n"
        "c.jpg,,bob,-1\nempty.png,sad,ann,\nbroken.png,sad,bob,\n"
    )
    return folder


def write_labels(folder, text):
    folder.mkdir(exist_ok=True)
    (folder / "labels.csv").write_text(text)
    return folder


def test_crops_keep_names_and_labels_and_are_read_as_csv(labelled, tmp_path, capsys):
    out = tmp_path / "crops"
    assert run("crop", labelled, out, "--size", 64, *DETECTOR) == 1  # one photo is unreadable
    rows = read_table(out / "labels.csv")
    assert [row["image"] for row in rows] == [
        *("a.png", "a (2).png", "sub/a.png", "b.png", "c.png"),
    ]
    assert rows[0] == {"image": "a.png", "emotion": "happy", "person": "ann", "valence": "0.5"}
    missed = read_table(out / "missed.csv")
    assert [row["image"] for row in missed] == ["empty.png", "broken.png"]
    assert missed[0]["reason"] == "no face found"
    assert missed[1]["reason"].startswith("The file is not an image")
    faces = read_faces("csv", out, "all")
    assert len(faces) == 5
    first, mirrored = faces.images.load(np.array([0, 1]), 64, 3).astype(int)
    near, far = np.abs(first - mirrored[:, ::-1]).mean(), np.abs(first - mirrored).mean()
    assert near < 0.4 * far
    error = capsys.readouterr().err
    assert "5 crops in" in error
    assert "no face found: 1, unreadable: 1, of 7." in error


def test_halves_share_nobody(labelled, tmp_path):
    out = tmp_path / "crops"
    run("crop", labelled, out, "--halves", "person", *DETECTOR)
    seen = {}
    for i, half in enumerate("ab"):
        people = {row["person"] for row in read_table(out / half / "labels.csv")}
        assert {zlib.crc32(person.encode()) % 2 for person in people} == {i}
        seen[half] = people
        assert len(read_faces("csv", out / half, "all")) > 0
    assert seen["a"] | seen["b"] == {"ann", "bob", "cem"}
    assert len(read_table(out / "missed.csv")) == 2


def test_emotions_can_be_left_out(labelled, tmp_path):
    out = tmp_path / "crops"
    assert run("crop", labelled, out, *DETECTOR, "--skip", "sadness", "Neutral") == 0
    assert [row["emotion"] for row in read_table(out / "labels.csv")] == ["happy", "happy", ""]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--halves", "family"), "no column 'family'; its columns are: image, emotion, person"),
        (("--skip", "smirk"), "--skip: 'smirk' is not an emotion"),
    ],
    ids=["no such column", "no such emotion"],
)
def test_wrong_wishes_are_told(labelled, tmp_path, arguments, message):
    with pytest.raises(DatasetError, match=message):
        run("crop", labelled, tmp_path / "out", *DETECTOR, *arguments)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("image,person\n../a.png,x\n", r"Line 2 of labels\.csv: '\.\./a\.png' does not lead to"),
        ("image,person\n", r"labels\.csv lists no photo to crop"),
        ("image,person\na.png,\n", r"Line 2 of labels\.csv: 'person' is empty"),
        ("image,person,valence\na.png,x,3\n", r"Line 2 of labels\.csv: valence must lie between"),
        ("image,person,arousal\na.png,x,low\n", r"Line 2 .*: arousal must be a number, not 'low'"),
        ("image,person,label\na.png,x,odd\n", r"Line 2 of labels\.csv: 'odd' is not an emotion"),
    ],
)
def test_a_wrong_label_file_is_told(tmp_path, text, message):
    folder = write_labels(tmp_path / "in", text)
    with pytest.raises(DatasetError, match=message):
        run("crop", folder, tmp_path / "out", "--halves", "person", "--skip", "sad", *DETECTOR)
    assert not (tmp_path / "out").exists()


def test_labels_are_checked_before_faces_are_cut(tmp_path):
    folder = write_labels(tmp_path / "in", "image,emotion\na.png,happy\nb.png,joyful\n")
    with pytest.raises(DatasetError, match=r"Line 3 of labels\.csv: 'joyful' is not an emotion"):
        run("crop", folder, tmp_path / "out", *DETECTOR)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("is_file", [False, True], ids=["folder", "file"])
def test_nothing_is_overwritten(labelled, tmp_path, is_file):
    out = tmp_path / "out"
    mine = out if is_file else out / "mine.txt"
    mine.parent.mkdir(exist_ok=True)
    mine.write_text("mine")
    with pytest.raises(DatasetError, match="out is not an empty folder; choose another"):
        run("crop", labelled, out, *DETECTOR)
    assert mine.read_text() == "mine"


@pytest.mark.parametrize("size", ["7", "1025", "-5", "big"])
def test_a_wrong_size_is_wrong_use(tmp_path, size, capsys):
    with pytest.raises(SystemExit, match="2"):
        run("crop", tmp_path, tmp_path / "out", f"--size={size}")
    assert "is not a number of pixels from 8 to 1024" in capsys.readouterr().err


def test_show_counts_what_was_read(tmp_path, capsys):
    for name in ("a.png", "b.png", "c.png"):
        (tmp_path / name).write_bytes(encode(make_image(6, 6)))
    write_labels(
        tmp_path, "image,label,arousal,split\na.png,fear,,train\nb.png,none,1,train\nc.png,,,val\n"
    )
    assert run("show", "csv", tmp_path) == 0
    shown = capsys.readouterr()
    first, second = shown.out.split(f"{tmp_path.name} valid: 1 faces\n")
    assert first.startswith(f"{tmp_path.name} train: 2 faces\n")
    assert "  fear                1       1.0\n" in first
    assert "  uncertain           -       1.0\n" in first
    assert "  left out by the protocol: 1\n" in first
    assert "  rated valence: 0, arousal: 1\n" in first
    assert "  without a label: 1\n" in second
    assert "note: " in shown.err
    assert "has no line of the split 'test'" in shown.err


def test_show_of_one_split_tells_that_alone(tmp_path, capsys):
    (tmp_path / "a.png").write_bytes(encode(make_image(6, 6)))
    write_labels(tmp_path, "image\na.png\n")
    assert run("show", "csv", tmp_path, "--split", "all") == 0
    shown = capsys.readouterr()
    assert shown.out.startswith(f"{tmp_path.name} all: 1 faces\n")
    assert shown.err == ""


def test_show_of_a_split_that_is_broken_fails_in_part(tmp_path):
    for folder in ("train/sad", "test/smirk"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "a.png").write_bytes(encode(make_image(6, 6)))
    with pytest.raises(DatasetError, match="'smirk' is not an emotion"):
        run("show", "folders", tmp_path)


def test_show_of_nothing_is_an_error(tmp_path):
    with pytest.raises(DatasetError, match=r"no file .*labels\.csv"):
        run("show", "csv", tmp_path)


def test_a_template_is_printed(tmp_path, portrait, capsys):
    for i in range(20):
        (tmp_path / f"{i}.png").write_bytes(encode(portrait))
    write_labels(tmp_path, "image\n" + "".join(f"{i}.png\n" for i in range(20)))
    assert run("template", "csv", tmp_path, *DETECTOR) == 0
    shown = capsys.readouterr()
    lines = shown.out.splitlines()
    assert [line.rsplit(maxsplit=2)[0] for line in lines] == [
        *("left eye", "right eye", "nose tip", "left mouth corner", "right mouth corner"),
    ]
    left, right = (float(line.split()[-2]) for line in lines[:2])
    assert 0.2 < left < right < 0.8
    assert "Medians over 20 faces in 20 images." in shown.err


@pytest.mark.parametrize(
    ("arguments", "folder", "source"),
    [
        ((), "data/fer2013", "dataset"),
        (("--to", "here", "--source", "competition"), "here", "competition"),
    ],
)
def test_download_goes_where_it_is_told(monkeypatch, capsys, arguments, folder, source):
    calls = []
    monkeypatch.setattr(
        "emotion_core.training.datasets.kaggle.download_fer2013", lambda *given: calls.append(given)
    )
    assert run("download", "fer2013", *arguments) == 0
    ((to, chosen),) = calls
    assert to.as_posix() == folder
    assert chosen is SOURCES[source]
    shown = capsys.readouterr()
    assert shown.out.strip() == str(to)
    assert f"data show fer2013 {to}" in shown.err


def test_making_the_parser_imports_nothing_heavy():
    code = (
        "import argparse, sys\n"
        "from emotion_core.cli.data import add_data\n"
        "add_data(argparse.ArgumentParser())\n"
        "print([m for m in ('torch', 'pandas', 'cv2', 'kagglehub') if m in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
