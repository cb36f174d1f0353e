"""Figures on tables small enough to check by hand."""

import json
from dataclasses import asdict

import numpy as np
import pytest
from scipy.special import softmax

from emotion_core.errors import DatasetError
from emotion_core.labels import Emotion, to_label_set
from emotion_core.training.datasets.face_set import EIGHT_EMOTIONS, LABELS, NO_CLASS, FaceSet
from emotion_core.training.evaluation.calibration import (
    confidence_gaps,
    expected_calibration_error,
    to_calibration,
)
from emotion_core.training.evaluation.metrics import (
    fit_temperature,
    to_agreement,
    to_confusion,
    to_macro_f1,
    to_metrics,
    to_recalls,
)

NEUTRAL, HAPPINESS, SADNESS, UNCERTAIN = (
    LABELS.index(e)
    for e in (Emotion.NEUTRAL, Emotion.HAPPINESS, Emotion.SADNESS, Emotion.UNCERTAIN)
)

NO_VA = np.zeros((1, 2), np.float32)


def make_faces(targets, majority=None, va=None, classes=EIGHT_EMOTIONS):
    """Faces with a class each (an index) or with shares of nine classes."""
    shares = np.asarray(targets, np.float32)
    if shares.ndim == 1:
        shares = np.eye(len(LABELS), dtype=np.float32)[np.asarray(targets, int)]
    shares = shares.reshape(-1, len(LABELS))
    n = len(shares)
    kept = np.asarray(targets if majority is None else majority, np.int64)
    ratings = np.full((n, 2), np.nan, np.float32) if va is None else np.asarray(va, np.float32)
    names = [f"{i}.png" for i in range(n)]
    return FaceSet("Tiny", names, shares, kept, ratings, classes, names)


def sure_of(classes, second=None):
    """Rows with 0.7 for a class and, if there is one, 0.2 for a second; the rest is elsewhere."""
    rows = np.zeros((len(classes), len(LABELS)), np.float32)
    for i, best in enumerate(classes):
        rows[i] = 0.1 / 8 if second else 0.3 / 8
        rows[i, best] = 0.7
        if second:
            rows[i, second[i]] = 0.2 + 0.1 / 8
    return rows


def test_confusion_recall_and_f1():
    truth = np.array([0, 0, 1, 1])
    confusion = to_confusion(truth, np.array([0, 1, 1, 1]), len(LABELS))
    totals = np.bincount(truth, minlength=len(LABELS))
    assert confusion[0, :2].tolist() == [1, 1]
    assert to_recalls(confusion, totals) == {"neutral": 0.5, "happiness": 1.0}
    assert to_macro_f1(confusion, totals) == pytest.approx((2 / 3 + 4 / 5) / 2)


def test_uncertain_counts_in_nine_classes_only():
    faces = make_faces([NEUTRAL, HAPPINESS, UNCERTAIN], [NEUTRAL, HAPPINESS, NO_CLASS])
    read = sure_of([NEUTRAL, UNCERTAIN, UNCERTAIN], second=[SADNESS, HAPPINESS, SADNESS])
    figures = to_metrics(read, np.repeat(NO_VA, 3, axis=0), faces)
    assert (figures.n, figures.accuracy) == (2, 1.0)
    assert (figures.n_nine, figures.accuracy_nine) == (3, pytest.approx(2 / 3))
    assert set(figures.per_class_recall) == {"neutral", "happiness"}
    assert np.array(figures.confusion).shape == (9, 9)
    assert figures.labels == tuple(LABELS)


def test_classes_that_the_data_set_lacks_are_no_candidates():
    seven = to_label_set(["neutral", "happy", "sad", "surprise", "fear", "disgust", "angry"])
    contempt = LABELS.index(Emotion.CONTEMPT)
    read = sure_of([contempt], second=[SADNESS])
    assert to_metrics(read, NO_VA, make_faces([SADNESS], classes=seven)).accuracy == 1
    assert to_metrics(read, NO_VA, make_faces([SADNESS])).accuracy == 0


def test_faces_without_a_clear_class_count_in_the_cross_entropy_only():
    half = np.zeros((1, len(LABELS)), np.float32)
    half[0, [NEUTRAL, SADNESS]] = 0.5
    figures = to_metrics(sure_of([SADNESS]), NO_VA, make_faces(half, [NO_CLASS]))
    assert (figures.n, figures.n_nine) == (0, 0)
    assert figures.cross_entropy == pytest.approx(-(np.log(0.7) + np.log(0.3 / 8)) / 2, rel=1e-4)


def test_faces_without_an_emotion_count_for_valence_and_arousal_only():
    nothing = np.zeros((3, len(LABELS)), np.float32)
    va = [[-0.5, 0.1], [0.5, 0.3], [0.7, np.nan]]
    faces = make_faces(nothing, [NO_CLASS] * 3, va)
    predicted = np.array([[-0.5, 0.3], [0.5, 0.1], [0.7, 0.9]], np.float32)
    figures = to_metrics(sure_of([NEUTRAL] * 3), predicted, faces)
    assert (figures.n, figures.accuracy, figures.macro_f1, figures.ece) == (0, None, None, None)
    assert figures.cross_entropy is None
    assert (figures.n_valence, figures.n_arousal) == (3, 2)
    assert figures.valence_ccc == pytest.approx(1)
    assert figures.valence_rmse == 0
    assert figures.arousal_r == pytest.approx(-1)
    assert figures.arousal_rmse == pytest.approx(0.2)


def test_faces_that_were_not_found_are_wrong_and_in_no_column():
    faces = make_faces([NEUTRAL, NEUTRAL, HAPPINESS], va=[[0, 0], [0.2, 0], [0.9, 0.5]])
    predicted = np.array([[0, 0], [9, 9], [0.9, 0.5]], np.float32)
    found = np.array([True, False, True])
    figures = to_metrics(sure_of([NEUTRAL, NEUTRAL, HAPPINESS]), predicted, faces, found)
    assert (figures.n, figures.accuracy) == (3, pytest.approx(2 / 3))
    assert (figures.missed, figures.missed_per_class) == (1, {"neutral": 1})
    assert figures.per_class_recall == {"neutral": 0.5, "happiness": 1.0}
    assert figures.mean_recall == 0.75
    assert figures.confusion[NEUTRAL] == [1, *[0] * 8]
    assert figures.macro_f1 == pytest.approx((2 / 3 + 1) / 2)
    assert (figures.n_nine, figures.accuracy_nine) == (3, pytest.approx(2 / 3))
    assert figures.ece == pytest.approx(0.3)
    assert (figures.n_valence, figures.valence_rmse) == (2, 0)


def test_no_face_gives_no_figure_and_strict_json():
    empty = to_metrics(
        np.zeros((0, 9), np.float32),
        np.zeros((0, 2), np.float32),
        make_faces([], va=np.zeros((0, 2))),
    )
    assert (empty.n, empty.accuracy, empty.valence_ccc, empty.valence_rmse) == (0, None, None, None)
    back = json.loads(json.dumps(asdict(empty), allow_nan=False))
    assert back["per_class_recall"] == {}


@pytest.mark.parametrize(
    ("predicted", "rated", "ccc", "r", "rmse"),
    [
        pytest.param([1, 2, 3], [2, 3, 4], 4 / 7, 1, 1, id="shifted by one"),
        pytest.param([1, 2, 3], [2, 4, 6], 8 / 22, 1, np.sqrt(14 / 3), id="twice as large"),
        pytest.param([1, 2, 3], [3, 2, 1], -1, -1, np.sqrt(8 / 3), id="reversed"),
        pytest.param([0.5, 0.5], [0, 1], 0, None, 0.5, id="constant prediction"),
        pytest.param([0, 1], [0.5, 0.5], 0, None, 0.5, id="constant truth"),
        pytest.param([0.1, 0.1], [0.1, 0.1], None, None, 0, id="one constant"),
        pytest.param([0.1], [0.3], None, None, 0.2, id="one face"),
        pytest.param([], [], None, None, None, id="no face"),
    ],
)
def test_agreement_of_two_series(predicted, rated, ccc, r, rmse):
    series = (np.array(values, np.float64) for values in (predicted, rated))
    agreement = to_agreement(*series, "valence")
    assert agreement["n_valence"] == len(rated)
    for name, expected in (("ccc", ccc), ("r", r), ("rmse", rmse)):
        value = agreement[f"valence_{name}"]
        assert value is None if expected is None else value == pytest.approx(expected)


def test_calibration_error_is_the_gap():
    probabilities = np.tile(np.array([[0.8, 0.2]], np.float32), (10, 1))
    bins = to_calibration(probabilities, np.array([0] * 6 + [1] * 4))
    assert expected_calibration_error(bins) == pytest.approx(0.2, abs=1e-6)
    (full,) = [b for b in bins if b.n]
    assert (full.n, full.accuracy) == (10, 0.6)
    assert full.low <= 0.8 <= full.high


def test_overconfidence_is_signed_where_errors_of_bins_add_up():
    pairs = np.tile(np.array([[0.8, 0.2], [0.6, 0.4]], np.float32), (10, 1))
    truth = np.array([0, 0] * 6 + [1, 0] * 4)  # right: 6 of 10 that are 0.8 sure, all 0.6 sure
    assert confidence_gaps(pairs, truth).mean() == pytest.approx((0.2 - 0.4) / 2, abs=1e-6)
    assert expected_calibration_error(to_calibration(pairs, truth)) == pytest.approx(0.3, abs=1e-6)


def test_full_confidence_falls_into_the_last_bin():
    bins = to_calibration(np.array([[1, 0]], np.float32), np.array([0]))
    assert (bins[-1].n, bins[-1].confidence, bins[-1].accuracy) == (1, 1, 1)
    assert bins[-1].high == 1


def test_temperature_is_found_again():
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, (4000, 9)).astype(np.float32)
    odds = softmax(logits, axis=1).cumsum(axis=1)
    classes = (odds < rng.random((4000, 1))).sum(axis=1).clip(0, 8)
    assert fit_temperature(2 * logits, make_faces(classes)) == pytest.approx(2, abs=0.15)


def test_temperature_needs_clear_faces():
    faces = make_faces(np.full((2, 9), 1 / 9), [NO_CLASS] * 2)
    with pytest.raises(DatasetError, match="Tiny has no face with a clear class"):
        fit_temperature(np.zeros((2, 9), np.float32), faces)
