"""Two models on the Photos page: what is read when, and what is told of it."""

from dataclasses import replace

import pytest

from emotion_core.labels import Emotion
from emotion_core.local_analyzer import LocalAnalyzer
from emotion_core.models.registry import CARDS
from emotion_core.photos.comparison import compared_rows, measure_agreement, to_compared_table
from emotion_core.photos.cropped import iter_cropped_photos
from emotion_core.recognition.classifier import EmotionClassifier
from emotion_core.types import DEFAULT_OPTIONS
from streamlit_app.compared_faces import to_finding
from streamlit_app.photos.second_readings import SecondReadings
from streamlit_app.photos.state import Photo
from tests.factories import (
    FakeDetector,
    FakeNetwork,
    make_analysis,
    make_counting_photo,
    make_emotion_card,
    make_fake_analyzer,
    make_predictions,
)

SECOND = "emoscope-fer-s"


def make_second(network=None):
    card = make_emotion_card(name=SECOND)
    info = replace(make_fake_analyzer().info, emotion=card)
    classifier = EmotionClassifier(network or FakeNetwork(gain=0.5), card)
    return LocalAnalyzer(FakeDetector(), classifier, info)


def make_photos(*counts):
    return [
        Photo(f"{i}.png", lambda n=n, i=i: make_counting_photo(n, seed=i), f"key {i}")
        for i, n in enumerate(counts)
    ]


def test_photos_are_read_once_by_the_second_model_and_again_by_a_third():
    photos, network = make_photos(2, 0, 1), FakeNetwork(gain=0.5)
    results = list(iter_cropped_photos(make_fake_analyzer(), photos))
    second, readings = make_second(network), SecondReadings()
    assert list(readings.iter_missing("2", second.classifier, photos, results)) == [3]
    assert (
        len(readings.of("2", photos[0], DEFAULT_OPTIONS)),
        len(readings.of("2", photos[2], DEFAULT_OPTIONS)),
    ) == (2, 1)
    assert list(readings.iter_missing("2", second.classifier, photos, results)) == []
    assert network.passes == [3]
    assert list(readings.iter_missing("3", second.classifier, photos, results)) == [3]


def test_a_photo_that_was_analysed_again_is_read_again():
    photos = make_photos(1, 1)
    results = list(iter_cropped_photos(make_fake_analyzer(), photos))
    second, readings = make_second(), SecondReadings()
    list(readings.iter_missing("2", second.classifier, photos, results))
    results[1] = replace(results[1])
    assert list(readings.iter_missing("2", second.classifier, photos, results)) == [2]


def test_the_finding_names_agreement_and_the_words_most_often_apart():
    happy, sad = Emotion.HAPPINESS, Emotion.SADNESS
    rows = []
    for first, second in ((happy, happy), (sad, happy), (sad, happy), (sad, sad)):
        analysis = make_analysis([(0, 0, 9, 9)], top=first)
        rows += compared_rows("a.png", analysis, make_predictions(1, top=second))
    table = to_compared_table(rows)
    said = to_finding(measure_agreement(table), table, ("one", "two"))
    assert said.startswith("**The same word for 50%** of 4 faces, kappa 0.20; two reads valence")
    assert said.endswith("Most often apart: sadness becomes happiness (2).")


@pytest.fixture
def page(app, monkeypatch):
    """Two photos with three faces, and a second model."""
    first, second = make_fake_analyzer(), make_second()
    monkeypatch.setattr(
        "streamlit_app.resources.get_analyzer",
        lambda emotion, *_: second if emotion == SECOND else first,
    )
    app.run()
    for i in (1, 2):
        app.file_uploader[0].upload(f"{i}.png", make_counting_photo(i, seed=i))
    app.run()
    app.session_state["compared model part"] = True
    app.run()
    app.second = second
    return app


def test_a_second_model_is_compared_without_another_search_for_faces(page):
    assert not page.get("vega_lite_chart")[1:]  # nothing is compared before it is asked for
    options = page.selectbox(key="compared model").options
    assert set(options) <= set(CARDS)
    page.selectbox(key="compared model").select(SECOND).run()
    assert not page.exception
    assert any("The same word for" in one.value for one in page.markdown)
    assert page.table[0].value.loc["Faces"].item() == "3"
    assert page.second.detector.calls == []
    faces = page.selectbox(key="compared face")
    assert len(faces.options) == 3
    faces.select_index(2).run()
    assert page.selectbox(key="compared face").value == page.session_state["picked face"]
    labels = [button.label for button in page.get("download_button")]
    assert "Both models (CSV)" in labels
