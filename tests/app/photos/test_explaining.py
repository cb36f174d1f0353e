"""What the detail of a face is given when it asks where in the face a reading comes from."""

import numpy as np
import pytest

from emotion_core.imaging.codec import decode_image
from emotion_core.recognition.classifier import EmotionClassifier
from streamlit_app.photos.explaining import FaceExplainer
from streamlit_app.photos.state import Photo
from tests.factories import (
    FakeNetwork,
    encode,
    make_emotion_card,
    make_faces,
    make_fake_analyzer,
    make_smooth_image,
)

FACES = make_faces([(0, 0, 20, 20), (20, 4, 60, 44)])


@pytest.fixture
def analyzer():
    found = make_fake_analyzer()
    found.classifier = EmotionClassifier(FakeNetwork(gain=0.2), make_emotion_card())
    return found


@pytest.fixture
def files(monkeypatch):
    """What the browser was given, by its place."""
    given = {}

    def give(data, _mime, place):
        given[place] = data
        return place

    monkeypatch.setattr("streamlit_app.photos.explaining.media_url", give)
    return given


def make_photo(data):
    return Photo("a/b.png", lambda: data, "key")


def test_a_face_gets_its_map_its_spread_and_a_file(analyzer, files):
    photo = make_photo(encode(make_smooth_image(64, 48)))
    told = FaceExplainer().explain(analyzer, photo, FACES, "key#2", "sadness", blur=False)
    assert (told["face"], told["wish"]) == ("key#2", "sadness")
    assert told["name"] == "a_b_face2_sadness.jpg"
    assert "sadness" in told["words"][0]
    low, high = told["spread"]["sadness"]
    assert 0 <= low < high <= 1
    assert decode_image(files[told["map"]]).pixels.shape == (320, 320, 3)
    assert files[told["file"]] != files[told["map"]]


def test_an_explanation_is_kept_for_as_long_as_it_is_the_same(analyzer, files):
    explainer = FaceExplainer()
    photo = make_photo(encode(make_smooth_image(64, 48)))
    first = explainer.explain(analyzer, photo, FACES, "key#2", "", blur=False)
    assert files
    gone = make_photo(b"")
    assert explainer.explain(analyzer, gone, FACES, "key#2", "", blur=False) == first
    assert explainer.n_bytes > 0
    for changed in ({"blur": True}, {"blur": False, "wish": "anger"}):
        wish = changed.pop("wish", "")
        assert "error" in explainer.explain(analyzer, gone, FACES, "key#2", wish, **changed)


def test_a_map_of_a_blurred_face_shows_nobody(analyzer, files):
    rough = np.random.default_rng(0).integers(0, 255, (48, 64, 3), np.uint8)
    photo = make_photo(encode(rough))
    spread = []
    for blur in (False, True):
        told = FaceExplainer().explain(analyzer, photo, FACES, "key#2", "", blur=blur)
        spread.append(decode_image(files[told["map"]]).pixels.std())
    assert spread[1] < spread[0] / 2
