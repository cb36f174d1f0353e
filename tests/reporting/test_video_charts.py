"""Charts of videos: fixed axes and colours, gaps that stay gaps, few rows, linked by the brush."""

import copy
import json
import re
from functools import cache, partial

import numpy as np
import pandas as pd
import pytest
import vl_convert

from emotion_core.imaging.palette import EMOTION_COLOURS, luminance
from emotion_core.labels import ALL_EMOTIONS
from emotion_core.reporting.chart_base import emotion_range
from emotion_core.reporting.cursor_charts import COURSE, cursor_charts
from emotion_core.reporting.dashboard import dashboard_chart
from emotion_core.reporting.timeline import (
    downsample,
    emotion_seconds,
    timeline_rows,
)
from emotion_core.reporting.timeline_layers import CURSOR, DIMENSION_COLOURS, FROM, SPAN, UNTIL
from emotion_core.reporting.video_charts import shares_chart, trajectory_chart
from emotion_core.video.frame_table import FrameTableBuilder
from emotion_core.video.tables import people_table, select_time
from tests.video.frame_tables import THREE, make_none, make_one, make_seen, make_table, walk

N, H, S = THREE

TABLES = {
    "nothing": FrameTableBuilder().table(),
    "one frame": make_table([(0, 0.0, make_one(1, H, (0.5, 0.2)))]),
    "no face": make_table([(i, i / 10, make_none()) for i in range(5)]),
    "two people": walk(2, seconds=6, gaps=False, first_track=3, seed=3),
    "six people": walk(6, seconds=5),
}


def shares_of(frames):
    return shares_chart(people_table(frames))


def with_cursor(name, frames, **values):
    """Specification of a chart with a cursor as a page draws it, with values of parameters."""
    made = cursor_charts(frames)
    spec = made.specs[name]
    spec["datasets"] = {**spec.get("datasets", {}), COURSE: made.rows}
    for param in spec["params"]:
        param["value"] = values.get(param["name"], param.get("value"))
    return spec


CURSOR_CHARTS = ("timeline", "probabilities", "plane", "bars")
CHARTS = {name: partial(with_cursor, name) for name in CURSOR_CHARTS} | {
    "trajectory": lambda frames: trajectory_chart(frames).to_dict(),
    "shares": lambda frames: shares_of(frames).to_dict(),
    "dashboard": lambda frames: dashboard_chart(frames).to_dict(),
}


@cache
def spec_of(chart, table):
    """Specification of a chart of one of the tables above; not to be changed."""
    return CHARTS[chart](TABLES[table])


def find(spec, key):
    """Every value of a key, however deep."""
    if isinstance(spec, dict):
        found = [spec[key]] if key in spec else []
        return found + [hit for value in spec.values() for hit in find(value, key)]
    if isinstance(spec, list):
        return [hit for value in spec for hit in find(value, key)]
    return []


def test_marks_within_the_video_are_dashed_lines_over_time():
    made = cursor_charts(TABLES["two people"], [1.5, 99.0])
    for name in ("timeline", "probabilities"):
        layers = made.specs[name]["layer"]
        [dashed] = [one for one in layers if "strokeDash" in one.get("mark", {})]
        data = dashed["data"]
        values = data.get("values") or made.specs[name]["datasets"][data["name"]]
        assert values == [{"time_s": 1.5}]
    unmarked = cursor_charts(TABLES["two people"]).specs["timeline"]["layer"]
    assert not any("strokeDash" in one.get("mark", {}) for one in unmarked)


def selections(spec):
    return {
        p["name"]: p["select"] for params in find(spec, "params") for p in params if "select" in p
    }


def labels_in(spec):
    """What each mark says of itself in the frame that Vega draws."""
    return re.findall(r'aria-label="([^"]*)"', vl_convert.vegalite_to_svg(spec))


def texts_in(svg):
    """The words of a frame, in the order in which they are drawn."""
    return re.findall(r"<text[^>]*>([^<]*)</text>", svg)


SLOW_TABLES = ("one frame", "no face", "six people")
DRAWN = [
    *[pytest.param(chart, "two people") for chart in CHARTS if chart != "dashboard"],
    pytest.param("trajectory", "nothing"),
    *[pytest.param(chart, "one frame") for chart in CURSOR_CHARTS],
    pytest.param("dashboard", "nothing"),
    *[pytest.param("dashboard", table, marks=pytest.mark.slow) for table in SLOW_TABLES],
]
"""Each kind, and the dashboard, which is made of them, of each table."""


@pytest.mark.parametrize(("chart", "table"), DRAWN)
def test_every_table_gives_a_frame(chart, table):
    svg = vl_convert.vegalite_to_svg(spec_of(chart, table))
    assert svg.startswith("<svg")
    assert "NaN" not in svg
    assert "undefined" not in svg


@pytest.mark.parametrize("chart", list(CHARTS)[1:])
def test_colours_are_those_of_the_emotions(chart):
    colours = [c for c in find(spec_of(chart, "two people"), "color") if "field" in c]
    emotions = [colour for colour in colours if colour["field"] == "emotion"]
    assert emotions
    assert emotion_range() == {"category": [EMOTION_COLOURS[emotion] for emotion in ALL_EMOTIONS]}
    for colour in emotions:
        assert colour["scale"]["domain"] == [str(emotion) for emotion in ALL_EMOTIONS]
        assert colour["scale"]["range"] == "category", "what emotion_range and pages set"


@pytest.mark.parametrize("paper", ["#FDFCFA", "#FFFFFF", "#14171C"])
@pytest.mark.parametrize("colour", DIMENSION_COLOURS.values())
def test_lines_stand_out_on_light_and_dark(colour, paper):
    """WCAG 2.2, 1.4.11: graphical objects have a contrast of at least 3 to 1."""
    low, high = sorted((luminance(colour), luminance(paper)))
    assert (high + 0.05) / (low + 0.05) >= 3


def test_no_text_has_a_colour_that_a_theme_cannot_change():
    for chart in ("timeline", "probabilities"):
        spec = spec_of(chart, "two people")
        assert "text" not in [mark.get("type") for mark in find(spec, "mark") if "type" in mark]
        assert not find(spec, "labelColor")
        assert not find(spec, "background")


def test_a_span_is_brushed_in_the_dashboard():
    (chosen,) = [s for s in selections(spec_of("dashboard", "two people")).values() if "zoom" in s]
    assert (chosen["type"], chosen["encodings"], chosen["zoom"]) == ("interval", ["x"], False)


@pytest.mark.parametrize("chart", CURSOR_CHARTS)
def test_charts_of_a_page_have_one_cursor_and_leave_the_mouse_to_the_page(chart):
    spec = spec_of(chart, "two people")
    assert {CURSOR, FROM, UNTIL} <= {param["name"] for param in spec["params"]}
    assert not selections(spec)


def dots_in(spec):
    """Centres of the points in a drawn chart."""
    svg = vl_convert.vegalite_to_svg(spec)
    found = re.findall(r'transform="translate\(([-\d.]+),([-\d.]+)\)"[^>]*role="', svg)
    found += re.findall(
        r'roledescription="point"[^>]*transform="translate\(([-\d.]+),([-\d.]+)', svg
    )
    return {(round(float(x), 1), round(float(y), 1)) for x, y in found}


def test_the_dot_travels_the_plane():
    values = [(-0.5, -0.5), (0.0, 0.0), (0.5, 0.5)]
    frames = make_table([(i, i / 10, make_one(1, H, va)) for i, va in enumerate(values)])
    places = [dots_in(with_cursor("plane", frames, cursor=time_s)) for time_s in (0.0, 0.15, 0.2)]
    ((a, b),), ((c, d),), ((e, f),) = places
    assert c - a == pytest.approx(e - c, abs=0.3)
    assert b - d == pytest.approx(d - f, abs=0.3)
    assert e > c > a
    assert f < d < b


def test_bars_show_the_values_at_the_cursor():
    frames = make_table([(0, 0.0, make_one(1, H)), (1, 0.1, make_one(1, S, sureness=0.6))])
    for time_s, words in ((0.05, ["10%", "80%", "10%"]), (0.15, ["20%", "20%", "60%"])):
        svg = vl_convert.vegalite_to_svg(with_cursor("bars", frames, cursor=time_s))
        assert [text for text in texts_in(svg) if text.endswith("%")] == words


def test_bars_of_several_people_name_the_emotion_of_those_who_are_seen():
    frames = make_table(
        [
            (0, 0.0, make_seen([1, 2], [[0.1, 0.8, 0.1], [0.2, 0.1, 0.7]], np.zeros((2, 2)))),
            (1, 0.1, make_one(2, S)),
        ]
    )
    for time_s, words in ((0.05, {"happiness 80%", "sadness 70%"}), (0.15, {"sadness 80%"})):
        texts = texts_in(vl_convert.vegalite_to_svg(with_cursor("bars", frames, cursor=time_s)))
        assert set(texts) == {"Person 1", "Person 2"} | words


def test_six_people_fit_a_screen_and_labels_do_not_touch():
    height = 0
    for name in ("timeline", "probabilities"):
        svg = vl_convert.vegalite_to_svg(spec_of(name, "six people"))
        height += float(re.match(r'<svg[^>]* height="([\d.]+)"', svg)[1])
        labels = re.findall(
            r'translate\([-\d.]+,([\d.]+)\)"[^>]*>(?:[+\u2212]?1|\d+%|Person \d)<', svg
        )
        heights = sorted(float(y) for y in labels)
        assert len(heights) == 18
        assert min(np.diff(heights)) >= 10
    assert height < 650


@pytest.mark.parametrize(
    ("chart", "scale"),
    [("timeline", ["+1", "\u22121"]), ("probabilities", ["100%", "0%"])],
)
def test_everybody_has_a_row_with_a_name_and_a_scale(chart, scale):
    texts = texts_in(vl_convert.vegalite_to_svg(spec_of(chart, "two people")))
    names = ["Person 3", "Person 4"]
    assert [text for text in reversed(texts) if text.startswith("Person")] == names
    for word in scale:
        assert texts.count(word) == 2


def test_values_lie_where_the_scale_says():
    """A valence of 1 on the upper line of the row, of -1 on the lower one."""
    values = [1.0, -1.0, 0.0]
    frames = make_table([(i, i / 10, make_one(1, H, (v, 0))) for i, v in enumerate(values)])
    svg = vl_convert.vegalite_to_svg(with_cursor("timeline", frames))
    heights = {
        text: float(y)
        for y, text in re.findall(
            r'translate\([-\d.]+,([\d.]+)\)"[^>]*>([+\u2212]?[01])</text>', svg
        )
    }
    (line,) = [
        path
        for path in re.findall(
            r'<path[^>]*\bd="(M[^"]*)"[^>]*stroke="' + DIMENSION_COLOURS["valence"], svg
        )
        if path.count("L") == 3
    ]
    drawn = [float(y) for _, y in re.findall(r"[ML]([\d.]+),([\d.]+)", line)]
    assert drawn[1] - drawn[0] == pytest.approx(heights["\u22121"] - heights["+1"], abs=0.01)
    assert drawn[2] == pytest.approx((drawn[0] + drawn[1]) / 2, abs=0.01)
    assert drawn[3] == drawn[2]


def lasting(seconds, n=20):
    """A table of one person in frames that are spread over a time."""
    times = np.arange(n) * (seconds / n)
    return make_table([(i, t, make_one(1, H)) for i, t in enumerate(times)])


@pytest.mark.parametrize(
    ("seconds", "step_s", "last_s"),
    [(5.0, 1, 5), (20.0, 2, 20), (21.0, 5, 20)],
)
def test_time_has_round_ticks(seconds, step_s, last_s):
    axes = list(find(with_cursor("probabilities", lasting(seconds)), "x"))
    axes = [axis["axis"] for axis in axes if axis.get("axis")]
    assert axes
    for axis in axes:
        assert axis["values"] == list(range(0, last_s + 1, step_s))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("seconds", "ticks"),
    [
        pytest.param(2.0, ["0", "0.5", "1", "1.5"], marks=pytest.mark.slow),
        (7200.0, ["0:00", "15:00", "30:00", "45:00", "1:00:00"]),
    ],
)
def test_dashboard_says_times_as_clocks_do_and_has_room_for_the_last(seconds, ticks):
    svg = vl_convert.vegalite_to_svg(dashboard_chart(lasting(seconds)).to_dict())
    texts = texts_in(svg)
    start = texts.index(ticks[0])
    assert texts[start : start + len(ticks)] == ticks
    assert float(re.match(r'<svg[^>]* width="([\d.]+)"', svg)[1]) <= 900


def test_a_line_breaks_where_a_person_is_not_seen():
    shown = [1, 1, 1, 0, 0, 0, 1, 1, 0, 1]
    frames = [(i, i / 10, make_one(1, H) if s else make_none()) for i, s in enumerate(shown)]
    rows = timeline_rows(make_table(frames))
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
def test_a_lone_frame_can_be_seen(end_s, drawn_s):
    log = FrameTableBuilder()
    log.add(0, 0.0, make_one(1, H, (0.5, 0.2)))
    frames = log.table(end_s)
    assert timeline_rows(frames)[["time_s", "end_s"]].to_numpy().tolist() == [
        pytest.approx([0, drawn_s]),
        pytest.approx([drawn_s, drawn_s]),
    ]
    assert emotion_seconds(frames)["seconds"].tolist() == pytest.approx([drawn_s])


def test_a_lone_frame_is_drawn():
    config = {"range": emotion_range()}
    way = vl_convert.vegalite_to_svg({**spec_of("trajectory", "one frame"), "config": config})
    assert way.count(EMOTION_COLOURS[H]) >= 2, "a point and the last point"
    areas = vl_convert.vegalite_to_svg(
        {**spec_of("probabilities", "one frame"), "width": 400, "config": config}
    )
    assert f'fill="{EMOTION_COLOURS[H]}"' in areas


def test_the_last_stretch_ends_inside_the_chart():
    frames = make_table([(i, i / 2, make_one(1, H)) for i in range(4)])
    for name in ("timeline", "probabilities"):
        domains = [
            x["scale"]["domain"] for x in find(with_cursor(name, frames), "x") if "scale" in x
        ]
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
    assert set(thinned["time_s"]) <= set(frames["time_s"]), "a click shows a real frame"


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
    people = people_table(TABLES["two people"])
    (rows,) = spec_of("shares", "two people")["datasets"].values()
    assert len(rows) == 2 * 8
    for row in rows:
        person = people[people["track"] == int(row["person"].removeprefix("Person "))].iloc[0]
        assert row["share"] == pytest.approx(person[f"share_{row['emotion']}"])


def brushed_shares(span):
    """Shares of two people that the dashboard draws with a span of time brushed from the start."""
    spec = copy.deepcopy(spec_of("dashboard", "two people"))
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


@pytest.mark.parametrize(
    "span",
    [pytest.param(None, marks=pytest.mark.slow, id="whole"), pytest.param((1.95, 4.05), id="span")],
)
def test_a_brushed_span_filters_the_shares(span):
    frames = TABLES["two people"]
    part = select_time(frames, *span) if span else frames
    people = people_table(part, 0.1).set_index("track")
    drawn = brushed_shares(span)
    assert len(drawn) >= 4
    for (track, emotion), share in drawn.items():
        assert share == pytest.approx(people.loc[track, f"share_{emotion}"], abs=6e-4)


def test_a_brushed_span_filters_all_but_the_timeline():
    timeline, *others = spec_of("dashboard", "two people")["vconcat"]
    filters = [f for f in find(timeline, "filter") if isinstance(f, dict)]
    assert SPAN not in [f.get("param") for f in filters]
    planes = others.pop()["concat"]
    for part in [*others, *planes]:
        assert {"param": SPAN} in find(part, "filter")


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
    data = spec_of("trajectory", "two people")["datasets"]
    rows = [row for rows in data.values() for row in rows if "person" in row]
    assert {row["person"] for row in rows} == {"Person 3"}


def test_rows_of_a_long_video_are_no_more_than_altair_takes():
    frames = walk(6, seconds=200)
    rows = timeline_rows(frames)
    assert 500 < len(rows) < 5000
    assert rows["time_s"].max() == pytest.approx(200, abs=1)
    assert len(emotion_seconds(frames)) < 5000


@pytest.mark.slow
def test_a_quarter_of_an_hour_becomes_a_small_chart():
    short = walk(6, seconds=24, fps=30)
    n = short["frame"].max() + 1
    parts = [
        short.assign(frame=short["frame"] + k * n, time_s=short["time_s"] + k * 24)
        for k in range(40)
    ]
    frames = pd.concat(parts, ignore_index=True)
    assert frames["frame"].nunique() == 28_800
    assert len(json.dumps(with_cursor("timeline", frames))) < 2_000_000
    assert len(json.dumps(dashboard_chart(frames).to_dict())) < 2_000_000
    assert timeline_rows(frames)["time_s"].max() == pytest.approx(960, abs=2)
