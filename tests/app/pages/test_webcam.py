"""The Webcam page without a browser: its streamer replaced by one that the tests play."""

import json
import re
import time
import tomllib
from types import SimpleNamespace

import numpy as np
import pytest

from emotion_core.errors import EmotionError, WeightsUnavailableError
from emotion_core.imaging.codec import decode_image
from emotion_core.live import micro_batching
from emotion_core.live.recorder import Recorder
from emotion_core.types import DEFAULT_MIN_SEEN_S
from emotion_core.video.highlights import hide_faces
from streamlit_app import resources
from tests.factories import encode, make_fake_analyzer, make_image
from tests.live.fakes import live_threads, video_frame, wait_until
from tests.paths import ROOT

PAGE = "streamlit_app/pages/webcam.py"
FILES = [
    "Everything (ZIP)",
    "Frames (CSV)",
    "People (CSV)",
    "Charts (HTML)",
    "Charts (PNG)",
    "Report (HTML)",
]


class Streamer:
    """Stands for ``webrtc_streamer``: remembers what it is given; the test presses its buttons."""

    def __init__(self):
        self.calls = []
        self.is_playing = False
        self.error = None

    def __call__(self, **options):
        self.calls.append(options)
        if self.error:
            raise self.error
        attached = options["sink_video_track"] if self.is_playing else None
        state = SimpleNamespace(playing=self.is_playing, signalling=False)
        return SimpleNamespace(state=state, sink_video_track=attached)


@pytest.fixture(autouse=True)
def _retired_cores_end_at_once(monkeypatch):
    monkeypatch.setattr(micro_batching, "_UNUSED_S", 0.0)


@pytest.fixture
def streamer(monkeypatch):
    fake = Streamer()
    monkeypatch.setattr("streamlit_webrtc.webrtc_streamer", fake)
    return fake


@pytest.fixture
def fault(monkeypatch):
    """What the browser says of its camera."""
    said = {"now": ""}
    monkeypatch.setattr("streamlit_app.webcam.camera_probe.camera_fault", lambda _: said["now"])
    return said


@pytest.fixture
def page(app, streamer, fault):
    """The Webcam page, opened."""
    assert fault["now"] == ""
    assert not streamer.calls
    app.run()
    yield app.switch_page(PAGE).run()
    if "WebcamState" in app.session_state:
        app.session_state["WebcamState"].clear()
    resources._live_analyzer.clear()
    resources.stream_limiter.clear()
    wait_until(lambda: not live_threads())


def session(page):
    return page.session_state["WebcamState"].current


def draw_frame(n_faces, width=64, height=48):
    """What the fake detector finds so many faces in."""
    image = make_image(width, height)
    image[0, 0, 0] = n_faces
    return image


def make_counting_frame():
    """Large enough for a frame of the face to be kept."""
    return draw_frame(1, 320, 240)


def detail(image):
    """Mean difference between neighbouring pixels."""
    return np.abs(np.diff(image.astype(int), axis=1)).mean()


def last(page):
    return page.session_state["WebcamState"].last


def start(page, streamer):
    streamer.is_playing = True
    page.run()
    assert session(page).is_begun


LONG_S = DEFAULT_MIN_SEEN_S + 0.1
"""A face that is seen for this time counts as a person."""


def show(page, image, times=5, lasting_s=0.0):
    """Send camera frames until each was analysed or failed."""
    current = session(page)
    for i in range(times):
        time.sleep(lasting_s / (times - 1) if i else 0.0)
        done = processed(current)
        current.processor.recv(video_frame(image))
        wait_until(lambda before=done: processed(current) > before)


def processed(current):
    status = current.stream.status()
    return status.analyzed + status.failed + status.dark


def stop(page, streamer):
    """As the browser and the library do it."""
    streamer.is_playing = False
    session(page).track.stop()
    page.run()


def press(page, label):
    next(button for button in page.button if button.label == label).click().run()


def record_toggle(page):
    return next(toggle for toggle in page.toggle if toggle.label == "Record")


def texts(elements):
    return [element.value for element in elements]


def captions(page):
    return [words.replace("\\", "") for words in texts(page.caption)]


def players(page):
    """The number of players on the page, alone or in a viewer."""
    viewers = [one.proto.json for one in page.get("bidi_component")]
    return len(page.get("video")) + sum(
        bool(json.loads(one)["video"]) for one in viewers if '"rows"' in one
    )


def analysed(page):
    """The number of frames and of analysed ones that the results tell."""
    (found,) = filter(
        None, (re.search(r"(\d+) frames .* (\d+) of them", t) for t in captions(page))
    )
    return int(found[1]), int(found[2])


def opened(page, tab):
    """The page with another tab of the results opened."""
    page.session_state["result tab"] = tab
    return page.run()


def labels(page, kind):
    return [element.label for element in page.get(kind)]


def test_before_start_nothing_runs_and_the_core_is_warm(page, streamer, core):
    assert not page.exception
    assert page.title[0].value == "Webcam"
    assert any("is not kept" in text for text in texts(page.caption))
    assert core.detector.search_sides == [640, None]
    page.run()
    assert core.detector.search_sides == [640, None]
    assert live_threads() == ["live-batches"]
    assert len({call["key"] for call in streamer.calls}) == 1
    assert "0 of 4 webcams are in use." in texts(page.caption)
    assert page.metric == []


def test_the_streamer_gets_our_track_and_never_a_server_that_was_not_set(
    page, streamer, monkeypatch
):
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    page.run()
    call = streamer.calls[-1]
    assert call["rtc_configuration"] == {"iceServers": []}
    assert call["sink_video_track"] is call["source_video_track"] is session(page).track
    assert call["media_stream_constraints"]["audio"] is False
    assert not any("callback" in name or "factory" in name for name in call)


def test_servers_that_are_set_are_the_only_ones(page, streamer, monkeypatch):
    monkeypatch.setenv("EMOSCOPE_STUN_URL", "stun:stun.example.org:3478")
    monkeypatch.setenv("EMOSCOPE_TURN_URL", "turn:turn.example.org:3478")
    monkeypatch.setenv("EMOSCOPE_TURN_USERNAME", "me")
    monkeypatch.setenv("EMOSCOPE_TURN_CREDENTIAL", "secret")
    page.run()
    assert streamer.calls[-1]["rtc_configuration"]["iceServers"] == [
        {"urls": ["stun:stun.example.org:3478"]},
        {"urls": ["turn:turn.example.org:3478"], "username": "me", "credential": "secret"},
    ]


def test_the_library_asks_nobody_for_servers_even_with_a_token(app, fault, monkeypatch):
    def ask():
        raise AssertionError("the library went for servers of its own")

    assert fault["now"] == ""
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    monkeypatch.setattr("streamlit_webrtc.component.get_this_session_info", lambda: None)
    monkeypatch.setattr("streamlit_webrtc.component.get_available_ice_servers", ask)
    app.run()
    app.switch_page(PAGE).run()
    assert not app.exception
    assert not app.warning
    app.session_state["WebcamState"].clear()
    resources._live_analyzer.clear()


def test_other_visitors_choices_of_networks_end_no_stream(monkeypatch):
    monkeypatch.setattr(micro_batching, "_UNUSED_S", 30.0)
    first, *others = (make_fake_analyzer() for _ in range(6))
    core = resources.live_analyzer(first)
    for other in others:
        resources.live_analyzer(other)
    assert len(core.analyze([draw_frame(1)])) == 1
    core.close()
    monkeypatch.setattr(micro_batching, "_UNUSED_S", 0.0)
    resources._live_analyzer.clear()
    wait_until(lambda: not live_threads())


@pytest.mark.usefixtures("real_charts")
def test_a_stream_from_start_to_files(page, streamer):
    start(page, streamer)
    show(page, draw_frame(2), lasting_s=LONG_S)
    page.run()
    assert not page.exception
    assert any(":gray[2 people]" in words for words in texts(page.markdown))
    speed = re.compile(r"\d+ fps, \d+ of them analysed · delay \d+ ms")
    assert any(map(speed.match, captions(page)))
    charts = page.get("vega_lite_chart")
    assert len(charts) == 3
    assert all(chart.proto.alt for chart in charts)
    assert labels(page, "download_button") == []

    stop(page, streamer)
    assert not page.exception
    assert analysed(page) == (5, 5)
    assert labels(opened(page, "Export"), "download_button") == FILES
    assert opened(page, "People").dataframe[0].value["person"].tolist() == ["Person 1", "Person 2"]
    assert players(page) == 0
    wait_until(lambda: live_threads() == ["live-batches"])


def test_results_stay_until_the_next_start(page, streamer):
    start(page, streamer)
    show(page, draw_frame(1))
    stop(page, streamer)
    first = page.session_state["WebcamState"].last
    page.switch_page("streamlit_app/pages/about.py").run()
    assert len(page.get("bidi_component")) == 1  # which asks before the page is left
    page.switch_page(PAGE).run()
    assert analysed(page)[0] == 5
    assert page.session_state["WebcamState"].last is first

    start(page, streamer)
    assert page.session_state["WebcamState"].last is None
    assert labels(page, "download_button") == []
    assert session(page) is not first


def test_smoothing_changes_the_numbers_of_the_last_session(page, streamer, monkeypatch):
    start(page, streamer)
    for value in (0, 90, 180, 250):
        show(page, np.dstack([np.full((48, 64), v, np.uint8) for v in (1, value, value)]), 1)
    stop(page, streamer)
    next(toggle for toggle in page.toggle if toggle.label == "Count all").set_value(True).run()
    before = opened(page, "People").dataframe[0].value
    reports = []
    monkeypatch.setattr(
        "streamlit_app.webcam.results.show_analysis",
        lambda _, __, finished, *___: reports.append(finished.result),
    )
    page.sidebar.slider(key="live smoothing").set_value(0.0).run()
    after = reports[0].people
    assert (after["changes"] > before["changes"]).all()
    assert reports[0].settings.smoothing_s == 0.0


def test_a_session_without_a_face_is_told(page, streamer):
    start(page, streamer)
    show(page, draw_frame(0))
    assert "## Nobody\n:gray[No face is visible.]" in texts(page.run().markdown)
    stop(page, streamer)
    assert not page.exception
    assert texts(page.info) == ["No face was found in the analysed frames."]
    assert labels(page, "download_button") == [*FILES[:3], FILES[-1]]


def test_recording_is_off_until_asked_for_and_plays_afterwards(page, streamer):
    start(page, streamer)
    show(page, draw_frame(1))
    assert session(page).processor.recorder is None
    record_toggle(page).set_value(True).run()
    show(page, draw_frame(1))
    page.run()
    assert any("**Recording** 0:0" in text for text in captions(page))
    stop(page, streamer)
    assert not page.exception
    assert players(page) == 1
    assert "Annotated video (MP4)" in labels(opened(page, "Export"), "download_button")
    file = page.session_state["WebcamState"].last.recording.file
    assert file.read()[4:8] == b"ftyp"
    assert record_toggle(page).value is False
    start(page, streamer)
    assert file.size == 0


def test_when_in_the_session_a_recording_begins_is_told(page, streamer):
    start(page, streamer)
    show(page, draw_frame(1))
    time.sleep(0.2)
    record_toggle(page).set_value(True).run()
    show(page, draw_frame(1))
    stop(page, streamer)
    times = last(page).result().frames["time_s"]
    begin_s = last(page).recording.start_s
    assert times[4] + 0.2 <= begin_s == pytest.approx(times[5], abs=1e-5)
    words = f"The recording starts {begin_s:.2f} s after the session; "
    assert any(text.replace("\\", "").startswith(words) for text in texts(page.caption))


def test_a_recording_that_was_ended_early_is_kept_and_replaced_by_the_next(page, streamer):
    start(page, streamer)
    files = []
    for _ in range(2):
        record_toggle(page).set_value(True).run()
        show(page, draw_frame(1))
        record_toggle(page).set_value(False).run()
        files.append(session(page).recording.file)
    assert any("a new recording will replace it" in text for text in texts(page.run().caption))
    assert [file.size > 0 for file in files] == [False, True]


def test_blur_hides_also_what_was_seen_before_it_was_on(page, streamer):
    start(page, streamer)
    record_toggle(page).set_value(True).run()
    show(page, make_counting_frame(), lasting_s=LONG_S)
    stop(page, streamer)
    assert players(page) == 1
    clear = [decode_image(m.jpeg).pixels for m in last(page).result().highlights]
    page.sidebar.toggle(key="blur").set_value(True).run()
    assert not page.exception
    assert players(page) == 0
    assert "Annotated video (MP4)" not in labels(opened(page, "Export"), "download_button")
    assert any("Switch off Blur faces to see it" in text for text in texts(page.info))
    hidden = [decode_image(m.jpeg).pixels for m in hide_faces(last(page).result()).highlights]
    assert clear
    for before, after in zip(clear, hidden, strict=True):
        assert detail(after) < detail(before) / 5


def test_a_recording_that_was_blurred_throughout_is_shown(page, streamer):
    page.sidebar.toggle(key="blur").set_value(True).run()
    start(page, streamer)
    record_toggle(page).set_value(True).run()
    show(page, draw_frame(1))
    stop(page, streamer)
    assert players(page) == 1


def test_a_recording_that_fails_is_told(page, streamer, monkeypatch):
    def fail(*_args, **_options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("emotion_core.live.recorder.av.open", fail)
    start(page, streamer)
    record_toggle(page).set_value(True).run()
    show(page, draw_frame(1))
    wait_until(lambda: session(page).processor.recorder.error)
    sentence = "The recording could not be written (No space left on device)."
    assert any("No space left" in text for text in texts(page.run().caption))
    stop(page, streamer)
    assert page.session_state["WebcamState"].last.recording_error == sentence
    assert players(page) == 0


def test_no_room_for_a_recording_is_told(page, streamer, monkeypatch):
    def fail(_):
        raise EmotionError("There is no room on the disk.")

    monkeypatch.setattr(Recorder, "__init__", fail)
    start(page, streamer)
    record_toggle(page).set_value(True).run()
    assert not page.exception
    assert "There is no room on the disk\\." in texts(page.warning)


def test_blur_and_other_choices_hold_while_the_stream_runs(page, streamer):
    start(page, streamer)
    current = session(page)
    assert current.stream.settings.blur is False
    page.sidebar.toggle(key="blur").set_value(True).run()
    page.sidebar.slider(key="live smoothing").set_value(1.0).run()
    assert session(page) is current
    assert current.stream.settings.blur is True
    assert current.stream.settings.smoothing_s == 1.0
    assert any("only see analysed frames" in text for text in texts(page.sidebar.caption))


def test_other_networks_wait_for_the_next_start(page, streamer, monkeypatch):
    other = make_fake_analyzer()
    start(page, streamer)
    first = session(page)
    monkeypatch.setattr("streamlit_app.resources.get_analyzer", lambda *_: other)
    page.run()
    assert session(page) is first
    show(page, draw_frame(1))
    stop(page, streamer)
    assert session(page).analyzer is not first.analyzer


def test_black_frames_are_told(page, streamer):
    start(page, streamer)
    show(page, np.zeros((48, 64, 3), np.uint8))
    page.run()
    assert texts(page.info) == ["The camera sends black frames: it is switched off or covered."]


def test_a_failing_analysis_is_told_and_the_frame_goes_on(page, streamer, core, monkeypatch):
    def fail(*_args, **_options):
        raise EmotionError("The network is broken; choose another one.")

    monkeypatch.setattr(core.detector, "detect", fail)
    start(page, streamer)
    show(page, draw_frame(1))
    page.run()
    assert texts(page.warning) == [
        "The network is broken; choose another one\\. The video continues without analysis."
    ]
    assert session(page).processor.frames == 5


def test_a_full_server_says_so_before_start_and_offers_a_photo(page, streamer, monkeypatch):
    monkeypatch.setenv("EMOSCOPE_MAX_STREAMS", "1")
    limiter = resources.stream_limiter(1)
    limiter.enter()
    asked = len(streamer.calls)
    page.run()
    assert "this server runs 1 webcam stream at once" in texts(page.warning)[0]
    assert len(streamer.calls) == asked
    assert len(page.get("camera_input")) == 1
    limiter.leave()
    press(page, "Try again")
    assert len(streamer.calls) > asked
    assert not page.warning


def test_no_frame_in_time_offers_a_photo_that_is_analysed(page, streamer, monkeypatch):
    monkeypatch.setattr("streamlit_app.webcam.camera.PATIENCE_S", 0.0)
    start(page, streamer)
    page.run()
    assert texts(page.warning)[0].startswith("No connection could be established")
    assert page.expander[0].proto.expanded
    photo = encode(np.full((48, 64, 3), (1, 90, 90), np.uint8))
    page.get("camera_input")[0].upload("photo.jpg", photo).run()
    assert not page.exception
    assert len(page.get("bidi_component")) == 1
    assert "Faces (CSV)" in labels(page, "download_button")

    show(page, draw_frame(1))  # it came after all
    page.run()
    assert not page.warning
    assert page.get("camera_input") == []


def test_a_connection_that_ends_without_a_frame_is_told(page, streamer, monkeypatch):
    start(page, streamer)
    monkeypatch.setattr("streamlit_app.webcam.state._HASTY_S", 0.0)
    time.sleep(0.01)
    stop(page, streamer)
    assert texts(page.warning)[0].startswith("No connection could be established")
    monkeypatch.setattr("streamlit_app.webcam.state._HASTY_S", 60.0)
    start(page, streamer)
    assert not page.warning
    stop(page, streamer)
    assert not page.warning


def test_a_connection_that_cannot_be_set_up_is_told(page, streamer):
    streamer.error = ValueError("malformed uri")
    page.run()
    key = streamer.calls[-1]["key"]
    assert not page.exception
    assert "malformed uri" in texts(page.warning)[0]
    streamer.error = None
    page.run()
    assert streamer.calls[-1]["key"] != key
    start(page, streamer)
    assert not page.warning


def test_a_stream_that_the_server_has_lost_is_put_up_anew(page, streamer):
    start(page, streamer)
    show(page, draw_frame(1))
    key = streamer.calls[-1]["key"]
    session(page).track.stop()
    real = streamer.__call__

    def forget(**options):
        context = real(**options)
        context.sink_video_track = None
        streamer.is_playing = False  # what is put up anew shows Start
        return context

    streamer.is_playing = True
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("streamlit_webrtc.webrtc_streamer", forget)
        page.run()
    assert streamer.calls[-1]["key"] != key
    assert analysed(page) == (5, 5)


@pytest.mark.parametrize(
    ("said", "title", "is_shown"),
    [
        pytest.param("insecure", "The camera needs a secure page", False, id="not https"),
        pytest.param("refused", "The camera is blocked for this page", True, id="refused"),
        pytest.param("absent", "No camera was found", True, id="no camera"),
    ],
)
def test_what_the_browser_says_is_told(page, streamer, fault, said, title, is_shown):
    fault["now"] = said
    asked = len(streamer.calls)
    page.run()
    page.run()
    assert not page.exception
    assert page.warning[0].proto.title == title
    asked_then = len(streamer.calls)
    page.run()
    assert (len(streamer.calls) > asked_then) == is_shown
    assert asked_then >= asked


def test_a_photo_can_be_taken_instead(page):
    assert page.get("camera_input") == []
    press(page, "Use a photo")
    assert len(page.get("camera_input")) == 1
    press(page, "Cancel")
    assert page.get("camera_input") == []


def test_leaving_for_good_frees_everything(page, streamer):
    start(page, streamer)
    record_toggle(page).set_value(True).run()
    show(page, draw_frame(1))
    page.session_state["WebcamState"].clear()
    wait_until(lambda: live_threads() == ["live-batches"])
    assert resources.stream_limiter(4).running == 0


def test_networks_that_cannot_be_had_are_a_message(page, monkeypatch):
    def fail(*_):
        raise WeightsUnavailableError("The Hub cannot be reached; check the network.")

    monkeypatch.setattr("streamlit_app.resources.get_analyzer", fail)
    page.run()
    assert not page.exception
    assert texts(page.error) == ["The Hub cannot be reached; check the network\\."]


def test_streamlit_collects_no_garbage_after_each_renewal_of_a_live_chart():
    path = ROOT / ".streamlit" / "config.toml"
    assert tomllib.loads(path.read_text("utf-8"))["runner"]["postScriptGC"] is False


def test_marked_moments_and_changes_from_a_neutral_face_are_in_the_files(page, streamer):
    start(page, streamer)
    assert [button.label for button in page.button if button.disabled] == ["Mark", "Neutral face"]
    show(page, draw_frame(1), lasting_s=LONG_S)
    page.run()
    press(page, "Mark")
    assert any("1 mark, the last at 0:0" in words for words in captions(page))
    press(page, "Neutral face")
    assert any("Keep a neutral face: 3 s" in words for words in texts(page.markdown))
    session(page).neutral_s = 0.0
    stop(page, streamer)
    assert not page.exception
    assert labels(opened(page, "Export"), "download_button") == ["Marks (CSV)", *FILES]
    frames = last(page).result().frames
    assert frames["change_valence"].mean() == pytest.approx(0, abs=1e-6)
    assert frames["change_arousal"].notna().all()


def test_the_mirror_is_on_until_it_is_switched_off(page):
    assert session(page).stream.settings.mirror
    next(toggle for toggle in page.toggle if toggle.label == "Mirror").set_value(False).run()
    assert not session(page).stream.settings.mirror
