"""Tables of candidates: doubles are told apart within each image, landmarks are means."""

import numpy as np
import pytest

from emotion_core.detection.boxes import MAX_CANDIDATES, SAME_FACE, NmsThresholds, nms_faces
from emotion_core.detection.candidates import (
    BOX,
    IMAGE,
    POINTS,
    SCORE,
    nms,
    no_candidates,
    sort_and_cap,
    threshold_candidates,
    to_faces,
    to_image_coords,
    with_mean_landmarks,
)
from emotion_core.types import Faces


def make_candidates(*rows):
    """Rows of image, score, box and one number, at which all landmarks are."""
    table = [(*row[:2], *row[2], *[row[3]] * 10) for row in rows]
    return np.array(table, np.float32).reshape(-1, 16)


def make_crowd(n_images, n_candidates, seed=0):
    """Candidates at random in images of 400 pixels, many over each other."""
    rng = np.random.default_rng(seed)
    corner, side = rng.uniform(0, 360, (n_candidates, 2)), rng.uniform(4, 90, (n_candidates, 2))
    image = rng.integers(0, n_images, n_candidates)
    score = rng.uniform(0.1, 1, n_candidates)
    points = rng.uniform(0, 400, (n_candidates, 10))
    table = np.column_stack([image, score, corner, corner + side, points])
    return sort_and_cap(table.astype(np.float32))


def test_landmarks_are_means_weighted_by_score_over_boxes_that_fit():
    seen = make_candidates(
        (0, 0.9, (0, 0, 100, 100), 10),
        (0, 0.6, (2, 0, 102, 100), 20),
        (0, 0.6, (0, 0, 40, 40), 99),
        (0, 0.6, (300, 0, 400, 100), 50),
        (1, 0.7, (0, 0, 100, 100), 30),
    )
    kept = nms(seen, SAME_FACE)
    assert len(kept) == 3  # the third lies in the first; the last is in another image
    averaged = with_mean_landmarks(kept, seen)
    np.testing.assert_allclose(averaged[0, POINTS], (0.9 * 10 + 0.6 * 20) / 1.5, rtol=1e-6)
    np.testing.assert_allclose(averaged[1:, POINTS], [[50] * 10, [30] * 10])
    np.testing.assert_array_equal(averaged[:, :6], kept[:, :6])
    assert kept[0, POINTS][0] == 10  # the argument is as it was


def test_a_box_without_area_keeps_its_landmarks():
    candidates = make_candidates((0, 0.9, (5, 5, 5, 5), 7))
    np.testing.assert_allclose(with_mean_landmarks(candidates, candidates)[:, POINTS], 7)


def test_nothing_stays_nothing():
    nothing = no_candidates()
    assert with_mean_landmarks(nms(sort_and_cap(nothing), SAME_FACE), nothing).shape == (0, 16)
    assert to_faces(nothing, 0) == []
    assert [len(faces) for faces in to_faces(nothing, 2)] == [0, 0]


@pytest.mark.parametrize("overlap", [SAME_FACE, NmsThresholds(0.3, 1.0), NmsThresholds(0.0, 0.0)])
@pytest.mark.parametrize("n_images", [1, 2, 7])
def test_a_batch_gives_what_its_images_give_alone(n_images, overlap):
    candidates = make_crowd(n_images, 300)
    together = with_mean_landmarks(nms(candidates, overlap), candidates)
    alone = []
    for image in range(n_images):
        own = candidates[candidates[:, IMAGE] == image]
        alone.append(with_mean_landmarks(nms(own, overlap), own))
    assert 0 < len(together) < len(candidates)
    np.testing.assert_allclose(together, np.concatenate(alone), rtol=1e-5)


def test_of_overlapping_places_none_better_is_left_out_and_no_two_are_kept():
    candidates = make_crowd(3, 400, seed=1)
    kept = nms(candidates, NmsThresholds(0.3, 1.0))
    for image in range(3):
        boxes = kept[kept[:, IMAGE] == image][:, BOX]
        one, other = boxes[:, None], boxes[None]
        shared = np.minimum(one[..., 2:], other[..., 2:]) - np.maximum(one[..., :2], other[..., :2])
        both = shared.clip(0).prod(axis=2)
        area = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
        union = area[:, None] + area - both
        assert (both / union)[~np.eye(len(boxes), dtype=bool)].max() <= 0.3 + 1e-6
        best = candidates[candidates[:, IMAGE] == image][0]
        np.testing.assert_array_equal(kept[kept[:, IMAGE] == image][0], best)


def test_boxes_without_area_end_the_search():
    same = np.zeros((3, 4), np.float32)
    assert len(nms_faces(Faces(same, np.ones(3, np.float32)))) == 3
    candidates = make_candidates(*[(i, 0.5, (1, 1, 1, 1), 0) for i in (0, 0, 1)])
    assert len(nms(candidates, SAME_FACE)) == 3


def test_candidates_are_chosen_by_score_and_brought_into_their_images():
    scores = np.array([[0.2, 0.7], [0.9, 0.6]], np.float32)
    boxes = np.arange(16, dtype=np.float32).reshape(2, 2, 4)
    points = np.arange(40, dtype=np.float32).reshape(2, 2, 10)
    candidates = to_image_coords(
        threshold_candidates(scores, boxes, points, 0.5), [4, 2], [0.5, 2.0]
    )
    candidates = sort_and_cap(candidates)
    assert candidates[:, IMAGE].tolist() == [2, 2, 4]
    np.testing.assert_allclose(candidates[:, SCORE], [0.9, 0.6, 0.7])
    np.testing.assert_allclose(
        candidates[:, BOX], [boxes[1, 0] / 2, boxes[1, 1] / 2, boxes[0, 1] * 2]
    )
    np.testing.assert_allclose(candidates[2, POINTS], points[0, 1] * 2)


def test_the_best_of_too_many_are_looked_at():
    n = MAX_CANDIDATES + 3
    scores = np.linspace(0, 1, n, dtype=np.float32)
    table = np.zeros((2 * n, 16), np.float32)
    table[:, IMAGE], table[:, SCORE] = np.repeat([0, 1], n), np.tile(scores, 2)
    candidates = sort_and_cap(table)
    assert np.bincount(candidates[:, IMAGE].astype(int)).tolist() == [MAX_CANDIDATES] * 2
    assert candidates[:, SCORE].min() == scores[3]


def test_faces_have_scores_in_range_and_places_their_order():
    candidates = make_candidates((0, 1.0001, (0, 0, 9, 9), 1), (0, 0.5, (20, 0, 29, 9), 2))
    first, second, third = to_faces(candidates, 3)
    assert first.scores.tolist() == [1, 0.5]
    assert first.landmarks.shape == (2, 5, 2)
    assert (len(second), len(third)) == (0, 0)
