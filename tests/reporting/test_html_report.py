"""The report: all in one file, nothing from elsewhere, no word of a user's run as code."""

import base64
import io
import json
import re
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from functools import cache
from html.parser import HTMLParser
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from emotion_core.imaging.codec import decode_image, encode_jpeg
from emotion_core.reporting import html_page
from emotion_core.reporting.dashboard import dashboard_chart
from emotion_core.reporting.html_report import (
    MAX_REPORTED_PEOPLE,
    charts_page,
    describe_rate,
    report_page,
)
from emotion_core.reporting.timeline import timeline_rows
from emotion_core.video.tables import people_table
from emotion_core.video.types import Highlight, HighlightKind, VideoInfo, VideoResult, VideoSettings
from tests.video.frame_tables import make_none, make_table, walk

VEGA_SCRIPT = html_page.vega_script
VOID = {"meta", "img", "br", "link", "input", "hr"}
NASTY = "<script>alert(1)</script> & \"x\" 'y'.mp4"


class Outline(HTMLParser):
    """Tags in order, texts by the element they stand in; remembers what is not closed."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.texts, self.open, self.wrong = [], [], [], []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)

    def handle_data(self, data):
        if data.strip():
            self.texts.append((self.open[-1] if self.open else "", data.strip()))

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]

    def words(self):
        return " ".join(text for tag, text in self.texts if tag not in ("script", "style"))


def make_result(frames, **changes):
    people = people_table(frames)
    image = encode_jpeg(np.full((128, 128, 3), 120, np.uint8))
    moments = [
        Highlight(int(track), kind, 3, 61.5, "happiness", 0.8, -0.25, image)
        for track in people["track"]
        for kind in HighlightKind
    ]
    n = frames["frame"].nunique()
    result = VideoResult(
        info=VideoInfo((1280, 720), 25.0, 20.0, n, "h264", "aac"),
        settings=VideoSettings(),
        model="emoscope-tiny",
        detector="tiny-faces",
        frames=frames,
        people=people,
        highlights=tuple(moments),
        n_frames=n,
        n_analyzed=n,
        elapsed_s=1.0,
        fault="",
    )
    return replace(result, **changes)


TWO = make_result(walk(2, seconds=3), settings=VideoSettings(smoothing_s=1.0))
NO_FACE = make_result(make_table([(i, i / 10, make_none()) for i in range(5)]))
CROWD = make_result(
    walk(MAX_REPORTED_PEOPLE + 3, seconds=1, gaps=False), settings=VideoSettings(smoothing_s=0)
)


@pytest.fixture(scope="module", autouse=True)
def light_script():
    """Takes the place of Vega, which takes seconds to put together."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(html_page, "vega_script", lambda: "window.vega = 0;")
        yield


RESULTS = {"two": TWO, "no face": NO_FACE, "crowd": CROWD}


@cache
def page_of(name):
    """The page of one of the results above; only those with a face need seconds."""
    return report_page(RESULTS[name], "clip.mp4")


def words_of(result):
    """All that the page of a result says."""
    return Outline(report_page(result, "clip.mp4")).words()


def spec_in(page):
    (text,) = re.findall(
        r'<script type="application/json" id="spec">(.*?)</script>', page, re.DOTALL
    )
    return json.loads(text)


@pytest.mark.parametrize("name", ["two", "no face"])
def test_page_is_well_formed_and_asks_nobody(name):
    page = page_of(name)
    outline = Outline(page)
    assert not outline.wrong
    assert not outline.open
    for _, attributes in outline.tags:
        assert not attributes.get("src", "data:").startswith(("http", "//", "/"))
        assert "href" not in attributes
    assert not outline.all("link") + outline.all("iframe")
    assert "url(" not in page[: page.index("</style>")]
    policies = [m["content"] for m in outline.all("meta") if "http-equiv" in m]
    assert policies[0].startswith("default-src 'none'; img-src data: blob:;")
    assert outline.all("html") == [{"lang": "en"}]


@pytest.mark.slow
def test_page_is_well_formed_with_vega_in_it(monkeypatch):
    monkeypatch.setattr(html_page, "vega_script", VEGA_SCRIPT)
    page = charts_page(dashboard_chart(NO_FACE.frames), "clip.mp4")
    assert len(page) > 500_000
    assert not Outline(page).wrong
    assert not Outline(page).open


def test_headings_go_down_step_by_step():
    levels = [int(tag[1]) for tag, _ in Outline(page_of("two")).tags if re.match(r"h\d", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_page_tells_what_was_analysed():
    settings = VideoSettings(every=3, blur=True, smoothing_s=0.5, min_face_px=20, min_score=0.7)
    words = words_of(replace(NO_FACE, settings=settings))
    for expected in (
        *("Emotions in clip.mp4", "0:20.0", "1280 \u00d7 720, 25 fps", "5 of 5 (one in 3)"),
        *(
            "emoscope-tiny",
            "tiny-faces",
            "0.5 s",
            "score below 0.7, or smaller than 20 px",
            "Faces blurred yes",
        ),
        *("six cases of ten", "AI Act"),
    ):
        assert expected in words


def test_page_of_a_webcam_tells_when_it_began():
    began = datetime(2026, 11, 22, 13, 57, 3, 250400, timezone(timedelta(hours=1)))
    words = words_of(replace(NO_FACE, started_at=began))
    assert "Started 2026-11-22 12:57:03.250 UTC Length" in words
    assert "Started" not in words_of(NO_FACE)


def test_a_webcam_that_brought_more_than_could_be_analysed_is_not_told_as_every_image():
    assert "5 of 99 People" in words_of(replace(NO_FACE, n_frames=99))
    assert "5 of 5 (every frame) People" in words_of(NO_FACE)


@pytest.mark.parametrize(("name", "is_told"), [("two", True), ("crowd", False)])
def test_numbers_of_people_are_told_to_be_smoothed(name, is_told):
    words = Outline(page_of(name)).words()
    assert ("of the smoothed predictions, the means are not." in words) is is_told


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (VideoSettings(), "every frame"),
        (VideoSettings(every=4), "one in 4"),
        (VideoSettings(every=4, hz=2.5), "2.5 fps"),
    ],
    ids=["every", "fourth", "rate"],
)
def test_rate_in_words(settings, words):
    assert describe_rate(settings) == words


def test_length_is_of_the_last_image_where_the_header_has_none():
    words = words_of(replace(NO_FACE, info=replace(NO_FACE.info, duration_s=None, fps=0.0)))
    assert "Length 0:00.4 Frame size 1280 \u00d7 720 Frames" in words


def test_names_and_sentences_are_text_only():
    info = replace(NO_FACE.info, warnings=("<b>odd</b>",))
    page = report_page(replace(NO_FACE, info=info, fault="Broke <i>off</i>.", model="<u>m"), NASTY)
    outline = Outline(page)
    titles = [text for tag, text in outline.texts if tag in ("title", "h1")]
    assert titles == [f"Emotions in {NASTY}"] * 2
    assert "<script>alert" not in page
    assert not outline.all("i") + outline.all("u")
    assert "Broke <i>off</i>." in outline.words()
    assert "<b>odd</b>" in outline.words()
    assert [a for _, a in outline.tags if a.get("role") == "alert"]


def test_name_that_reorders_text_is_made_readable():
    outline = Outline(report_page(NO_FACE, "rtl_\u202egpj.mp4"))
    assert "Emotions in rtl_gpj.mp4" in outline.words()


def test_table_has_a_row_per_person_with_scopes():
    outline = Outline(page_of("two"))
    scopes = [a["scope"] for a in outline.all("th")]
    assert scopes == ["col"] * 8 + ["row"] * 2
    row = TWO.people.iloc[0]
    words = outline.words()
    mean = f"{row['mean_valence']:+.2f} \u00b1 {row['sd_valence']:.2f}".replace("-", "\u2212")
    assert mean in words
    bars = [a for _, a in outline.tags if a.get("class") == "bar"]
    assert len(bars) == 2
    assert (
        f"{row['dominant_emotion']} {row['share_' + row['dominant_emotion']]:.0%}"
        in bars[0]["aria-label"]
    )


def test_moments_carry_their_images_and_words():
    outline = Outline(page_of("two"))
    images = outline.all("img")
    assert [p["alt"] for p in images] == [
        f"Face of Person {track} at 1:01.5, happiness" for track in (1, 2) for _ in HighlightKind
    ]
    data = base64.b64decode(images[0]["src"].removeprefix("data:image/jpeg;base64,"))
    assert decode_image(data).pixels.shape == (128, 128, 3)
    words = outline.words()
    assert "Most positive 1:01.5, happiness V +0.80, A \u22120.25" in words
    assert "Most negative" in words
    assert "Most intense" in words


@pytest.mark.slow
def test_no_moment_is_no_section():
    words = words_of(replace(TWO, highlights=()))
    assert "Key moments" not in words
    assert "Over time" in words


def test_a_video_without_a_face_says_so_and_draws_nothing():
    page = page_of("no face")
    words = Outline(page).words()
    assert "No face was found" in words
    assert "None of the 5 analysed frames" in words
    assert "vegaEmbed" not in page
    assert len(page) < 20_000


def test_charts_show_the_six_seen_longest_and_the_table_more():
    page = page_of("crowd")
    assert len(spec_in(page)["vconcat"][-1]["concat"]) == 6
    words = Outline(page).words()
    assert "The charts show the 6 people visible longest." in words
    assert words.count("Most positive") == MAX_REPORTED_PEOPLE


@pytest.mark.slow
def test_a_crowd_is_cut_and_counted():
    outline = Outline(page_of("crowd"))
    assert len([a for a in outline.all("th") if a["scope"] == "row"]) == MAX_REPORTED_PEOPLE
    assert (
        f"These are the {MAX_REPORTED_PEOPLE} people visible longest, of {MAX_REPORTED_PEOPLE + 3}."
        in outline.words()
    )


def test_charts_are_smoothed_as_set():
    text = spec_in(page_of("two"))["datasets"]["course"]
    smooth, rough = pd.read_csv(io.StringIO(text)), timeline_rows(TWO.frames)
    assert smooth["time_s"].tolist() == rough["time_s"].tolist()
    assert smooth["valence"].diff().abs().mean() < rough["valence"].diff().abs().mean() / 2


def test_charts_alone_are_a_page_too():
    page = charts_page(dashboard_chart(walk(1, seconds=1), smoothing_s=0.3), NASTY)
    outline = Outline(page)
    assert not outline.wrong
    assert ("h1", NASTY) in outline.texts
    assert "vegaEmbed(box, spec" in page
    assert "window.vega = 0;" in page
    assert [a for _, a in outline.tags if a.get("id") == "charts"]
    assert len(spec_in(page)["vconcat"]) == 4
    assert "0.3 s" in spec_in(page)["title"]["text"]


def test_charts_of_a_report_leave_their_smoothing_to_its_words():
    assert "title" not in spec_in(page_of("two"))
