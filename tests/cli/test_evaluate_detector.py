"""``evaluate-detector``: what is measured, and the command as a user types it."""

import argparse
import json
import math
import subprocess
import sys

import cv2
import numpy as np
import pytest

from emotion_core.cli import evaluate_detector
from emotion_core.cli.evaluate_detector import add_evaluate_detector
from emotion_core.errors import DatasetError, EmotionError, WeightsMismatchError
from emotion_core.training.detector.evaluate import (
    SIZES_WH,
    EvalSettings,
    expose,
    landmark_error,
    measure_ap,
    measure_detector_speed,
    measure_marked,
    measure_portraits,
    measure_scenes,
)
from emotion_core.training.detector.samples import SampleKind, is_held_out
from emotion_core.training.detector.wider import WiderTruth
from emotion_core.types import Faces
from tests.factories import make_classifier_onnx
from tests.training.drawn_faces import (
    BOX,
    LANDMARKS,
    draw_image,
    make_sample,
    write_boxes,
    write_scenes,
    write_zip,
)

ASKED = EvalSettings()


class FixedDetector:
    """Finds the same in every image: rows of x1, y1, x2, y2, score."""

    def __init__(self, *rows, landmarks=None):
        table = np.asarray(rows, np.float32).reshape(-1, 5)
        self.faces = Faces(table[:, :4], table[:, 4], landmarks)
        self.asked = []

    def detect(self, images, options):
        self.asked.append((options.min_score, options.min_face_px, len(images)))
        return [self.faces[self.faces.scores >= options.min_score] for _ in images]


def test_marked_images_are_asked_for_everything_and_as_the_product_asks(tmp_path):
    samples = [make_sample(tmp_path, SampleKind.BOXES) for _ in range(20)]
    detector = FixedDetector((20, 25, 60, 70, 0.5), (20, 25, 60, 66, 0.3), (70, 0, 76, 6, 0.9))
    figures = measure_marked(detector, samples, EvalSettings(0.6, 5))
    assert detector.asked == [(0.02, 5, 16), (0.6, 5, 16), (0.02, 5, 4), (0.6, 5, 4)]
    assert figures.pictures == 20
    assert figures.faces == {
        "all": 20, "from_16_px": 20, "under_16_px": 0, "16_to_32_px": 0, "32_to_96_px": 20,
        "from_96_px": 0,
    }  # fmt: skip
    assert figures.average_precision["all"] == pytest.approx(0.5)  # the small one ranks first
    assert figures.average_precision["from_16_px"] == 1
    assert figures.average_precision["16_to_32_px"] is None
    assert (figures.precision, figures.recall) == (None, 0)  # at the threshold nothing is found
    assert figures.recall_at_false_alarms == 1
    assert figures.settings == {}
    assert len(figures.curve) == 20
    assert figures.curve[-1] == [1.0, 1.0, 0.5]
    assert measure_ap(detector, samples) == 1


def test_recall_is_told_at_one_false_alarm_in_ten_images(tmp_path):
    samples = [make_sample(tmp_path, SampleKind.BOXES) for _ in range(4)]
    sure_and_wrong = FixedDetector((0, 0, 19, 19, 0.9), (20, 25, 60, 70, 0.7))
    figures = measure_marked(sure_and_wrong, samples, ASKED)
    assert figures.recall_at_false_alarms == 0
    assert (figures.precision, figures.recall) == (0.5, 1)


def test_settings_of_wider_make_other_faces_neutral(tmp_path):
    image = make_sample(tmp_path, SampleKind.BOXES)
    boxes = np.vstack([BOX, [[0, 0, 10, 10]]]).astype(np.float32)
    wanted = {"easy": np.array([True, False]), "hard": np.array([True, True])}
    detector = FixedDetector((20, 25, 60, 70, 0.5), (0, 0, 10, 10, 0.8))
    settings = {image.file.name: WiderTruth(boxes, wanted)}
    assert measure_marked(detector, [image], ASKED, settings).settings == {"easy": 1, "hard": 1}
    half = FixedDetector((20, 25, 60, 70, 0.5))
    found = measure_marked(half, [image], ASKED, settings).settings
    assert found == {"easy": 1, "hard": 0.5}


def test_portraits_and_scenes_are_counted_at_the_threshold(tmp_path):
    sample = make_sample(tmp_path)
    marks = np.stack([LANDMARKS.reshape(5, 2), np.zeros((5, 2), np.float32)])
    marks[0, :, 0] += 2
    detector = FixedDetector((20, 25, 60, 70, 0.9), (0, 0, 8, 8, 0.6), landmarks=marks)
    figures = measure_portraits(detector, [sample] * 3, ASKED)
    assert (figures.pictures, figures.recall, figures.precision) == (3, 1, 0.5)
    assert figures.landmark_error_mean == pytest.approx(0.1)  # 2 px, eyes 20 px apart
    assert figures.landmark_error_median == pytest.approx(0.1)
    assert detector.asked == [(0.6, 12, 3)]
    scenes = [make_sample(tmp_path, SampleKind.SCENES)] * 3
    counted = measure_scenes(detector, scenes, ASKED)
    assert (counted.pictures, counted.with_false_face, counted.false_faces) == (3, 3, 6)
    missed = measure_portraits(FixedDetector(), [sample], ASKED)
    assert (missed.recall, missed.precision, missed.landmark_error_mean) == (0, None, None)


def test_landmark_error_does_not_depend_on_the_size():
    truth = LANDMARKS.reshape(5, 2)
    marks = truth + np.array([1, 1], np.float32)
    assert landmark_error(marks, truth) == pytest.approx(math.sqrt(2) / 20)
    assert landmark_error(7 * marks, 7 * truth) == pytest.approx(math.sqrt(2) / 20)


def test_speed_is_measured_by_size_on_one_core():
    threads = cv2.getNumThreads()
    times = measure_detector_speed(["emoscope-face-s"], draw_image(1), limit_s=0.1)[
        "emoscope-face-s"
    ]
    assert list(times) == [f"{w}x{h}" for w, h in SIZES_WH]
    assert min(times.values()) > 0
    assert cv2.getNumThreads() == threads


def _run(*words):
    parser = argparse.ArgumentParser()
    add_evaluate_detector(parser)
    chosen = parser.parse_args([str(word) for word in words])
    return chosen.run(chosen)


def test_a_graph_of_something_else_is_refused_in_a_sentence(tmp_path):
    (tmp_path / "other.onnx").write_bytes(make_classifier_onnx("dynamic"))
    scenes = write_scenes(tmp_path / "s.zip")
    with pytest.raises(WeightsMismatchError, match=r"^other\.onnx is no face detector: its graph"):
        _run("--scenes", scenes, "--all", "--detector", tmp_path / "other.onnx", "--no-speed")


def test_the_command_gives_a_table_json_and_a_page(tmp_path, capsys):
    out = tmp_path / "out.json"
    data = (
        "--boxes",
        write_boxes(tmp_path / "b.zip"),
        "--scenes",
        write_scenes(tmp_path / "s.zip"),
    )
    assert _run(*data, "--all", "--detector", "emoscope-face-s", "--no-speed", "--json", out) == 0
    table = capsys.readouterr().out
    assert "20 of boxes, 12 of scenes (all)" in table
    assert "boxes: 20 images, 20 faces" in table
    assert "AP 32-96 px (20)" in table
    assert "scenes without faces: 12" in table
    assert "milliseconds" not in table
    figures = json.loads(out.read_text())
    (detector,) = figures["detectors"]
    assert detector["name"] == "emoscope-face-s"
    assert set(detector["marked"]) == {"boxes"}
    assert detector["marked"]["boxes"]["average_precision"]["under_16_px"] is None
    assert (detector["portraits"], detector["scenes"]["pictures"]) == (None, 12)
    assert figures["asked"] == {"threshold": 0.6, "min_face_px": 12, "exposure": 1}
    page = out.with_suffix(".html").read_text()
    assert page.startswith("<!DOCTYPE html>")
    for text in ("Precision and recall, boxes", "Average precision by size, boxes"):
        assert text in page


def test_only_held_out_images_are_measured(tmp_path, capsys):
    words = ("--boxes", write_boxes(tmp_path / "b.zip"), "--detector", "emoscope-face-s")
    assert _run(*words, "--no-speed", "--min-face", 40) == 0
    table = capsys.readouterr().out
    n = int(table.partition(" of boxes (held out)")[0])
    assert 0 < n < 20
    assert "faces from 40 px" in table


def test_real_portraits_are_measured_against_a_teacher(shared, yunet_path, tmp_path, capsys):
    photo = (shared / "samples" / "photos" / "astronaut.png").read_bytes()
    album = write_zip(tmp_path / "album.zip", {"a.png": photo})
    words = ("--portraits", album, "--all", "--teacher", yunet_path, "--labels", tmp_path / "l")
    out = tmp_path / "out.json"
    assert _run(*words, "--detector", yunet_path, "--no-speed", "--json", out) == 0
    assert "portraits: 1, against yunet_n_dynamic.onnx" in capsys.readouterr().out
    portraits = json.loads(out.read_text())["detectors"][0]["portraits"]
    assert (portraits["recall"], portraits["precision"]) == (1, 1)
    assert portraits["landmark_error_mean"] < 0.12


def test_settings_that_can_be_read_are_in_the_table(tmp_path, monkeypatch, capsys):
    truth = WiderTruth(BOX, {name: np.ones(1, bool) for name in ("easy", "medium", "hard")})
    monkeypatch.setattr(
        evaluate_detector,
        "_read",
        lambda *_: ({"boxes": [], "wider": [make_sample(tmp_path, SampleKind.BOXES)],
                     "portraits": [], "scenes": []}, ""),
    )  # fmt: skip
    truths = {"boxes-0.png": truth}
    monkeypatch.setattr(evaluate_detector, "_read_wider_truths", lambda _: truths)
    assert _run("--wider", tmp_path, "--detector", "emoscope-face-s", "--no-speed") == 0
    assert "AP hard" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "error", "message"),
    [
        ((), DatasetError, "Name data"),
        (("--portraits", "s.zip", "--teacher", "none"), EmotionError, "Portraits need a teacher"),
        (("--scenes", "one.zip"), DatasetError, "None of these images is held out; --all"),
        (("--scenes", "s.zip", "--json", "a.html"), EmotionError, "another ending than .html"),
        (("--scenes", "s.zip", "--json", "no/a.json"), EmotionError, "There is no folder no"),
    ],
    ids=["no data", "no teacher", "none held out", "html", "no folder"],
)
def test_wrong_use_is_told(tmp_path, monkeypatch, words, error, message):
    monkeypatch.chdir(tmp_path)
    write_scenes(tmp_path / "s.zip", 12)
    name = next(name for name in ("0.png", "1.png", "2.png") if not is_held_out(name))
    write_zip(tmp_path / "one.zip", {name: draw_image(1)})
    with pytest.raises(error, match=message):
        _run(*words, "--detector", "emoscope-face-s", "--no-speed")


def test_adding_the_commands_imports_nothing_heavy():
    code = (
        "import argparse, sys\n"
        "from emotion_core.cli.train_detector import add_export_detector, "
        "add_train_detector\n"
        "from emotion_core.cli.evaluate_detector import add_evaluate_detector\n"
        "for add in (add_train_detector, add_export_detector, add_evaluate_detector):\n"
        "    add(argparse.ArgumentParser())\n"
        "print(sorted({'torch', 'cv2', 'pandas', 'onnx'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_images_can_be_made_darker_and_brighter():
    image = np.array([[[0, 10, 100]]], np.uint8)
    assert expose(image, 3.0).ravel().tolist() == [0, 30, 255]
    assert expose(image, 0.25).ravel().tolist() == [0, 2, 25]
    assert image.ravel().tolist() == [0, 10, 100]


def test_a_detector_sees_exposed_images(tmp_path):
    samples = [make_sample(tmp_path, SampleKind.BOXES)]
    means = []

    class Watching(FixedDetector):
        def detect(self, images, *asked):
            means.append(float(images[0].mean()))
            return super().detect(images, *asked)

    for exposure in (1.0, 0.25):
        measure_marked(Watching(), samples, EvalSettings(exposure=exposure))
        measure_portraits(Watching(), samples, EvalSettings(exposure=exposure))
        measure_scenes(Watching(), samples, EvalSettings(exposure=exposure))
    assert means[:4] == [means[0]] * 4
    assert means[4:] == pytest.approx([means[0] / 4] * 4, abs=1)


def test_the_exposure_is_said():
    assert EvalSettings().words == "threshold 0.6, faces from 12 px"
    assert (
        EvalSettings(exposure=0.25).words == "threshold 0.6, faces from 12 px, 0.25 times as bright"
    )
