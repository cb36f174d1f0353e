"""The pose of heads: the generic head turned by known angles, and what has none."""

import numpy as np
import pytest

from emotion_core.recognition.pose import _HEAD, estimate_pose


def turn_head(yaw, pitch, roll, scale=40.0, place=(300, 200)):
    """Landmarks of the generic head, seen from far away."""
    y, p, r = np.radians([yaw, pitch, roll])
    away = np.array([-np.sin(y) * np.cos(p), np.sin(p), np.cos(y) * np.cos(p)])
    across = np.array([np.cos(r), np.sin(r), 0.0])
    across[2] = -(across @ away) / away[2]  # at a right angle to it
    across /= np.linalg.norm(across)
    axes = np.stack([across, np.cross(away, across), away])
    return ((_HEAD @ axes)[:, :2] * scale + place).astype(np.float32)


@pytest.mark.parametrize(
    "pose",
    [(0, 0, 0), (30, 0, 0), (-45, 0, 0), (0, 20, 0), (0, -25, 0), (0, 0, 170), (25, -15, -60)],
)
def test_a_turned_head_has_its_angles(pose):
    np.testing.assert_allclose(estimate_pose(turn_head(*pose)[None])[0], pose, atol=0.1)


def test_size_and_place_do_not_matter():
    near, far = turn_head(20, 5, 3), turn_head(20, 5, 3, scale=4.0, place=(7, -9))
    np.testing.assert_allclose(*estimate_pose(np.stack([near, far])), atol=0.01)


def test_landmarks_in_one_place_have_no_pose():
    assert np.isnan(estimate_pose(np.full((1, 5, 2), 9, np.float32))).all()


def test_no_head_has_no_pose():
    assert estimate_pose(np.zeros((0, 5, 2), np.float32)).shape == (0, 3)
