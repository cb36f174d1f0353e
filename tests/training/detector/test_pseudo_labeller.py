"""A teacher's labels: joined with those made by hand, kept for the next run."""

import json

import numpy as np
import pytest
from huggingface_hub import constants

from emotion_core.errors import (
    DatasetError,
    UnknownModelError,
    WeightsMismatchError,
    WeightsUnavailableError,
)
from emotion_core.imaging.codec import decode_image
from emotion_core.training.detector import pseudo_labels
from emotion_core.training.detector.pseudo_labeller import (
    PseudoLabeller,
    load_pseudo_labeller,
    mark,
)
from emotion_core.training.detector.pseudo_labels import pseudo_label
from emotion_core.training.detector.readers import read_box_samples, read_portraits
from emotion_core.training.detector.samples import SampleKind, is_held_out
from tests.training.drawn_faces import draw_image, write_zip

TABLE = "image,x1,y1,x2,y2\na.png,2,2,20,20\nb.png,2,2,20,20\nb.png,30,30,40,44\n"
IMAGES = {"a.png": draw_image(1), "b.png": draw_image(2)}


class FixedTeacher:
    """Finds the same faces in every image: rows of x1, y1, x2, y2, score."""

    name, sha256 = "fixed", "0" * 64

    def __init__(self, *rows):
        self.faces = np.zeros((len(rows), 15), np.float32)
        for face, row in zip(self.faces, rows, strict=True):
            face[:4], face[14] = row[:4], row[4]
        self.asked = 0

    def __call__(self, *_, **__):
        self.asked += 1
        return self.faces.copy()


def test_annotation_and_teacher_are_joined(tmp_path):
    names = [name for name in (f"{i}.png" for i in range(40)) if not is_held_out(name)][:2]
    held = next(name for name in (f"{i}.png" for i in range(40)) if is_held_out(name))
    table = "image,x1,y1,x2,y2\n" + "".join(f"{name},2,2,20,20\n" for name in [*names, held])
    files = {name: draw_image(1) for name in [*names, held]}
    samples = read_box_samples(write_zip(tmp_path / "boxes.zip", files | {"boxes.csv": table}))
    rows = [(3, 2, 20, 21, 0.9), (2, 24, 20, 40, 0.95), (24, 30, 28, 36, 0.5)]
    first, second, kept = pseudo_label(samples, FixedTeacher(*rows), tmp_path / "labels")
    for image in (first, second):
        assert image.boxes.tolist() == [[2, 2, 20, 20], [2, 24, 20, 40]]
        assert np.isfinite(image.landmarks).all()
        assert image.ignored.tolist() == [[24, 30, 28, 36]]
    assert kept.held_out
    assert kept.boxes.tolist() == [[2, 2, 20, 20]]  # what is measured against is the annotation
    assert np.isnan(kept.landmarks).all()


def test_portraits_without_a_sure_face_are_left_out(tmp_path):
    samples = read_portraits(write_zip(tmp_path / "p.zip", IMAGES))
    teacher = FixedTeacher((3, 2, 20, 21, 0.9), (2, 24, 20, 40, 0.4))
    taught = pseudo_label(samples, teacher, tmp_path / "labels")
    assert [(len(p.boxes), len(p.ignored)) for p in taught] == [(1, 1)] * 2
    unsure = FixedTeacher((3, 2, 20, 21, 0.5))
    unsure.sha256 = "1" * 64
    assert pseudo_label(samples, unsure, tmp_path / "labels") == []


def test_the_teacher_is_asked_once_and_labels_outlive_a_kill(tmp_path, caplog):
    files = IMAGES | {"broken.png": b"no image", "c.png": draw_image(3)}
    samples = read_portraits(write_zip(tmp_path / "p.zip", files))
    teacher = FixedTeacher((3, 2, 20, 21, 0.9))
    first = pseudo_label(samples, teacher, tmp_path / "labels")
    assert [p.file.name for p in first] == ["a.png", "b.png", "c.png"]
    assert "1 images that cannot be read" in caplog.text
    asked = teacher.asked
    (path,) = (tmp_path / "labels").iterdir()
    lines = path.read_bytes().splitlines(keepends=True)
    assert json.loads(lines[2]) == {"image": "broken.png", "bytes": 8, "faces": None}
    again = pseudo_label(samples, teacher, tmp_path / "labels")
    assert teacher.asked == asked
    path.write_bytes(b"".join(lines[:3]) + lines[3][:20])
    third = pseudo_label(samples, teacher, tmp_path / "labels")
    assert teacher.asked == asked * 4 // 3
    assert path.read_bytes() == b"".join(lines)
    for taught in (again, third):
        assert [p.boxes.tolist() for p in taught] == [p.boxes.tolist() for p in first]


def test_an_image_that_changed_is_asked_about_anew(tmp_path):
    teacher = FixedTeacher((3, 2, 20, 21, 0.9))
    for image in (draw_image(1), draw_image(9, (40, 40))):
        path = write_zip(tmp_path / "p.zip", {"a.png": image})
        before = teacher.asked
        pseudo_label(read_portraits(path), teacher, tmp_path / "labels")
        assert teacher.asked > before


def test_labels_that_are_none_are_told(tmp_path):
    samples = read_portraits(write_zip(tmp_path / "p.zip", IMAGES))
    teacher = FixedTeacher((3, 2, 20, 21, 0.9))
    pseudo_label(samples, teacher, tmp_path / "labels")
    (path,) = (tmp_path / "labels").iterdir()
    path.write_text("{}\n")
    with pytest.raises(DatasetError, match=r"Line 1 of .* is no label; remove the file"):
        pseudo_label(samples, teacher, tmp_path / "labels")
    (tmp_path / "file").write_text("")
    with pytest.raises(DatasetError, match="choose --labels"):
        pseudo_label(samples, teacher, tmp_path / "file")


def test_an_interruption_keeps_the_labels_so_far(tmp_path, monkeypatch):
    samples = read_portraits(write_zip(tmp_path / "p.zip", IMAGES))
    monkeypatch.setattr(pseudo_labels, "usable_cores", lambda: 1)

    class Interrupted(FixedTeacher):
        def __call__(self, *_, **__):
            if self.asked == 5:
                raise KeyboardInterrupt
            return super().__call__()

    asked_for_one = FixedTeacher((3, 2, 20, 21, 0.9))
    mark(asked_for_one, draw_image(1), SampleKind.PORTRAITS)
    teacher = Interrupted((3, 2, 20, 21, 0.9))
    teacher.asked = 5 - asked_for_one.asked
    with pytest.raises(KeyboardInterrupt):
        pseudo_label(samples, teacher, tmp_path / "labels")
    (path,) = (tmp_path / "labels").iterdir()
    assert [json.loads(line)["image"] for line in path.read_text().splitlines()] == ["a.png"]


def test_a_real_teacher_sees_a_face_in_any_size_of_portrait(shared, yunet_path):
    data = (shared / "samples" / "photos" / "astronaut.png").read_bytes()
    face = decode_image(data).pixels[0:220, 130:330]
    teacher = load_pseudo_labeller(str(yunet_path))
    small = mark(teacher, face, SampleKind.PORTRAITS)
    large = mark(teacher, np.repeat(np.repeat(face, 5, 0), 5, 1), SampleKind.PORTRAITS)
    assert small[0, 14] > 0.7
    np.testing.assert_allclose(large[0, :14] / 5, small[0, :14], atol=6)
    found = mark(teacher, decode_image(data).pixels, SampleKind.BOXES)
    np.testing.assert_allclose(found[0, :4] - (130, 0, 130, 0), small[0, :4], atol=12)


def test_who_cannot_have_the_teacher_is_told_what_else_there_is(monkeypatch, tmp_path):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(WeightsUnavailableError, match=r"HF_HUB_OFFLINE.*--teacher FILE.*none"):
        load_pseudo_labeller("yunet")


def test_a_teacher_must_be_a_yunet(tmp_path):
    with pytest.raises(WeightsUnavailableError, match="There is no teacher's file"):
        load_pseudo_labeller(str(tmp_path / "nowhere.onnx"))
    with pytest.raises(UnknownModelError, match="emoscope-face-s cannot teach"):
        load_pseudo_labeller("emoscope-face-s")
    (tmp_path / "wrong.onnx").write_bytes(b"no graph")
    with pytest.raises(WeightsMismatchError, match=r"wrong\.onnx is no YuNet"):
        PseudoLabeller(tmp_path / "wrong.onnx", "wrong")
