"""MediaPipe's landmarker as a teacher: what it sees in real faces, and what is kept of it."""

import zipfile

import cv2
import numpy as np
import pytest

from emotion_core.actions import ACTIONS, MIRRORED
from emotion_core.errors import WeightsMismatchError, WeightsUnavailableError
from emotion_core.training.emotion import landmarker as module
from emotion_core.training.emotion.landmarker import FaceLandmarker, read_actions, to_pose
from tests.training.synthetic import make_faces


@pytest.fixture(scope="module")
def landmarker(shared):
    return FaceLandmarker(shared / "weights" / "mediapipe_face_landmarker" / "face_landmarker.task")


@pytest.fixture(scope="module")
def smile(shared):
    """A laughing woman, upright and from the front, about as a detector's crop."""
    photo = cv2.imread(str(shared / "samples" / "photos" / "astronaut.png"))
    return np.ascontiguousarray(photo[70:190, 165:285, ::-1])


def test_a_smile_is_seen_and_the_mirror_image_changes_sides(landmarker, smile):
    seen = landmarker.read(smile)
    assert seen[ACTIONS.index("mouthSmileLeft")] > 0.5
    assert seen[ACTIONS.index("eyeBlinkLeft")] < 0.5
    mirrored = landmarker.read(np.ascontiguousarray(smile[:, ::-1]))
    assert np.abs(seen[:51] - mirrored[:51][list(MIRRORED)]).mean() < 0.06
    np.testing.assert_allclose(seen[51:] * [-1, 1, -1], mirrored[51:], atol=6)


def test_a_head_that_leans_clockwise_has_a_positive_roll(landmarker, smile):
    side = len(smile)
    turn = cv2.getRotationMatrix2D((side / 2, side / 2), -12, 1)
    leaning = cv2.warpAffine(smile, turn, (side, side), borderMode=cv2.BORDER_REPLICATE)
    assert landmarker.read(leaning)[-1] - landmarker.read(smile)[-1] == pytest.approx(12, abs=4)


def test_where_there_is_no_face_nothing_is_known(landmarker):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    assert np.isnan(landmarker.read(noise)).all()


def test_angles_of_a_head_are_those_it_is_turned_by():
    """Axes in the image: x to the right, y down, z away from the viewer."""
    upright = np.zeros((478, 3))
    upright[[33, 263, 10, 152]] = [(-1, 0, 0), (1, 0, 0), (0, -1, 0), (0, 1, 0)]
    yaw, pitch, roll = np.radians([25, 10, 15])
    to_the_right = [[np.cos(yaw), 0, -np.sin(yaw)], [0, 1, 0], [np.sin(yaw), 0, np.cos(yaw)]]
    np.testing.assert_allclose(to_pose(upright @ np.array(to_the_right).T), [25, 0, 0], atol=1e-4)
    up = [[1, 0, 0], [0, np.cos(pitch), np.sin(pitch)], [0, -np.sin(pitch), np.cos(pitch)]]
    np.testing.assert_allclose(to_pose(upright @ np.array(up).T), [0, 10, 0], atol=1e-4)
    clockwise = [[np.cos(roll), -np.sin(roll), 0], [np.sin(roll), np.cos(roll), 0], [0, 0, 1]]
    np.testing.assert_allclose(to_pose(upright @ np.array(clockwise).T), [0, 0, 15], atol=1e-4)


class Counting:
    """Sees the number of its look."""

    name, sha256 = "counting.task", "0" * 64

    def __init__(self):
        self.n = 0

    def read(self, face):
        assert face.shape[0] == face.shape[1]
        self.n += 1
        return np.full(module.N_OUTPUTS, self.n, np.float32)


def test_faces_are_looked_at_once(tmp_path):
    teacher, faces = Counting(), make_faces(4)
    first = read_actions(faces, teacher, tmp_path / "labels")
    assert first[:, 0].tolist() == [1, 2, 3, 4]
    np.testing.assert_array_equal(read_actions(faces, teacher, tmp_path / "labels"), first)
    assert teacher.n == 4
    read_actions(make_faces(4, seed=1), teacher, tmp_path / "labels")
    assert teacher.n == 8, "other pixels under the same names"


def test_what_is_no_landmarker_is_refused(tmp_path):
    with pytest.raises(WeightsUnavailableError, match="no landmarker"):
        FaceLandmarker(tmp_path / "gone.task")
    path = tmp_path / "other.task"
    path.write_bytes(b"nothing")
    with pytest.raises(WeightsMismatchError, match=r"other\.task is no face landmarker"):
        FaceLandmarker(path)
    with zipfile.ZipFile(path, "w") as bundle:
        bundle.writestr("face_landmarks_detector.tflite", b"nothing")
    with pytest.raises(WeightsMismatchError, match=r"other\.task is no face landmarker"):
        FaceLandmarker(path)
