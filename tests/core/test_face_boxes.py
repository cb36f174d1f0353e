"""Sets of boxes: the landmarks of a face are a mean over all that saw it."""

import numpy as np

from emotion_core.face_boxes import average_landmarks, suppress
from emotion_core.types import Faces
from tests.factories import make_faces


def make_candidates(boxes, scores, shifts):
    """Candidates whose landmarks are all at one point each."""
    points = np.array(shifts, np.float32)[:, None, None].repeat(5, axis=1).repeat(2, axis=2)
    return Faces(np.array(boxes, np.float32), np.array(scores, np.float32), points)


def test_landmarks_are_means_weighted_by_score_over_boxes_that_fit():
    candidates = make_candidates(
        [(0, 0, 100, 100), (2, 0, 102, 100), (0, 0, 40, 40), (300, 0, 400, 100)],
        [0.9, 0.6, 0.6, 0.6],
        [10, 20, 99, 50],
    )
    kept = suppress(candidates)
    assert len(kept) == 2  # the third lies in the first
    averaged = average_landmarks(kept, candidates)
    np.testing.assert_allclose(averaged.landmarks[0], (0.9 * 10 + 0.6 * 20) / 1.5, rtol=1e-6)
    np.testing.assert_allclose(averaged.landmarks[1], 50)
    assert averaged.boxes is kept.boxes
    assert kept.landmarks[0, 0, 0] == 10  # the argument is as it was


def test_a_box_without_area_keeps_its_landmarks():
    candidates = make_candidates([(5, 5, 5, 5)], [0.9], [7])
    np.testing.assert_allclose(average_landmarks(candidates, candidates).landmarks, 7)


def test_faces_without_landmarks_stay_as_they_are():
    faces = make_faces([(0, 0, 10, 10)])
    assert average_landmarks(faces, faces) is faces
    assert len(average_landmarks(Faces.empty(), Faces.empty())) == 0
