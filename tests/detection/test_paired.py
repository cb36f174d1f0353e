"""Two detectors together: only where faces are to be hidden, and what the second one adds."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np

from emotion_core.detection.paired import PairedDetector
from emotion_core.types import AnalyzeOptions
from tests.factories import make_faces, make_image

FRONTAL, PROFILE = (10, 10, 40, 50), (60, 12, 86, 48)
HIDDEN = AnalyzeOptions(0.45, 8, for_redaction=True)


class Finds:
    """Finds the same faces in every image."""

    def __init__(self, *boxes, score=0.9):
        self._boxes, self._score = boxes, np.float32(score)

    def detect(self, images, _):
        found = make_faces(list(self._boxes), landmarks=True)
        return [replace(found, scores=np.full(len(found), self._score)) for _ in images]


def test_a_face_that_only_the_second_detector_sees_is_marked_as_hidden_only():
    shifted = (12, 11, 41, 52)  # the same face as the second detector sees it
    detector = PairedDetector(Finds(FRONTAL), lambda: Finds(PROFILE, shifted))
    (faces,) = detector.detect([make_image(120, 60)], HIDDEN)
    np.testing.assert_array_equal(faces.boxes, [FRONTAL, PROFILE])
    assert faces.is_hidden_only.tolist() == [False, True]
    assert faces.landmarks.shape == (2, 5, 2)


def test_a_face_too_unsure_to_be_hidden_does_not_stand_for_the_one_the_second_detector_sees():
    detector = PairedDetector(Finds(FRONTAL, score=0.32), lambda: Finds(FRONTAL))
    (faces,) = detector.detect([make_image(120, 60)], replace(HIDDEN, min_score=0.3))
    assert faces.is_hidden_only.tolist() == [False, True]


def test_the_second_detector_is_not_loaded_where_nothing_is_hidden():
    def load():
        raise AssertionError

    (faces,) = PairedDetector(Finds(FRONTAL), load).detect([make_image()], AnalyzeOptions())
    assert len(faces) == 1


def test_the_second_detector_is_loaded_once_however_many_threads_ask():
    n_loaded, both_are_here = [], threading.Barrier(2)

    def load():
        n_loaded.append(1)
        time.sleep(0.05)  # the other thread would ask meanwhile
        return Finds(PROFILE)

    def search(_):
        both_are_here.wait(10)
        return detector.detect([make_image(120, 60)], HIDDEN)[0]

    detector = PairedDetector(Finds(FRONTAL), load)
    with ThreadPoolExecutor(2) as pool:
        assert [len(faces) for faces in pool.map(search, range(2))] == [2, 2]
    assert n_loaded == [1]


def test_one_detector_is_enough_where_there_is_no_second():
    (faces,) = PairedDetector(Finds(FRONTAL), lambda: None).detect([make_image()], HIDDEN)
    assert len(faces) == 1
