"""``evaluate`` as a user types it."""

import argparse
import json
import os
import re
import subprocess
import sys

import cv2
import numpy as np
import onnx
import pytest
import torch

from emotion_core.cli.evaluate import add_evaluate
from emotion_core.errors import DatasetError, EmotionError
from emotion_core.models.card import Task
from emotion_core.models.registry import candidates
from emotion_core.training.datasets import read_faces
from emotion_core.training.datasets.face_set import LABELS
from emotion_core.training.emotion import load as load_module
from emotion_core.training.emotion.load import load_model
from emotion_core.training.evaluation.evaluate import predict_faces
from emotion_core.training.evaluation.metrics import to_metrics
from tests.factories import encode, make_classifier_onnx, make_image

BOXES = "image,x1,y1,x2,y2"


@pytest.fixture
def ferplus(tmp_path):
    """A validation split of four faces."""
    folder = tmp_path / "data" / "FER2013Valid"
    folder.mkdir(parents=True)
    lines = []
    for i in range(4):
        cv2.imwrite(str(folder / f"{i}.png"), make_image(48, 48, i)[:, :, 0])
        votes = [10 * (column == i) for column in range(10)]
        lines.append(f'{i}.png,"(0, 0, 48, 48)",{",".join(map(str, votes))}')
    (folder / "label.csv").write_text("\n".join(lines))
    return folder.parent


@pytest.fixture
def photos(tmp_path):
    """Two photos without a face and one that is none."""
    folder = tmp_path / "album"
    folder.mkdir()
    for i in range(2):
        (folder / f"{i}.png").write_bytes(encode(make_image(64, 48, i)))
    (folder / "2.png").write_text("no image")
    lines = [
        "image,emotion,person",
        *(f"{i}.png,happy,{('123456789', 'a')[i % 2]}" for i in range(3)),
    ]
    (folder / "labels.csv").write_text("\n".join(lines))
    return folder


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """Released network for 8 x 8 images, which is read and timed within milliseconds."""
    graph = onnx.load_from_string(make_classifier_onnx("dynamic", len(LABELS)))
    preprocessing = {"size_px": 8, "mean": [0.0], "std": [255.0]}
    metadata = {"labels": ",".join(LABELS), "preprocessing": json.dumps(preprocessing)}
    onnx.helper.set_model_props(graph, metadata | {"temperature": "1.5"})
    path = tmp_path_factory.mktemp("model") / "tiny.onnx"
    onnx.save(graph, path)
    return ("--model", path, "--device", "cpu")


DETECTOR = ("--detector", "emoscope-face-s")


def run(*words):
    parser = argparse.ArgumentParser()
    add_evaluate(parser)
    chosen = parser.parse_args([str(word) for word in words])
    return chosen.run(chosen)


def copy_split(root, rows):
    """Make the training split of some rows of the validation split, and of an image of its own."""
    source, folder = root / "FER2013Valid", root / "FER2013Train"
    folder.mkdir()
    lines = (source / "label.csv").read_text().splitlines()
    (folder / "label.csv").write_text("\n".join(lines[i] for i in [*rows, 0]))
    for i in range(4):
        (folder / f"{i}.png").write_bytes((source / f"{i}.png").read_bytes())
    cv2.imwrite(str(folder / "0.png"), make_image(48, 48, 99)[:, :, 0])


def test_faces_that_were_learnt_from_can_be_left_out(tmp_path, ferplus, tiny, capsys):
    copy_split(ferplus, [1, 3])
    figures = tmp_path / "out.json"
    assert run("ferplus", ferplus, "--unseen", "--json", figures, *tiny) == 0
    printed = capsys.readouterr()
    assert "2 of 4 faces are in the training split, too: left out." in printed.err
    assert "FER+ Valid without what FER+ Train holds, 2 faces" in printed.out
    found = json.loads(figures.read_text())
    assert found["n"] == 2
    assert set(found["per_class_recall"]) == {"neutral", "surprise"}


def test_without_any_unseen_face_there_is_nothing_to_measure(ferplus):
    copy_split(ferplus, [])
    with pytest.raises(DatasetError, match="All faces of FER"):
        run("ferplus", ferplus, "--unseen", "--split", "train", "--device", "cpu")


def test_photos_have_no_training_split(photos):
    with pytest.raises(EmotionError, match="--unseen is for data sets with a training split"):
        run("photos", photos, "--unseen")


def test_a_data_set_gives_a_table_json_page_and_plot(tmp_path, ferplus, tiny, capsys):
    figures, plot = tmp_path / "out.json", tmp_path / "calibration.svg"
    words = ["FERplus", ferplus, "--json", figures, "--calibration-plot", plot]
    assert run(*words, *tiny) == 0
    printed = capsys.readouterr()
    assert "accuracy, 8 classes" in printed.out
    assert "tiny.onnx on cpu." in printed.err
    assert json.loads(figures.read_text())["n"] == 4
    assert "<html" in figures.with_suffix(".html").read_text(encoding="utf-8")
    assert plot.read_text(encoding="utf-8").startswith("<svg")


def test_a_split_may_be_spelt_as_data_sets_do(ferplus, tiny, capsys):
    assert run("ferplus", ferplus, "--split", "Validation", *tiny) == 0
    assert ", 4 faces" in capsys.readouterr().out


def test_the_test_split_takes_the_place_of_a_missing_validation_split(tmp_path, tiny, capsys):
    (tmp_path / "test" / "happy").mkdir(parents=True)
    (tmp_path / "test" / "happy" / "a.png").write_bytes(encode(make_image(48, 48)))
    assert run("folders", tmp_path, *tiny) == 0
    printed = capsys.readouterr()
    assert "The test split is measured." in printed.err
    assert ", 1 faces" in printed.out


def test_photos_without_a_reading_are_reported(tmp_path, photos, tiny, capsys):
    figures = tmp_path / "out.json"
    assert run("photos", photos, "--json", figures, *tiny, *DETECTOR) == 1
    content = json.loads(figures.read_text())
    assert (content["n"], content["missed"]) == (3, 3)
    assert content["missed_files"] == ["0.png", "1.png"]
    assert content["unreadable_files"][0]["file"] == "2.png"
    out = capsys.readouterr().out
    assert "2 of 3 photos without a face found, 1 unreadable" in out


def test_half_of_the_photos_can_be_measured(photos, tiny, capsys):
    for half in "ab":
        run("photos", photos, "--half", half, "--halves", "person", *tiny, *DETECTOR)
    out = capsys.readouterr().out
    assert out.index("album, 2 photos") < out.index("album, 1 photos")


def test_marked_faces_need_no_detector(tmp_path, photos, tiny, monkeypatch, capsys):
    monkeypatch.setattr(load_module, "make_detector", pytest.fail)
    boxes = tmp_path / "boxes.csv"
    boxes.write_text(f"{BOXES}\n0.png,4,4,40,40\n1.png,0,0,48,48\n")
    words = ["photos", photos / "labels.csv", "--boxes", boxes, "--only", boxes]
    assert run(*words, *tiny) == 0
    out = capsys.readouterr().out
    assert "0 of 2 photos without a face found" in out
    assert "as boxes.csv marks them; no detector is used" in out


@pytest.mark.parametrize(
    ("words", "error", "reason"),
    [
        pytest.param(
            ["cifar", "."],
            DatasetError,
            "no data set 'cifar'; there are: ferplus, .*photos",
            id="data set",
        ),
        pytest.param(["ferplus", "gone"], DatasetError, "There is no folder gone", id="folder"),
        pytest.param(
            ["ferplus", ".", "--split", "dev"],
            DatasetError,
            "no split 'dev'; there are: train",
            id="split",
        ),
        pytest.param(
            ["ferplus", ".", "--half", "a"],
            EmotionError,
            "--half is for `evaluate photos` only",
            id="photo option",
        ),
        pytest.param(
            ["photos", ".", "--half", "a"],
            EmotionError,
            "--half and --halves need each other",
            id="half",
        ),
        pytest.param(
            ["photos", ".", "--halves", "x"],
            EmotionError,
            "--half and --halves need each other",
            id="halves",
        ),
        pytest.param(
            ["photos", ".", "--boxes", "b", "--detector", "d"],
            EmotionError,
            "leave one of them out",
            id="boxes",
        ),
        pytest.param(["photos", "gone"], DatasetError, "There is no file gone", id="photos"),
        pytest.param(
            ["ferplus", ".", "--json", "a.html"],
            EmotionError,
            "another ending than .html",
            id="json",
        ),
        pytest.param(
            ["ferplus", ".", "--json", "gone/a.json"],
            EmotionError,
            "There is no folder gone to write a.json to",
            id="json folder",
        ),
        pytest.param(
            ["ferplus", ".", "--calibration-plot", "a.pdf"],
            EmotionError,
            "a.pdf must end in .svg or .png",
            id="plot",
        ),
        pytest.param(
            ["ferplus", ".", "--threads", "4096"],
            EmotionError,
            "--threads can be at most",
            id="threads",
        ),
    ],
)
def test_wrong_use_is_one_sentence(tmp_path, monkeypatch, words, error, reason):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=reason):
        run(*words)


@pytest.mark.parametrize("n", ["0", "-1", "two"])
def test_threads_must_be_a_number_from_one(capsys, n):
    with pytest.raises(SystemExit) as caught:
        run("ferplus", ".", f"--threads={n}")
    assert caught.value.code == 2
    assert f"{n} is not a number from 1" in capsys.readouterr().err


def test_json_that_cannot_be_written_is_named(tmp_path, ferplus, tiny):
    (tmp_path / "out.json").mkdir()
    with pytest.raises(EmotionError, match=r"out\.json cannot be written \(Is a directory"):
        run("ferplus", ferplus, "--json", tmp_path / "out.json", *tiny)


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="only Linux limits cores")
def test_cores_are_limited_while_it_measures(ferplus, tiny, capsys):
    before = os.sched_getaffinity(0), torch.get_num_threads(), cv2.getNumThreads()
    run("ferplus", ferplus, "--threads", 1, *tiny)
    assert ", 1 thread)" in capsys.readouterr().out
    assert before == (os.sched_getaffinity(0), torch.get_num_threads(), cv2.getNumThreads())


def test_the_commands_arguments_cost_no_import_of_torch():
    code = (
        "import argparse, sys; from emotion_core.cli.evaluate import add_evaluate; "
        "add_evaluate(argparse.ArgumentParser()); "
        "print({'torch', 'pandas', 'altair', 'onnxruntime'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.slow
def test_the_default_network_gives_on_ferplus_what_its_card_says(shared):
    faces = read_faces("ferplus", shared / "data" / "ferplus", "valid")
    model = load_model(None, "cpu")
    readings = predict_faces(model.classifier, faces)
    figures = to_metrics(readings.probabilities, readings.va, faces)
    assert (figures.n, figures.n_nine) == (3191, 3203)
    claimed = candidates(Task.EMOTION)[0].metrics
    for value, name in (
        (figures.accuracy, "FER+ validation accuracy, 8 classes"),
        (figures.macro_f1, "FER+ validation macro-F1, 8 classes"),
        (figures.ece, "FER+ validation calibration error"),
    ):
        assert round(value, 4) == claimed[name]
    assert np.sum(figures.confusion) == 3191


def test_a_second_model_is_measured_on_the_same_photos(tmp_path, photos, tiny, capsys):
    boxes = tmp_path / "boxes.csv"
    boxes.write_text("\n".join([BOXES, *(f"{i}.png,4,4,40,40" for i in range(3))]))
    report = tmp_path / "out.json"
    options = ("--boxes", boxes, "--second", "emoscope-fer-s", "--worst", 2, "--json", report)
    assert run("photos", photos, *options, *tiny) == 1  # one is unreadable
    printed = capsys.readouterr().out
    assert "emoscope-fer-s against tiny.onnx, on the same faces" in printed
    assert "McNemar's test: p = " in printed
    found = json.loads(report.read_text())
    assert found["paired"]["names"] == ["tiny.onnx", "emoscope-fer-s"]
    paired = found["paired"]
    parts = ("both_right", "only_first", "only_second", "both_wrong")
    assert sum(paired[part] for part in parts) == 3
    assert len(found["worst"]) == 2 - paired["both_right"] - paired["only_first"]


def test_posed_material_is_measured_if_the_model_has_shares(ferplus, tiny, capsys):
    options = ("ferplus", ferplus, "--material", "posed")
    with pytest.raises(EmotionError, match="can only be used as it was trained"):
        run(*options, *tiny)
    assert run(*options, "--model", "emoscope-fer-s", "--device", "cpu") == 0
    assert re.search(r"with temperature 1 +none", capsys.readouterr().out)
