"""Motion: foretold places, growing doubt, and what surprises."""

import numpy as np
import pytest

from emotion_core.tracking.kalman import COAST_S, BoxGeometry, KalmanState, motion_cost


def follow(speed=0.0, hz=25, n=50, size=100.0):
    """The motion of a face that moves to the right, in face sizes a second."""
    motion = KalmanState.start(np.zeros(2), size, 0.0)
    for i in range(1, n):
        motion = motion.update(np.array([speed * size * i / hz, 0.0]), size, i / hz)
    return motion


@pytest.mark.parametrize("hz", [3, 25, 60])
def test_a_steady_walk_is_foretold(hz):
    motion = follow(1.5, hz)
    np.testing.assert_allclose(motion.velocity, [150, 0], rtol=0.02, atol=1e-9)
    later = motion.time_s + 0.4
    np.testing.assert_allclose(motion.centre_at(later), [150 * later, 0], rtol=0.02, atol=1e-9)


def test_who_is_lost_for_long_is_thought_to_stay():
    motion = follow(1.0)
    there = motion.centre_at(motion.time_s + COAST_S)
    np.testing.assert_array_equal(motion.centre_at(motion.time_s + 60), there)


def test_doubt_grows_while_a_face_is_lost_and_falls_when_it_is_seen():
    motion = follow()
    places = [motion.spread_at(motion.time_s + gap)[0] for gap in (0, 0.1, 0.5, 1.0, 1.5)]
    assert places == sorted(places)
    again = motion.update(motion.centre, 100.0, motion.time_s + 1.5)
    assert again.spread[0] < places[-1] / 2


@pytest.mark.parametrize("gap_s", [0.0, 1e-6, 0.04, 10.0, 1e6])
def test_spreads_stay_possible(gap_s):
    motion = follow()
    for _ in range(20):
        motion = motion.update(motion.centre, 100.0, motion.time_s + gap_s)
        place, both, speed = motion.spread
        assert place > 0
        assert speed > 0
        assert both**2 <= place * speed * (1 + 1e-9)


def boxes(*centres, size=100.0):
    points = np.array(centres, np.float64)
    return BoxGeometry.of(np.hstack([points - size / 2, points + size / 2]).astype(np.float32))


def test_surprise_grows_with_distance_and_size():
    motion = follow()
    now = motion.time_s + 0.04
    near = motion_cost([motion], boxes((0, 0), (20, 0), (0, 60), (150, 0)), now)[0]
    assert (np.diff(near) > 0).all()
    sizes = [motion_cost([motion], boxes((0, 0), size=s), now)[0, 0] for s in (100, 130, 200, 400)]
    assert sizes == sorted(sizes)
    smaller = motion_cost([motion], boxes((0, 0), size=50), now)[0, 0]
    assert smaller == pytest.approx(sizes[2], abs=0.01), "half as large is as twice as large"


def test_surprise_is_the_same_at_any_scale():
    small, large = follow(size=10.0), follow(size=1000.0)
    now = small.time_s + 0.5
    a = motion_cost([small], boxes((3, 4), size=12), now)
    b = motion_cost([large], boxes((300, 400), size=1200), now)
    np.testing.assert_allclose(a, b, rtol=1e-6)


def test_boxes_without_area_have_a_size():
    place = BoxGeometry.of(np.array([[5, 5, 5, 5], [0, 0, 30, 40]], np.float32))
    np.testing.assert_allclose(place.sizes, [1, np.sqrt(1200)])
    np.testing.assert_allclose(place.centres, [[5, 5], [15, 20]])
    assert len(BoxGeometry.of(np.zeros((0, 4), np.float32)).sizes) == 0


@pytest.mark.parametrize(
    ("box", "whole"),
    [
        ((100, 100, 180, 200), (100, 100, 180, 200)),  # nothing is cut
        ((600, 100, 640, 200), (600, 100, 680, 200)),
        ((0, 100, 40, 200), (-40, 100, 40, 200)),
        ((100, 0, 180, 50), (100, -50, 180, 50)),
        ((100, 330, 180, 360), (100, 330, 180, 430)),
        ((550, 100, 640, 200), (550, 100, 640, 200)),  # touches the edge, but all is there
        ((0, 0, 640, 360), (0, 0, 640, 360)),  # fills the frame
    ],
)
def test_what_the_edge_cuts_off_is_added(box, whole):
    added = BoxGeometry.of(np.array([box], np.float32), (640, 360))
    expected = BoxGeometry.of(np.array([whole], np.float32))
    np.testing.assert_allclose(added.centres, expected.centres, atol=1e-3)
    np.testing.assert_allclose(added.sizes, expected.sizes, rtol=1e-5)
