"""Right and wrong detections, and the figures that follow."""

import math

import numpy as np
import pytest

from emotion_core.training.detector.metrics import (
    DetectionMatches,
    GroundTruth,
    at_threshold,
    average_precision,
    match_detections,
    pool,
    recall_at_false_alarms,
    threshold_for,
)
from emotion_core.training.detector.report import SIZES
from emotion_core.types import Faces

BOXES = np.array([[0, 0, 20, 20], [50, 50, 70, 70], [80, 0, 86, 6]], np.float32)
NONE = np.zeros((0, 4), np.float32)


def make_found(*rows):
    """Detections from ``x1, y1, x2, y2, score``."""
    table = np.asarray(rows, np.float32).reshape(-1, 5)
    return Faces(table[:, :4], table[:, 4])


def make_truth(boxes=BOXES, wanted=None, neutral=NONE):
    mask = np.ones(len(boxes), bool) if wanted is None else np.array(wanted)
    return GroundTruth(boxes, mask, neutral)


FOUND = make_found(
    (80, 0, 86, 6, 0.6), (100, 100, 130, 130, 0.8), (0, 0, 20, 20, 0.9), (50, 50, 70, 70, 0.7)
)


def make_judgement(right, n_faces, scores=None):
    falling = np.linspace(0.9, 0.1, len(right), dtype=np.float32) if scores is None else scores
    return DetectionMatches(np.asarray(falling, np.float32), np.array(right, bool), n_faces)


def test_detections_are_judged_best_first():
    judged = match_detections(FOUND, make_truth(), SIZES["from_16_px"])
    assert judged.scores.tolist() == pytest.approx([0.9, 0.8, 0.7])
    assert judged.right.tolist() == [True, False, True]
    assert judged.n_faces == 2
    assert average_precision(judged) == pytest.approx((1 + 2 / 3) / 2)


def test_a_second_detection_of_a_face_is_wrong():
    twice = make_found((0, 0, 20, 20, 0.9), (1, 0, 21, 20, 0.8))
    judged = match_detections(twice, make_truth(BOXES[:1]))
    assert judged.right.tolist() == [True, False]


def test_doubtful_places_and_unwanted_faces_do_not_count():
    doubt = np.array([[100, 100, 130, 130]], np.float32)
    judged = match_detections(FOUND, make_truth(neutral=doubt), SIZES["from_16_px"])
    assert judged.right.tolist() == [True, True]
    judged = match_detections(FOUND, make_truth(wanted=[True, False, False]))
    assert judged.right.tolist() == [True, False]
    assert judged.n_faces == 1


@pytest.mark.parametrize(
    ("name", "side", "counts"),
    [
        ("under_16_px", 19, True),
        ("under_16_px", 21, False),
        ("16_to_32_px", 12, False),
        ("16_to_32_px", 13, True),
        ("16_to_32_px", 39, True),
        ("16_to_32_px", 41, False),
        ("from_96_px", 76, False),
        ("from_96_px", 2000, True),
        ("all", 1, True),
    ],
)
def test_false_alarms_count_where_they_are_about_as_large_as_the_faces(name, side, counts):
    judged = match_detections(
        make_found((0, 0, side, side + 5, 0.5)), make_truth(NONE), SIZES[name]
    )
    assert len(judged.right) == counts


def test_sizes_share_out_all_faces():
    sides = np.array([3, 15.9, 16, 31, 32, 95, 96, 500], np.float32)
    boxes = np.stack([sides * 0, sides * 0, sides, sides + 4], axis=1)
    counted = {
        name: match_detections(make_found(), make_truth(boxes), SIZES[name]).n_faces
        for name in SIZES
    }
    parts = ("under_16_px", "16_to_32_px", "32_to_96_px", "from_96_px")
    assert [counted[name] for name in parts] == [2, 2, 2, 2]
    assert (counted["all"], counted["from_16_px"]) == (8, 6)


def test_nothing_found_and_nothing_to_find():
    nothing = match_detections(make_found(), make_truth(NONE))
    assert average_precision(nothing) is None
    assert at_threshold(nothing, 0.5) == (None, None)
    assert recall_at_false_alarms(nothing, 1) is None
    assert threshold_for(nothing, 0.5) is None
    missed = match_detections(make_found(), make_truth())
    assert average_precision(missed) == 0
    assert at_threshold(missed, 0.5) == (None, 0)


def test_average_precision_does_not_depend_on_how_images_are_split():
    halves = [make_judgement([True, False], 2, [0.9, 0.3]), make_judgement([True], 1, [0.5])]
    pooled = pool(halves)
    assert pooled.right.tolist() == [True, True, False]
    assert average_precision(pooled) == pytest.approx(2 / 3)
    assert pool([]).n_faces == 0


def test_a_rise_of_precision_counts_from_the_start():
    judged = make_judgement([False, True, True, True], 4)
    assert average_precision(judged) == pytest.approx(3 * 0.75 / 4)


def test_recall_at_false_alarms():
    judged = make_judgement([True, False, True, False, True], 4)
    recalls = [recall_at_false_alarms(judged, n) for n in (0, 1, 1.9, 2)]
    assert recalls == [0.25, 0.5, 0.5, 0.75]


def test_threshold_for_a_precision_is_the_lowest():
    judged = make_judgement([True, False, True, True, False], 4)
    score = threshold_for(judged, 0.75)
    assert score == pytest.approx(float(judged.scores[3]))
    precision, recall = at_threshold(judged, score)
    assert (precision, recall) == (0.75, 0.75)
    assert threshold_for(make_judgement([False, True], 1), 0.9) is None
    assert math.isclose(threshold_for(judged, 1.0), 0.9, rel_tol=1e-6)
