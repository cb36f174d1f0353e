"""Labels of faces on the Photos page: by buttons, from files, and what follows from them."""

import pytest

from emotion_core.adaptation.adapt import Adaptation
from emotion_core.errors import EmotionError
from emotion_core.labels import Emotion
from emotion_core.training.datasets.label_writer import labels_to_csv
from emotion_core.training.datasets.photo_labels import PhotoLabel
from streamlit_app.photos import labelling
from streamlit_app.photos.face_labels import FaceLabels
from tests.factories import make_counting_photo

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


def test_undo_takes_the_last_label_or_skip_back():
    labels = FaceLabels()
    labels.give(FACE, Emotion.ANGER, "A")
    labels.skip(OTHER)
    labels.undo()
    assert list(labels.given) == [FACE]
    labels.undo()
    labels.undo()
    assert (labels.given, labels.passed) == ({}, [])


def test_a_fork_is_of_its_own():
    labels = FaceLabels()
    other = labels.fork()
    other.give(FACE, Emotion.ANGER, "A")
    assert labels.given == {}


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


def test_labels_of_a_file_are_taken_for_faces_on_the_page(page):
    known = PhotoLabel("1.png", Emotion.SADNESS, box=(1.0, 0.0, 32.0, 47.0), rater="Z")
    elsewhere = PhotoLabel("x.png", Emotion.SADNESS, box=(1.0, 0.0, 32.0, 47.0))
    page.file_uploader(key="labels file").upload("labels.csv", labels_to_csv([known, elsewhere]))
    page.run()
    press(page, "take labels")
    assert page.success[0].value == "Took 1 label of faces on this page."
    assert "1 label; 5 faces to go." in captions(page)


def test_a_file_that_holds_no_labels_is_refused(page):
    page.file_uploader(key="labels file").upload("labels.csv", b"a,b\n1,2")
    page.run()
    press(page, "take labels")
    assert "does not say what the photos show" in page.error[0].value


def test_figures_need_labels(page, monkeypatch):
    assert "From 20 labels on" in captions(opened(page, "Measure"))
    monkeypatch.setattr(labelling, "MIN_MEASURED", 2)
    press(opened(page, "Correct"), "label anger")
    press(page, "label fear")
    labels = {metric.label for metric in opened(page, "Measure").metric}
    assert {"Accuracy", "Mean recall"} <= labels


def test_what_adapting_says_is_shown_until_labels_change(page, monkeypatch):
    def refuse(labels, *_):
        labels.adaptation = Adaptation(
            None, "balanced", (), ("Too few.",), {}, (0, 0), 0, None, None, ()
        )

    monkeypatch.setattr(labelling, "_adapt", refuse)
    press(opened(page, "Adapt"), "adapt")
    assert [warning.value for warning in page.warning] == ["Too few\\."]
    press(opened(page, "Correct"), "label anger")
    assert list(opened(page, "Adapt").warning) == []


def test_a_model_that_cannot_be_adapted_is_named(page, monkeypatch):
    def fail(_):
        raise EmotionError("tiny cannot be adapted.")

    monkeypatch.setattr(labelling, "load_base", fail)
    press(opened(page, "Adapt"), "adapt")
    assert page.error[0].value == "tiny cannot be adapted\\."
