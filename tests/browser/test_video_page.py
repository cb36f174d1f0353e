"""A visitor's way through the Video page."""

from __future__ import annotations

import io
import time
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from tests.browser.conftest import (
    assert_has_words,
    assert_plays,
    download,
    drag,
    expect_text,
    no_overflow,
    opened,
    picture,
    running_app,
    seen_otherwise,
    upload,
    wait_until,
)
from tests.video.clips import make_clip, on_canvas, sample_face

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Locator, Page

SIZE = (480, 270)
N_PICTURES = 14


@pytest.fixture
def page(browser: Browser, app_url: str) -> Iterator[Page]:
    """The Video page, freshly opened."""
    with opened(browser, f"{app_url}/video") as page:
        yield page


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Over a second, with sound: two faces move to the right."""
    faces = np.hstack([sample_face(120), sample_face(120)[:, ::-1]])
    images = [on_canvas(faces, (140 + 12 * i, 130), SIZE) for i in range(N_PICTURES)]
    path = tmp_path_factory.mktemp("clips") / "clip.mp4"
    make_clip(path, images, fps=10, audio="aac")
    return path.read_bytes()


@pytest.fixture(scope="module")
def long_clip(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A hundred seconds: more than can be analysed before it is cancelled."""
    image = on_canvas(sample_face(150), (240, 130), SIZE)
    path = tmp_path_factory.mktemp("clips") / "long.mp4"
    make_clip(path, [image] * 2500, fps=25)
    return path.read_bytes()


@pytest.fixture(scope="module")
def result(browser: Browser, app_url: str, clip: bytes) -> Iterator[Page]:
    """The page with a clip that was analysed; tests leave it as it is."""
    with opened(browser, f"{app_url}/video") as page:
        upload(page, ("a smile.mp4", clip))
        wait_for_result(page)
        yield page


def wait_for_result(page: Page) -> None:
    page.get_by_role("button", name="Report (HTML)").wait_for()


def people(page: Page) -> list[str]:
    """The cells of the table of people."""
    cells = page.get_by_test_id("stDataFrame").first.locator("td")
    cells.first.wait_for(state="attached")
    return [text.strip() for text in cells.all_text_contents()]


def brush(page: Page, start: float, end: float) -> None:
    """Drag over the timeline, from one part of its width to another."""
    chart = page.get_by_test_id("stVegaLiteChart").first.locator("canvas, svg").first
    chart.scroll_into_view_if_needed()
    box = chart.bounding_box()
    assert box is not None
    left, width = box["x"] + 80, box["width"] - 90
    y = box["y"] + 0.6 * box["height"]
    drag(page, (left + start * width, y), (left + end * width, y))


def choose_by_keys(page: Page) -> None:
    """Narrow the span from its start by three tenths of a second, without a mouse."""
    page.locator("summary", has_text="Select by values").focus()
    page.keyboard.press("Enter")
    start = page.get_by_role("slider", name="Time range").first
    start.wait_for()
    page.keyboard.press("Tab")
    wait_until(page, lambda: start.evaluate("thumb => thumb === document.activeElement"))
    for _ in range(3):
        page.keyboard.press("ArrowRight")


def test_the_clip_plays_with_its_faces_marked(result: Page) -> None:
    video = assert_plays(result)
    assert video.evaluate("v => [v.videoWidth, v.videoHeight]") == list(SIZE)
    assert {"Person 1", "Person 2"} <= set(people(result))


def test_what_was_found_is_files(result: Page) -> None:
    name, data = download(result, "Frames (CSV)")
    assert name == "a smile_frames.csv"
    frames = pd.read_csv(io.BytesIO(data))
    assert frames["frame"].tolist() == [i for i in range(N_PICTURES) for _ in range(2)]
    assert frames["track"].tolist() == [1, 2] * N_PICTURES
    name, data = download(result, "Annotated video (MP4)")
    assert name == "a smile_annotated.mp4"
    assert data[4:8] == b"ftyp"


@pytest.mark.slow
def test_charts_and_a_report_are_files_too(result: Page) -> None:
    assert download(result, "Charts (PNG)")[1].startswith(b"\x89PNG")
    assert b"<html" in download(result, "Report (HTML)")[1]


@pytest.mark.parametrize(("scheme", "width"), [("dark", 400), ("light", 1600)])
def test_nothing_overflows_and_choices_are_legible(result: Page, scheme: str, width: int) -> None:
    with seen_otherwise(result, width, scheme):
        assert no_overflow(result)
        chosen = result.get_by_role("button", name="Person 1", exact=True)
        plain = result.get_by_text("People shown")
        wait_until(result, lambda: colour_of(chosen) == colour_of(plain))


def test_every_picture_and_chart_has_words(result: Page) -> None:
    result.get_by_role("img", name="Person 2 most positive").wait_for()
    assert_has_words(result)


@pytest.mark.slow
def test_a_frame_and_a_span_are_chosen_on_the_timeline_or_by_keys(page: Page, clip: bytes) -> None:
    upload(page, ("a smile.mp4", clip))
    wait_for_result(page)
    click_the_middle(page)
    pixels = picture(page, page.get_by_role("img", name="The frame at 0:0"))
    assert pixels.shape == (SIZE[1], SIZE[0], 3)
    below = pixels[170:].astype(int)  # where no label is drawn
    columns = np.flatnonzero((np.abs(below - (70, 80, 95)).max(axis=2) > 40).any(axis=0))
    middle = (columns.min() + columns.max()) / 2
    assert 190 < middle < 290  # half way from 140 to 296; coding changes colours beside faces

    whole = people(page)
    page.get_by_role("heading", name="People", exact=True).wait_for()
    choose_by_keys(page)
    page.get_by_role("heading", name="People from 0:00.3").wait_for()
    brush(page, 0.25, 0.6)  # what is chosen last counts
    page.get_by_role("heading", name="People from 0:00.3").wait_for(state="detached")
    page.get_by_role("heading", name="People from 0:00").wait_for()
    wait_until(page, lambda: seconds(people(page)) < 0.6 * seconds(whole))
    page.get_by_role("button", name="Clear selection").click()
    page.get_by_role("heading", name="People", exact=True).wait_for()
    wait_until(page, lambda: people(page) == whole)

    page.get_by_role("link", name="Photos").click()
    expect_text(page, "What do these faces show?")
    page.get_by_role("link", name="Video").click()
    wait_for_result(page)
    assert people(page) == whole


def click_the_middle(page: Page) -> None:
    """Of the timeline."""
    chart = page.get_by_test_id("stVegaLiteChart").first.locator("canvas, svg").first
    chart.scroll_into_view_if_needed()
    box = chart.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + 0.5 * box["width"], box["y"] + 0.55 * box["height"])


@pytest.mark.slow
def test_a_run_is_cancelled_at_once_or_ends_with_the_server(
    browser: Browser, tmp_path: Path, long_clip: bytes
) -> None:
    with running_app(tmp_path, {"HF_HUB_OFFLINE": "1"}) as url:
        with opened(browser, f"{url}/video") as page:
            upload(page, ("long.mp4", long_clip))
            page.get_by_text(" fps").first.wait_for()
            start = time.monotonic()
            page.get_by_role("button", name="Cancel").click()
            expect_text(page, "The analysis was cancelled.")
            # A second to end, the rest is the page's on a busy machine.
            assert time.monotonic() - start < 15
            page.get_by_role("button", name="Analyse again").click()
            page.get_by_text(" fps").first.wait_for()
        start = time.monotonic()
    assert time.monotonic() - start < 14  # a second; at 15 it would be killed
    log = (tmp_path / "app.log").read_text(encoding="utf-8", errors="replace")
    assert "terminate called" not in log  # as a process says that ends amid native code


@pytest.mark.slow
def test_what_is_no_video_and_its_hostile_name(page: Page) -> None:
    alerts: list[str] = []
    page.on("dialog", lambda dialog: (alerts.append(dialog.message), dialog.dismiss()))
    name = "<img src=x onerror=alert(1)>**" + "x" * 150 + ".ts"  # systems take it for a text
    upload(page, (name, b"this is no video"))
    expect_text(page, "The video could not be analysed")
    page.get_by_test_id("stMain").get_by_role("button", name="Try again").wait_for()
    assert page.get_by_text("<img src=x onerror=alert(1)>**", exact=False).count() == 1
    assert alerts == []
    assert no_overflow(page)


def colour_of(words: Locator) -> str:
    """In which words are written, as CSS says it."""
    return str(words.evaluate("element => getComputedStyle(element).color"))


def seconds(cells: list[str]) -> float:
    """The time for which the first person is seen."""
    return float(cells[cells.index("Person 1") + 1].removesuffix(" s"))
