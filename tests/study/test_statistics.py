"""Curves on the clock, intervals over participants, comparisons and events: known values."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from emotion_core.errors import EmotionError
from emotion_core.photos.tables import table_to_csv
from emotion_core.study.assignment import StudyVideo
from emotion_core.study.compare import compare_groups
from emotion_core.study.curves import mean_with_interval, to_clock
from emotion_core.study.edited_frames import edit_frames
from emotion_core.study.events import (
    event_windows,
    events_of,
    no_events,
    read_events,
    with_event,
    with_labels,
    with_new_event,
)
from emotion_core.study.settings import StudySettings
from tests.study.studies import make_frames


def make_readings(clock_s, weight_s, valence):
    values = np.asarray(valence, float)
    columns = {"clock_s": clock_s, "weight_s": weight_s, "is_counted": ~np.isnan(values)}
    return pd.DataFrame({**columns, "valence": values, "arousal": values})


def test_steps_of_the_clock_weigh_each_reading_by_how_long_it_lasts():
    curve = to_clock(make_readings([0.0, 0.4, 0.8], [0.4, 0.4, 0.2], [0.0, 1.0, 0.0]), 2.0, 0.5)
    assert curve["time_s"].tolist() == [0.25, 0.75]
    assert curve["valence"].to_numpy() == pytest.approx([0.2, 0.6])
    assert curve["cover"].tolist() == [1.0, 1.0]


def test_steps_seen_for_too_short_are_missing():
    readings = make_readings([0.0, 0.2, 1.0], [0.2, 0.8, 0.5], [1.0, np.nan, 1.0])
    curve = to_clock(readings, 1.0, 0.5)
    assert curve["cover"].tolist() == [0.2, 0.5]
    assert np.isnan(curve["valence"].iloc[0])
    assert curve["valence"].iloc[1] == pytest.approx(1.0)


def test_interval_is_that_of_drawing_participants_and_leaves_missing_ones_out():
    values = np.random.default_rng(1).normal(0, 1, (40, 2))
    values[:38, 1] = np.nan
    values[39, 1] = np.nan
    found = mean_with_interval(np.vstack([values, np.full(2, np.nan)]), StudySettings())
    assert found["n"].tolist() == [40, 1]
    assert found["mean"][0] == pytest.approx(values[:, 0].mean())
    half = stats.norm.ppf(0.975) * values[:, 0].std() / 40**0.5
    assert found["low"][0] == pytest.approx(values[:, 0].mean() - half, abs=0.03)
    assert found["high"][0] == pytest.approx(values[:, 0].mean() + half, abs=0.03)
    assert np.isnan([found["low"][1], found["high"][1]]).all()


def test_intervals_of_many_steps_are_those_of_each_step():
    column = np.random.default_rng(1).normal(0, 1, (5, 1))
    found = mean_with_interval(np.tile(column, 1500), StudySettings(draws=20))
    one = mean_with_interval(column, StudySettings(draws=20))
    for name in ("low", "high"):
        np.testing.assert_allclose(found[name], one[name][0])


def participants(rows):
    return pd.DataFrame(rows, columns=["participant", "stimulus", "condition", "mean_valence"])


def test_stimuli_seen_by_the_same_people_are_compared_in_pairs():
    a, b = [0.1, 0.5, 0.3, 0.6, 0.2], [0.0, 0.2, 0.3, 0.1, -0.2]
    rows = [(f"P{i}", s, "", v) for s, vs in (("A", a), ("B", b)) for i, v in enumerate(vs)]
    rows.append(("P9", "A", "", 0.9))  # without a partner
    (row,) = compare_groups(participants(rows)).to_dict("records")
    test = stats.ttest_rel(a, b)
    assert (row["kind"], row["n_a"], row["n_b"], row["df"]) == ("paired", 5, 5, 4)
    assert (row["t"], row["p"]) == pytest.approx((test.statistic, test.pvalue))
    assert row["p_fdr"] == pytest.approx(row["p"])
    difference = np.subtract(a, b)
    assert row["effect_size"] == pytest.approx(difference.mean() / difference.std(ddof=1))
    for end, share in (("effect_low", 0.975), ("effect_high", 0.025)):
        assert stats.nct.cdf(row["t"], 4, row[end] * 5**0.5) == pytest.approx(share, abs=1e-4)
    assert row["low"] < row["difference"] < row["high"]


def test_conditions_of_different_people_are_compared_unpaired():
    a, b = [0.1, 0.5, 0.3, 0.6], [0.0, 0.2, -0.2]
    rows = [(f"a{i}", "S", "old", v) for i, v in enumerate(a)]
    rows += [(f"b{i}", "S", "new", v) for i, v in enumerate(b)]
    rows.append(("b9", "S", "new", np.nan))
    (row,) = compare_groups(participants(rows)).to_dict("records")
    test = stats.ttest_ind(a, b, equal_var=False)
    assert (row["contrast"], row["within"], row["kind"]) == ("condition", "S", "unpaired")
    assert (row["n_a"], row["n_b"], row["t"]) == (4, 3, pytest.approx(test.statistic))
    pooled = ((3 * np.var(a, ddof=1) + 2 * np.var(b, ddof=1)) / 5) ** 0.5
    assert row["effect_size"] == pytest.approx((np.mean(a) - np.mean(b)) / pooled)


def test_groups_of_one_or_without_spread_are_counted_and_not_tested():
    one = [("P1", "A", "", 0.1), ("P2", "B", "", 0.2)]
    same = [(p, s, "", v) for p in ("P1", "P2") for s, v in (("A", 0.5), ("B", 0.1))]
    for rows in (one, same):
        (row,) = compare_groups(participants(rows)).to_dict("records")
        assert row["difference"] == row["mean_a"] - row["mean_b"]
        assert np.isnan([row["p"], row["effect_size"], row["low"]]).all()


def test_events_are_read_for_all_videos_or_for_some(tmp_path):
    path = tmp_path / "events.csv"
    path.write_text("Time;Label;stimulus;participant\n2,5;end;S1;\n1;cue;;P1\n")
    events = read_events(path)
    first = events_of(events, StudyVideo("a.mp4", "P1", "S1"))
    assert first.to_dict("list") == {"time_s": [1.0, 2.5], "label": ["cue", "end"]}
    assert events_of(events, StudyVideo("b.mp4", "P2", "S2")).empty


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("label\ncue\n", "has no column time"),
        ("time\n1\n", "has no column label"),
        ("time,label\n1,a\nsoon,b\n", 'line 3: the time "soon" is no number'),
        ("time,label\n\n1,a\ninf,b\n", 'line 4: the time "inf" is no number'),
        ("time,label\n1,\n", "line 2: the event has no label"),
        ("time,label\n1\n", "line 2: the event has no label"),
        ("time,time_s,label\n1,1,a\n", "columns time and time_s"),
    ],
)
def test_wrong_events_are_explained(tmp_path, text, said):
    (tmp_path / "e.csv").write_text(text)
    with pytest.raises(EmotionError) as error:
        read_events(tmp_path / "e.csv")
    assert said in str(error.value)


def test_frames_have_the_latest_event_and_windows_around_events_are_averaged():
    valence = np.where(np.arange(40) < 20, 0.0, 0.6)
    valence[22:24] = np.nan
    edited = edit_frames(make_frames(valence), ())
    events = pd.DataFrame({"time_s": [2.0], "label": ["cue"]})
    marked = with_event(edited, events)
    assert marked["event"].isna().sum() == 20
    assert (marked["event"] == "cue").sum() == 20
    (window,) = event_windows(edited, events, (0.0, 1.0)).to_dict("records")
    assert (window["frames"], window["frames_counted"]) == (10, 8)
    assert window["mean_valence"] == pytest.approx(0.6)
    (before,) = event_windows(edited, events, (-1.0, 0.0)).to_dict("records")
    assert before["mean_valence"] == pytest.approx(0.0)


def test_events_are_added_in_order_renamed_and_left_out():
    events = with_new_event(no_events(), "a.mp4", 2.0, "late")
    events = with_new_event(events, "a.mp4", 0.50049, "early")
    events = with_new_event(events, "b.mp4", 1.0, "other")
    assert with_new_event(events, "b.mp4", 1.0, "other") is events
    assert events["label"].tolist() == ["early", "other", "late"]
    assert events["time_s"].tolist() == [0.5, 1.0, 2.0]
    shown = events[events["file"] == "a.mp4"]
    again = with_labels(events, shown, pd.Series(["first", ""], shown.index))
    assert again["label"].tolist() == ["first", "other", "late"]  # an empty label changes nothing
    fewer = with_labels(events, shown, pd.Series(["late"], [2]))
    assert fewer[["label", "file"]].to_numpy().tolist() == [["other", "b.mp4"], ["late", "a.mp4"]]
    video = StudyVideo("a.mp4", "P1", "S")
    assert events_of(fewer, video)["time_s"].tolist() == [2.0]
    assert read_events(Path("e.csv"), table_to_csv(events)).equals(events)
