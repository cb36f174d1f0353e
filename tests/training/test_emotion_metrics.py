"""Figures on tables small enough to check by hand."""

import numpy as np
import pytest

from emotion_core.training.config import LABELS
from emotion_core.training.datasets import FaceSet
from emotion_core.training.metrics import (
    expected_calibration_error,
    fit_temperature,
    measure,
    to_confusion,
    to_macro_f1,
    to_probabilities,
    to_recalls,
)


def make_faces(classes, majority=None):
    targets = np.eye(len(LABELS), dtype=np.float32)[classes]
    kept = np.asarray(classes if majority is None else majority, np.int64)
    return FaceSet(np.zeros((len(classes), 48, 48), np.uint8), targets, kept)


def test_confusion_recall_and_f1():
    confusion = to_confusion(np.array([0, 0, 1, 1]), np.array([0, 1, 1, 1]), len(LABELS))
    assert confusion[0, :2].tolist() == [1, 1]
    assert to_recalls(confusion) == {"neutral": 0.5, "happiness": 1.0}
    assert to_macro_f1(confusion) == pytest.approx((2 / 3 + 4 / 5) / 2)


def test_uncertain_counts_in_nine_classes_only():
    faces = make_faces([0, 1, 8], majority=[0, 1, -1])
    logits = np.zeros((3, 9), np.float32)
    logits[[0, 1, 2], [0, 8, 8]] = 3
    logits[1, 1] = 2
    figures = measure(logits, faces, temperature=1.0)
    assert (figures.n, figures.accuracy) == (2, 1.0)
    assert (figures.n_nine, figures.accuracy_nine) == (3, pytest.approx(2 / 3))
    assert set(figures.per_class_recall) == {"neutral", "happiness"}
    assert figures.ece == figures.ece_raw


def test_calibration_error_is_the_gap():
    probabilities = np.tile(np.array([[0.8, 0.2]], np.float32), (10, 1))
    truth = np.array([0] * 6 + [1] * 4)
    assert expected_calibration_error(probabilities, truth) == pytest.approx(0.2, abs=1e-6)


def test_temperature_is_found_again():
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, (4000, 9)).astype(np.float32)
    odds = to_probabilities(logits, 1.0).cumsum(axis=1)
    classes = (odds < rng.random((4000, 1))).sum(axis=1).clip(0, 8)
    assert fit_temperature(2 * logits, make_faces(classes)) == pytest.approx(2, abs=0.15)


def test_probabilities_of_huge_logits_are_finite():
    assert to_probabilities(np.array([[1e4, 0]], np.float32), 1.0).tolist() == [[1, 0]]
