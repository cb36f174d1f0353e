"""Two models on the same faces, with fakes for one of them."""

import numpy as np
import pandas as pd
import pytest

from emotion_core.labels import Emotion
from emotion_core.local_analyzer import LocalAnalyzer
from emotion_core.photos.comparison import (
    COMPARED_COLUMNS,
    agreement_counts,
    classify_photos,
    compare_frames,
    compare_images,
    compared_rows,
    find_disputed,
    iter_compared_photos,
    measure_agreement,
    to_compared_table,
)
from emotion_core.photos.pipeline import PhotoSource
from emotion_core.recognition.classifier import EmotionClassifier
from tests.factories import (
    FakeDetector,
    FakeNetwork,
    make_analysis,
    make_counting_photo,
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


def test_faces_of_a_video_stand_beside_their_second_readings():
    names = ("emotion", "confidence", "valence", "arousal")
    frames = pd.DataFrame({name: ["fear", "anger", "fear"] for name in names})
    frames = frames.assign(frame=[4, 4, 9], time_s=[0.1, 0.1, 0.3], x1=1.0, y1=2.0, x2=3.0, y2=4.0)
    second = make_predictions(3, top=Emotion.HAPPINESS)
    table = compare_frames("a.mp4", frames.set_axis([5, 6, 9]), second)
    assert list(table.columns) == list(COMPARED_COLUMNS)
    assert table.index.tolist() == [5, 6, 9]
    assert table["face"].tolist() == [1, 2, 1]
    assert table["emotion_1"].tolist() == ["fear", "anger", "fear"]
    assert table["emotion_2"].tolist() == ["happiness"] * 3
    assert table["confidence_2"].tolist() == pytest.approx([0.8] * 3)


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


def test_photos_are_compared_in_batches_and_those_that_fail_say_why():
    first, network = make_analyzer(FakeNetwork()), FakeNetwork(gain=1.0)
    sources = [
        PhotoSource("a.png", lambda: make_counting_photo(2)),
        PhotoSource("b.png", lambda: make_counting_photo(1)),
        PhotoSource("broken.png", lambda: b"no photo"),
    ]
    (a, a_read), (b, b_read), (broken, none) = iter_compared_photos(
        first, make_analyzer(network), sources
    )
    assert (a.source, len(a_read), b.source, len(b_read)) == ("a.png", 2, "b.png", 1)
    assert "not an image" in broken.error
    assert none is None
    assert network.passes == [3]


def test_faces_found_before_are_read_again_together():
    network = FakeNetwork(gain=1.0)
    second = make_analyzer(network)
    photos = [make_counting_photo(n, seed=n) for n in (2, 0, 1)]
    found = [second.read(photo) for photo in photos]
    network.passes.clear()
    sources = [PhotoSource(f"{i}.png", lambda data=data: data) for i, data in enumerate(photos)]
    sources[1] = PhotoSource("not needed.png", lambda: b"")
    read = classify_photos(second.classifier, sources, [one.faces for one in found])
    assert network.passes == [3]
    for again, before in zip(read, found, strict=True):
        np.testing.assert_allclose(again.probabilities, before.predictions.probabilities, atol=1e-6)
