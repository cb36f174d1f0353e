"""Writing labels, agreement of raters, and the order in which faces are asked for."""

from dataclasses import replace

import numpy as np
import pytest

from emotion_core.adaptation.agreement import to_agreement_of
from emotion_core.adaptation.ordering import order_for_labels
from emotion_core.labels import Emotion
from emotion_core.training.datasets.label_writer import labels_to_csv
from emotion_core.training.datasets.photo_labels import PhotoLabel, read_rated_labels


def label(image, emotion, rater="A", valence=float("nan")):
    return PhotoLabel(image, emotion, valence=valence, rater=rater)


def test_written_labels_are_read_again(tmp_path):
    labels = [
        PhotoLabel("anna, 1.jpg", Emotion.HAPPINESS, valence=0.5, arousal=-0.25, rater="Öz"),
        PhotoLabel("clip.mp4", Emotion.UNCERTAIN, time_s=12.04, box=(1.0, 2.5, 30.0, 40.0)),
        PhotoLabel("clip.mp4", Emotion.FEAR, time_s=12.04, box=(41.0, 2.5, 70.0, 40.0)),
    ]
    (tmp_path / "labels.csv").write_bytes(labels_to_csv(labels))
    read = [replace(one, row=labels[0].row) for one in read_rated_labels(tmp_path)]
    for one, other in zip(read, labels, strict=True):
        assert (one.face, one.emotion, one.rater) == (other.face, other.emotion, other.rater)
        np.testing.assert_equal([one.valence, one.arousal], [other.valence, other.arousal])


def test_raters_that_say_the_same_agree_and_chance_gives_zero():
    words = [Emotion.HAPPINESS, Emotion.SADNESS, Emotion.ANGER] * 60
    rng = np.random.default_rng(0)
    same = [label(f"{i}.jpg", word, rater) for rater in "AB" for i, word in enumerate(words)]
    found = to_agreement_of(same)
    assert (found.n_shared, found.kappa["A", "B"], found.alpha) == (180, 1, 1)
    assert found.alpha_valence is None
    by_chance = [label(f"{i}.jpg", rng.choice(words), "C") for i in range(len(words))]
    found = to_agreement_of([*same[:180], *by_chance])
    assert found.kappa["A", "C"] == pytest.approx(0, abs=0.15)
    assert found.alpha == pytest.approx(0, abs=0.15)


def test_alpha_of_ratings_is_by_their_distance_and_passes_over_gaps():
    rows = [(0.1, 0.2), (0.5, 0.4), (-0.6, -0.5), (0.9, np.nan)]
    labels = [
        label(f"{i}.jpg", None, "AB"[k], value)
        for i, pair in enumerate(rows)
        for k, value in enumerate(pair)
    ]
    found = to_agreement_of(labels)
    assert found.alpha is None
    assert 0.9 < found.alpha_valence < 1


def test_one_rater_has_nobody_to_agree_with():
    found = to_agreement_of([label("a.jpg", Emotion.FEAR), label("b.jpg", Emotion.ANGER)])
    assert (found.n_shared, found.kappa, found.alpha) == (0, {}, None)


def test_uncertain_faces_come_first_and_emotions_and_people_take_turns():
    sure, doubtful = [0.9, 0.05, 0.05], [0.45, 0.4, 0.15]
    probabilities = np.array([sure, doubtful, doubtful, [0.1, 0.8, 0.1], sure], np.float32)
    order = order_for_labels(probabilities, ["a", "b", "b", "c", "d"])
    assert order == [3, 1, 0, 4, 2]  # the only one of its word; b's second face after the others
    assert order_for_labels(probabilities, "abbcd", [False, True, True, True, True])[-1] == 0
    assert order_for_labels(np.empty((0, 3), np.float32), []) == []
