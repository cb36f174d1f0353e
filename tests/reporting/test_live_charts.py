import json

import numpy as np
import pandas as pd
import pytest
import vl_convert

from emotion_core.labels import ALL_EMOTIONS
from emotion_core.live.session_log import SessionLog
from emotion_core.reporting.live_chart_data import MINUTE_S, TRAIL_S, people_now
from emotion_core.reporting.live_charts import LIVE, bars_spec, minute_spec, plane_spec
from tests.factories import SEVEN

CHARTS = {
    "bars": lambda history: bars_spec(history, SEVEN),
    "plane": plane_spec,
    "minute": minute_spec,
}


def history_of(*spans, newest_s=70.0, step_s=0.1):
    """What was read of people who were there from one time to another."""
    rows = []
    for track, (start_s, end_s) in enumerate(spans, 1):
        for time_s in np.arange(start_s, end_s + 1e-9, step_s):
            shares = np.exp(np.sin(time_s / 7 + np.arange(len(SEVEN)) + track))
            shares /= shares.sum()
            row = {"time_s": time_s, "age_s": newest_s - time_s, "track": track}
            row["emotion"] = str(SEVEN[int(shares.argmax())])
            row["confidence"] = shares.max()
            row.update({f"p_{label}": share for label, share in zip(SEVEN, shares, strict=True)})
            rows.append({**row, "valence": np.sin(time_s), "arousal": np.cos(time_s)})
    return pd.DataFrame(rows).sort_values("time_s", ignore_index=True)


def rows_of(spec):
    return spec["datasets"][LIVE]


def frame_of(spec):
    """All but the rows."""
    assert list(spec["datasets"]) == [LIVE]
    return json.dumps({**spec, "datasets": {}}, sort_keys=True)


@pytest.mark.parametrize("name", CHARTS)
def test_only_the_rows_depend_on_what_was_read(name):
    empty = SessionLog().history()
    frames = {
        frame_of(CHARTS[name](history))
        for history in (empty, history_of((60, 70)), history_of((0, 70), (65, 70), (69, 70)))
    }
    assert len(frames) == 1


@pytest.mark.parametrize("name", CHARTS)
@pytest.mark.parametrize("n", [0, 3])
def test_charts_can_be_drawn(name, n):
    history = history_of(*[(60, 70)] * n) if n else SessionLog().history()
    spec = CHARTS[name](history)
    svg = vl_convert.vegalite_to_svg(
        json.dumps({**spec, "datasets": {LIVE: rows_of(spec).to_dict("records")}})
    )
    assert svg.startswith("<svg")
    assert "NaN" not in svg


def test_people_of_now_are_those_seen_last_even_if_missed_for_a_moment():
    assert people_now(history_of((0, 70), (0, 69.8), (0, 60))) == [1, 2]
    assert people_now(SessionLog().history()) == []


def test_bars_give_each_person_a_part_of_the_width_and_a_name():
    history = history_of((60, 70), (60, 70))
    rows = rows_of(bars_spec(history, SEVEN))
    assert list(rows["word"].unique()) == ["", *[str(e) for e in ALL_EMOTIONS if e in SEVEN]]
    assert rows["start"].unique().tolist() == [0, 0.5]
    assert (rows["end"] <= rows["start"] + 0.5).all()
    newest = history[history["track"] == 2].iloc[-1]
    second = rows[(rows["person"] == "Person 2") & (rows["word"] == "happiness")].iloc[0]
    assert second["probability"] == pytest.approx(newest["p_happiness"])


def test_no_more_than_three_people_are_drawn():
    history = history_of(*[(60, 70)] * 5)
    assert rows_of(bars_spec(history, SEVEN))["person"].nunique() == 3
    assert rows_of(plane_spec(history))["track"].nunique() == 3
    assert rows_of(minute_spec(history))["style"].nunique() == 3


def test_the_trail_ends_at_the_newest_reading_and_fades():
    rows = rows_of(plane_spec(history_of((0, 70), (0, 60))))
    assert rows["person"].unique().tolist() == ["Person 1"]
    assert rows["age_s"].max() <= TRAIL_S
    newest = rows[rows["is_newest"]]
    assert len(newest) == 1
    assert newest["freshness"].iloc[0] == 1
    assert rows["freshness"].between(0, 1).all()


def test_the_minute_breaks_where_nobody_was_seen():
    gap = pd.concat([history_of((20, 40)), history_of((50, 70))], ignore_index=True)
    rows = rows_of(minute_spec(gap))
    assert rows["run"].nunique() == 2
    assert rows["ago_s"].between(-MINUTE_S, 1e-9).all()
    assert len(rows) < len(gap) / 4


def test_marks_of_the_last_minute_are_in_the_minute():
    history = history_of((0, 70))
    rows = rows_of(minute_spec(history, [5.0, 40.0, 69.0]))
    assert rows.loc[rows["is_mark"], "ago_s"].tolist() == pytest.approx([-30, -1])


def test_the_minute_names_people_only_where_there_are_several():
    assert set(rows_of(minute_spec(history_of((60, 70))))["name"]) == {""}
    names = rows_of(minute_spec(history_of((60, 70), (60, 70), (60, 65))))["name"]
    assert sorted(names[names != ""]) == ["Person 1", "Person 2"]


def test_thinned_rows_are_means_over_spans_of_time():
    history = history_of((60, 70), (61, 70))
    rows = rows_of(minute_spec(history))
    shown = history[history["track"] == 2]
    span = shown[shown["time_s"].between(64.9999, 65.4999)]
    row = rows[(rows["style"] == 1) & rows["ago_s"].between(-5.0001, -4.5)].iloc[0]
    assert row["valence"] == pytest.approx(span["valence"].mean())
    assert row["ago_s"] == pytest.approx(span["time_s"].mean() - 70)
