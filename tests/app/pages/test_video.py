"""The Video page without a browser: what it shows for which input."""

import io
import json
import re
import zipfile
from datetime import datetime

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from emotion_core.errors import VideoDecodeError, WeightsUnavailableError
from streamlit_app.video.job_queue import JobState
from tests.app.video.test_job import Steps, until
from tests.factories import make_faces, make_fake_analyzer
from tests.video.clips import make_clip

SIZE = (160, 96)


class BrightFaces:
    """Finds a face in each half of a frame that is not dark: coding may change what it likes."""

    def __init__(self):
        self.calls = 0

    def detect(self, images, *_):
        self.calls += len(images)
        return [self._find(image) for image in images]

    def _find(self, image):
        width, height = SIZE
        halves = [(4, 8, width // 2 - 8, height - 8), (width // 2 + 8, 8, width - 4, height - 8)]
        return make_faces([(a, b, c, d) for a, b, c, d in halves if image[b:d, a:c].mean() > 60])


@pytest.fixture
def core(monkeypatch):
    analyzer = make_fake_analyzer(BrightFaces())
    monkeypatch.setattr("streamlit_app.resources.get_analyzer", lambda *_: analyzer)
    return analyzer


@pytest.fixture
def video_app(app):
    """The Video page, opened."""
    app.run()
    yield app.switch_page("streamlit_app/pages/video.py").run()
    if "VideoState" in app.session_state:
        app.session_state["VideoState"].clear()


def draw_frame(left=0, right=0):
    """Each half a pattern of its own, of a brightness; brighter than 60 is a face."""
    width, height = SIZE
    y, x = np.mgrid[0:height, 0 : width // 2]
    halves = [left * (0.7 + 0.3 * np.sin(x / 5)), right * (0.7 + 0.3 * np.cos(y / 7))]
    return np.repeat(np.hstack(halves).astype(np.uint8)[:, :, None], 3, axis=2)


@pytest.fixture(scope="session")
def clips(tmp_path_factory):
    """Videos by name, as bytes, of one second and ten frames."""
    folder = tmp_path_factory.mktemp("clips")
    series = {
        "two": [draw_frame(160 + 5 * i, 230 - 5 * i) for i in range(10)],
        "one": [draw_frame(160 + 5 * i) for i in range(10)],
        "none": [draw_frame()] * 10,
    }
    made = {}
    for name, images in series.items():
        path = folder / f"{name}.mp4"
        make_clip(path, images, fps=10)
        made[name] = path.read_bytes()
    return made


def upload(app, name, data):
    app.file_uploader[0].upload(name, data).run()
    return finish(app)


def finish(app):
    """Wait for the job and show what became of it."""
    job = app.session_state["VideoState"].job
    until(lambda: job is None or job.state not in (JobState.WAITING, JobState.RUNNING))
    return app.run()


def press(app, label):
    next(button for button in app.button if button.label == label).click().run()
    return app


def labels(app):
    return [button.label for button in app.button]


def texts(elements):
    return [element.value for element in elements]


def downloads(app):
    return [button.label for button in app.get("download_button")]


def opened(app, tab):
    """The page with another tab opened."""
    app.session_state["result tab"] = tab
    return app.run()


def people(app):
    """The table of people."""
    return opened(app, "People").dataframe[0].value


def files(app):
    """What can be downloaded."""
    return downloads(opened(app, "Export"))


def facts(app):
    """What is said of the analysis."""
    return " ".join(texts(opened(app, "Export").caption)).replace("\\", "")


def viewers(app):
    """What the viewers on the page are given."""
    return [json.loads(one.proto.json) for one in app.get("bidi_component")]


def test_the_page_opens_with_the_result_of_the_sample(video_app):
    assert not video_app.exception
    assert video_app.title[0].value == "Video"
    assert "#### Sadness, then " in video_app.markdown[0].value
    (viewer,) = viewers(video_app)
    assert viewer["video"]["url"].endswith(".mp4")
    assert labels(video_app) == ["Analyse it here"]
    assert any("Wolfgang Langer on Pexels" in text for text in texts(video_app.caption))
    assert video_app.file_uploader[0].proto.max_upload_size_mb == 500
    assert "VideoState" in video_app.session_state
    assert video_app.session_state["VideoState"].job is None
    assert "visit" not in video_app.query_params


def test_limit_can_be_set_up_to_the_servers(video_app, monkeypatch):
    for megabytes, limit in (("20", 20), ("9000", 500)):
        monkeypatch.setenv("EMOSCOPE_MAX_VIDEO_MB", megabytes)
        video_app.run()
        assert video_app.file_uploader[0].proto.max_upload_size_mb == limit


@pytest.mark.usefixtures("real_charts")
def test_video_with_two_people(video_app, clips):
    upload(video_app, "a *b*.mp4", clips["two"])
    assert not video_app.exception
    assert any("` a *b*.mp4 `" in text for text in texts(video_app.markdown))
    assert [text[:14] for text in texts(video_app.markdown)[-2:]] == [
        "**Person 1**: ",
        "**Person 2**: ",
    ]
    (viewer,) = viewers(video_app)
    assert viewer["video"]["alt"] == "a *b*.mp4 with its faces marked, 2 people"
    assert set(viewer["charts"]) == {"timeline", "probabilities", "plane", "bars"}
    opened(video_app, "People")
    assert video_app.dataframe[0].value["person"].tolist() == ["Person 1", "Person 2"]
    assert len(video_app.get("vega_lite_chart")) == 3
    assert all(element.proto.alt for element in video_app.get("vega_lite_chart"))
    assert "Frames analysed: 10 of 10." in facts(video_app)
    assert downloads(video_app) == [
        "Everything (ZIP)",
        "Annotated video (MP4)",
        "Frames (CSV)",
        "People (CSV)",
        "Charts (HTML)",
        "Charts (PNG)",
        "Report (HTML)",
    ]


def test_video_without_a_face(video_app, clips):
    upload(video_app, "none.mp4", clips["none"])
    assert not video_app.exception
    assert texts(video_app.info) == ["No face was found in the analysed frames."]
    assert viewers(video_app) == []
    assert len(video_app.get("video")) == 1
    assert downloads(video_app) == [
        "Everything (ZIP)",
        "Annotated video (MP4)",
        "Frames (CSV)",
        "People (CSV)",
        "Report (HTML)",
    ]


@pytest.mark.parametrize(
    "data",
    [pytest.param(b"", id="empty"), pytest.param(b"this is no video", id="text")],
)
def test_what_is_no_video_is_said_and_can_be_tried_again(video_app, data):
    upload(video_app, "broken.mp4", data)
    assert not video_app.exception
    assert len(video_app.error) == 1
    assert "Try again" in labels(video_app)
    before = video_app.session_state["VideoState"].job
    finish(press(video_app, "Try again"))
    assert video_app.session_state["VideoState"].job is not before
    assert len(video_app.error) == 1


def test_truncated_video_is_shown_up_to_the_fault(video_app, tmp_path):
    path = make_clip(tmp_path / "cut.mkv", [draw_frame(160 + 2 * (i % 25)) for i in range(60)])
    data = path.read_bytes()
    upload(video_app, "cut.mkv", data[: len(data) // 2])
    assert not video_app.exception
    assert 5 < int(re.search(r" of (\d+)\.", facts(video_app))[1]) < 55
    assert "What could be read is shown and offered below" in texts(video_app.warning)[-1]


def test_cancel_keeps_the_video_for_another_try(video_app, clips, monkeypatch):
    steps = Steps()
    with monkeypatch.context() as patch:
        patch.setattr("streamlit_app.video.job.analyze_video", steps)
        video_app.file_uploader[0].upload("one.mp4", clips["one"]).run()
        assert "Cancel" in labels(video_app)
        press(video_app, "Cancel")
    assert texts(video_app.info) == ["The analysis was cancelled."]
    finish(press(video_app, "Analyse again"))
    assert len(viewers(video_app)) == 1


def test_a_finished_result_stays_until_the_next_has_succeeded(video_app, clips, monkeypatch):
    upload(video_app, "one.mp4", clips["one"])
    state, before = video_app.session_state["VideoState"], viewers(video_app)
    video_app.sidebar.slider(key="min_score").set_value(0.8).run()
    first = state.job
    with monkeypatch.context() as patch:
        patch.setattr("streamlit_app.video.job.analyze_video", Steps())
        press(video_app, "Analyse again")
        assert "Cancel" in labels(video_app)
        assert viewers(video_app) == before
        press(video_app, "Cancel")
        video_app.run()
    assert viewers(video_app) == before
    assert state.job is first
    with monkeypatch.context() as patch:
        patch.setattr("streamlit_app.video.job.analyze_video", fail_to_read)
        finish(press(video_app, "Analyse again"))
    assert len(video_app.error) == 1
    assert viewers(video_app) == before
    finish(press(video_app, "Try again"))
    assert not video_app.error
    assert state.job is not first
    assert first.video.size == 0
    assert len(viewers(video_app)) == 1


def fail_to_read(*_, **__):
    raise VideoDecodeError("The file cannot be read.")


def test_a_running_analysis_is_found_again_after_a_reload(video_app, clips, monkeypatch):
    steps = Steps()
    with monkeypatch.context() as patch:
        patch.setattr("streamlit_app.video.job.analyze_video", steps)
        video_app.file_uploader[0].upload("one.mp4", clips["one"]).run()
        job = video_app.session_state["VideoState"].job
        other = AppTest.from_file(video_app._script_path, default_timeout=120)
        other.query_params["visit"] = video_app.query_params["visit"]
        other.run()
        other.switch_page("streamlit_app/pages/video.py").run()
    assert other.session_state["VideoState"].job is job
    video_app.session_state["VideoState"].clear()
    assert job.state is JobState.RUNNING
    press(other, "Remove video")
    assert job.state is JobState.CANCELLED
    assert "visit" not in other.query_params


def test_waiting_for_other_visitors_is_said(video_app, clips, monkeypatch):
    steps = Steps()
    monkeypatch.setattr("streamlit_app.video.job.analyze_video", steps)
    monkeypatch.setenv("EMOSCOPE_MAX_VIDEO_JOBS", "1")
    video_app.file_uploader[0].upload("one.mp4", clips["one"]).run()
    state = video_app.session_state["VideoState"]
    first, state.job = state.job, None
    video_app.run()
    assert video_app.progress[0].text.startswith("Waiting: other videos are being analysed")
    first.close()
    press(video_app, "Cancel")


def test_of_a_long_video_only_the_beginning_is_analysed(video_app, tmp_path, monkeypatch):
    monkeypatch.setenv("EMOSCOPE_MAX_VIDEO_MINUTES", "1")
    clip = make_clip(tmp_path / "long.mp4", [draw_frame(160)] * 65, fps=1)
    upload(video_app, "long.mp4", clip.read_bytes())
    assert "Frames analysed: 61 of" in facts(video_app)
    assert "Only the first 1 min of the video" in " ".join(texts(video_app.warning))


def test_other_settings_offer_a_new_analysis_and_do_not_begin_it(video_app, clips, core):
    upload(video_app, "one.mp4", clips["one"])
    calls = core.detector.calls
    video_app.sidebar.slider(key="min_score").set_value(0.8).run()
    assert core.detector.calls == calls
    assert texts(video_app.info) == ["The settings have changed since this analysis."]
    finish(press(video_app, "Analyse again"))
    assert core.detector.calls > calls
    assert texts(video_app.info) == []


def test_blur_takes_what_shows_faces_away_until_they_are_blurred(video_app, clips):
    upload(video_app, "one.mp4", clips["one"])
    shown = "Annotated video (MP4)"
    assert (has_player(video_app), shown in files(video_app)) == (True, True)
    video_app.sidebar.toggle(key="blur").set_value(True).run()
    assert (has_player(video_app), shown in files(video_app)) == (False, False)
    assert any("shows faces that were not blurred" in words for words in texts(video_app.info))
    finish(press(video_app, "Analyse again"))
    assert (has_player(video_app), shown in files(video_app)) == (True, True)
    assert texts(video_app.info) == []


def has_player(app):
    (viewer,) = viewers(app)
    return viewer["video"] is not None


def test_fewer_frames_are_analysed_where_that_is_chosen(video_app, clips):
    video_app.sidebar.selectbox(key="rate").set_value("Every nth frame").run()
    video_app.sidebar.number_input(key="every").set_value(5).run()
    upload(video_app, "one.mp4", clips["one"])
    assert "Frames analysed: 2 of 10." in facts(video_app)
    video_app.sidebar.selectbox(key="rate").set_value("Fixed rate (fps)").run()
    video_app.sidebar.number_input(key="hz").set_value(3.0).run()
    finish(press(video_app, "Analyse again"))
    assert re.search(r"Frames analysed: [34] of", facts(video_app))


def test_smoothing_changes_the_numbers_without_a_new_analysis(video_app, clips, core):
    upload(video_app, "two.mp4", clips["two"])
    (caption,) = [text for text in texts(video_app.caption) if "too hard to read" in text]
    assert caption.startswith("20 of 20 readings are"), "drawn scenes are smooth"
    assert people(video_app)["mean_valence"].isna().all()
    next(toggle for toggle in video_app.toggle if toggle.label == "Count all").set_value(True).run()
    calls, before = core.detector.calls, people(video_app)
    video_app.sidebar.slider(key="smoothing").set_value(2.0).run()
    after = people(video_app)
    assert core.detector.calls == calls
    assert (after["changes"] < before["changes"]).any()
    assert "The annotated video was made with a smoothing of 0.3 s." in texts(video_app.caption)
    assert texts(video_app.info) == []


def test_chosen_people_are_shown_until_the_next_video(video_app, clips):
    upload(video_app, "two.mp4", clips["two"])
    strip = video_app.button_group(key="people 1")
    assert strip.value == [1, 2]
    assert [option[-8:] for option in strip.options] == ["Person 1", "Person 2"]
    strip.set_value([2]).run()
    assert not video_app.exception
    assert people(video_app)["person"].tolist() == ["Person 2"]
    upload(video_app, "two again.mp4", clips["two"])
    assert len(people(video_app)) == 2


def test_a_span_and_a_time_are_chosen_without_a_mouse(video_app, clips):
    upload(video_app, "one.mp4", clips["one"])
    whole = people(video_app)["seen_s"].iloc[0]
    span = tuple(datetime(1970, 1, 1, 0, 0, 0, tenths * 100_000) for tenths in (2, 5))
    video_app.slider(key="span 1 1").set_value(span).run()
    assert viewers(video_app)[0]["span"] == [0.2, 0.5]
    assert 0 < people(video_app)["seen_s"].iloc[0] < 0.6 * whole
    assert "People from 0:00.2 to 0:00.5" in [header.value for header in video_app.header]
    video_app.text_input(key="frame 1").set_value("soon").run()
    assert any(text.startswith("soon is no time") for text in texts(video_app.caption))
    video_app.text_input(key="frame 1").set_value("0:00.4").run()
    assert viewers(video_app)[0]["seek"] == [1, 0.4]
    assert any(text.startswith("At 0:00.4: Person 1 ") for text in texts(video_app.caption))
    press(video_app, "Clear selection")
    assert viewers(video_app)[0]["span"] is None
    assert people(video_app)["seen_s"].iloc[0] == whole
    assert "People" in [header.value for header in video_app.header]


def test_settings_and_result_stay_while_another_page_is_open(video_app, clips, core):
    video_app.sidebar.slider(key="smoothing").set_value(1.0).run()
    upload(video_app, "one.mp4", clips["one"])
    calls = core.detector.calls
    video_app.switch_page("streamlit_app/pages/about.py").run()
    video_app.switch_page("streamlit_app/pages/video.py").run()
    assert not video_app.exception
    assert len(viewers(video_app)) == 1
    assert core.detector.calls == calls
    assert video_app.sidebar.slider(key="smoothing").value == 1.0
    assert texts(video_app.info) == []


def test_a_new_video_takes_the_place_of_the_old_and_can_be_taken_away(video_app, clips):
    upload(video_app, "two.mp4", clips["two"])
    first = video_app.session_state["VideoState"].job
    upload(video_app, "one.mp4", clips["one"])
    assert "one person" in viewers(video_app)[0]["video"]["alt"]
    assert first.video.size == 0
    press(video_app, "Remove video")
    assert labels(video_app) == ["Analyse it here"]


def test_an_upload_is_not_kept_in_memory_beside_the_file(video_app):
    upload(video_app, "broken.mp4", b"nothing")
    assert len(video_app.error) == 1
    assert "video 0" not in video_app.session_state


def test_the_sample_is_analysed_when_asked(video_app, monkeypatch):
    monkeypatch.setattr("streamlit_app.video.job.analyze_video", Steps())
    press(video_app, "Analyse it here")
    assert not video_app.exception
    assert {"Cancel", "Remove video"} <= set(labels(video_app))
    assert any("` sad_to_happy.mp4 `" in text for text in texts(video_app.markdown))
    assert video_app.session_state["VideoState"].clip.file.size > 400_000


def test_network_for_recognising_people_out_of_reach(video_app, clips, monkeypatch):
    asked = []

    def fail():
        asked.append(1)
        raise WeightsUnavailableError("The Hub cannot be reached; check the network.")

    monkeypatch.setattr("streamlit_app.resources.get_embedder", fail)
    video_app.sidebar.toggle(key="reidentify").set_value(True).run()
    warning = texts(video_app.sidebar.warning)[0]
    assert warning.startswith("The Hub cannot be reached; check the network\\. Until then,")
    upload(video_app, "one.mp4", clips["one"])
    assert len(viewers(video_app)) == 1
    assert len(asked) == 1
    press(video_app, "Retry download")
    assert len(asked) == 2
    video_app.sidebar.toggle(key="reidentify").set_value(False).run()
    assert texts(video_app.sidebar.warning) == []


def test_networks_that_cannot_be_had_are_a_message(video_app, monkeypatch):
    def fail(*_):
        raise WeightsUnavailableError("The Hub cannot be reached; check the network.")

    monkeypatch.setattr("streamlit_app.resources.get_analyzer", fail)
    video_app.run()
    assert not video_app.exception
    assert texts(video_app.error) == ["The Hub cannot be reached; check the network\\."]


def test_the_first_video_of_an_archive_is_analysed(core, video_app, clips):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as packed:
        packed.writestr("anna/one.mts", clips["one"])
        packed.writestr("ben/two.mp4", clips["two"])
    upload(video_app, "clips.zip", buffer.getvalue())
    assert not video_app.exception
    assert core.detector.calls
    assert "anna/one.mts" in " ".join(markdown.value for markdown in video_app.markdown)
    remarks = [info.value.replace("\\", "") for info in video_app.info]
    assert remarks[0].startswith("anna/one.mts is analysed. Other files in the ZIP archive: 1")
