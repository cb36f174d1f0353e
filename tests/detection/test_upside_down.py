"""The look that tells which faces may be upside down."""

import numpy as np
import pytest

from emotion_core.detection.glance import Place
from emotion_core.detection.upside_down import may_be_inverted
from emotion_core.imaging.codec import decode_image
from emotion_core.local_analyzer import make_detector
from emotion_core.models.download import WEIGHTS_DIR
from emotion_core.models.registry import CARDS
from emotion_core.types import Faces
from tests.paths import PORTRAIT


@pytest.fixture(scope="module")
def place():
    image = decode_image(PORTRAIT.read_bytes()).pixels
    card = CARDS["emoscope-face-s"]
    detector = make_detector(card, WEIGHTS_DIR / card.weights.filename, "cpu")
    (faces,) = detector.detect([image])
    return Place(image, faces[:1])


def stand_on_head(place):
    """Upside down, with upright landmarks, as networks see such faces."""
    size_wh = np.array(place.image.shape[1::-1], np.float32)
    centre = place.face.landmarks.mean(axis=1, keepdims=True)
    points = size_wh - centre + (place.face.landmarks - centre)
    boxes = np.hstack([size_wh - place.face.boxes[:, 2:], size_wh - place.face.boxes[:, :2]])
    return Place(place.image[::-1, ::-1].copy(), Faces(boxes, place.face.scores, points))


def test_only_a_face_upside_down_seems_so(place):
    places = [place, stand_on_head(place), place]
    assert may_be_inverted(places).tolist() == [False, True, False]


def test_a_face_that_shows_nothing_may_be_inverted(place):
    blank = Place(np.full_like(place.image, 90), place.face)
    assert may_be_inverted([blank]).tolist() == [True]


def test_no_place_needs_no_look():
    assert may_be_inverted([]).tolist() == []
