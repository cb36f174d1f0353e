"""Two models on the Video page: the faces found already are read again, beside the page."""

import pytest

from emotion_core.errors import VideoDecodeError
from streamlit_app.video import comparison_job
from streamlit_app.video.job_queue import JobState
from tests.app.pages.test_video import BrightFaces, draw_frame, press, upload
from tests.app.photos.test_comparing import SECOND, make_second
from tests.app.video.test_job import until
from tests.factories import make_fake_analyzer
from tests.video.clips import make_clip


@pytest.fixture
def page(app, monkeypatch, tmp_path):
    """A video with two people in ten frames of a second, and a second model."""
    first, app.second = make_fake_analyzer(BrightFaces()), make_second()
    monkeypatch.setattr(
        "streamlit_app.resources.get_analyzer",
        lambda emotion, *_, **__: app.second if emotion == SECOND else first,
    )
    images = [draw_frame(160 + 5 * i, 230 - 5 * i) for i in range(10)]
    clip = make_clip(tmp_path / "two.mp4", images, fps=10)
    app.run()
    app.switch_page("streamlit_app/pages/video.py").run()
    upload(app, "two.mp4", clip.read_bytes())
    next(toggle for toggle in app.toggle if toggle.label == "Count all").set_value(True)
    app.session_state["compared moment model part"] = True
    app.run()
    app.selectbox(key="compared moment model").select(SECOND).run()
    assert not app.exception
    yield app
    app.session_state["VideoState"].clear()


def job_of(page):
    return page.session_state["VideoState"].comparisons[SECOND]


def compare(page):
    press(page, "Compare")
    until(lambda: job_of(page).state is not JobState.RUNNING)
    return page.run()


def findings(page):
    return [one.value for one in page.markdown if "The same word for" in one.value]


def test_a_second_model_reads_the_faces_that_were_found(page):
    assert findings(page) == []
    compare(page)
    assert not page.exception
    assert "of 4 faces" in findings(page)[0]  # two people in two frames
    assert page.second.detector.calls == []
    faces = page.selectbox(key="compared moment face")
    assert {option.split(":", 1)[0] for option in faces.options} == {
        "Person 1 at 0",
        "Person 2 at 0",
    }
    faces.select_index(3).run()
    state = page.session_state["VideoState"]
    chosen = page.selectbox(key="compared moment face").value
    assert chosen == page.session_state["compared moment picked"]
    assert state.selection.sought_s in (0.0, 0.5)
    page.button_group(key="people 1").set_value([2]).run()
    assert "of 2 faces" in findings(page)[0]  # people who are not shown do not count
    assert "Both models (CSV)" in [one.label for one in page.get("download_button")]


def test_why_a_reading_failed_is_said_and_it_can_be_tried_again(page, monkeypatch):
    def fail(*_):
        raise VideoDecodeError("The video is damaged.")

    with monkeypatch.context() as patch:
        patch.setattr(comparison_job, "read_again", fail)
        compare(page)
    assert [error.value for error in page.error] == ["The video is damaged\\."]
    compare(page)
    assert findings(page)


def test_readings_wait_among_all_videos_and_go_with_the_result(page, monkeypatch):
    def read_slowly(*arguments):
        while True:
            arguments[-1](1)

    monkeypatch.setattr(comparison_job, "read_again", read_slowly)
    press(page, "Compare")
    job, state = job_of(page), page.session_state["VideoState"]
    until(lambda: job.n_done == 1)
    assert "1 of 4 faces read by the second model" in page.run().progress[0].text
    again = state.fork()
    state.clear()
    assert job.state is JobState.RUNNING  # for the other window
    again.analyze_again()
    again.forget_job()
    assert (job.state, again.comparisons) == (JobState.CANCELLED, {})
