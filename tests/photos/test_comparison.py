"""Two models on the same faces, with fakes for one of them."""

import numpy as np
import pytest

from emotion_core.labels import Emotion
from emotion_core.local_analyzer import LocalAnalyzer
from emotion_core.photos.comparison import (
    agreement_counts,
    compare_images,
    compared_rows,
    find_disputed,
    measure_agreement,
    to_compared_table,
)
from emotion_core.recognition.classifier import EmotionClassifier
from tests.factories import (
    FakeDetector,
    FakeNetwork,
    make_analysis,
    make_emotion_card,
    make_fake_analyzer,
    make_image,
    make_predictions,
)


def make_analyzer(network):
    card = make_emotion_card()
    return LocalAnalyzer(
        FakeDetector(), EmotionClassifier(network, card), make_fake_analyzer().info
    )


def make_table(words):
    rows = []
    for i, (first, second) in enumerate(words):
        analysis = make_analysis([(0, 0, 9, 9)], top=first)
        rows += compared_rows(f"{i}.jpg", analysis, make_predictions(1, top=second))
    return to_compared_table(rows)


def test_both_models_read_the_faces_that_the_first_one_finds():
    image = make_image()
    image[0, 0, 0] = 2
    first, second = make_analyzer(FakeNetwork()), make_analyzer(FakeNetwork(gain=1.0))
    ((analysis, read),) = compare_images(first, second, [image])
    assert len(analysis) == len(read) == 2
    assert not np.allclose(analysis.predictions.probabilities, read.probabilities)
    rows = compared_rows("a.jpg", analysis, read)
    assert [row["face"] for row in rows] == [1, 2]
    assert rows[0]["confidence_2"] == pytest.approx(float(read.confidence[0]))


def test_agreement_is_corrected_for_chance():
    happy, sad = Emotion.HAPPINESS, Emotion.SADNESS
    found = measure_agreement(make_table([(happy, happy), (sad, sad), (happy, sad), (sad, happy)]))
    assert (found.n, found.same_word, found.kappa) == (4, 0.5, pytest.approx(0))
    assert found.valence_difference == pytest.approx(0, abs=1e-6)
    same = make_table([(happy, happy), (sad, sad)])
    assert measure_agreement(same).kappa == 1
    assert measure_agreement(same).valence_r == pytest.approx(1)
    one_word = measure_agreement(make_table([(happy, happy), (happy, happy)]))
    assert (one_word.kappa, one_word.valence_r) == (None, None)
    assert measure_agreement(to_compared_table([])) is None


def test_words_are_counted_by_both_models_and_disputes_named():
    happy, sad, fear = Emotion.HAPPINESS, Emotion.SADNESS, Emotion.FEAR
    table = make_table([(happy, sad), (happy, happy), (sad, fear)])
    counts = agreement_counts(table)
    assert counts.loc["happiness", "sadness"] == 1
    assert counts.loc["fear"].sum() == 0
    table.loc[0, "confidence_2"] = 0.3
    assert find_disputed(table, 5)["source"].tolist() == ["2.jpg", "0.jpg"]
