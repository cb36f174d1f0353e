"""Smoothing: the recursion by hand, fresh starts, a table as a stream, and both ways in time."""

import math

import numpy as np
import pandas as pd
import pytest

from emotion_core.labels import Emotion
from emotion_core.tracking.smoothing import FORGET, Smoother, smooth_frames
from emotion_core.types import Analysis, Faces, Predictions, VaSource
from emotion_core.video.frame_table import FrameTableBuilder
from tests.factories import SEVEN, make_analysis, make_faces, make_predictions

TWO = (Emotion.ANGER, Emotion.HAPPINESS)


def seen(happiness, track=1, valence=0.0, arousal=0.0):
    """One face."""
    faces = make_faces([(0, 0, 20, 20)])
    faces = Faces(faces.boxes, faces.scores, None, np.array([track], np.int64))
    rows = np.array([[1 - happiness, happiness]], np.float32)
    va = np.array([[valence], [arousal]], np.float32)
    read = Predictions(TWO, rows, va[0], va[1], VaSource.HEAD)
    return Analysis((64, 48), faces, read, "tiny", 0.1)


def run(tau_s, *steps):
    """Happiness after each ``(time, happiness)`` or ``(time, happiness, track)``."""
    smoother = Smoother(tau_s)
    found = [smoother.update(seen(h, *track), now) for now, h, *track in steps]
    return [float(analysis.predictions.probabilities[0, 1]) for analysis in found]


def test_by_hand():
    weight = 1 - math.exp(-0.1 / 0.3)
    found = run(0.3, (0.0, 0.2), (0.1, 1.0))
    np.testing.assert_allclose(found, [0.2, 0.2 + weight * 0.8], rtol=1e-6)


def test_the_rate_of_frames_does_not_matter():
    """After the same time a step has been followed by the same share."""
    slow = run(0.5, (0.0, 0.0), (0.4, 1.0))[-1]
    fast = run(0.5, (0.0, 0.0), *((i / 100, 1.0) for i in range(1, 41)))[-1]
    uneven = run(0.5, (0.0, 0.0), (0.01, 1.0), (0.3, 1.0), (0.4, 1.0))[-1]
    np.testing.assert_allclose([fast, uneven], slow, rtol=1e-5)
    assert slow == pytest.approx(1 - math.exp(-0.8), rel=1e-5)


def test_valence_and_arousal_are_smoothed_too():
    smoother = Smoother(1.0)
    smoother.update(seen(0.5, valence=-1.0, arousal=1.0), 0.0)
    read = smoother.update(seen(0.5, valence=1.0, arousal=-1.0), 1.0).predictions
    expected = -1 + 2 * (1 - math.exp(-1))
    np.testing.assert_allclose([read.valence[0], -read.arousal[0]], expected, rtol=1e-6)


def test_no_smoothing_changes_nothing():
    analysis = seen(0.7)
    smoother = Smoother(0.0)
    smoother.update(seen(0.1), 0.0)
    assert smoother.update(analysis, 0.1) is analysis


def test_people_do_not_mix():
    assert run(1.0, (0.0, 0.0, 1), (0.1, 1.0, 2), (0.2, 0.0, 1)) == [0.0, 1.0, 0.0]


@pytest.mark.parametrize(("gap_s", "fresh"), [(FORGET - 0.01, False), (FORGET + 0.01, True)])
def test_who_was_away_starts_afresh(gap_s, fresh):
    found = run(1.0, (0.0, 0.0), (gap_s, 1.0))[-1]
    assert (found == 1.0) is fresh
    assert found > 0.94


def test_only_readings_change():
    first = make_analysis([(0, 0, 9, 9)])
    faces = Faces(first.faces.boxes, first.faces.scores, None, np.array([3], np.int64))
    smoother = Smoother(0.3)
    smoother.update(Analysis(first.size_wh, faces, make_predictions(1, seed=1), "m", 0.5), 0.0)
    found = smoother.update(Analysis(first.size_wh, faces, first.predictions, "m", 0.5), 0.1)
    assert found.faces is faces
    assert (found.size_wh, found.model, found.time_s) == (first.size_wh, "m", 0.5)
    assert found.predictions.labels == SEVEN
    assert found.predictions.va_source is first.predictions.va_source


def test_a_frame_without_faces_passes():
    nobody = make_analysis([])
    assert Smoother(0.3).update(nobody, 1.0) is nobody


def test_extremes_stay_in_their_range():
    smoother = Smoother(0.3)
    for i in range(200):
        sign = 1.0 if i % 7 else -1.0
        smoother.update(seen(float(i % 2), valence=sign, arousal=-sign), i * 0.01)


def test_people_who_left_are_forgotten():
    smoother = Smoother(0.3)
    for i in range(100):
        smoother.update(seen(0.5, track=i), float(i))
    assert len(smoother._states) <= 2


@pytest.mark.parametrize("tau_s", [-0.1, math.nan, math.inf])
def test_impossible_time_constants(tau_s):
    for make in (Smoother, lambda tau: smooth_frames(pd.DataFrame(), tau)):
        with pytest.raises(ValueError, match="must be finite and not negative"):
            make(tau_s)


def test_faces_need_ids():
    with pytest.raises(ValueError, match="need track ids"):
        Smoother(0.3).update(make_analysis([(0, 0, 9, 9)]), 0.0)


# The table


def record(seed=0, frames=150):
    """A stream with people who come and go, gaps, uneven times and frames without a face."""
    rng = np.random.default_rng(seed)
    now, stream = 0.0, []
    for i in range(frames):
        now += float(rng.choice([0.033, 0.04, 0.3, 2.0], p=[0.6, 0.3, 0.08, 0.02]))
        now = round(now, 6)
        n = int(rng.integers(0, 4))
        tracks = np.sort(rng.choice(np.arange(1, 6), n, replace=False))
        x = np.arange(n)[:, None] * 20
        faces = make_faces(np.hstack([x, x * 0, x + 10, x * 0 + 10]))
        faces = Faces(faces.boxes, faces.scores, None, tracks.astype(np.int64))
        read = make_predictions(n, seed=i)
        stream.append((now, Analysis((64, 48), faces, read, "tiny", 0.0)))
    return stream


def table_of(stream):
    log = FrameTableBuilder()
    for index, (now, analysis) in enumerate(stream):
        log.add(index, now, analysis)
    return log.table()


@pytest.mark.parametrize(
    ("tau_s", "wide"),
    [(0.05, False), (0.3, False), (0.3, True), (2.0, True)],
    ids=["short", "float32", "float64", "long"],
)
def test_a_table_may_be_smoothed_as_a_stream_is(tau_s, wide):
    stream = record()
    smoother = Smoother(tau_s)
    expected = table_of([(now, smoother.update(analysis, now)) for now, analysis in stream])
    raw = table_of(stream)
    if wide:
        numbers = raw.select_dtypes("float32").columns
        raw[numbers] = raw[numbers].astype(np.float64)
        expected[numbers] = expected[numbers].astype(np.float64)
    found = smooth_frames(raw, tau_s, is_causal=True)
    pd.testing.assert_frame_equal(found, expected, check_exact=True)
    changed = found["valence"].notna() & (found["valence"] != raw["valence"])
    assert changed.mean() > 0.3, "or there was nothing to smooth"
    assert (found["emotion"] != raw["emotion"])[raw["emotion"].notna()].any()


def course(values, times=None, tau_s=0.3):
    """Valence of one person, smoothed."""
    times = [i / 10 for i in range(len(values))] if times is None else times
    raw = table_of([(now, seen(0.5, valence=v)) for now, v in zip(times, values, strict=True)])
    return smooth_frames(raw, tau_s)["valence"].to_numpy()


def test_a_file_is_smoothed_both_ways_by_hand():
    near, far = math.exp(-1), math.exp(-3)
    found = course([0.0, 1.0, 0.5], times=[0.0, 0.3, 0.9])
    expected = [
        (near * 1 + far * 0.5) / (1 + near + far),
        (1 + math.exp(-2) * 0.5) / (near + 1 + math.exp(-2)),
        (0.5 + math.exp(-2) * 1) / (far + math.exp(-2) + 1),
    ]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_an_expression_peaks_when_it_did():
    """As a stream its peak would come later."""
    values = [math.exp(-(((i - 50) / 8) ** 2)) for i in range(101)]
    found = course(values)
    assert found.argmax() == 50
    np.testing.assert_allclose(found, found[::-1], atol=1e-6)
    raw = table_of([(i / 10, seen(0.5, valence=v)) for i, v in enumerate(values)])
    assert smooth_frames(raw, 0.3, is_causal=True)["valence"].argmax() > 51


def test_unusable_faces_do_not_change_readings_that_count():
    raw = [(i / 10, seen(0.5, valence=valence)) for i, valence in enumerate((1.0, 0.0, 1.0))]
    table = table_of(raw).assign(is_usable=[True, False, True])
    assert smooth_frames(table, 1.0)["valence"].tolist() == [1.0, 0.0, 1.0]
    assert smooth_frames(table, 1.0, is_causal=True)["valence"].tolist() == [1.0, 0.0, 1.0]
    smooth = smooth_frames(table.drop(columns="is_usable"), 1.0)
    assert 0 < smooth["valence"].iloc[1] < smooth["valence"].iloc[0] < 1


def test_a_face_that_does_not_change_stays_as_it_is():
    np.testing.assert_allclose(course([0.7] * 30, tau_s=2.0), 0.7, rtol=1e-6)


def test_in_a_file_nothing_is_smoothed_across_a_long_gap():
    found = course([0.0, 0.0, 1.0, 1.0], times=[0.0, 0.1, 5.0, 5.1])
    np.testing.assert_array_equal(found, [0, 0, 1, 1])


def test_the_order_of_rows_and_the_index_are_kept():
    raw = table_of(record(1, 50))
    raw.index = raw.index[::-1] + 100
    found = smooth_frames(raw, 0.3)
    assert found.index.equals(raw.index)
    for column in ("frame", "time_s", "track", "x1", "score", "model"):
        pd.testing.assert_series_equal(found[column], raw[column])


def test_the_table_given_is_not_changed():
    raw = table_of(record(2, 50))
    before = raw.copy(deep=True)
    smooth_frames(raw, 0.3)
    pd.testing.assert_frame_equal(raw, before)


@pytest.mark.parametrize("tau_s", [0.0, 0.3])
@pytest.mark.parametrize("faces", [0, 1])
def test_tables_with_next_to_nothing(faces, tau_s):
    stream = [(float(i), seen(0.3) if faces else make_analysis([], labels=TWO)) for i in range(2)]
    raw = table_of(stream[: 1 + faces])
    pd.testing.assert_frame_equal(smooth_frames(raw, tau_s), raw)
    nothing = raw.iloc[:0]
    pd.testing.assert_frame_equal(smooth_frames(nothing, tau_s), nothing)


def test_no_smoothing_leaves_the_table():
    raw = table_of(record(3, 20))
    found = smooth_frames(raw, 0.0)
    pd.testing.assert_frame_equal(found, raw)
    assert found is not raw
