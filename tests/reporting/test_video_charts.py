"""Charts of videos: fixed axes and colours, gaps that stay gaps, few rows, linked by the brush."""

import json
import re
import time

import numpy as np
import pandas as pd
import pytest
import vl_convert

from emotion_core.imaging.codec import decode_image
from emotion_core.imaging.palette import EMOTION_COLOURS, luminance
from emotion_core.labels import ALL_EMOTIONS
from emotion_core.reporting.dashboard import dashboard_chart
from emotion_core.reporting.timeline import (
    downsample,
    emotion_seconds,
    format_duration,
    timeline_rows,
)
from emotion_core.reporting.timeline_layers import AROUSAL_COLOUR, VALENCE_COLOUR
from emotion_core.reporting.video_charts import (
    CLICK,
    SPAN,
    probabilities_course_chart,
    shares_chart,
    timeline_chart,
    trajectory_chart,
)
from emotion_core.video.tables import FrameTableBuilder, people_table, select_people, select_time
from tests.video.frame_tables import THREE, make_none, make_one, make_table, walk

N, H, S = THREE

TABLES = {
    "nothing": FrameTableBuilder().table(),
    "one picture": make_table([(0, 0.0, make_one(1, H, (0.5, 0.2)))]),
    "no face": make_table([(i, i / 10, make_none()) for i in range(5)]),
    "one person": walk(1),
    "six people": walk(6, seconds=5),
}


def shares_of(frames):
    return shares_chart(people_table(frames))


CHARTS = {
    "timeline": timeline_chart,
    "probabilities": probabilities_course_chart,
    "trajectory": trajectory_chart,
    "shares": shares_of,
    "dashboard": dashboard_chart,
}


def find(spec, key):
    """Every value of a key, however deep."""
    if isinstance(spec, dict):
        found = [spec[key]] if key in spec else []
        return found + [hit for value in spec.values() for hit in find(value, key)]
    if isinstance(spec, list):
        return [hit for value in spec for hit in find(value, key)]
    return []


def selections(spec):
    return {
        p["name"]: p["select"] for params in find(spec, "params") for p in params if "select" in p
    }


def labels_in(spec):
    """What each mark says of itself in the picture that Vega draws."""
    return re.findall(r'aria-label="([^"]*)"', vl_convert.vegalite_to_svg(spec))


@pytest.mark.parametrize("frames", TABLES.values(), ids=list(TABLES))
@pytest.mark.parametrize("make", CHARTS.values(), ids=list(CHARTS))
def test_every_table_gives_a_picture(make, frames):
    svg = vl_convert.vegalite_to_svg(make(frames).to_dict())
    assert svg.startswith("<svg")
    assert "NaN" not in svg
    assert "undefined" not in svg


@pytest.mark.parametrize("make", list(CHARTS.values())[1:], ids=list(CHARTS)[1:])
def test_colours_are_those_of_the_emotions(make):
    colours = [c for c in find(make(TABLES["one person"]).to_dict(), "color") if "field" in c]
    emotions = [colour for colour in colours if colour["field"] == "emotion"]
    assert emotions
    for colour in emotions:
        assert colour["scale"]["domain"] == [str(emotion) for emotion in ALL_EMOTIONS]
        assert colour["scale"]["range"] == list(EMOTION_COLOURS.values())


@pytest.mark.parametrize("paper", ["#FDFCFA", "#FFFFFF", "#14171C"])
@pytest.mark.parametrize("colour", [VALENCE_COLOUR, AROUSAL_COLOUR])
def test_lines_stand_out_on_light_and_dark(colour, paper):
    """WCAG 2.2, 1.4.11: graphical objects have a contrast of at least 3 to 1."""
    low, high = sorted((luminance(colour), luminance(paper)))
    assert (high + 0.05) / (low + 0.05) >= 3


def test_no_text_has_a_colour_that_a_theme_cannot_change():
    for make in (timeline_chart, probabilities_course_chart):
        spec = make(TABLES["one person"]).to_dict()
        assert "text" not in [mark.get("type") for mark in find(spec, "mark") if "type" in mark]
        assert not find(spec, "labelColor")
        assert not find(spec, "background")


def test_timeline_selects_a_span_and_a_picture():
    spec = timeline_chart(TABLES["one person"]).to_dict()
    chosen = selections(spec)
    assert chosen[SPAN]["type"] == "interval"
    assert chosen[SPAN]["encodings"] == ["x"]
    assert chosen[SPAN]["zoom"] is False
    assert chosen[CLICK]["type"] == "point"
    assert chosen[CLICK]["fields"] == ["time_s"]
    other = selections(probabilities_course_chart(TABLES["one person"]).to_dict())
    assert list(other) == [CLICK]


@pytest.mark.parametrize("n_people", [1, 2, 6])
@pytest.mark.parametrize("make", [timeline_chart, probabilities_course_chart])
def test_everybody_has_a_row_with_a_name_and_a_scale(make, n_people):
    svg = vl_convert.vegalite_to_svg(make(walk(n_people, first_track=3)).to_dict())
    texts = re.findall(r"<text[^>]*>([^<]*)</text>", svg)
    names = [f"Person {3 + i}" for i in range(n_people)]
    assert [text for text in reversed(texts) if text.startswith("Person")] == names
    scale = ["+1", "0", "\u22121"] if make is timeline_chart else ["100%", "50%", "0%"]
    for word in scale:
        assert texts.count(word) == n_people


def test_values_lie_where_the_scale_says():
    """A valence of 1 on the upper line of the row, of -1 on the lower one."""
    values = [1.0, -1.0, 0.0]
    frames = make_table([(i, i / 10, make_one(1, H, (v, 0))) for i, v in enumerate(values)])
    svg = vl_convert.vegalite_to_svg(timeline_chart(frames).to_dict())
    heights = {
        text: float(y)
        for y, text in re.findall(
            r'translate\([-\d.]+,([\d.]+)\)"[^>]*>([+\u2212]?[01])</text>', svg
        )
    }
    (line,) = [
        path
        for path in re.findall(r'<path[^>]*\bd="(M[^"]*)"[^>]*stroke="' + VALENCE_COLOUR, svg)
        if path.count("L") == 3
    ]
    drawn = [float(y) for _, y in re.findall(r"[ML]([\d.]+),([\d.]+)", line)]
    assert drawn[1] - drawn[0] == pytest.approx(heights["\u22121"] - heights["+1"], abs=0.01)
    assert drawn[2] == pytest.approx((drawn[0] + drawn[1]) / 2, abs=0.01)
    assert drawn[3] == drawn[2]


@pytest.mark.parametrize(
    ("seconds", "ticks"),
    [
        (2.0, ["0", "0.5", "1", "1.5"]),
        (20.0, ["0:00", "0:02", "0:04"]),
        (600.0, ["0:00", "1:00", "2:00"]),
        (7200.0, ["0:00", "15:00", "30:00", "45:00", "1:00:00"]),
    ],
)
def test_time_has_round_ticks(seconds, ticks):
    times = np.arange(200) * (seconds / 200)
    frames = make_table([(i, t, make_one(1, H)) for i, t in enumerate(times)])
    spec = timeline_chart(frames).properties(width=900).to_dict()
    texts = re.findall(r"<text[^>]*>([^<]*)</text>", vl_convert.vegalite_to_svg(spec))
    start = texts.index(ticks[0])
    assert texts[start : start + len(ticks)] == ticks


@pytest.mark.parametrize("seconds", [3.0, 6.0, 60.0, 7200.0])
def test_dashboard_has_room_for_the_last_time(seconds):
    times = np.arange(60) * (seconds / 60)
    frames = make_table([(i, t, make_one(1, H)) for i, t in enumerate(times)])
    png = vl_convert.vegalite_to_png(dashboard_chart(frames).to_dict())
    pixels = decode_image(png).pixels
    assert pixels.shape[1] <= 900


def test_a_line_breaks_where_a_person_is_not_seen():
    shown = [1, 1, 1, 0, 0, 0, 1, 1, 0, 1]
    pictures = [(i, i / 10, make_one(1, H) if s else make_none()) for i, s in enumerate(shown)]
    rows = timeline_rows(make_table(pictures))
    spans = rows.groupby("run")["time_s"].agg(["min", "max"]).to_numpy().tolist()
    assert spans == [pytest.approx([0, 0.3]), pytest.approx([0.6, 1.0])], "one miss is no gap"
    closing = rows[rows["time_s"] == rows["end_s"]]
    assert closing["time_s"].tolist() == pytest.approx([0.3, 1.0])


def test_a_line_goes_on_where_analyses_come_late_for_less_than_a_second():
    times = [0.0, 0.1, 0.2, 0.9, 1.0, 2.5]
    rows = timeline_rows(make_table([(i, t, make_one(1, H)) for i, t in enumerate(times)]))
    spans = rows.groupby("run")["time_s"].agg(["min", "max"]).to_numpy().tolist()
    assert spans == [pytest.approx([0, 2.0]), pytest.approx([2.5, 2.6])]


@pytest.mark.parametrize(("end_s", "drawn_s"), [(None, 1), (0.0, 1), (0.4, 0.4), (7.0, 1)])
def test_a_lone_picture_can_be_seen(end_s, drawn_s):
    log = FrameTableBuilder()
    log.add(0, 0.0, make_one(1, H, (0.5, 0.2)))
    frames = log.table(end_s)
    assert timeline_rows(frames)[["time_s", "end_s"]].to_numpy().tolist() == [
        pytest.approx([0, drawn_s]),
        pytest.approx([drawn_s, drawn_s]),
    ]
    assert emotion_seconds(frames)["seconds"].tolist() == pytest.approx([drawn_s])
    svg = vl_convert.vegalite_to_svg(trajectory_chart(frames).to_dict())
    assert svg.count(EMOTION_COLOURS[H]) >= 2, "a point and the last point"
    areas = vl_convert.vegalite_to_svg(
        probabilities_course_chart(frames).properties(width=400).to_dict()
    )
    assert f'fill="{EMOTION_COLOURS[H]}"' in areas


def test_the_last_stretch_ends_inside_the_chart():
    frames = make_table([(i, i / 2, make_one(1, H)) for i in range(4)])
    for make in (timeline_chart, probabilities_course_chart):
        domains = [x["scale"]["domain"] for x in find(make(frames).to_dict(), "x") if "scale" in x]
        assert domains == [[0, 2.0]] * len(domains)
        assert domains


def test_people_are_rows_in_order_of_tracks():
    rows = timeline_rows(walk(3, first_track=9))
    firsts = rows.drop_duplicates("row")
    assert firsts[["row", "track"]].to_numpy().tolist() == [[0, 9], [1, 10], [2, 11]]
    assert firsts["person"].tolist() == ["Person 9", "Person 10", "Person 11"]
    assert rows.groupby("run")["track"].nunique().eq(1).all()


def test_short_videos_are_not_thinned():
    frames = walk(2)
    assert downsample(frames) is frames


def test_thinning_takes_means_and_keeps_gaps():
    frames = walk(2, seconds=120, seed=4)
    thinned = downsample(frames, 100)
    assert thinned["frame"].nunique() == 100
    labels = [c for c in frames.columns if c.startswith("p_")]
    assert thinned[labels].dropna().sum(axis=1).to_numpy() == pytest.approx(1, abs=1e-5)
    of_one = frames[frames["track"] == 1]
    first = of_one[of_one["time_s"] < 1.19]
    row = thinned[thinned["track"] == 1].iloc[0]
    assert row["valence"] == pytest.approx(first["valence"].mean(), abs=1e-5)
    assert row["emotion"] == first[labels].mean().idxmax().removeprefix("p_")
    assert row["confidence"] == pytest.approx(first[labels].mean().max(), abs=1e-5)
    gone = select_time(frames, 98, 101)
    assert gone["track"].isna().all()
    assert select_time(thinned, 98, 101)["track"].isna().all()
    assert set(thinned["time_s"]) <= set(frames["time_s"]), "a click shows a real picture"


def test_thinning_a_video_without_faces_leaves_its_length():
    thinned = downsample(make_table([(i, i / 10, make_none()) for i in range(50)]), 10)
    assert len(thinned) == 10
    assert thinned["track"].isna().all()


def test_seconds_of_emotions_are_exact_however_thin():
    frames = walk(3, seconds=60)
    people = people_table(frames).set_index("track")
    for longest in (600, 20):
        sums = emotion_seconds(frames, longest).groupby(["track", "emotion"])["seconds"].sum()
        for (track, emotion), seconds in sums.items():
            expected = people.loc[track, f"share_{emotion}"] * people.loc[track, "seen_s"]
            assert seconds == pytest.approx(expected, abs=0.05)
        assert sums.groupby("track").sum().tolist() == pytest.approx(people["seen_s"], abs=0.05)


def test_shares_in_the_chart_are_those_of_the_table():
    people = people_table(walk(2))
    drawn = [label for label in labels_in(shares_chart(people).to_dict()) if "person: " in label]
    assert len(drawn) == 16
    for label in drawn:
        values = dict(part.split(": ") for part in label.split("; "))
        share = float(values["Share of the time"].rstrip("%")) / 100
        row = people[people["track"] == int(values["Person"].removeprefix("Person "))].iloc[0]
        assert share == pytest.approx(row[f"share_{values['Emotion']}"], abs=6e-4)


def brushed_shares(frames, span):
    """Shares that the dashboard draws with a span of time brushed from the start."""
    spec = dashboard_chart(frames).to_dict()
    if span:
        (param,) = [p for ps in find(spec, "params") for p in ps if p["name"] == SPAN]
        param["value"] = {"x": list(span)}
    shares = {}
    for label in labels_in(spec):
        values = dict(part.split(": ", 1) for part in label.split("; ") if ": " in part)
        if "Share of the time" in values:
            key = (int(values["Person"].removeprefix("Person ")), values["Emotion"])
            shares[key] = float(values["Share of the time"].rstrip("%")) / 100
    return shares


def test_charts_by_themselves_say_how_they_were_smoothed():
    frames = walk(1, gaps=False)
    assert "0.3 s" in dashboard_chart(frames, smoothing_s=0.3).to_dict()["title"]["text"]
    assert "title" not in dashboard_chart(frames).to_dict()


@pytest.mark.parametrize("span", [None, (3.95, 9.05)], ids=["whole", "brushed"])
def test_a_brushed_span_filters_the_shares(span):
    frames = walk(2, gaps=False, seed=3)
    part = select_time(frames, *span) if span else frames
    people = people_table(part, 0.1).set_index("track")
    drawn = brushed_shares(frames, span)
    assert len(drawn) >= 8
    for (track, emotion), share in drawn.items():
        assert share == pytest.approx(people.loc[track, f"share_{emotion}"], abs=6e-4)


def test_a_brushed_span_filters_all_but_the_timeline():
    frames = walk(1, gaps=False)
    spec = dashboard_chart(frames).to_dict()
    timeline, *others = spec["vconcat"]
    filters = [f for f in find(timeline, "filter") if isinstance(f, dict)]
    assert SPAN not in [f.get("param") for f in filters]
    planes = others.pop()["concat"]
    for part in [*others, *planes]:
        assert {"param": SPAN} in find(part, "filter")
    (param,) = [p for ps in find(spec, "params") for p in ps if p["name"] == SPAN]
    whole = len(labels_in(spec))
    param["value"] = {"x": [0, 1]}
    assert len(labels_in(spec)) < whole / 2


def test_the_newest_point_of_a_trajectory_stands_out():
    frames = walk(1, seconds=5, gaps=False)
    svg = vl_convert.vegalite_to_svg(trajectory_chart(frames).to_dict())
    opacities = [
        float(v) for v in re.findall(r'aria-roledescription="point"[^>]*?opacity="([\d.]+)"', svg)
    ]
    assert opacities[0] == pytest.approx(0.1)
    assert max(opacities) == 1
    assert opacities[:-1] == sorted(opacities[:-1])


def test_a_trajectory_is_of_one_person():
    frames = walk(2)
    texts = labels_in(trajectory_chart(select_people(frames, [2])).to_dict())
    assert any("Person: Person 2" in text for text in texts)
    assert not any("Person: Person 1" in text for text in texts)


@pytest.mark.parametrize("n_people", [2, 6])
def test_two_hours_become_a_small_chart_quickly(n_people):
    short = walk(n_people, seconds=24, fps=30)
    n = short["frame"].max() + 1
    parts = [
        short.assign(frame=short["frame"] + k * n, time_s=short["time_s"] + k * 24)
        for k in range(300)
    ]
    frames = pd.concat(parts, ignore_index=True)
    assert frames["frame"].nunique() == 216_000
    started = time.process_time()
    text = json.dumps(timeline_chart(frames).to_dict())
    assert time.process_time() - started < 5
    assert len(text) < 2_000_000
    assert len(json.dumps(dashboard_chart(frames).to_dict())) < 2_000_000
    assert timeline_rows(frames)["time_s"].max() == pytest.approx(7200, abs=15)


@pytest.mark.parametrize(
    ("time_s", "words"),
    [
        (0, "0:00.0"),
        (9.96, "0:10.0"),
        (59.99, "1:00.0"),
        (62.44, "1:02.4"),
        (3599.96, "1:00:00.0"),
        (36061.5, "10:01:01.5"),
    ],
)
def test_clock(time_s, words):
    assert format_duration(time_s) == words
