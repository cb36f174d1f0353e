"""Faces of many images in few passes; probabilities, valence and arousal as the card says."""

from dataclasses import replace

import numpy as np
import pytest

from emotion_core.actions import ACTIONS, POSE
from emotion_core.errors import WeightsMismatchError
from emotion_core.labels import ALL_EMOTIONS, VALENCE_AROUSAL, Emotion
from emotion_core.models.runtime import OnnxNetwork
from emotion_core.recognition.alignment import crop_faces
from emotion_core.recognition.classifier import BATCH, EmotionClassifier, expected_va
from emotion_core.types import Faces, VaSource
from tests.factories import (
    SEVEN,
    FakeNetwork,
    make_classifier_onnx,
    make_detector_card,
    make_emotion_card,
    make_faces,
    make_image,
)


def make_crowds(counts, seed=0):
    """Images with so many faces each."""
    rng = np.random.default_rng(seed)
    images = [make_image(80, 60, seed=i) for i in range(len(counts))]
    faces = []
    for count in counts:
        corners = rng.uniform(0, 50, (count, 2))
        faces.append(make_faces(np.hstack([corners, corners + rng.uniform(4, 30, (count, 2))])))
    return images, faces


@pytest.mark.parametrize(
    ("counts", "passes"),
    [
        ([], []),
        ([0], []),
        ([0, 0, 0], []),
        ([1], [1]),
        ([1, 0, 2], [3]),
        ([BATCH], [BATCH]),
        ([30, 0, 40, 1, 60], [64, 64, 3]),
        ([200], [64, 64, 64, 8]),
    ],
    ids=str,
)
def test_faces_of_all_images_share_passes(counts, passes):
    network = FakeNetwork()
    images, faces = make_crowds(counts)
    found = EmotionClassifier(network, make_emotion_card()).classify(images, faces)
    assert network.passes == passes
    assert [len(read) for read in found] == counts
    assert all(read.labels == SEVEN for read in found)


def test_a_crowd_is_cut_out_as_it_is_read(monkeypatch):
    at_once = []

    def cut(image, faces, how):
        at_once.append(len(faces))
        return crop_faces(image, faces, how)

    monkeypatch.setattr("emotion_core.recognition.classifier.crop_faces", cut)
    (read,) = EmotionClassifier(FakeNetwork(), make_emotion_card()).classify(*make_crowds([300]))
    assert (len(read), sum(at_once), max(at_once)) == (300, 300, BATCH)


@pytest.mark.parametrize("has_va", [False, True])
def test_together_is_one_by_one(has_va):
    network = FakeNetwork((7, 2))
    classifier = EmotionClassifier(network, make_emotion_card(has_va=has_va))
    images, faces = make_crowds([3, 0, 40, 30, 1])
    together = classifier.classify(images, faces)
    for image, found, read in zip(images, faces, together, strict=True):
        for i in range(len(found)):
            (alone,) = classifier.classify([image], [found[np.array([i])]])
            for name in ("probabilities", "valence", "arousal"):
                expected = getattr(read, name)[i]
                np.testing.assert_allclose(getattr(alone, name)[0], expected, atol=3e-6)


def test_together_is_one_by_one_in_a_real_graph_of_batch_one(tmp_path):
    path = tmp_path / "tiny.onnx"
    path.write_bytes(make_classifier_onnx("fixed"))
    classifier = EmotionClassifier(OnnxNetwork(path), make_emotion_card())
    images, faces = make_crowds([2, 70])
    together = np.concatenate([p.probabilities for p in classifier.classify(images, faces)])
    crops = [
        (image, found[np.array([i])])
        for image, found in zip(images, faces, strict=True)
        for i in range(len(found))
    ]
    alone = np.concatenate([classifier.classify([i], [f])[0].probabilities for i, f in crops])
    np.testing.assert_allclose(together, alone, atol=1e-6)
    assert np.ptp(together, axis=0).max() > 0.01, "faces must differ for this to mean anything"


def test_order_of_images_and_faces_is_kept():
    classifier = EmotionClassifier(FakeNetwork(), make_emotion_card())
    images, faces = make_crowds([2, 3])
    forward = classifier.classify(images, faces)
    backward = classifier.classify(images[::-1], [f[np.arange(len(f))[::-1]] for f in faces[::-1]])
    for a, b in zip(forward, backward[::-1], strict=True):
        np.testing.assert_allclose(a.probabilities, b.probabilities[::-1], atol=1e-6)


class Fixed:
    """Gives the same outputs whatever comes in."""

    device = "cpu"

    def __init__(self, *outputs):
        self._outputs = [np.asarray(output, np.float32) for output in outputs]

    def run(self, batch):
        return [np.repeat(output[None], len(batch), axis=0) for output in self._outputs]


CROP = np.zeros((1, 8, 8, 3), np.uint8)


def read(logits, *more, **changes):
    card = make_emotion_card(labels=(Emotion.ANGER, Emotion.HAPPINESS), **changes)
    return EmotionClassifier(Fixed(logits, *more), card).classify_crops(CROP)


def test_softmax_and_expectation_by_hand():
    found = read([0.0, np.log(3)])
    np.testing.assert_allclose(found.probabilities, [[0.25, 0.75]], atol=1e-6)
    assert found.top == [Emotion.HAPPINESS]
    assert found.va_source is VaSource.EXPECTATION
    anger, happiness = VALENCE_AROUSAL[Emotion.ANGER], VALENCE_AROUSAL[Emotion.HAPPINESS]
    assert found.valence[0] == pytest.approx(0.25 * anger[0] + 0.75 * happiness[0], abs=1e-6)
    assert found.arousal[0] == pytest.approx(0.25 * anger[1] + 0.75 * happiness[1], abs=1e-6)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_temperature_divides_the_logits(temperature):
    odds = 3 ** (1 / temperature)
    found = read([0.0, np.log(3)], temperature=temperature)
    assert found.probabilities[0, 1] == pytest.approx(odds / (1 + odds), abs=1e-6)


@pytest.mark.parametrize("logits", [[1e4, -1e4], [-1e30, 1e30], [0, 0]], ids=str)
@pytest.mark.filterwarnings("error")
def test_extreme_logits_stay_finite(logits):
    assert read(logits).probabilities.sum() == pytest.approx(1)


@pytest.mark.parametrize(
    ("logits", "va"),
    [([np.nan, 0.0], [0.0, 0.0]), ([np.inf, 0.0], [0.0, 0.0]), ([0.0, 0.0], [0.0, np.nan])],
    ids=["NaN", "infinite", "arousal"],
)
def test_values_that_are_no_numbers_are_told_in_a_sentence(logits, va):
    with pytest.raises(WeightsMismatchError, match=r"^tiny returns values that are not numbers; "):
        read(logits, va, has_va=True)


@pytest.mark.parametrize(
    ("head", "expected"),
    [([0.3, -0.4], (0.3, -0.4)), ([5, -7], (1, -1)), ([1, 1], (1, 1))],
    ids=str,
)
def test_head_is_reported_clipped(head, expected):
    found = read([0.0, 0.0], head, has_va=True)
    assert (found.valence[0], found.arousal[0]) == pytest.approx(expected)
    assert found.va_source is VaSource.HEAD


def test_outputs_with_trailing_ones_are_flattened():
    found = read(np.zeros((2, 1, 1)), np.ones((2, 1)), has_va=True)
    assert found.probabilities.tolist() == [[0.5, 0.5]]


def test_action_features_come_from_their_output():
    """Networks have the outputs logits, va, actions, pose."""
    network = FakeNetwork((7, 2, len(ACTIONS), len(POSE)), gain=1.0)
    classifier = EmotionClassifier(network, make_emotion_card(has_va=True, has_actions=True))
    crops = make_image(8, 8)[None]
    predictions, pitch_deg = classifier.read_crops(crops)
    actions = predictions.actions
    assert pitch_deg.shape == (1,)
    ((_, again),) = classifier.read([make_image(8, 8)], [make_faces([(0, 0, 8, 8)])])
    np.testing.assert_allclose(again, pitch_deg)
    assert actions.shape == (1, len(ACTIONS))
    assert (actions.min(), actions.max()) == (0, 1)  # clipped
    plain = EmotionClassifier(network, make_emotion_card(has_va=True))
    assert plain.classify_crops(crops).actions is None


def test_no_crops():
    found = EmotionClassifier(FakeNetwork((7, 2)), make_emotion_card(has_va=True)).classify_crops(
        CROP[:0]
    )
    assert len(found) == 0
    assert found.va_source is VaSource.HEAD


def test_one_pixel_image():
    classifier = EmotionClassifier(FakeNetwork(), make_emotion_card())
    pixel = np.full((1, 1, 3), 9, np.uint8)
    (found,) = classifier.classify([pixel], [make_faces([(0, 0, 1, 1)])])
    assert len(found) == 1
    assert [len(r) for r in classifier.classify([pixel], [Faces.empty()])] == [0]


@pytest.mark.parametrize("labels", [SEVEN, ALL_EMOTIONS, ALL_EMOTIONS[:1]], ids=len)
def test_expectation_stays_in_the_plane(labels):
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet(np.ones(len(labels)), 200).astype(np.float32)
    va = expected_va(probabilities, labels)
    assert np.abs(va).max() <= 1
    sure = np.eye(len(labels), dtype=np.float32)
    np.testing.assert_allclose(
        expected_va(sure, labels), [VALENCE_AROUSAL[label] for label in labels], atol=1e-6
    )
    assert expected_va(probabilities[:0], labels).shape == (0, 2)


def test_card_without_preprocessing_is_refused():
    with pytest.raises(ValueError, match="tiny-faces has no preprocessing"):
        EmotionClassifier(FakeNetwork(), make_detector_card())
    colour = replace(make_emotion_card().preprocessing, mean=(0.0,) * 3, std=(255.0,) * 3)
    network = FakeNetwork(inputs=192)
    classifier = EmotionClassifier(network, make_emotion_card(preprocessing=colour))
    assert len(classifier.classify_crops(CROP)) == 1
