"""The quality of faces: the sample portrait as it is, and made worse in one way at a time."""

import cv2
import numpy as np
import pytest

from emotion_core.imaging.codec import decode_image
from emotion_core.quality import FACE_FLAGS, FaceFlag
from emotion_core.recognition.face_quality import measure_faces, measure_quality
from emotion_core.types import Faces
from tests.factories import make_faces
from tests.paths import ROOT

POINTS = np.array([[[203, 117], [246, 116], [226, 138], [208, 156], [244, 155]]], np.float32)
BOX = np.array([[179, 75, 269, 182]], np.float32)
SCORE = np.array([0.9], np.float32)
FACE = Faces(BOX, SCORE, POINTS)


@pytest.fixture(scope="module")
def portrait():
    path = ROOT / "streamlit_app" / "assets" / "astronaut.jpg"
    return decode_image(path.read_bytes()).pixels


def scale_faces(factor):
    return Faces(BOX * np.float32(factor), SCORE, POINTS * np.float32(factor))


def shift(faces, x, y):
    moved = faces.boxes - np.float32([x, y, x, y])
    return Faces(np.clip(moved, 0, None), SCORE, faces.landmarks - np.float32([x, y]))


def shrink(image, factor):
    return cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)


def cover_mouth(image):
    covered = image.copy()
    cv2.ellipse(covered, (226, 160), (40, 30), 0, 0, 360, (170, 200, 220), -1)
    return covered


WORSE = {
    FaceFlag.SMALL: (lambda image: shrink(image, 0.15), scale_faces(0.15)),
    FaceFlag.BLURRED: (lambda image: cv2.GaussianBlur(image, (0, 0), 9), FACE),
    FaceFlag.DARK: (lambda image: (image * 0.05).astype(np.uint8), FACE),
    FaceFlag.BRIGHT: (lambda image: np.clip(image * 8.0 + 60, 0, 255).astype(np.uint8), FACE),
    FaceFlag.CUT_OFF: (lambda image: np.ascontiguousarray(image[:, 226:]), shift(FACE, 226, 0)),
    FaceFlag.COVERED: (cover_mouth, FACE),
}


def measure_one(image, faces, pitch_deg=None):
    (quality,) = measure_quality([image], [faces], [pitch_deg])
    return quality


def test_a_sharp_frontal_portrait_is_usable(portrait):
    quality = measure_one(portrait, FACE)
    assert quality.flags_of(0) == ()
    assert quality.is_usable[0]
    assert quality.quality[0] > 0.85
    assert abs(quality.pose_deg[0]).max() < 15


def test_images_are_measured_together_as_each_alone(portrait):
    images = [portrait, portrait[:, 226:], portrait, cv2.GaussianBlur(portrait, (0, 0), 9)]
    faces = [FACE, shift(FACE, 226, 0), make_faces(()), Faces(BOX, SCORE)]
    pitch_deg = [None, np.float32([-21]), np.zeros(0, np.float32), None]
    together = measure_quality(images, faces, pitch_deg)
    for quality, *one in zip(together, images, faces, pitch_deg, strict=True):
        alone = measure_one(*one)
        np.testing.assert_allclose(quality.pose_deg, alone.pose_deg, atol=1e-4)
        np.testing.assert_allclose(quality.quality, alone.quality, atol=1e-6)
        np.testing.assert_array_equal(quality.flags, alone.flags)


@pytest.mark.parametrize("flag", WORSE)
def test_what_makes_a_face_worse_is_flagged_and_costs_quality(portrait, flag):
    change, faces = WORSE[flag]
    quality = measure_one(change(portrait), faces)
    assert flag in quality.flags_of(0)
    assert not quality.is_usable[0]
    assert quality.quality[0] < measure_one(portrait, FACE).quality[0]


def test_a_turned_head_is_flagged(portrait):
    points = POINTS.copy()
    points[0, 2, 0] += 25  # the tip of the nose far to the right
    assert FaceFlag.TURNED in measure_one(portrait, Faces(BOX, SCORE, points)).flags_of(0)


def test_a_small_face_that_was_enlarged_is_not_sharp(portrait):
    coarse = cv2.resize(shrink(portrait, 0.2), portrait.shape[1::-1], interpolation=cv2.INTER_CUBIC)
    sharp, blurred = (measure_faces([image], [FACE]).sharpness[0] for image in (portrait, coarse))
    assert blurred < 0.75 * sharp
    large = cv2.resize(portrait, None, fx=4, fy=4, interpolation=cv2.INTER_CUBIC)
    assert measure_faces([large], [scale_faces(4)]).sharpness[0] > 1.3 * blurred


def test_without_landmarks_the_pose_is_unknown_and_nothing_is_covered(portrait):
    quality = measure_one(cover_mouth(portrait), Faces(BOX, SCORE))
    assert np.isnan(quality.pose_deg).all()
    assert FaceFlag.COVERED not in quality.flags_of(0)


def test_a_network_tells_the_pitch_better_than_landmarks(portrait):
    told = measure_one(portrait, FACE, np.float32([-21.0]))
    plain = measure_one(portrait, FACE)
    np.testing.assert_array_equal(told.pose_deg[:, 1], [-21])
    np.testing.assert_array_equal(told.pose_deg[:, ::2], plain.pose_deg[:, ::2])


def test_no_face_has_no_quality(portrait):
    quality = measure_one(portrait, make_faces(()))
    assert len(quality) == 0
    assert quality.flags.shape == (0, len(FACE_FLAGS))
