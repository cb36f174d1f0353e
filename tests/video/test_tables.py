"""Tables of videos: who is a person, numbers checked by hand, and parts of the table of frames."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from emotion_core.quality import QUALITY_COLUMNS
from emotion_core.reporting.timeline import emotion_seconds, timeline_rows
from emotion_core.tracking.smoothing import smooth_frames
from emotion_core.tracking.tracklets import Sighting, Tracklet
from emotion_core.video.frame_table import FrameTableBuilder, iter_analyses
from emotion_core.video.tables import (
    analysis_period,
    counted_frames,
    describe_mostly,
    link_people,
    longest_seen,
    mark_brief,
    min_sightings,
    people_table,
    seen_seconds,
    select_people,
    select_time,
    with_moments,
    without_brief,
)
from emotion_core.video.types import Highlight, HighlightKind
from tests.factories import make_quality
from tests.video.frame_tables import THREE, make_none, make_one, make_seen, make_table, walk

N, H, S = THREE


@pytest.mark.parametrize("end_s", [3.0, 2.4, 2.0])
def test_nobody_is_seen_beyond_the_end_of_the_video(end_s):
    log = FrameTableBuilder()
    for i in range(3):
        log.add(25 * i, float(i), make_one(1, H))
    table = log.table(end_s)
    parts = {
        "raw": table,
        "smooth": smooth_frames(table, 0.3),
        "one of all": select_people(table, [1]),
        "nobody else": select_people(table, [2, 1]),
        "a span": select_time(table, 0, 2),
    }
    for name, part in parts.items():
        assert people_table(part, 1.0)["seen_s"].tolist() == [pytest.approx(end_s)], name
        assert timeline_rows(part)["end_s"].max() == pytest.approx(end_s), name
        assert emotion_seconds(part)["seconds"].sum() == pytest.approx(end_s), name
    assert people_table(select_time(table, 0, 1), 1.0)["seen_s"].tolist() == [2.0]


def test_nobody_is_seen_beyond_the_end_of_a_long_video():
    log = FrameTableBuilder()
    for i in range(2000):
        log.add(25 * i, float(i), make_none() if i % 7 else make_one(1, H))
    assert timeline_rows(log.table(1999.4))["end_s"].max() <= 1999.4
    rows = select_people(log.table(1999.4), [1])
    assert seen_seconds(rows)[-1] == pytest.approx(0.4)


def test_no_frame_is_a_table_with_no_row():
    table = FrameTableBuilder().table()
    assert len(table) == 0
    assert {"frame", "time_s", "track", "valence", "model"} <= set(table.columns)
    people = people_table(table)
    assert len(people) == 0
    assert {"track", "seen_s", "dominant_emotion", "intense_s"} <= set(people.columns)


def test_a_video_without_faces_has_all_columns_of_people_and_none_of_them():
    people = people_table(make_table([(i, i / 10, make_none()) for i in range(3)]))
    assert len(people) == 0
    assert [c for c in people.columns if c.startswith("share_")] == [f"share_{e}" for e in THREE]
    assert people["track"].dtype == "int64"


def test_a_frame_counts_to_the_next_but_not_through_a_gap():
    times = [0.0, 0.1, 0.2, 0.3, 0.45, 2.0]
    table = make_table([(i, time, make_one(1, H)) for i, time in enumerate(times)])
    assert analysis_period(table) == pytest.approx(0.1)
    assert seen_seconds(table) == pytest.approx([0.1, 0.1, 0.1, 0.15, 1.0, 0.1])
    assert seen_seconds(table, 1.0) == pytest.approx([0.1, 0.1, 0.1, 0.15, 1.55, 1.0])


def test_numbers_of_a_person_by_hand():
    shown = [(0, N, (0, 0)), (1, H, (0.8, 0.2)), (2, H, (0.6, 0.9)), (4, S, (-0.7, -0.1))]
    frames = {i: make_one(5, top, va) for i, top, va in shown} | {3: make_none()}
    row = people_table(make_table([(i, i / 2, p) for i, p in sorted(frames.items())])).loc[0]
    assert row["track"] == 5
    assert (row["first_s"], row["last_s"], row["seen_s"]) == pytest.approx((0, 2, 2))
    assert row["frames"] == 4
    assert row["dominant_emotion"] == "happiness"
    assert [row[f"share_{e}"] for e in THREE] == pytest.approx([0.25, 0.5, 0.25])
    assert row["mean_valence"] == pytest.approx(np.mean([0, 0.8, 0.6, -0.7]), abs=1e-6)
    assert row["sd_valence"] == pytest.approx(np.std([0, 0.8, 0.6, -0.7]), abs=1e-6)
    assert row["mean_arousal"] == pytest.approx(0.25, abs=1e-6)
    assert row["sd_arousal"] == pytest.approx(np.std([0, 0.2, 0.9, -0.1]), abs=1e-6)
    assert row["changes"] == 2
    assert (row["positive_s"], row["negative_s"], row["intense_s"]) == (0.5, 2.0, 1.0)


def test_unusable_faces_count_for_times_only():
    blurred = replace(make_one(1, S, (-0.9, 0.0)), quality=make_quality(["blurred"]))
    good = replace(make_one(1, H, (0.5, 0.1)), quality=make_quality())
    frames = make_table([(0, 0.0, blurred), (1, 1.0, good), (2, 2.0, blurred), (3, 3.0, good)])
    (person,) = people_table(frames).to_dict("records")
    assert (person["frames"], person["n_unusable"], person["seen_s"]) == (4, 2, 4)
    assert (person["dominant_emotion"], person["share_happiness"]) == ("happiness", 1)
    assert person["mean_valence"] == pytest.approx(0.5)
    assert (person["changes"], person["negative_s"]) == (0, 1)
    (everyone,) = people_table(counted_frames(frames, all_faces=True)).to_dict("records")
    assert (everyone["n_unusable"], everyone["changes"]) == (0, 3)
    assert everyone["mean_valence"] == pytest.approx(-0.2)


def test_a_person_without_a_usable_face_has_times_and_nothing_else():
    blurred = replace(make_one(1, S), quality=make_quality(["blurred"]))
    (person,) = people_table(make_table([(0, 0.0, blurred), (1, 1.0, blurred)])).to_dict("records")
    assert (person["frames"], person["n_unusable"]) == (2, 2)
    assert np.isnan([person["mean_valence"], person["share_sadness"], person["positive_s"]]).all()
    assert describe_mostly(person) == "too hard to read"


def test_tables_of_earlier_versions_count_every_face():
    frames = make_table([(0, 0.0, make_one(1, H)), (1, 1.0, make_one(1, S))])
    (person,) = people_table(frames.drop(columns=list(QUALITY_COLUMNS))).to_dict("records")
    assert (person["n_unusable"], person["share_sadness"]) == (0, 0.5)


def test_means_go_by_time_not_by_frames():
    """Of 1 s in six frames, then 1 s in three, the time counts: half and half."""
    times = [*(i / 6 for i in range(6)), 1, 4 / 3, 5 / 3]
    tops = [H] * 6 + [S] * 3
    frames = [
        (i, time, make_one(1, top, (1.0 if top == H else -1.0, 0)))
        for i, (time, top) in enumerate(zip(times, tops, strict=True))
    ]
    row = people_table(make_table(frames), analysis_period_s=1 / 3).loc[0]
    assert row["seen_s"] == pytest.approx(2)
    assert row["share_happiness"] == pytest.approx(0.5)
    assert row["mean_valence"] == pytest.approx(0, abs=1e-6)
    assert row["sd_valence"] == pytest.approx(1)


def test_means_are_of_the_readings_as_they_are():
    """Smoothed ones of a webcam lag: of a face that lights up they would tell less."""
    shown = [(N, (0.0, 0.0)), *[(H, (1.0, 0.5))] * 9]
    frames = make_table([(i, i / 10, make_one(1, *one)) for i, one in enumerate(shown)])
    smoothed = smooth_frames(frames, 0.3, is_causal=True)
    row, whole = people_table(frames, smoothed=smoothed).loc[0], people_table(smoothed).loc[0]
    means = ["mean_valence", "sd_valence", "mean_arousal", "sd_arousal"]
    pd.testing.assert_series_equal(row[means], people_table(frames).loc[0][means])
    assert row["mean_valence"] == pytest.approx(0.9, abs=1e-6)
    assert whole["mean_valence"] < 0.75
    pd.testing.assert_series_equal(row.drop(means), whole.drop(means))


@pytest.mark.parametrize(
    ("tops", "changes"),
    [
        pytest.param([H], 0, id="one frame"),
        pytest.param([H, S, H], 2, id="to and fro"),
        pytest.param([H, None, None, None, None, H], 0, id="the same after a gap"),
        pytest.param([H, None, None, None, None, S], 1, id="another after a gap"),
    ],
)
def test_a_gap_is_no_change_by_itself(tops, changes):
    frames = [
        (i, i / 10, make_none() if top is None else make_one(1, top)) for i, top in enumerate(tops)
    ]
    assert people_table(make_table(frames))["changes"].tolist() == [changes]


def test_a_single_frame_has_shares_and_no_duration():
    row = people_table(make_table([(0, 0.0, make_one(1, H, (0.5, 0.5)))])).loc[0]
    assert row["seen_s"] == 0
    assert row["share_happiness"] == 1
    assert row["mean_valence"] == pytest.approx(0.5)
    assert row["sd_valence"] == 0


def test_shares_sum_to_one_for_everybody():
    people = people_table(walk(3))
    assert people["track"].tolist() == [1, 2, 3]
    shares = people.filter(regex="^share_")
    assert shares.shape[1] == 8
    assert shares.sum(axis=1).tolist() == pytest.approx([1] * 3)
    best = shares.idxmax(axis=1).str.removeprefix("share_")
    assert people["dominant_emotion"].tolist() == best.tolist()


def test_times_of_a_part_add_up_to_the_whole():
    table = walk(2)
    whole = people_table(table)["seen_s"]
    period = analysis_period(table)
    halves = [select_time(table, 0, 9.95), select_time(table, 9.95, 20)]
    parts = [people_table(half, period)["seen_s"] for half in halves]
    assert (parts[0] + parts[1]).tolist() == pytest.approx(whole.tolist())


@pytest.mark.parametrize("span", [(0.3, 0.5), (0.5, 0.3)], ids=["forwards", "backwards"])
def test_a_span_of_time_includes_its_ends(span):
    assert select_time(walk(1), *span)["time_s"].unique().tolist() == [0.3, 0.4, 0.5]


def test_choosing_people_keeps_every_frame():
    table = walk(3)
    chosen = select_people(table, [2])
    assert chosen["frame"].unique().tolist() == table["frame"].unique().tolist()
    assert set(chosen["track"].dropna()) == {2}
    assert chosen["model"].notna().all()
    assert chosen.loc[chosen["track"].isna(), "valence"].isna().all()
    whole = people_table(table).set_index("track").loc[[2]].reset_index()
    pd.testing.assert_frame_equal(people_table(chosen), whole)
    assert select_people(table, [])["track"].isna().all()
    assert select_people(table, {1, 2, 3})["track"].tolist() == table["track"].tolist()


def test_longest_seen_come_in_order_of_tracks():
    people = pd.DataFrame({"track": [1, 2, 3, 4], "seen_s": [5.0, 1.0, 9.0, 2.0]})
    assert longest_seen(people, 2) == [1, 3]
    assert longest_seen(people) == [1, 2, 3, 4]
    assert longest_seen(people.head(0)) == []


# Who is a person


def sightings(**runs):
    """A table at 10 frames a second; each run is a track's first frame and number of frames."""
    by_frame = {i: [] for i in range(40)}
    for track, (first, n) in runs.items():
        for i in range(first, first + n):
            by_frame[i].append(int(track[1:]))
    frames = []
    for i, tracks in by_frame.items():
        rows = [[0.2, 0.5, 0.3]] * len(tracks)
        frames.append((i, i / 10, make_seen(tracks, rows, [[0.1, 0.1]] * len(tracks))))
    return make_table(frames)


def test_a_track_counts_once_it_was_seen_in_enough_frames():
    frames = mark_brief(sightings(t1=(0, 40), t2=(5, 1), t3=(8, 2), t4=(20, 3)))
    by_track = frames.groupby("track")["is_brief"].first()
    assert by_track.to_dict() == {1: False, 2: True, 3: True, 4: False}
    assert frames["is_brief"].dtype == bool
    assert people_table(frames)["track"].tolist() == [1, 4]
    assert mark_brief(frames, 0.0).groupby("track")["is_brief"].first().sum() == 1


def test_a_frame_with_a_brief_track_only_is_one_without_a_person():
    frames = mark_brief(sightings(t1=(0, 10), t2=(20, 1)))
    people = without_brief(frames)
    assert people["frame"].tolist() == list(range(40))
    assert people["track"].dropna().unique().tolist() == [1]
    assert [len(analysis) for _, _, analysis in iter_analyses(frames, (640, 480))] == [1] * 10 + [
        0
    ] * 30


@pytest.mark.parametrize(
    ("n", "hz", "expected"),
    [(100, 25, 8), (100, 10, 3), (100, 5, 2), (100, 0.5, 2), (6, 25, 3), (2, 25, 1), (1, 25, 1)],
)
def test_enough_frames_at_any_rate(n, hz, expected):
    frames = make_table([(i, i / hz, make_one(1, H)) for i in range(n)])
    assert min_sightings(frames, 0.3) == expected


def test_people_are_numbered_in_order_after_linking():
    frames = sightings(t1=(0, 1), t2=(2, 10), t3=(15, 1), t4=(20, 15))
    place, look = np.array([300.0, 200.0]), np.full(72, 0.5)

    def tracklet(track, first, n):
        ends = [Sighting(i / 10, place, 60.0, 0, look * track / 4) for i in (first, first + n - 1)]
        return Tracklet(track, n, *ends)

    runs = [(1, 0, 1), (2, 2, 10), (3, 15, 1), (4, 20, 15)]
    linked = link_people(frames, [tracklet(*run) for run in runs])
    firsts = (
        linked.dropna(subset="track").groupby("track").agg({"frame": "min", "is_brief": "first"})
    )
    assert firsts["frame"].to_dict() == {1: 2, 2: 20, 3: 0, 4: 15}
    assert firsts["is_brief"].tolist() == [False, False, True, True]
    assert len(linked) == len(frames)


def test_moments_are_those_of_the_highlights():
    people = people_table(walk(2))
    highlight = Highlight(2, HighlightKind.POSITIVE, 7, 0.7, "happiness", 0.9, 0.1, b"")
    found = with_moments(people, [highlight, replace(highlight, track=9)])
    assert list(found.columns) == list(people.columns)
    assert found["positive_s"].tolist() == [people["positive_s"][0], 0.7]
    assert found["negative_s"].tolist() == people["negative_s"].tolist()
