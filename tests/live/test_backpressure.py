import pytest

from emotion_core.live.backpressure import BackpressureController


def feed(backlog, lags, *, start_s=0.0, fps=30, clock=1000.0):
    """One frame per lag, in seconds; returns when the next one is due."""
    for i, lag in enumerate(lags):
        backlog.note(start_s + i / fps, clock + start_s + i / fps + lag)
    return start_s + len(lags) / fps


def test_frames_in_time_are_all_sent():
    backlog = BackpressureController()
    feed(backlog, [0.02, 0.05, 0.0, 0.04] * 100)
    assert backlog.interval_s == 0
    assert 0 <= backlog.lag_s < 0.06


def test_a_growing_backlog_makes_frames_fewer_and_a_shorter_one_brings_them_back():
    backlog = BackpressureController()
    end_s = feed(backlog, [0.0] * 60)
    end_s = feed(backlog, [0.4] * 300, start_s=end_s)
    slow_s = backlog.interval_s
    assert backlog.lag_s == pytest.approx(0.4, abs=0.01)
    assert slow_s > 0.05
    end_s = feed(backlog, [0.07] * 300, start_s=end_s)
    assert backlog.interval_s == pytest.approx(slow_s), "as it is, it is just right"
    feed(backlog, [0.02] * 1200, start_s=end_s)
    assert backlog.interval_s == 0


def test_frames_that_come_unevenly_are_no_backlog():
    backlog = BackpressureController()
    feed(backlog, [0.0, 0.2, 0.4, 0.3, 0.1] * 100)
    assert backlog.lag_s < 0.01
    assert backlog.interval_s == 0


def test_however_long_the_line_some_frames_are_sent():
    backlog = BackpressureController()
    feed(backlog, [i / 100 for i in range(900)])
    assert backlog.interval_s == 0.25


def test_clocks_that_drift_apart_are_no_backlog():
    backlog = BackpressureController()
    feed(backlog, [1e-4 * i / 30 for i in range(30 * 1200)])
    assert backlog.lag_s < 0.001
    assert backlog.interval_s == 0


def test_time_stamps_that_begin_anew_are_no_backlog():
    backlog = BackpressureController()
    feed(backlog, [0.0] * 100, start_s=50_000.0)
    feed(backlog, [0.03] * 100, start_s=0.0, clock=52_000.0)
    assert backlog.lag_s < 0.05
    assert backlog.interval_s == 0
