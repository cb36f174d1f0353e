"""Labels on the Video page: by buttons, at suggested moments and at the cursor."""

import pytest

from emotion_core.errors import VideoDecodeError
from streamlit_app.video import labelling


@pytest.fixture
def page(app):
    """The sample's result, with the part for labels open."""
    app.run()
    app.switch_page("streamlit_app/pages/video.py").run()
    assert "label anger" not in keys(app)  # keys must not label faces that nobody sees
    app.session_state["moment labels"] = True
    app.run()
    assert not app.exception
    yield app
    app.session_state["VideoState"].clear()


def keys(app):
    return [button.key for button in app.button]


def press(app, key):
    return app.button(key=key).click().run()


def captions(app):
    return " ".join(caption.value for caption in app.caption)


def test_suggested_moments_are_labelled_one_after_another_and_the_cursor_follows(page):
    state = page.session_state["VideoState"]
    before = state.selection.sought_s
    assert "Person 1 at" in captions(page)
    assert "negative" not in captions(page)  # what is read would sway
    page.toggle(key="show reading").set_value(True).run()
    assert "Most negative; read as sadness" in captions(page)
    press(page, "label sadness")
    assert state.selection.sought_s != before
    press(page, "skip")
    assert "1 label; " in captions(page)
    ((_, time_s, _), rater), *_ = state.labels.given
    assert (time_s, rater) == (before, "")
    press(page, "undo")
    press(page, "undo")
    assert (state.labels.given, state.selection.sought_s) == ({}, before)


def test_at_the_cursor_a_second_word_takes_the_place_of_the_first_and_ratings_stay(
    page, monkeypatch
):
    page.session_state["moments asked for"] = labelling._AT_CURSOR
    state = page.session_state["VideoState"]
    state.selection.cursor_s = 4.0
    page.run()
    assert state.selection.is_followed
    assert "skip" not in keys(page)
    page.toggle(key="rate faces").set_value(True).run()
    page.select_slider[0].set_value(-0.5).run()
    press(page, "label anger")
    assert "you said anger" in captions(page)
    page.toggle(key="rate faces").set_value(False).run()
    press(page, "label fear")
    (given,) = state.labels.given.values()
    assert (given.emotion, given.time_s, given.valence) == ("fear", 3.962292, -0.5)

    def fail(*_):
        raise VideoDecodeError("The video is damaged.")

    monkeypatch.setattr(labelling, "frame_at", fail)
    page.run()
    assert "The video is damaged" in captions(page)
