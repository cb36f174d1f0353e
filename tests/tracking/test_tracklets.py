"""Linking of tracklets: who looks away, leaves, is cut to, and who is somebody else."""

import numpy as np
import pytest

from emotion_core.tracking import tracklets as module
from emotion_core.tracking.tracklets import Sighting, Tracklet, link_tracklets

SIZE = 80.0
LOOKS = np.random.default_rng(4).uniform(0.2, 0.8, (12, 72))
"""Colours of people who look unlike each other, but for the last, much like the first."""
LOOKS[-1] = LOOKS[0] + 0.03


def make(track, start_s, end_s, look=0, place=(300, 200), *, shot=0, n_frames=50, **options):
    """A tracklet of somebody who stays at a place."""
    descriptor = None if look is None else LOOKS[look]
    ends = [Sighting(t, np.array(place, float), SIZE, shot, descriptor) for t in (start_s, end_s)]
    return Tracklet(track, n_frames, *ends, **options)


def link(*tracklets):
    """For each tracklet the one whose person it is."""
    found = link_tracklets(tracklets, min_frames=4)
    return [found[t.track] for t in tracklets]


@pytest.mark.parametrize("away_s", [0.1, 2, 20])
def test_who_looks_away_stays_one(away_s):
    assert link(make(1, 0, 5), make(2, 5 + away_s, 20 + away_s)) == [1, 1]


def test_many_stretches_of_one_person_are_one():
    assert link(*(make(i, 10 * i, 10 * i + 7) for i in range(1, 9))) == [1] * 8


def test_who_comes_back_elsewhere_is_known_by_looks():
    assert link(make(1, 0, 5), make(2, 9, 20, place=(1500, 700))) == [1, 1]


def test_somebody_else_in_the_same_place_is_new():
    assert link(make(1, 0, 5), make(2, 30, 40, look=1)) == [1, 2]


def test_nobody_is_at_two_places_at_once():
    assert link(make(1, 0, 5), make(2, 4.9, 9, place=(900, 200))) == [1, 2]
    assert link(make(1, 0, 5), make(2, 5, 9)) == [1, 2], "seen in the same frame"


def test_two_who_change_places_while_away_are_told_apart():
    before = [make(1, 0, 5, 0, (200, 200)), make(2, 0, 5, 1, (500, 200))]
    after = [make(3, 8, 20, 1, (200, 200)), make(4, 8, 20, 0, (500, 200))]
    assert link(*before, *after) == [1, 2, 2, 1]


def test_all_are_assigned_at_once():
    """The first to come back is a little like another person, who comes back later."""
    before = [make(1, 0, 5, 0, (200, 200)), make(2, 0, 5, 11, (230, 200))]
    after = [make(3, 8, 20, 11, (215, 200)), make(4, 9, 20, 0, (215, 200))]
    assert link(*before, *after) == [1, 2, 2, 1]


def test_a_cut_brings_new_people_unless_they_look_the_same():
    shots = [
        make(i + 1, 2 * i, 2 * i + 2 - 0.04, look, shot=i) for i, look in enumerate([0, 1, 0, 1, 2])
    ]
    assert link(*shots) == [1, 2, 1, 2, 5]


def test_after_a_cut_somebody_whose_looks_are_not_known_is_new():
    assert link(make(1, 0, 5, None), make(2, 6, 9, None, shot=1)) == [1, 2]
    assert link(make(1, 0, 5, None), make(2, 6, 9, None)) == [1, 1], "but not in the same place"


def test_a_false_alarm_loses_to_its_neighbours():
    """It lies in between, a little beside; it must not come between the two."""
    alarm = make(2, 6, 6, look=3, place=(330, 230), n_frames=1)
    assert link(make(1, 0, 5), alarm, make(3, 7, 20)) == [1, 2, 1]


def test_false_alarms_anywhere_are_nobody():
    rng = np.random.default_rng(0)
    places = rng.uniform(0, 2000, (10, 2))
    alarms = [make(i + 2, i, i, i + 1, places[i], n_frames=1) for i in range(10)]
    assert link(make(1, 0, 20), *alarms) == list(range(1, 12))


def test_embeddings_tell_more_than_colours():
    one, two = np.eye(8)[:2]
    alike = [make(1, 0, 5, embedding=3 * one), make(2, 8, 9, embedding=two)]
    assert link(*alike) == [1, 2]
    other_clothes = [make(1, 0, 5, embedding=one), make(2, 600, 610, 1, embedding=2 * one + two)]
    assert link(*other_clothes) == [1, 1]


def test_no_more_are_linked_than_memory_allows(monkeypatch):
    monkeypatch.setattr(module, "MAX_LINKED", 2)
    brief = make(3, 12, 12, n_frames=1)
    assert link(make(1, 0, 5), make(2, 6, 11), brief) == [1, 1, 3]


def test_nobody_is_nobody():
    assert link_tracklets([], min_frames=4) == {}
