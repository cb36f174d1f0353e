"""Intervals of figures, against drawing the faces one by one."""

import time
from dataclasses import fields

import numpy as np
import pytest

from emotion_core.training.datasets.face_set import EIGHT_EMOTIONS, LABELS, NO_CLASS, FaceSet
from emotion_core.training.evaluation import bootstrap
from emotion_core.training.evaluation.bootstrap import Intervals, to_intervals, to_words
from emotion_core.training.evaluation.metrics import to_metrics

FIGURES = [field.name for field in fields(Intervals) if field.name not in ("drawn", "n")]


def make_readings(n, *, seed=0):
    """Readings that are right more often than not; some faces unrated, unclear or not found."""
    rng = np.random.default_rng(seed)
    majority = rng.choice([NO_CLASS, *range(8)], n).astype(np.int64)
    va = rng.uniform(-1, 1, (n, 2)).astype(np.float32)
    va[rng.random((n, 2)) < 0.1] = np.nan
    probabilities = rng.dirichlet(np.full(9, 0.3), n).astype(np.float32)
    probabilities[np.arange(n), majority] += 0.7
    read = np.clip(np.nan_to_num(va) + rng.normal(0, 0.3, (n, 2)), -1, 1).astype(np.float32)
    return probabilities, read, make_faces(majority, va), rng.random(n) > 0.1


def make_faces(majority, va):
    targets = np.eye(len(LABELS), dtype=np.float32)[np.maximum(majority, 0)]
    names = [f"{i}.png" for i in range(len(majority))]
    return FaceSet("Tiny", names, targets, majority, va, EIGHT_EMOTIONS, names)


def draw_slowly(readings, units, n_draws):
    """The 95% intervals of ``to_metrics`` over copies of the faces of drawn units."""
    probabilities, va, faces, found = readings
    rng = np.random.default_rng(7)
    members = [np.flatnonzero(units == unit) for unit in np.unique(units)]
    results = {name: [] for name in FIGURES}
    for _ in range(n_draws):
        i = np.concatenate([members[k] for k in rng.integers(0, len(members), len(members))])
        drawn = make_faces(faces.majority[i], faces.va[i])
        figures = to_metrics(probabilities[i], va[i], drawn, found[i])
        for name in FIGURES:
            results[name].append(getattr(figures, name))
    return {name: np.percentile(values, (2.5, 97.5)) for name, values in results.items()}


@pytest.mark.parametrize("n_people", [None, 40], ids=["faces", "people"])
def test_intervals_are_those_of_faces_drawn_one_by_one(n_people):
    readings = make_readings(240)
    units = np.arange(240) if n_people is None else np.arange(240) % n_people
    people = None if n_people is None else [f"person {i}" for i in units]
    found = to_intervals(*readings, people)
    assert (found.drawn, found.n) == (("faces", 240) if people is None else ("people", 40))
    for name, expected in draw_slowly(readings, units, 600).items():
        width = expected[1] - expected[0]
        np.testing.assert_allclose(getattr(found, name), expected, atol=0.15 * width, err_msg=name)


def test_the_figure_of_the_faces_themselves_is_the_measured_one(monkeypatch):
    readings = make_readings(50)
    monkeypatch.setattr(bootstrap, "_draw", lambda columns: columns.sum(axis=0, keepdims=True))
    found, figures = to_intervals(*readings), to_metrics(*readings)
    for name in FIGURES:
        assert getattr(found, name) == pytest.approx([getattr(figures, name)] * 2, rel=1e-9)


def test_photos_of_one_person_tell_less_than_photos_of_many():
    majority = np.zeros(300, np.int64)
    probabilities = np.eye(9, dtype=np.float32)[np.arange(300) // 10 % 2]  # ten alike each
    faces = make_faces(majority, np.full((300, 2), np.nan, np.float32))
    readings = (probabilities, np.zeros((300, 2), np.float32), faces, np.ones(300, bool))
    alone = to_intervals(*readings, [f"{i}.jpg" for i in range(300)])
    together = to_intervals(*readings, [f"{i // 10}" for i in range(300)])
    assert (alone.drawn, together.drawn) == ("photos", "people")
    # the standard error of a share of a half is the root of 0.25 / n
    assert np.ptp(alone.accuracy) == pytest.approx(3.92 * np.sqrt(0.25 / 300), rel=0.1)
    assert np.ptp(together.accuracy) == pytest.approx(3.92 * np.sqrt(0.25 / 30), rel=0.1)


def test_the_same_faces_give_the_same_intervals():
    assert to_intervals(*make_readings(30)) == to_intervals(*make_readings(30))


@pytest.mark.parametrize("n", [0, 1])
def test_too_few_faces_have_no_interval(n):
    found = to_intervals(*make_readings(n))
    assert [getattr(found, name) for name in FIGURES] == [None] * len(FIGURES)
    assert not found.words


def test_what_has_no_truth_has_no_interval():
    probabilities, va, faces, found = make_readings(20)
    unrated = make_faces(faces.majority, np.full((20, 2), np.nan, np.float32))
    likely = to_intervals(probabilities, va, unrated, found)
    assert likely.accuracy
    assert (likely.valence_ccc, likely.arousal_ccc) == (None, None)
    unnamed = make_faces(np.full(20, NO_CLASS, np.int64), faces.va)
    likely = to_intervals(probabilities, va, unnamed, found)
    assert (likely.accuracy, likely.macro_f1) == (None, None)
    assert likely.valence_ccc


def test_ten_thousand_faces_take_no_long_wait():
    readings = make_readings(10_000)
    start_s = time.process_time()
    to_intervals(*readings)
    assert time.process_time() - start_s < 5  # half a second on an idle core


def test_intervals_have_words():
    likely = Intervals("people", 1669, (0.86884, 0.90787), *[None] * 7)
    assert to_words(likely.accuracy) == "95%: 0.869 to 0.908"
    assert likely.words == "95% intervals: from drawing the 1,669 people anew 2,000 times."
