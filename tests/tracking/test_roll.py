"""Which angles the next frames are searched at."""

import numpy as np

from emotion_core.detection.turned_view import turn
from emotion_core.tracking.roll import RollFollower
from emotion_core.types import Faces
from tests.factories import make_faces


def turned_faces(*rolls):
    blank = np.zeros((100, 100, 3), np.uint8)
    views = [
        turn(blank, roll).to_image(make_faces([(30, 30, 60, 60)], landmarks=True)) for roll in rolls
    ]
    return Faces(
        np.concatenate([faces.boxes for faces in views]),
        np.concatenate([faces.scores for faces in views]),
        np.concatenate([faces.landmarks for faces in views]),
    )


def test_upright_faces_ask_for_nothing():
    follower = RollFollower()
    follower.update(turned_faces(0, 12, -12))
    follower.update(make_faces([(1, 1, 9, 9)]))
    assert follower.rolls_deg == ()


def test_the_commonest_two_angles_are_followed_as_they_change():
    follower = RollFollower()
    follower.update(turned_faces(92, 0, 88, 180, 181, 40))
    assert follower.rolls_deg == (90, 180)
    follower.update(turned_faces(-97))
    assert follower.rolls_deg == (270,)


def test_an_angle_is_forgotten_some_searches_after_its_face():
    follower = RollFollower()
    follower.update(turned_faces(90))
    for _ in range(7):
        follower.update(Faces.empty())
        assert follower.rolls_deg == (90,)
    follower.update(turned_faces(0))
    assert follower.rolls_deg == ()
