"""Values are checked when they are made, and never coerced."""

import numpy as np
import pytest

from emotion_core.labels import Emotion
from emotion_core.types import Analysis, Faces, Predictions, VaSource
from tests.factories import SEVEN, make_faces, make_predictions

BOX = np.array([[1, 2, 3, 4]], np.float32)
SCORE = np.array([0.5], np.float32)
ONE = np.array([[0.25, 0.75]], np.float32)
ZERO = np.zeros(1, np.float32)
PAIR = (Emotion.ANGER, Emotion.FEAR)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param((BOX.astype(float), SCORE), "boxes must be float32, not float64", id="f64"),
        pytest.param((BOX[0], SCORE), r"boxes must have shape \(4, 4\), not \(4,\)", id="flat"),
        pytest.param((BOX, SCORE[:0]), r"scores must have shape \(1,\), not \(0,\)", id="scores"),
        pytest.param((BOX * np.float32(np.nan), SCORE), "boxes must be finite", id="nan"),
        pytest.param((BOX[:, ::-1].copy(), SCORE), "boxes must be x1, y1, x2, y2", id="order"),
        pytest.param((BOX, SCORE + 1), r"scores must lie in \[0, 1\]", id="score 1.5"),
        pytest.param((BOX, SCORE, BOX), r"landmarks must have shape \(1, 5, 2\)", id="landmarks"),
        pytest.param((BOX, SCORE, None, np.zeros(2, int)), "track_ids must have one", id="ids"),
        pytest.param((BOX, SCORE, None, None, ONE[0] > 2), "is_hidden_only must", id="hidden"),
    ],
)
def test_faces_refuse(arguments, message):
    with pytest.raises(ValueError, match=message):
        Faces(*arguments)


@pytest.mark.parametrize(
    ("probabilities", "valence", "message"),
    [
        pytest.param(ONE * 2, ZERO, "must sum to 1", id="sum"),
        pytest.param(ONE[:, :1], ZERO, "probabilities must have shape", id="a label missing"),
        pytest.param(ONE, ZERO + 1.5, r"valence must lie in \[-1, 1\]", id="range"),
        pytest.param(ONE, ZERO[:0], "valence must have shape", id="a face missing"),
        pytest.param(ONE, ZERO + np.float32(np.inf), "valence must be finite", id="nan"),
    ],
)
def test_predictions_refuse(probabilities, valence, message):
    with pytest.raises(ValueError, match=message):
        Predictions(PAIR, probabilities, valence, ZERO, VaSource.HEAD)


def test_faces_are_chosen_by_mask_and_by_index():
    faces = make_faces([(0, 0, 2, 2), (2, 2, 4, 4), (4, 4, 6, 6)], landmarks=True)
    odd = faces[np.array([True, False, True])]
    assert odd.boxes[:, 0].tolist() == [0, 4]
    assert odd.landmarks is not None
    assert odd.landmarks.shape == (2, 5, 2)
    assert faces[np.array([2, 0])].scores.tolist() == faces.scores[[2, 0]].tolist()
    assert len(faces[np.zeros(3, bool)]) == 0


def test_nothing_is_found_in_nothing():
    assert len(Faces.empty()) == 0
    none = make_predictions(0)
    assert none.top == []
    assert none.confidence.shape == (0,)


def test_top_and_confidence():
    read = Predictions(PAIR, np.vstack([ONE, ONE[:, ::-1]]), *np.zeros((2, 2), np.float32), "head")
    assert read.top == [Emotion.FEAR, Emotion.ANGER]
    assert read.confidence.tolist() == [0.75, 0.75]
    assert read[1:].top == [Emotion.ANGER]


def test_analysis_needs_as_many_predictions_as_faces():
    with pytest.raises(ValueError, match="one prediction per face"):
        Analysis((1, 1), make_faces([(0, 0, 1, 1)]), make_predictions(0), "tiny", 0.0)


@pytest.mark.parametrize("size_wh", [(0, 1), (1, 0)])
def test_analysis_needs_a_pixel(size_wh):
    with pytest.raises(ValueError, match="at least one pixel"):
        Analysis(size_wh, Faces.empty(), make_predictions(0, SEVEN), "tiny", 0.0)
    assert len(Analysis((1, 1), Faces.empty(), make_predictions(0), "tiny", 0.0)) == 0
