"""What raters say of faces, and how it is taken back."""

from emotion_core.labels import Emotion
from emotion_core.training.datasets.photo_labels import PhotoLabel
from streamlit_app.rater_labels import RaterLabels

BOX = (0.0, 0.0, 9.0, 9.0)
FACE = ("a.png", None, BOX)


def make_label(emotion, rater="A"):
    return PhotoLabel("a.png", emotion, box=BOX, rater=rater)


def test_undo_brings_back_what_was_said_before():
    labels = RaterLabels()
    labels.put(make_label(Emotion.ANGER))
    labels.put(make_label(Emotion.FEAR))
    labels.undo()
    assert [label.emotion for label in labels.given.values()] == [Emotion.ANGER]
    labels.undo()
    labels.undo()
    assert labels.given == {}


def test_each_rater_is_asked_for_a_face_until_it_is_labelled_or_skipped():
    labels = RaterLabels()
    labels.skip(FACE, "A")
    labels.put(make_label(Emotion.ANGER, "B"))
    assert [labels.is_waiting(FACE, rater) for rater in "ABC"] == [False, False, True]
    labels.undo()
    labels.undo()
    assert [labels.is_waiting(FACE, rater) for rater in "AB"] == [True, True]


def test_a_fork_is_of_its_own():
    labels = RaterLabels()
    labels.fork().put(make_label(Emotion.ANGER))
    assert labels.given == {}
