"""Labelled photos through the whole product, with fakes for its networks."""

import json

import numpy as np
import PIL.Image
import pytest

from emotion_core.errors import DatasetError
from emotion_core.labels import Emotion
from emotion_core.recognition.classifier import EmotionClassifier
from emotion_core.training.datasets import image_sources
from emotion_core.training.datasets.face_set import LABELS
from emotion_core.training.datasets.photo_labels import (
    keep_half,
    keep_only,
    keep_split,
    read_box_table,
    read_photo_labels,
    to_face_set,
)
from emotion_core.training.emotion.load import LoadedModel
from emotion_core.training.evaluation.evaluate_photos import (
    evaluate_photos,
    read_in_boxes,
    read_with_detector,
)
from emotion_core.training.evaluation.report import emotion_report_json, emotion_report_table
from emotion_core.types import Faces, Predictions, VaSource
from tests.factories import (
    FakeNetwork,
    encode,
    make_classifier_onnx,
    make_counting_photo,
    make_emotion_card,
    make_fake_analyzer,
    make_image,
    make_predictions,
    make_smooth_image,
)
from tests.video.clips import make_clip, numbered_images, read_number

BOXES = "image,x1,y1,x2,y2"
POINTS = ",".join(f"l{axis}{i}" for i in range(1, 6) for axis in "xy")


@pytest.fixture
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("net") / "tiny.onnx"
    path.write_bytes(make_classifier_onnx("dynamic"))
    network = FakeNetwork()
    return LoadedModel(EmotionClassifier(network, make_emotion_card()), network, path)


def write_photos(folder, n_faces, lines=None, header="image,emotion"):
    """Photos with so many faces each, all of them happy unless lines say otherwise."""
    for i, n in enumerate(n_faces):
        (folder / f"{i}.png").write_bytes(make_counting_photo(n, seed=i))
    lines = [f"{i}.png,happy" for i in range(len(n_faces))] if lines is None else lines
    (folder / "labels.csv").write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    return folder


def measure(model, folder, look=None, labels=None):
    look = look or read_with_detector(make_fake_analyzer())
    labels = read_photo_labels(folder) if labels is None else labels
    return evaluate_photos(model, look, folder, labels, "Faces are found by a fake.")


def test_photos_without_a_face_are_wrong_and_named(tmp_path, model):
    report = measure(model, write_photos(tmp_path, [1, 0, 2]))
    assert report.missed.no_face == ("1.png",)
    figures = report.metrics
    assert (figures.n, figures.missed, figures.missed_per_class) == (3, 1, {"happiness": 1})
    hits = figures.confusion[LABELS.index(Emotion.HAPPINESS)][LABELS.index(Emotion.HAPPINESS)]
    assert figures.accuracy == figures.per_class_recall["happiness"] == hits / 3
    assert sum(b.n for b in figures.calibration) == 2
    assert report.photo_ms > 0


def test_photos_of_one_person_are_drawn_together(tmp_path, model):
    lines = ["0.png,sad,A", "1.png,sad,A", "2.png,sad,B", "3.png,sad,"]
    folder = write_photos(tmp_path, [1, 1, 1, 1], lines, "image,emotion,person")
    likely = measure(model, folder).intervals
    assert (likely.drawn, likely.n) == ("people", 3)
    write_photos(tmp_path, [1, 1])
    likely = measure(model, tmp_path).intervals
    assert (likely.drawn, likely.n) == ("photos", 2)


def test_photos_that_cannot_be_read_are_wrong_and_named(tmp_path, model):
    names = [f"text{i}.png" for i in range(7)]
    write_photos(tmp_path, [1, 1], [f"{name},sad" for name in ("0.png", "1.png", *names)])
    for name in names:
        (tmp_path / name).write_text("no image")
    report = measure(model, tmp_path)
    assert report.metrics.missed == 7
    assert report.missed.no_face == ()
    assert [file for file, _ in report.missed.unreadable] == names
    content = json.loads(emotion_report_json(report))
    assert content["missed"] == 7
    assert content["missed_files"] == []
    assert [entry["file"] for entry in content["unreadable_files"]] == names
    table = emotion_report_table(report)
    assert "0 of 9 photos without a face found, 7 unreadable" in table
    assert [name in table for name in names] == [True] * 5 + [False] * 2
    assert "and 2 more" in table


def test_a_folder_of_nothing_but_unreadable_photos_gives_zero(tmp_path, model):
    write_photos(tmp_path, [], ["text.png,happy"])
    (tmp_path / "text.png").write_text("no image")
    report = measure(model, tmp_path)
    assert (report.metrics.n, report.metrics.accuracy, report.metrics.ece) == (1, 0, None)
    assert report.photo_ms is None
    assert "1 missed" in emotion_report_table(report)


def test_missing_photos_are_not_counted_as_wrong(tmp_path, model):
    write_photos(tmp_path, [1], ["0.png,sad", "in/gone.png,sad", "gone.png,sad"])
    with pytest.raises(DatasetError, match=r"Line 3 of .*in/gone.png .*2 of 3 are missing.*--only"):
        measure(model, tmp_path)


def test_the_largest_face_counts(tmp_path, model):
    def look(_names, images):
        boxes = np.array([[0, 0, 10, 10], [0, 0, 30, 20], [0, 0, 5, 40]], np.float32)
        probabilities = np.eye(9, dtype=np.float32)[[2, 1, 3]]
        zeros = np.zeros(3, np.float32)
        va = np.array([0.1, 0.9, 0.2], np.float32)
        read = Predictions(LABELS, probabilities, va, zeros, VaSource.EXPECTATION)
        return [(Faces(boxes, np.ones(3, np.float32)), read) for _ in images]

    write_photos(tmp_path, [1], ["0.png,happy,0.8,0.1"], "image,emotion,valence,arousal")
    report = measure(model, tmp_path, look)
    assert report.metrics.accuracy == 1
    assert report.metrics.valence_rmse == pytest.approx(0.1, rel=1e-5)


def test_ratings_of_photos_without_a_face_are_left_out(tmp_path, model):
    lines = ["0.png,happy,0.5,0.5", "1.png,happy,-1,-1", "2.png,sad,,"]
    write_photos(tmp_path, [1, 0, 1], lines, "image,emotion,valence,arousal")
    figures = measure(model, tmp_path).metrics
    assert (figures.n_valence, figures.n_arousal) == (1, 1)


def test_photos_are_turned_upright(tmp_path, model):
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    (tmp_path / "0.jpg").write_bytes(encode(make_smooth_image(64, 48), "JPEG", exif=exif))
    (tmp_path / "labels.csv").write_text("image,emotion\n0.jpg,happy\n")
    shapes = []

    def look(names, images):
        shapes.extend(image.shape for image in images)
        return read_with_detector(make_fake_analyzer())(names, images)

    measure(model, tmp_path, look)
    assert shapes == [(64, 48, 3)]


@pytest.mark.parametrize(
    ("pixels", "sizes"),
    [
        pytest.param(10**9, [16, 16, 8], id="small photos"),
        pytest.param(2 * 64 * 48, [2] * 20, id="large photos"),
        pytest.param(1, [1] * 40, id="huge photos"),
    ],
)
def test_few_photos_are_in_memory_at_once(tmp_path, model, monkeypatch, pixels, sizes):
    monkeypatch.setattr(image_sources, "_BATCH_PIXELS", pixels)
    seen = []

    def look(names, images):
        seen.append(len(images))
        return read_with_detector(make_fake_analyzer())(names, images)

    assert measure(model, write_photos(tmp_path, [1] * 40), look).metrics.n == 40
    assert seen == sizes


def test_marked_boxes_take_the_detectors_place(tmp_path, model):
    write_photos(tmp_path, [0, 0])
    path = tmp_path / "boxes.csv"
    path.write_text(f"{BOXES}\n0.png,4,4,20,24\n1.png,8,0,40,30\n")
    boxes = read_box_table(path, ["0.png", "1.png"])
    report = measure(model, tmp_path, read_in_boxes(model.classifier, boxes))
    assert report.metrics.missed == 0
    (alone,) = model.classifier.classify([make_first_pixel(0)], [boxes["0.png"]])
    columns = [LABELS.index(label) for label in alone.labels]
    np.testing.assert_allclose(
        report.readings.probabilities[0, columns], alone.probabilities[0], rtol=1e-5
    )


def make_first_pixel(n):
    """The image that ``make_counting_photo`` encodes."""
    image = make_image(64, 48, n)
    image[0, 0, 0] = 0
    return image


def test_marked_landmarks_are_read(tmp_path):
    path = tmp_path / "boxes.csv"
    numbers = ",".join(str(i) for i in range(10))
    path.write_text(f"{BOXES},{POINTS}\na.jpg,1,2,3,4,{numbers}\nb.jpg,1,2,3,4{',' * 10}\n")
    boxes = read_box_table(path, [])
    assert boxes["a.jpg"].landmarks.tolist() == [[[0, 1], [2, 3], [4, 5], [6, 7], [8, 9]]]
    assert boxes["b.jpg"].landmarks is None
    assert boxes["b.jpg"].boxes.tolist() == [[1, 2, 3, 4]]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        pytest.param(
            f"{BOXES}\n",
            r"boxes\.csv has no box for 2 of 2 photos, e\.g\. a\.jpg; add --only",
            id="empty",
        ),
        pytest.param(f"{BOXES}\na.jpg,1,2,3,4\n", "no box for 1 of 2 photos, e.g. b.jpg", id="one"),
        pytest.param("image,x1\na.jpg,1\n", "no column 'y1'", id="no column"),
        pytest.param(
            f"{BOXES}\na.jpg,1,2,x,4\n",
            "Line 2 of boxes.csv: x2 must be a number, not 'x'",
            id="word",
        ),
        pytest.param(f"{BOXES}\na.jpg,1,2,nan,4\n", "x2 must be a number, not 'nan'", id="nan"),
        pytest.param(f"{BOXES}\na.jpg,3,2,1,4\n", "x1, y1 must be less than x2, y2", id="turned"),
        pytest.param(
            f"{BOXES}\na.jpg,1,2,3,4\na.jpg,1,2,3,4\n",
            "Line 3 of boxes.csv: a.jpg already has a box",
            id="twice",
        ),
    ],
)
def test_boxes_that_cannot_be_used_are_named(tmp_path, text, reason):
    (tmp_path / "boxes.csv").write_text(text)
    with pytest.raises(DatasetError, match=reason):
        read_box_table(tmp_path / "boxes.csv", ["a.jpg", "b.jpg"])


def test_labels_are_read_with_all_their_columns(tmp_path):
    text = "image , label,person,valence\n x.png,Happy,ann,\n\nb/y.png,,bob,-0.5\n"
    (tmp_path / "labels.csv").write_text(text)
    (tmp_path / "b").mkdir()
    for photo in ("x.png", "b/y.png"):
        (tmp_path / photo).touch()
    one, two = read_photo_labels(tmp_path)
    assert (one.image, one.emotion, one.row.cells["person"]) == ("x.png", Emotion.HAPPINESS, "ann")
    assert np.isnan([one.valence, one.arousal]).all()
    assert (two.image, two.emotion, two.valence) == ("b/y.png", None, -0.5)
    faces = to_face_set(tmp_path, [one, two], "photos")
    assert faces.majority.tolist() == [LABELS.index(Emotion.HAPPINESS), -1]
    assert faces.targets.sum(axis=1).tolist() == [1, 0]


def test_uncertain_photos_are_left_out_of_the_accuracy(tmp_path):
    (tmp_path / "labels.csv").write_text("image,emotion\nx.png,uncertain\n")
    (tmp_path / "x.png").touch()
    faces = to_face_set(tmp_path, read_photo_labels(tmp_path), "photos")
    assert faces.majority.tolist() == [-1]
    assert faces.targets[0, LABELS.index(Emotion.UNCERTAIN)] == 1
    assert Emotion.UNCERTAIN not in faces.classes


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        pytest.param(None, "There is no file .*labels.csv", id="missing"),
        pytest.param(b"", "is empty", id="empty"),
        pytest.param(b"file,emotion\nx,happy\n", "no column 'image'", id="no column"),
        pytest.param(
            b"image,mood\nx,happy\n",
            "no column 'emotion', 'valence' or 'arousal'; its columns are: image, mood",
            id="no labels",
        ),
        pytest.param(b"image,emotion\nx,glee\n", "Line 2 of labels.csv: 'glee' is not", id="word"),
        pytest.param(b"image,emotion\n../x,happy\n", "does not lead to an image", id="outside"),
        pytest.param(b"image,valence\nx,2\n", "valence must lie between -1 and 1", id="range"),
        pytest.param(b"image,valence\nx,high\n", "valence must be a number, not 'high'", id="text"),
        pytest.param(b"image\n\xff\xfe\n", "is not a CSV file in UTF-8", id="encoding"),
    ],
)
def test_labels_that_cannot_be_used_are_named(tmp_path, text, reason):
    if text is not None:
        (tmp_path / "labels.csv").write_bytes(text)
    with pytest.raises(DatasetError, match=reason):
        read_photo_labels(tmp_path)


def test_halves_share_nobody_and_make_up_the_whole(tmp_path):
    lines = [f"{i}.png,happy,person {i % 7}" for i in range(40)]
    labels = read_photo_labels(write_photos(tmp_path, [], lines, "image,emotion,person"))
    a, b = (keep_half(labels, half, "person") for half in "ab")
    assert len(a) + len(b) == 40
    assert a
    assert b
    assert not {x.row.cells["person"] for x in a} & {x.row.cells["person"] for x in b}


def test_half_a_is_even_by_crc32(tmp_path):
    lines = ["0.png,happy,123456789", "1.png,happy,a"]  # CRC-32 CBF43926 and E8B7BE43
    labels = read_photo_labels(write_photos(tmp_path, [], lines, "image,emotion,person"))
    assert [x.image for x in keep_half(labels, "a", "person")] == ["0.png"]
    assert [x.image for x in keep_half(labels, "b", "person")] == ["1.png"]


@pytest.mark.parametrize(
    ("column", "reason"),
    [
        pytest.param(
            "name", "no column 'name'; its columns are: image, emotion, person", id="missing"
        ),
        pytest.param("person", "'person' is empty, so that it belongs to no half", id="empty"),
    ],
)
def test_a_column_that_makes_no_halves_is_named(tmp_path, column, reason):
    labels = read_photo_labels(write_photos(tmp_path, [], ["0.png,happy,"], "image,emotion,person"))
    with pytest.raises(DatasetError, match=reason):
        keep_half(labels, "a", column)


def test_photos_of_a_split_are_kept(tmp_path):
    lines = ["0.png,sad,Train", "1.png,sad,val", "2.png,sad,train"]
    labels = read_photo_labels(write_photos(tmp_path, [1] * 3, lines, "image,emotion,split"))
    assert [label.image for label in keep_split(labels, "train")] == ["0.png", "2.png"]
    assert [label.image for label in keep_split(labels, "validation")] == ["1.png"]
    with pytest.raises(DatasetError, match="No photo is of the split 'test'"):
        keep_split(labels, "test")
    with pytest.raises(DatasetError, match="no column 'split'"):
        keep_split(read_photo_labels(write_photos(tmp_path, [1])), "train")


def test_groups_of_people_are_measured_alone(tmp_path, model):
    lines = ["0.png,happy,20-29", "1.png,happy,0-2", "2.png,happy,0-2", "3.png,happy,"]
    folder = write_photos(tmp_path, [1, 1, 0, 1], lines, "image,emotion,Age")
    look = read_with_detector(make_fake_analyzer())
    report = evaluate_photos(model, look, folder, read_photo_labels(folder), "Fake.", ["AGE"])
    young, grown = report.groups
    assert [(g.column, g.value, g.metrics.n) for g in report.groups] == [
        ("age", "0-2", 2),
        ("age", "20-29", 1),
    ]
    assert (young.metrics.accuracy, young.metrics.missed) == (grown.metrics.accuracy / 2, 1)
    text = emotion_report_table(report)
    assert "by age\n  0-2, 2 photos\n    accuracy" in text
    groups = json.loads(emotion_report_json(report))["groups"]
    assert [group["metrics"]["n"] for group in groups] == [2, 1]
    with pytest.raises(DatasetError, match="no column 'group'; the columns are: image, emotion"):
        evaluate_photos(model, look, folder, read_photo_labels(folder), "Fake.", ["group"])


def test_only_the_photos_of_a_list_are_kept(tmp_path):
    labels = read_photo_labels(write_photos(tmp_path, [1, 1, 1]))
    (tmp_path / "list.csv").write_text("image\n2.png\n0.png\nother.png\n")
    assert [x.image for x in keep_only(labels, tmp_path / "list.csv")] == ["0.png", "2.png"]


def test_a_list_that_names_none_of_the_photos_is_blamed(tmp_path):
    labels = read_photo_labels(write_photos(tmp_path, [1, 1]))
    (tmp_path / "list.csv").write_text("image\nphotos/0.png\n")
    with pytest.raises(
        DatasetError, match=r"list\.csv names none of the 2 photos .* e\.g\. 0\.png"
    ):
        keep_only(labels, tmp_path / "list.csv")


def test_no_photo_left_is_an_error(tmp_path, model):
    write_photos(tmp_path, [1])
    with pytest.raises(DatasetError, match="names no photo to measure"):
        measure(model, tmp_path, labels=[])


def test_each_labelled_face_of_a_photo_counts_by_its_box(tmp_path, model):
    lines = ["0.png,0,0,32,48,happy", "0.png,33,0,64,48,sad", "0.png,0,0,8,8,sad"]
    folder = write_photos(tmp_path, [2], lines, "image,x1,y1,x2,y2,emotion")
    faces = list(make_fake_analyzer().read(folder / "0.png"))
    report = measure(model, folder)
    assert report.readings.found.tolist() == [True, True, False]
    read = [LABELS[i] for i in report.readings.probabilities[:2].argmax(axis=1)]
    assert read == [face.emotion for face in faces]
    assert report.missed.no_face == ("0.png",)


def test_raters_of_one_face_are_joined(tmp_path):
    lines = [
        "a.png,happy,0.5,A",
        "a.png,happy,,B",
        "a.png,sad,0.1,C",
        "b.png,sad,,A",
        "b.png,fear,,B",
    ]
    (tmp_path / "labels.csv").write_text("\n".join(["image,emotion,valence,rater", *lines]))
    one, two = read_photo_labels(tmp_path)
    assert (one.emotion, one.valence) == (Emotion.HAPPINESS, pytest.approx(0.3))
    assert one.shares == {
        Emotion.HAPPINESS: pytest.approx(2 / 3),
        Emotion.SADNESS: pytest.approx(1 / 3),
    }
    assert two.emotion is None
    assert np.isnan(two.valence)


@pytest.mark.parametrize(
    ("header", "lines", "message"),
    [
        (
            "image,emotion,rater",
            ["a.png,happy,A", "a.png,sad,A"],
            r"Line 3.*listed already \(Line 2",
        ),
        ("image,x1,y1,emotion", ["a.png,1,2,happy"], "a box needs all of"),
        ("image,time_s,emotion", ["a.mp4,soon,happy"], "time_s must be a number"),
    ],
)
def test_labels_that_contradict_themselves_are_named(tmp_path, header, lines, message):
    (tmp_path / "labels.csv").write_text("\n".join([header, *lines]))
    with pytest.raises(DatasetError, match=message):
        read_photo_labels(tmp_path)


def test_a_label_may_be_of_a_frame_of_a_video(tmp_path, model):
    make_clip(tmp_path / "clip.mp4", numbered_images(5))
    lines = ["image,time_s,emotion", "clip.mp4,0.08,happy", "clip.mp4,0,sad"]
    (tmp_path / "labels.csv").write_text("\n".join(lines))
    numbers = []

    def look(_names, images):
        numbers.extend(map(read_number, images))
        return [(Faces.empty(), make_predictions(0)) for _ in images]

    report = measure(model, tmp_path, look)
    assert numbers == [2, 0]
    assert report.missed.no_face == ("clip.mp4", "clip.mp4")
