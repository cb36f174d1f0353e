"""Adapting to labels of made-up faces whose emotions are clusters of features."""

import numpy as np
import pytest

from emotion_core.adaptation.adapt import adapt
from emotion_core.adaptation.faces import make_labelled_faces
from emotion_core.adaptation.fit import find_learned, fit_va, fit_words
from emotion_core.adaptation.folds import iter_folds
from emotion_core.adaptation.head import EmotionHead
from emotion_core.adaptation.report import adaptation_notes, adaptation_table
from emotion_core.errors import EmotionError
from emotion_core.labels import ALL_EMOTIONS, Emotion
from emotion_core.training.datasets.photo_labels import PhotoLabel
from tests.factories import make_emotion_card

WIDTH = 12
CENTRES = np.random.default_rng(5).normal(0, 1.2, (3, WIDTH)).astype(np.float32)
WORDS = (Emotion.NEUTRAL, Emotion.HAPPINESS, Emotion.ANGER)


def make_base(*, knows=2, has_va=True):
    """A layer that knows the first two of the three clusters by heart."""
    weight = np.zeros((9, WIDTH), np.float32)
    bias = np.full(9, -4, np.float32)
    for i in range(knows):
        row = ALL_EMOTIONS.index(WORDS[i])
        weight[row], bias[row] = CENTRES[i], -np.square(CENTRES[i]).sum() / 2
    va = np.zeros((2, WIDTH), np.float32) if has_va else None
    return EmotionHead(weight, bias, va, np.zeros(2, np.float32) if has_va else None, 0.8)


def make_labels(n=25, *, wrong=False, rated=False, people=None, seed=0):
    """N faces of each of three emotions, two of a person."""
    rng = np.random.default_rng(seed)
    which = np.repeat(np.arange(3), n)
    features = CENTRES[which] + rng.normal(0, 1, (3 * n, WIDTH)).astype(np.float32)
    named = rng.permutation(which) if wrong else which
    valence = np.tanh(features[:, 0]) if rated else np.full(3 * n, np.nan)
    labels = [
        PhotoLabel(f"{people or i // 2}.jpg", WORDS[k], valence=float(v))
        for i, (k, v) in enumerate(zip(named, valence, strict=True))
    ]
    return make_labelled_faces(labels, features.astype(np.float32))


def test_labels_teach_an_emotion_that_the_network_does_not_read():
    found = adapt(make_base(), make_labels())
    gain = next(one for one in found.differences if one.name == "recall of anger")
    assert (gain.first, gain.second) == (0, pytest.approx(1, abs=0.2))
    assert found.used == ("emotions",)
    assert found.counts == {"neutral": 25, "happiness": 25, "anger": 25}
    others = make_labels(seed=1)
    read = found.head.to_scaled_logits(others.features).argmax(axis=1)
    held_out = float((read == others.truth.majority).mean())
    assert found.after.accuracy == pytest.approx(held_out, abs=0.1)


def test_wrong_labels_are_refused():
    base = make_base()
    found = adapt(base, make_labels(wrong=True))
    assert found.used == ()
    assert found.head is base
    assert "emotions" in found.refusal


def test_labels_that_agree_with_the_network_change_nothing():
    found = adapt(make_base(knows=3), make_labels())
    assert found.used == ()
    assert "not certain that the labels help with emotions" in found.refusal


def test_a_few_labels_are_refused_with_their_numbers():
    found = adapt(make_base(), make_labels(4))
    assert found.used == ()
    assert "4 of neutral, 4 of happiness, 4 of anger" in found.refusal


def test_faces_of_one_person_are_no_evidence():
    assert "several people" in adapt(make_base(), make_labels(people="anna")).refusal


def test_ratings_teach_valence_and_leave_arousal():
    base = make_base(knows=3)
    found = adapt(base, make_labels(rated=True))
    assert found.used == ("valence",)
    np.testing.assert_array_equal(found.head.weight, base.weight)
    np.testing.assert_array_equal(found.head.va_weight[1], base.va_weight[1])
    assert found.after.valence_ccc > 0.7
    assert found.n_rated == (75, 0)


def test_as_many_ratings_as_needed_are_enough_although_some_are_left_out():
    found = adapt(make_base(knows=3), make_labels(7, rated=True))
    assert found.n_rated == (21, 0)
    assert found.after.valence_ccc > found.before.valence_ccc


def test_a_network_without_valence_learns_words():
    assert adapt(make_base(has_va=False), make_labels(rated=True)).used == ("emotions",)


def test_words_that_are_not_learned_keep_their_place():
    base, faces = make_base(), make_labels()
    fitted = fit_words(base, faces.evidence, "balanced", find_learned(faces.evidence.truth))
    fear = ALL_EMOTIONS.index(Emotion.FEAR)
    assert fitted.weight[fear] == pytest.approx(0)
    rows = [ALL_EMOTIONS.index(word) for word in WORDS]
    before, after = (h.to_scaled_logits(faces.features)[:, rows].mean() for h in (base, fitted))
    assert after * fitted.temperature == pytest.approx(before, rel=0.6)


def test_balanced_labels_count_alike_and_others_as_often_as_given():
    faces = make_labels(40)
    kept = np.r_[0:40, 40:46, 80:86]
    part = make_labelled_faces([faces.labels[i] for i in kept], faces.features[kept])
    balanced, given = (
        fit_words(make_base(knows=0), part.evidence, prior, find_learned(part.evidence.truth))
        for prior in ("balanced", "labels")
    )
    logits = [head.to_scaled_logits(faces.features).mean(axis=0) for head in (balanced, given)]
    neutral, anger = 0, ALL_EMOTIONS.index(Emotion.ANGER)
    assert logits[0][neutral] - logits[0][anger] < logits[1][neutral] - logits[1][anger]


def test_folds_share_no_person():
    units = [str(i // 3) for i in range(60)]
    truth = np.arange(60) % 4
    for train, test in [*iter_folds(truth, units, 5), *iter_folds(None, units, 5)]:
        assert not {units[i] for i in train} & {units[i] for i in test}
        assert len(test)
    with pytest.raises(EmotionError, match="more than one"):
        next(iter_folds(None, ["a", "a"], 5))


def test_too_few_ratings_are_an_error():
    with pytest.raises(EmotionError, match="at least 20 ratings"):
        fit_va(make_base(), make_labels(4, rated=True).evidence, 0)


def test_the_table_and_the_notes_tell_figures_and_reasons():
    found = adapt(make_base(), make_labels(rated=True))
    table = adaptation_table(found, "tiny")
    assert "75 labels of emotions, 75 ratings of valence, 0 of arousal, of 38 people" in table
    assert "mean recall" in table
    assert "Adapted: emotions, valence." in table
    notes = adaptation_notes(found, make_emotion_card())
    told = notes["figures"]["mean_recall"]["after"]
    assert told == pytest.approx(found.after.mean_recall, abs=1e-4)
    assert notes["changed"] == ["emotions", "valence"]
