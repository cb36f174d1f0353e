"""Charts: the same axes and colours whatever is in the table; files that open without a network."""

import io
import json
import re
from functools import cache

import altair as alt
import numpy as np
import PIL.Image
import pytest

from emotion_core.labels import ALL_EMOTIONS, Emotion
from emotion_core.photos.tables import faces_table
from emotion_core.reporting.photo_charts import (
    BRUSH,
    FACES,
    distribution_chart,
    faces_plane_spec,
    select_faces,
    standalone_spec,
    to_html,
    to_png,
    valence_arousal_chart,
)
from tests.factories import make_record

BOX = (4, 4, 20, 24)


def make_table(tops=(Emotion.HAPPINESS, Emotion.SADNESS), names=None):
    names = names or [f"{top}.jpg" for top in tops]
    return faces_table(
        make_record(name, (BOX,), top=top, labels=ALL_EMOTIONS)
        for name, top in zip(names, tops, strict=True)
    )


TABLES = {
    "empty": make_table(()),
    "one face": make_table([Emotion.CONTEMPT]),
    "several": make_table(ALL_EMOTIONS * 3),
}
CHARTS = [valence_arousal_chart, distribution_chart]


def find_encodings(spec, channel):
    """Every use of a channel, however deep the layers."""
    if isinstance(spec, dict):
        found = [spec["encoding"][channel]] if channel in spec.get("encoding", {}) else []
        return found + [e for value in spec.values() for e in find_encodings(value, channel)]
    if isinstance(spec, list):
        return [e for value in spec for e in find_encodings(value, channel)]
    return []


@cache
def spec_of(make, table):
    """Specification of a chart of one of the tables above, valid; not to be changed."""
    return make(TABLES[table]).to_dict(validate=True)


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("make", CHARTS)
def test_charts_are_valid_and_use_every_colour(make, table):
    spec = spec_of(make, table)
    colours = find_encodings(spec, "color")
    assert colours
    for colour in colours:
        assert colour["scale"]["domain"] == [str(emotion) for emotion in ALL_EMOTIONS]
        assert colour["scale"]["range"] == "category"


@pytest.mark.parametrize("table", TABLES)
def test_plane_has_fixed_axes(table):
    spec = spec_of(valence_arousal_chart, table)
    for channel, field in (("x", "valence"), ("y", "arousal")):
        scaled = [e for e in find_encodings(spec, channel) if "scale" in e]
        assert {e["field"] for e in scaled} == {field}
        assert all(e["scale"] == {"domain": [-1, 1], "nice": False} for e in scaled)
    (shape,) = find_encodings(spec, "shape")
    assert len(shape["scale"]["range"]) == len(ALL_EMOTIONS) == len(set(shape["scale"]["range"]))
    assert [p["name"] for p in spec["params"] if "select" in p] == [BRUSH]


@pytest.mark.parametrize("table", ["one face", "several"])
def test_every_face_is_a_point(table):
    spec = spec_of(valence_arousal_chart, table)
    rows = [row for data in spec["datasets"].values() for row in data if "source" in row]
    assert [row["source"] for row in rows] == TABLES[table]["source"].tolist()
    assert {"face", "emotion", "confidence", "valence", "arousal"} <= set(rows[0])


def test_words_stand_in_their_quadrants():
    spec = spec_of(valence_arousal_chart, "empty")
    rows = [row for data in spec["datasets"].values() for row in data if "word" in row]
    signs = {row["word"]: (np.sign(row["valence"]), np.sign(row["arousal"])) for row in rows}
    assert signs == {"tense": (-1, 1), "excited": (1, 1), "gloomy": (-1, -1), "calm": (1, -1)}


def test_distribution_counts_faces():
    table = make_table([Emotion.FEAR, Emotion.FEAR, Emotion.ANGER])
    spec = distribution_chart(table).to_dict()
    (rows,) = spec["datasets"].values()
    counts = {row["emotion"]: row["faces"] for row in rows}
    assert counts == dict.fromkeys(map(str, ALL_EMOTIONS), 0) | {"fear": 2, "anger": 1}


def test_a_page_adds_its_table_to_the_plane():
    spec = faces_plane_spec()
    assert "datasets" not in spec
    points = [part for part in layers_of(spec) if part.get("data") == {"name": FACES}]
    (tooltips,) = (find_encodings(part, "tooltip")[0] for part in points)
    assert [t["field"] for t in tooltips][:2] == ["image", "source"]
    assert not [e for e in find_encodings(spec, "color") if e.get("legend")]


def layers_of(spec):
    return [spec, *(part for layer in spec.get("layer", []) for part in layers_of(layer))]


@pytest.mark.parametrize(
    ("ranges", "chosen"),
    [
        ({}, ["happiness", "sadness"]),
        ({"valence": [0, 1]}, ["happiness"]),
        ({"valence": [1, 0]}, ["happiness"]),  # drawn from right to left
        ({"valence": [-1, 1], "arousal": [-1, 0]}, ["sadness"]),
        ({"valence": [0.99, 1], "arousal": [0.99, 1]}, []),
        ({"emotion": [0, 1]}, ["happiness", "sadness"]),
    ],
    ids=str,
)
def test_brushed_faces(ranges, chosen):
    assert select_faces(make_table(), ranges)["emotion"].tolist() == chosen
    assert len(select_faces(TABLES["empty"], ranges)) == 0


def test_brush_takes_its_edges_in():
    table = make_table([Emotion.FEAR])
    valence = table.loc[0, "valence"]
    assert len(select_faces(table, {"valence": [valence, valence]})) == 1


NASTY = "</script><script>alert(1)</script><!--.jpg"


@pytest.fixture(scope="module")
def page():
    """A page of one face, of a photo with a nasty name."""
    table = make_table([Emotion.FEAR], [NASTY])
    return to_html(valence_arousal_chart(table), title="Faces & <b>more</b>")


def test_html_asks_no_other_host(page):
    assert page.startswith("<!DOCTYPE html>")
    assert '<html lang="en">' in page
    assert "<title>Faces &amp; &lt;b&gt;more&lt;/b&gt;</title>" in page
    markup = re.sub(r"(<script\b[^>]*>).*?(</script>)", r"\1\2", page, flags=re.DOTALL)
    tags = re.findall(r"<(?:script|link|img|iframe)\b[^>]*>", markup)
    assert tags
    assert not [tag for tag in tags if re.search(r"\b(src|href)\s*=", tag)]
    assert "@import" not in page
    assert "vegaEmbed" in page


def plain_chart(table):
    return alt.Chart(table).mark_point().encode(x="valence:Q")


@pytest.mark.parametrize(
    "make",
    [
        valence_arousal_chart,
        lambda table: alt.hconcat(plain_chart(table)),
        lambda table: alt.vconcat(plain_chart(table)),
        lambda table: alt.concat(plain_chart(table)),
    ],
    ids=["layers", "beside", "below", "wrapped"],
)
def test_more_faces_than_altair_takes_by_itself(make):
    one = make_table([Emotion.FEAR])
    spec = standalone_spec(make(one.loc[[0] * 5001]))
    rows = [row for rows in spec["datasets"].values() for row in rows if "source" in row]
    assert len(rows) == 5001


def test_file_name_cannot_leave_the_script(page):
    assert "alert(1)" in page
    assert "<script>alert(1)" not in page
    assert "</script><script>" not in page
    parsed, _ = json.JSONDecoder().raw_decode(page[page.index('{"config"') :])
    rows = [row for data in parsed["datasets"].values() for row in data if "source" in row]
    assert rows[0]["source"] == NASTY


@pytest.mark.parametrize("table", [pytest.param("empty", marks=pytest.mark.slow), "several"])
def test_png_opens_and_holds_the_plane(table):
    image = PIL.Image.open(io.BytesIO(to_png(valence_arousal_chart(TABLES[table]))))
    assert image.format == "PNG"
    assert image.width == pytest.approx(920, abs=60)
    assert image.width <= image.height <= image.width * 1.6  # the legend stands below
    pixels = np.asarray(image.convert("RGB"))
    assert (pixels[:4] == 255).all()
    assert (pixels != 255).any()
