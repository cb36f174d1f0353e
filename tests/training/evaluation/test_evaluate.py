"""A network measured on faces, and the report of it."""

import json
from dataclasses import replace

import numpy as np
import pytest

from emotion_core.labels import Emotion
from emotion_core.recognition.classifier import BATCH as PASS
from emotion_core.recognition.classifier import EmotionClassifier
from emotion_core.training.datasets.face_set import EIGHT_EMOTIONS, LABELS, NO_CLASS, FaceSet
from emotion_core.training.datasets.image_sources import ArrayImages
from emotion_core.training.emotion.load import LoadedModel
from emotion_core.training.evaluation.bootstrap import to_words
from emotion_core.training.evaluation.evaluate import evaluate, predict_faces, uncalibrated_error
from emotion_core.training.evaluation.report import emotion_report_json, emotion_report_table
from emotion_core.types import VaSource
from tests.factories import SEVEN, FakeNetwork, make_classifier_onnx, make_emotion_card

KEYS = {
    *("n", "accuracy", "macro_f1", "ece", "per_class_recall", "confusion", "labels"),
    *("n_nine", "accuracy_nine", "cross_entropy", "ece_raw", "calibration", "missed"),
    *("valence_ccc", "valence_r", "valence_rmse", "arousal_ccc", "arousal_r", "arousal_rmse"),
    *("model", "dataset", "size", "speed", "valence_arousal_source", "temperature"),
}


def make_set(n=6, *, rated=False, seed=0):
    rng = np.random.default_rng(seed)
    classes = rng.integers(0, len(SEVEN), n)
    majority = np.array([LABELS.index(SEVEN[i]) for i in classes], np.int64)
    va = rng.uniform(-1, 1, (n, 2)) if rated else np.full((n, 2), np.nan)
    return FaceSet(
        "Tiny valid",
        ArrayImages(rng.integers(0, 256, (n, 12, 12)).astype(np.uint8)),
        np.eye(len(LABELS), dtype=np.float32)[majority],
        majority,
        va.astype(np.float32),
        EIGHT_EMOTIONS,
        [f"{i}.png" for i in range(n)],
    )


@pytest.fixture
def model(tmp_path):
    """A network of seven emotions that takes 8 x 8 grey faces."""
    path = tmp_path / "tiny.onnx"
    path.write_bytes(make_classifier_onnx("dynamic"))
    network = FakeNetwork()
    card = make_emotion_card(temperature=0.5)
    return LoadedModel(EmotionClassifier(network, card), network, path)


def test_a_report_measures_what_the_products_classifier_reads(model):
    faces = make_set(40, rated=True)
    report = evaluate(model, faces)
    crops = faces.images.load(np.arange(40), 8, 3)
    read = model.classifier.classify_crops(crops)
    truth = [LABELS[i] for i in faces.majority]
    expected = np.mean([a is b for a, b in zip(read.top, truth, strict=True)])
    assert report.metrics.accuracy == pytest.approx(expected)
    assert report.metrics.n == 40
    assert report.metrics.valence_rmse == pytest.approx(
        np.sqrt(np.mean((read.valence - faces.va[:, 0]) ** 2)), rel=1e-5
    )
    assert report.card.va_source is VaSource.EXPECTATION
    assert report.size.parameters == 2 * 9 + 72 * 7
    assert report.speed.one_ms > 0
    assert "resized to 8 pixels" in report.framing


def test_classes_that_the_network_lacks_have_no_probability(model):
    readings = predict_faces(model.classifier, make_set(5))
    columns = [LABELS.index(label) for label in (Emotion.CONTEMPT, Emotion.UNCERTAIN)]
    assert not readings.probabilities[:, columns].any()
    np.testing.assert_allclose(readings.probabilities.sum(axis=1), 1, rtol=1e-5)
    assert readings.found.all()


def test_many_faces_go_through_in_small_passes(model):
    predict_faces(model.classifier, make_set(3 * PASS + 1))
    assert model.network.passes == [PASS, PASS, PASS, 1]


def test_uncalibrated_error_is_that_of_the_network_without_temperature(model):
    faces = make_set(60)
    card = replace(model.classifier.card, temperature=1.0)
    plain = evaluate(replace(model, classifier=EmotionClassifier(model.network, card)), faces)
    report = evaluate(model, faces)
    assert report.ece_raw == pytest.approx(plain.metrics.ece, abs=1e-4)
    assert report.ece_raw != pytest.approx(report.metrics.ece, abs=1e-4)
    assert uncalibrated_error(plain.readings, faces, plain.card) == pytest.approx(plain.metrics.ece)


def test_json_is_strict_and_complete(model):
    content = json.loads(
        emotion_report_json(evaluate(model, make_set())), parse_constant=pytest.fail
    )
    assert content.keys() >= KEYS
    assert content["labels"] == list(LABELS)
    assert content["valence_ccc"] is None
    likely = content["intervals_95"]
    assert (likely["drawn"], likely["n"], likely["valence_ccc"]) == ("faces", 6, None)
    assert likely["accuracy"][0] <= content["accuracy"] <= likely["accuracy"][1]
    assert content["valence_arousal_source"] == "expectation"
    assert content["candidates"] == list(EIGHT_EMOTIONS)
    assert content["size"]["multiply_adds"] > 0
    assert content["speed"]["threads"] >= 1
    assert "missed_files" not in content


def test_the_table_gives_every_figure_with_its_faces(model):
    faces = make_set(30, rated=True)
    report = evaluate(model, faces)
    table = emotion_report_table(report)
    assert table.startswith("Tiny valid, 30 faces, tiny\n")
    accuracy, f1 = (to_words(i) for i in (report.intervals.accuracy, report.intervals.macro_f1))
    assert (
        f"accuracy, 8 classes       {report.metrics.accuracy:.4f}  (30 faces; {accuracy})" in table
    )
    assert f"(30 faces; {f1})" in table
    assert f"9 classes; {to_words(report.intervals.overconfidence)})" in table
    for likely in (report.intervals.valence_ccc, report.intervals.arousal_ccc):
        assert f"(30 faces; CCC {to_words(likely)})" in table
    assert report.intervals.words in table
    assert "temperature 0.5" in table
    assert f"CCC {report.metrics.valence_ccc:.4f}" in table
    assert "as the expectation of published coordinates" in table
    for label, recall in report.metrics.per_class_recall.items():
        n = int((faces.majority == LABELS.index(label)).sum())
        assert f"  {label:24}{recall:.4f}  ({n} faces)" in table
    assert "multiply-adds a face" in table
    assert "in batches of 32" in table


def test_the_confusion_of_the_table_has_the_counts(model):
    report = evaluate(model, make_set(30))
    row = report.metrics.confusion[LABELS.index(Emotion.ANGER)]
    lines = emotion_report_table(report).splitlines()
    head = next(i for i, line in enumerate(lines) if line.startswith("confusion"))
    words = lines[head + 1].split()
    anger = next(line.split() for line in lines[head:] if line.startswith("  anger"))
    for label, count in zip(LABELS, row, strict=True):
        if label in words:
            assert int(anger[1 + words.index(label)]) == count
        else:
            assert count == 0


def test_faces_without_any_truth_make_a_report_too(model):
    faces = make_set(3)
    nothing = replace(
        faces, targets=np.zeros((3, 9), np.float32), majority=np.full(3, NO_CLASS, np.int64)
    )
    report = evaluate(model, nothing)
    assert json.loads(emotion_report_json(report))["accuracy"] is None
    assert "accuracy, 8 classes       none  (0 faces)" in emotion_report_table(report)
    assert "no ratings to compare with" in emotion_report_table(report)


def test_no_face_makes_a_report_too(model):
    report = evaluate(model, make_set(0))
    assert json.loads(emotion_report_json(report))["n"] == 0
    assert report.speed is None
    assert "milliseconds" not in emotion_report_table(report)
