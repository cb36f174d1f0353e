"""Labels of faces on the Photos page: by buttons, from files, and what follows from them."""

import math
from dataclasses import replace
from types import SimpleNamespace

import pytest

from emotion_core.adaptation.adapt import Adaptation
from emotion_core.adaptation.adapted_model import AdaptedModel
from emotion_core.errors import EmotionError
from emotion_core.labels import Emotion
from emotion_core.models.adapted_from import AdaptedFrom
from emotion_core.models.card import WeightFile
from emotion_core.recognition.classifier import EmotionClassifier
from emotion_core.training.datasets.label_writer import labels_to_csv
from emotion_core.training.datasets.photo_labels import PhotoLabel
from emotion_core.training.evaluation.evaluate import PredictionBuffer
from streamlit_app import model_choice
from streamlit_app.own_model import OutsideReadings, OwnModel
from streamlit_app.photos import adapting, measuring
from streamlit_app.photos.face_labels import FaceLabels, LabellingTask
from tests.factories import FakeClassifier, FakeNetwork, make_counting_photo, make_emotion_card

FACE, OTHER = ("a.png", None, (0.0, 0.0, 9.0, 9.0)), ("a.png", None, (9.0, 0.0, 19.0, 9.0))


def press(app, key):
    return app.button(key=key).click().run()


@pytest.fixture
def page(app):
    """Three photos with two faces each."""
    app.run()
    for i in range(3):
        app.file_uploader[0].upload(f"{i}.png", make_counting_photo(2, seed=i))
    app.run()
    assert "label anger" not in keys(app)  # keys must not label faces that nobody sees
    app.session_state["labelling"] = True
    app.run()
    assert not app.exception
    return app


def keys(app):
    return [button.key for button in app.button]


def opened(app, tab):
    """The page with another tab of that part opened."""
    app.session_state["labelling tab"] = tab
    return app.run()


def captions(app):
    return " ".join(caption.value for caption in app.caption)


def test_faces_are_labelled_one_after_another(page):
    press(page, "label anger")
    press(page, "label uncertain")
    press(page, "skip")
    assert "2 labels; 3 faces to go." in captions(page)
    press(page, "undo")
    press(page, "undo")
    assert "1 label; 5 faces to go." in captions(page)
    for _ in range(5):
        press(page, "label fear")
    assert "Every face was labelled or skipped." in captions(page)


def test_what_a_file_brings_counts_beside_the_labels_of_other_raters(page):
    page.text_input(key="rater").set_value("A").run()
    for _ in range(6):
        press(page, "label fear")
    page.text_input(key="rater").set_value("B").run()
    press(page, "label anger")
    press(page, "undo")
    assert "6 labels; 6 faces to go." in captions(page)
    known = PhotoLabel("1.png", Emotion.FEAR, valence=0.5, box=(1.0, 0.0, 32.0, 47.0), rater="Z")
    elsewhere = PhotoLabel("x.png", Emotion.SADNESS, box=(1.0, 0.0, 32.0, 47.0))
    page.file_uploader(key="labels file").upload("labels.csv", labels_to_csv([known, elsewhere]))
    page.run()
    press(page, "take labels")
    assert page.success[0].value == "Took 1 label of faces on this page."
    assert "7 labels; 6 faces to go." in captions(page)
    assert "2 raters, 1 face labelled by several" in captions(page)


def test_a_file_that_holds_no_labels_is_refused(page):
    page.file_uploader(key="labels file").upload("labels.csv", b"a,b\n1,2")
    page.run()
    press(page, "take labels")
    assert "does not say what the photos show" in page.error[0].value


def test_figures_need_labels(page, monkeypatch):
    assert "From 20 labels on" in captions(opened(page, "Measure"))
    monkeypatch.setattr(measuring, "MIN_MEASURED", 2)
    press(opened(page, "Correct"), "label anger")
    press(page, "label fear")
    labels = {metric.label for metric in opened(page, "Measure").metric}
    assert {"Accuracy", "Mean recall"} <= labels
    worst = next(button for button in page.button if str(button.key).startswith("worst"))
    worst.click().run()
    assert worst.key == f"worst {page.session_state['picked face']}"


def test_what_adapting_says_is_shown_until_labels_change(page, monkeypatch):
    def refuse(task, _, prior):
        task.labels.adaptation = Adaptation(
            None, prior, (), ("Too few.",), {}, (0, 0), 0, None, None, ()
        )

    monkeypatch.setattr(adapting, "_adapt", refuse)
    press(opened(page, "Adapt"), "adapt")
    assert [warning.value for warning in page.warning] == ["Too few\\."]
    page.segmented_control(key="class prior").set_value("labels").run()
    assert "Below, emotions count all alike; adapt again for this." in captions(page)
    press(page, "adapt")
    assert page.session_state["PhotosState"].labels.adaptation.prior == "labels"
    assert "adapt again" not in captions(page)
    press(opened(page, "Correct"), "label anger")
    assert list(opened(page, "Adapt").warning) == []


def make_own():
    card = make_emotion_card(
        name="my-study.onnx",
        weights=WeightFile("my-study.onnx", "2" * 64),
        adapted=AdaptedFrom("tiny", "0" * 64, 12, 6),
        has_va=False,
    )
    return AdaptedModel(card, "tiny", FakeClassifier(shift=60), {"my-study.onnx": b"graph"})


def readings(page):
    results = page.session_state["PhotosState"].results.values()
    return [str(w) for one in results for w in one.record.analysis.predictions.top]


def texts(page):
    return " ".join(markdown.value for markdown in page.markdown)


def test_an_adapted_model_reads_the_photos_anew_and_goes_back(page, core, monkeypatch):
    def succeed(task, *_):
        found = Adaptation(None, "balanced", ("emotions",), (), {}, (0, 0), 0, None, None, ())
        task.labels.adaptation, task.labels.adapted = found, make_own()

    nothing = SimpleNamespace(unavailable={})
    monkeypatch.setattr("streamlit_app.resources._loader", lambda *_: nothing)
    monkeypatch.setattr(adapting, "_adapt", succeed)
    before, calls = readings(page), len(core.detector.calls)
    press(opened(page, "Adapt"), "adapt")
    press(page, "use adapted")
    assert not page.exception
    assert len(core.detector.calls) == calls
    assert readings(page) != before
    words = "\\(adapted from tiny 0000000000000000, 12 labels\\)"
    assert words in texts(page)
    assert page.sidebar.selectbox(key="emotion network").value == model_choice.OWN
    assert "In use: it has read the faces above." in page.success[0].value  # the part is open
    press(page, "back to base")
    assert readings(page) == before
    assert words not in texts(page)
    assert len(core.detector.calls) == calls


def test_ratings_stand_beside_the_word(page):
    page.toggle(key="rate faces").set_value(True).run()
    valence, arousal = page.select_slider
    assert (valence.value, arousal.value) == (None, None)
    valence.set_value(-0.5).run()
    press(page, "label anger")
    press(page, "label anger")
    rated, unrated = page.session_state["PhotosState"].labels.given.values()
    assert (rated.valence, math.isnan(rated.arousal)) == (-0.5, True)
    assert math.isnan(unrated.valence)


def test_two_models_stand_side_by_side(page, monkeypatch):
    monkeypatch.setattr(measuring, "MIN_MEASURED", 2)
    for word in ("anger", "fear", "sadness"):
        press(page, f"label {word}")
    own = make_own()
    reads = EmotionClassifier(FakeNetwork(gain=0.5), own.card)
    page.session_state["PhotosState"].labels.adapted = replace(own, classifier=reads)
    page.session_state["compared model part"] = True  # both parts of the page may be open
    opened(page, "Measure").selectbox(key="second model").set_value("adapted model").run()
    assert not page.exception
    table = next(t.value for t in page.dataframe if "Difference (95% interval)" in t.value)
    assert list(table.columns[1:3]) == ["tiny", "my-study.onnx"]
    assert list(table.iloc[:2, 0]) == ["accuracy, 8 emotions", "mean recall"]
    assert "McNemar's test" in captions(page)


def test_faces_that_a_model_learned_from_count_as_read_from_outside():
    labels = FaceLabels()
    third = ("b.png", None, (0.0, 0.0, 9.0, 9.0))
    for face in (FACE, OTHER, third):
        labels.give(face, Emotion.ANGER, "A")
    learned = PredictionBuffer.empty(1)
    learned.probabilities[0, 3], learned.va[0] = 1, (0.5, -0.5)
    outside = OutsideReadings({FACE: 0}, frozenset({"a.png"}), learned)
    faces = [FACE, OTHER, third]
    task = LabellingTask(labels, None, faces, None, None, OwnModel(), "tiny", "cpu", None, {})
    rows = measuring._leave_out_known(task, task.rows, outside)
    assert rows == [0, 2]  # of the other face it knows the photo
    counted = measuring._overlay(PredictionBuffer.empty(2), task, rows, outside)
    assert counted.probabilities[:, 3].tolist() == [1, 0]
    assert counted.va[0].tolist() == [0.5, -0.5]


def test_a_model_that_cannot_be_adapted_is_named(page, monkeypatch):
    def fail(_):
        raise EmotionError("tiny cannot be adapted.")

    monkeypatch.setattr(adapting, "load_base", fail)
    press(opened(page, "Adapt"), "adapt")
    assert page.error[0].value == "tiny cannot be adapted\\."
