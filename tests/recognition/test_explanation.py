"""Occlusion maps and stability, of a network whose behaviour is known."""

import numpy as np
import pytest

from emotion_core.labels import Emotion
from emotion_core.recognition.classifier import EmotionClassifier
from emotion_core.recognition.explanation import explain_face, measure_spread
from tests.factories import SEVEN, make_emotion_card, make_faces, make_smooth_image

FACE = make_faces([(0, 0, 48, 48)])


class LooksAtTheLeft:
    """Happier the brighter the upper left quarter is; the rest is ignored."""

    device = "cpu"

    def run(self, batch):
        logits = np.zeros((len(batch), len(SEVEN)), np.float32)
        bright = batch[:, 0, :4, :4].mean(axis=(1, 2))
        logits[:, SEVEN.index(Emotion.HAPPINESS)] = 12 * (bright - 0.3)
        return [logits]


def make_looker():
    return EmotionClassifier(LooksAtTheLeft(), make_emotion_card())


def make_lit_image():
    image = np.full((48, 48, 3), 40, np.uint8)
    image[:24, :24] = 250
    return image


def test_the_map_is_high_where_the_network_looks():
    found = explain_face(make_looker(), make_lit_image(), FACE)
    assert found.emotion is Emotion.HAPPINESS
    assert found.drop[:4, :4].min() > 0.1
    assert np.abs(found.drop[5:, 5:]).max() < 1e-6
    (x, y), share = found.find_strongest()
    assert max(x, y) < 0.6
    assert share < found.share
    drawn = found.draw(64)
    assert drawn.shape == (64, 64, 3)
    assert drawn[4, 4, 0] > drawn[4, 4, 2] + 20


def test_another_emotion_can_be_explained():
    found = explain_face(make_looker(), make_lit_image(), FACE, Emotion.SADNESS)
    assert found.drop[:4, :4].max() < 0
    (x, y), share = found.find_strongest(is_against=True)
    assert max(x, y) < 0.6
    assert share > found.share


def test_a_reading_that_hangs_on_light_has_a_wide_interval():
    shaky = measure_spread(make_looker(), make_smooth_image(48, 48), FACE)
    low, high = shaky.interval(Emotion.HAPPINESS)
    first = shaky.readings.probabilities[0, SEVEN.index(Emotion.HAPPINESS)]
    assert low < first < high
    assert 0 <= shaky.same_word <= 1
    flat = measure_spread(make_looker(), np.zeros((48, 48, 3), np.uint8), FACE)
    assert flat.interval(Emotion.HAPPINESS)[1] - flat.interval(Emotion.HAPPINESS)[0] < 1e-6
    assert flat.same_word == 1
    assert flat.valence[0] == pytest.approx(flat.valence[1])
    assert flat.arousal[0] == pytest.approx(flat.arousal[1])


def test_one_face_is_explained_at_a_time():
    with pytest.raises(ValueError, match="not 2"):
        explain_face(make_looker(), make_lit_image(), make_faces([(0, 0, 9, 9), (9, 9, 20, 20)]))
