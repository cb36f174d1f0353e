import threading
from datetime import UTC, datetime

import numpy as np
import pytest

from emotion_core.errors import EmotionError
from emotion_core.live.frame_analyzer import LiveFrameAnalyzer
from emotion_core.live.session_log import MAX_LOG_S
from emotion_core.live.session_result import session_result
from emotion_core.live.stream import LiveStream
from emotion_core.live.types import LiveFrame, LiveSettings
from tests.factories import LyingDetector, make_fake_analyzer, make_smooth_image
from tests.live.fakes import (
    WAIT_S,
    GatedAnalyzer,
    ManualClock,
    grey,
    live_threads,
    textured,
    wait_until,
)


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def analyzer():
    return GatedAnalyzer()


@pytest.fixture
def stream(analyzer, clock):
    made = LiveStream(analyzer, clock=clock)
    yield made
    analyzer.open()
    made.close()


def analyse(stream, value, time_s, **size):
    """Hand in a frame and wait for its end, good or bad."""
    before = stream.status()
    stream.submit(textured(value, **size), time_s)
    done = before.analyzed + before.failed
    wait_until(lambda: stream.status().analyzed + stream.status().failed > done)


def test_only_the_newest_frame_is_analysed(clock):
    analyzer = GatedAnalyzer(is_open=False)
    stream = LiveStream(analyzer, clock=clock)
    stream.submit(grey(50), 100.0)
    assert analyzer.entered.acquire(timeout=WAIT_S)
    for i in range(1, 6):  # while the first one is at work
        stream.submit(grey(50 + i), 100.0 + i / 30)
    analyzer.let_go(2)
    wait_until(lambda: stream.status().analyzed == 2)
    status = stream.status()
    assert analyzer.calls == [[50], [55]]
    assert (status.frames, status.analyzed, status.replaced) == (6, 2, 4)
    assert stream.latest.frame.index == 5
    assert stream.latest.frame.time_s == pytest.approx(5 / 30)
    analyzer.open()
    stream.close()


def test_there_is_no_reading_before_the_first_frame(stream):
    assert stream.latest is None
    assert stream.status().frames == 0
    assert list(stream.log.history().columns[:3]) == ["time_s", "age_s", "track"]
    assert len(stream.log.history()) == 0


def test_readings_carry_track_ids_and_times(stream, clock):
    clock.now_s = 100.5
    analyse(stream, 60, 100.25)
    reading = stream.latest
    assert reading.analysis.faces.track_ids.tolist() == [1]
    assert (reading.frame.arrived_s, reading.frame.time_s) == (100.25, 0.0)
    assert stream.status().delay_ms == pytest.approx(250)


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (EmotionError("The server is gone."), "The server is gone."),
        (RuntimeError("odd"), "A frame could not be analysed (RuntimeError: odd)."),
    ],
    ids=["for people", "unexpected"],
)
def test_a_failed_analysis_is_told_and_the_stream_goes_on(stream, analyzer, error, sentence):
    analyzer.error = error
    analyse(stream, 60, 100.0)
    status = stream.status()
    assert (status.error, status.failed) == (sentence, 1)
    analyzer.error = None
    analyse(stream, 61, 100.1)
    assert stream.status().error == ""
    assert stream.latest.frame.index == 1


def test_black_frames_are_not_analysed_and_end_the_reading(stream, analyzer):
    analyse(stream, 60, 100.0)
    stream.submit(grey(3), 100.1)
    assert stream.latest is None
    assert stream.status().is_dark
    assert stream.status().dark == 1
    analyse(stream, 61, 100.2)
    assert not stream.status().is_dark
    assert analyzer.calls == [[60], [61]]


def test_an_analysis_from_before_a_black_frame_is_not_shown(clock):
    analyzer = GatedAnalyzer(is_open=False)
    stream = LiveStream(analyzer, clock=clock)
    stream.submit(grey(60), 100.0)
    assert analyzer.entered.acquire(timeout=WAIT_S)
    stream.submit(grey(0), 100.1)
    analyzer.open()
    wait_until(lambda: stream.status().analyzed == 1)
    assert stream.latest is None
    stream.close()


def test_a_dim_frame_is_analysed(stream, analyzer):
    image = grey(0)
    image[8, 8] = 40
    stream.submit(image, 100.0)
    assert analyzer.entered.acquire(timeout=WAIT_S)


def test_frames_may_change_their_size(stream):
    analyse(stream, 60, 100.0, width=64, height=48)
    analyse(stream, 61, 100.1, width=32, height=24)
    assert stream.latest.analysis.size_wh == (32, 24)
    assert stream.size_wh == (32, 24)


def test_settings_hold_from_the_next_frame(stream, analyzer):
    analyse(stream, 60, 100.0)
    stream.settings = LiveSettings(min_score=0.8, smoothing_s=0.0)
    analyse(stream, 61, 100.1)
    assert [score for score, _ in analyzer.searches] == [0.6, 0.8]
    reading = stream.latest
    same = reading.smoothed.predictions.probabilities == reading.analysis.predictions.probabilities
    assert same.all()


def test_smoothing_pulls_towards_earlier_readings(stream):
    analyse(stream, 60, 100.0)
    first = stream.latest.analysis.predictions.probabilities
    analyse(stream, 61, 100.1)
    raw = stream.latest.analysis.predictions.probabilities
    shown = stream.latest.smoothed.predictions.probabilities
    assert np.abs(shown - first).sum() < np.abs(raw - first).sum()


def test_frames_without_a_face_are_searched_thoroughly_once_a_second(analyzer, clock):
    analyzer.box = None
    stream = LiveStream(analyzer, clock=clock)
    for i in range(25):
        analyse(stream, 60, 100.0 + i / 10)
    thorough = [i for i, (_, search_px) in enumerate(analyzer.searches) if search_px is None]
    assert thorough == [0, 10, 20]
    stream.close()


def test_frames_with_a_face_are_searched_in_one_look(stream, analyzer):
    for i in range(25):
        analyse(stream, 60, 100.0 + i / 10)
    assert [search_px for _, search_px in analyzer.searches] == [None] + [640] * 24


def test_large_frames_are_never_searched_thoroughly(stream, analyzer):
    analyse(stream, 60, 100.0, width=1920, height=1080)
    assert analyzer.searches == [(0.6, 640)]


def test_history_is_the_last_minute(stream):
    for i in range(8):
        analyse(stream, 60 + i, 100.0 + 10 * i)
    table = stream.log.history()
    assert table["time_s"].tolist() == [10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0]
    assert table["age_s"].tolist() == [60.0, 50.0, 40.0, 30.0, 20.0, 10.0, 0.0]
    probabilities = table[[c for c in table.columns if c.startswith("p_")]]
    assert np.allclose(probabilities.sum(axis=1), 1, atol=1e-3)
    assert ("p_" + table["emotion"]).tolist() == probabilities.idxmax(axis=1).tolist()


def test_a_session_becomes_the_result_of_a_video(stream):
    stream.settings = LiveSettings(smoothing_s=0.5, min_score=0.7)
    for i in range(4):
        analyse(stream, 60 + i, 100.0 + i / 10)
    result = session_result(stream)
    assert result.frames["time_s"].tolist() == pytest.approx([0, 0.1, 0.2, 0.3])
    assert result.frames["track"].tolist() == [1] * 4
    assert result.people["track"].tolist() == [1]
    assert (result.n_frames, result.n_analyzed, result.fault) == (4, 4, "")
    assert (result.info.size_wh, result.info.codec, result.model) == ((64, 48), "webcam", "tiny")
    assert (result.settings.smoothing_s, result.settings.min_score) == (0.5, 0.7)
    assert {moment.track for moment in result.highlights} == {1}
    assert abs((datetime.now(UTC) - result.started_at).total_seconds()) < 60


def test_a_session_that_saw_nothing_is_a_result_too(stream):
    result = session_result(stream)
    assert (len(result.frames), len(result.people), result.highlights) == (0, 0, ())


def test_a_session_beyond_the_limit_is_shown_but_not_written_down(stream):
    analyse(stream, 60, 100.0)
    analyse(stream, 61, 100.0 + MAX_LOG_S + 1)
    assert stream.latest.frame.index == 1
    assert stream.status().is_log_full
    result = session_result(stream)
    assert len(result.frames) == 1
    assert "too long for its table" in result.fault


def test_rates_are_those_of_the_last_seconds(stream, clock):
    for i in range(21):
        clock.now_s = 100.0 + i / 10
        analyse(stream, 60, clock.now_s)
    status = stream.status()
    assert status.frames_per_s == pytest.approx(10)
    assert status.analyses_per_s == pytest.approx(10)
    clock.now_s = 110.0
    assert stream.status().analyses_per_s == 0
    assert stream.status().analysis_ms == 0


def test_a_reading_that_is_written_down_while_the_stream_closes_is_counted(stream, monkeypatch):
    add, ending = stream.log.add, threading.Thread(target=stream.close)

    def add_late(*args, **kwargs):
        ending.start()
        wait_until(lambda: stream._is_closed)
        add(*args, **kwargs)

    monkeypatch.setattr(stream.log, "add", add_late)
    stream.submit(textured(60), 100.0)
    wait_until(lambda: not stream.is_alive)
    ending.join(WAIT_S)
    result = session_result(stream)
    assert (len(result.frames), result.n_analyzed) == (1, 1)


def test_closing_frees_the_thread_and_keeps_the_record(stream):
    analyse(stream, 60, 100.0)
    stream.close()
    stream.close()
    assert not stream.is_alive
    assert live_threads() == []
    stream.submit(grey(61), 100.1)
    assert stream.status().frames == 1
    assert len(session_result(stream).frames) == 1


def test_closing_does_not_wait_for_an_analysis_that_hangs(clock, monkeypatch):
    monkeypatch.setattr("emotion_core.live.stream._JOIN_S", 0.01)
    analyzer = GatedAnalyzer(is_open=False)
    stream = LiveStream(analyzer, clock=clock)
    stream.submit(grey(60), 100.0)
    assert analyzer.entered.acquire(timeout=WAIT_S)
    stream.close()
    assert stream.is_alive
    analyzer.open()
    wait_until(lambda: not stream.is_alive)
    assert stream.latest is None
    assert stream.status().analyzed == 0
    assert len(stream.log.table()) == 0


def test_the_analysis_thread_does_not_keep_a_program_alive(stream):
    stream.submit(textured(60), 100.0)
    (thread,) = [t for t in threading.enumerate() if t.name == "live-analysis"]
    assert thread.daemon


def test_a_stream_without_frames_has_no_thread(stream):
    assert not stream.is_alive
    assert live_threads() == []
    stream.close()


@pytest.mark.parametrize("size_wh", [(640, 480), (1920, 1080)], ids=str)
def test_the_angle_of_a_lying_person_is_followed(size_wh):
    detector = LyingDetector()
    frames = LiveFrameAnalyzer(make_fake_analyzer(detector))
    image = make_smooth_image(*size_wh)
    found = [frames.analyze(LiveFrame(i, i / 10, i / 10, image), LiveSettings()) for i in range(4)]
    assert [len(result.analysis) for result in found] == [1] * 4
    assert detector.rolls[1:] == [(90,)] * 3
    assert len(detector.rolls[0]) <= 3
