"""Two models on the same faces, with predictions that are made up."""

import numpy as np
import pytest

from emotion_core.labels import Emotion
from emotion_core.photos.comparison import to_kappa
from emotion_core.training.datasets.face_set import LABELS
from emotion_core.training.datasets.photo_labels import PhotoLabel, to_truth
from emotion_core.training.evaluation.evaluate import PredictionBuffer
from emotion_core.training.evaluation.paired import compare_readings
from emotion_core.training.evaluation.report import paired_report_table, worst_table
from emotion_core.training.evaluation.worst import find_worst

HAPPY, SAD = LABELS.index(Emotion.HAPPINESS), LABELS.index(Emotion.SADNESS)


def make_readings(right, confidence=0.9):
    """Faces that are all happy, read as happy or as sad."""
    readings = PredictionBuffer.empty(len(right))
    probabilities = np.zeros((len(right), 9), np.float32)
    rows = np.arange(len(right))
    probabilities[rows, np.where(right, HAPPY, SAD)] = confidence
    probabilities[rows, np.where(right, SAD, HAPPY)] = 1 - np.float32(confidence)
    readings.fill(slice(None), LABELS, probabilities, np.zeros((len(right), 2), np.float32))
    return readings


def make_truth(n):
    return to_truth([PhotoLabel(f"{i}.jpg", Emotion.HAPPINESS) for i in range(n)])


def test_a_model_that_corrects_many_errors_is_better_for_sure():
    first, second = np.arange(60) < 20, np.arange(60) < 50
    people = [str(i) for i in range(60)]
    found = compare_readings(
        ("a", "b"), make_readings(first), make_readings(second), make_truth(60), people
    )
    assert (found.both_right, found.only_first, found.only_second, found.both_wrong) == (
        20,
        0,
        30,
        10,
    )
    assert found.mcnemar_p == pytest.approx(2 * 0.5**30)
    accuracy = found.differences[0]
    assert (accuracy.name, accuracy.difference) == ("accuracy", pytest.approx(0.5))
    low, high = accuracy.interval
    assert 0.3 < low < 0.5 < high < 0.7
    assert accuracy.is_gain
    table = paired_report_table(found)
    assert "only b 30" in table
    assert "+0.500" in table


def test_equal_models_differ_by_nothing():
    right = np.arange(30) % 2 == 0
    people = [str(i) for i in range(30)]
    same = make_readings(right)
    found = compare_readings(("a", "a"), same, same, make_truth(30), people)
    assert (found.mcnemar_p, found.kappa) == (1, 1)
    assert all(one.interval == (0, 0) and not one.is_gain for one in found.differences)


def test_faces_of_one_person_give_no_interval():
    right = make_readings(np.ones(5, bool))
    found = compare_readings(("a", "b"), right, right, make_truth(5), ["anna"] * 5)
    assert found.differences[0].interval is None
    assert found.kappa is None


def test_kappa_is_corrected_for_chance():
    first, second = np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1])
    assert to_kappa(first, second) == pytest.approx(0)


def test_the_worst_errors_are_the_surest_wrong_readings():
    readings = make_readings(np.array([True, False, False]), 0.7)
    readings.probabilities[2, [SAD, HAPPY]] = 0.99, 0.01
    found = find_worst(make_truth(3), readings)
    assert [one.row for one in found] == [2, 1]
    assert worst_table(found).splitlines()[2] == "  2.jpg: happiness, read as sadness 0.99"
    assert worst_table([]) == ""
