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
    assert_no_violations,
    assert_plays,
    download,
    drag,
    expect_text,
    no_overflow,
    open_tab,
    opened,
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
def open_result(browser: Browser, app_url: str, clip: bytes) -> Iterator[Page]:
    """The page with a clip that was analysed; tests leave it as it is."""
    with opened(browser, f"{app_url}/video") as page:
        give(page, "a smile.mp4", clip)
        wait_for_result(page)
        yield page


@pytest.fixture
def result(open_result: Page) -> Page:
    """The same in front: a browser draws no charts in a tab that is hidden."""
    open_result.bring_to_front()
    return open_result


@pytest.fixture(scope="module")
def open_sample(browser: Browser, app_url: str) -> Iterator[Page]:
    """The page as it opens, with the result of the sample; tests leave the cursor where it is."""
    with opened(browser, f"{app_url}/video") as page:
        page.locator(".bars svg").wait_for()
        yield page


@pytest.fixture
def sample(open_sample: Page) -> Page:
    """The same in front: a browser draws no charts in a tab that is hidden."""
    open_sample.bring_to_front()
    return open_sample


def give(page: Page, name: str, data: bytes) -> None:
    """Upload a video where the page leads to it."""
    page.get_by_role("button", name="Now you").click()
    upload(page, (name, data))


def wait_for_result(page: Page) -> None:
    page.locator("video[aria-label^='a smile.mp4']").wait_for()
    page.locator(".bars svg").wait_for()


def cursor_s(page: Page) -> float:
    return float(page.locator(".course").get_attribute("aria-valuenow") or "nan")


def playing_s(page: Page) -> float:
    return float(page.locator("video").evaluate("video => video.currentTime"))


def dot(page: Page) -> str:
    """Where the dot is in the plane."""
    return str(page.locator(".plane .mark-symbol path").last.get_attribute("transform"))


def at(page: Page, part: float) -> tuple[float, float]:
    """A point in the charts over time, at a part of the sample's ten seconds."""
    page.locator(".course").scroll_into_view_if_needed()
    place = page.locator(".probabilities svg .background").first
    box = None
    while box is None or box != place.bounding_box():  # until the page stands still
        box = place.bounding_box()
        page.wait_for_timeout(200)
    return box["x"] + part * box["width"], box["y"] + box["height"] / 2


def people(page: Page) -> list[str]:
    """The cells of the table of people."""
    open_tab(page, "People")
    cells = page.get_by_test_id("stDataFrame").first.locator("td")
    cells.filter(has_text="Person 1").first.wait_for(state="attached")
    read, before = cells.all_text_contents(), None
    for _ in range(50):  # the grid fills its cells one by one
        if read == before and "" not in read:
            break
        page.wait_for_timeout(200)
        read, before = cells.all_text_contents(), read
    return [text.strip() for text in read]


def choose_by_keys(page: Page) -> None:
    """Narrow the span from its start by three tenths of a second, without a mouse."""
    page.locator("summary", has_text="Select by values").focus()
    page.keyboard.press("Enter")
    start = page.get_by_role("slider", name="Time range").first
    start.wait_for()
    for _ in range(3):  # past the help of the slider
        page.keyboard.press("Tab")
        if start.evaluate("thumb => thumb === document.activeElement"):
            break
    for _ in range(3):
        page.keyboard.press("ArrowRight")


def test_a_click_or_drag_moves_player_and_dot_and_keys_step_frames(sample: Page) -> None:
    before = dot(sample)
    sample.mouse.click(*at(sample, 0.75))
    wait_until(sample, lambda: abs(playing_s(sample) - 7.5) < 0.1)
    wait_until(sample, lambda: abs(cursor_s(sample) - playing_s(sample)) < 0.02)
    wait_until(sample, lambda: dot(sample) != before)
    after = dot(sample)
    drag(sample, at(sample, 0.75), at(sample, 0.2))
    wait_until(sample, lambda: abs(playing_s(sample) - 2.0) < 0.1)
    wait_until(sample, lambda: dot(sample) not in (before, after))
    frame = round(playing_s(sample) * 24000 / 1001 - 0.5)
    for key, frames in (("ArrowRight", 1), ("ArrowRight", 2), ("ArrowLeft", 1)):
        sample.keyboard.press(key)
        shown_s = (frame + frames) * 1001 / 24000
        wait_until(sample, lambda s=shown_s: abs(cursor_s(sample) - s) < 0.01)  # type: ignore[misc]
        assert playing_s(sample) == pytest.approx(shown_s, abs=0.01)


def test_whoever_comes_back_finds_the_same_charts_and_they_follow(page: Page) -> None:
    page.locator(".bars svg").wait_for()
    page.locator(".plane svg").evaluate("svg => { svg.wasThere = true; }")
    page.get_by_role("link", name="About").click()
    expect_text(page, "What the numbers mean")
    page.get_by_role("link", name="Video").click()
    page.locator(".bars svg").wait_for()
    assert page.locator(".plane svg").evaluate("svg => svg.wasThere")
    before = dot(page)
    page.mouse.click(*at(page, 0.75))
    wait_until(page, lambda: dot(page) != before)
    with seen_otherwise(page, 700, "light"):
        wait_until(page, lambda: no_overflow(page))
        width = "place => [place.clientWidth, place.querySelector('svg').clientWidth]"
        wait_until(page, lambda: len(set(page.locator(".timeline").evaluate(width))) == 1)


def test_playing_moves_the_cursor(sample: Page) -> None:
    sample.mouse.click(*at(sample, 0.1))
    sample.locator("video").evaluate("video => { video.muted = true; }")
    sample.keyboard.press(" ")
    wait_until(sample, lambda: cursor_s(sample) > 1.5)
    sample.keyboard.press(" ")
    wait_until(sample, lambda: abs(cursor_s(sample) - playing_s(sample)) < 0.01)


def test_the_clip_plays_with_its_faces_marked(result: Page) -> None:
    video = assert_plays(result)
    assert video.evaluate("v => [v.videoWidth, v.videoHeight]") == list(SIZE)
    assert {"Person 1", "Person 2"} <= set(people(result))


def test_what_was_found_is_files(result: Page) -> None:
    open_tab(result, "Export")
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
    open_tab(result, "Export")
    assert download(result, "Charts (PNG)")[1].startswith(b"\x89PNG")
    assert b"<html" in download(result, "Report (HTML)")[1]


@pytest.mark.parametrize(("scheme", "width"), [("dark", 400), ("light", 1600)])
def test_nothing_overflows_and_choices_are_legible(result: Page, scheme: str, width: int) -> None:
    open_tab(result, "Timeline")
    with seen_otherwise(result, width, scheme):
        wait_until(result, lambda: no_overflow(result))
        chosen = result.get_by_role("button", name="Person 1", exact=True)
        plain = result.locator(".clock")
        wait_until(result, lambda: colour_of(chosen) == colour_of(plain))
        words = result.locator(".bars svg text").first
        fill = "text => getComputedStyle(text).fill"
        wait_until(result, lambda: words.evaluate(fill) == colour_of(plain))


def test_every_image_and_chart_has_words(result: Page) -> None:
    open_tab(result, "People")
    result.get_by_role("img", name="Person 2 most positive").wait_for()
    assert_has_words(result)
    open_tab(result, "Timeline")
    result.get_by_role("img", name="Probabilities of the emotions of Person 1").wait_for()
    result.get_by_role("slider", name="Time", exact=True).wait_for()


@pytest.mark.slow
def test_a_span_is_chosen_in_the_charts_or_by_keys(page: Page, clip: bytes) -> None:
    give(page, "a smile.mp4", clip)
    wait_for_result(page)
    whole = people(page)
    open_tab(page, "Timeline")
    choose_by_keys(page)
    wait_until(page, lambda: seconds(people(page)) < seconds(whole))
    page.get_by_role("heading", name="People from 0:00.3").wait_for()
    open_tab(page, "Timeline")
    page.keyboard.down("Shift")
    drag(page, at(page, 0.25), at(page, 0.6))  # what is chosen last counts
    page.keyboard.up("Shift")
    wait_until(page, lambda: seconds(people(page)) < 0.6 * seconds(whole))
    page.get_by_role("heading", name="People from 0:00.4").wait_for()
    open_tab(page, "Timeline")
    page.get_by_role("button", name="Clear selection").click()
    wait_until(page, lambda: people(page) == whole)

    page.get_by_role("link", name="Photos").click()
    expect_text(page, "What do these faces show?")
    page.get_by_role("link", name="Video").click()
    wait_for_result(page)
    assert people(page) == whole


@pytest.mark.slow
def test_faces_of_a_video_are_labelled_by_keys_and_labels_come_as_a_file(page: Page) -> None:
    page.locator(".bars svg").wait_for()
    page.get_by_text("Wrong? Choose the right word").click()
    asked = page.get_by_role("img", name="the face to label")
    asked.wait_for()
    first_s = cursor_s(page)
    page.keyboard.press("3")
    expect_text(page, "1 label; ")
    wait_until(page, lambda: cursor_s(page) != first_s)
    page.keyboard.press("u")
    expect_text(page, "No label; ")
    wait_until(page, lambda: cursor_s(page) == pytest.approx(first_s, abs=0.01))
    page.keyboard.press("3")
    expect_text(page, "1 label; ")
    page.get_by_text("At the cursor", exact=True).click()
    page.get_by_text("Rate valence and arousal").click()
    page.mouse.click(*at(page, 0.95))
    page.get_by_role("img", name="Person 1 at 0:09").wait_for()
    valence = page.get_by_role("slider", name="Valence")
    valence.focus()
    for _ in range(13):
        page.keyboard.press("ArrowRight")
    wait_until(page, lambda: valence.get_attribute("aria-valuetext") == "+0.2")
    page.keyboard.press("2")
    expect_text(page, "you said happiness")
    name, data = download(page, "Save labels (CSV)")
    assert name == "labels.csv"
    labels = pd.read_csv(io.BytesIO(data))
    assert labels["image"].unique().tolist() == ["sad_to_happy.mp4"]
    assert labels["emotion"].tolist() == ["sadness", "happiness"]
    assert labels["time_s"].tolist() == pytest.approx([first_s, cursor_s(page)], abs=0.1)
    assert labels["valence"].tolist() == pytest.approx([np.nan, 0.2], nan_ok=True)
    assert labels["arousal"].isna().all()


@pytest.mark.slow
def test_a_run_is_cancelled_at_once_or_ends_with_the_server(
    browser: Browser, tmp_path: Path, long_clip: bytes
) -> None:
    with running_app(tmp_path, {"HF_HUB_OFFLINE": "1"}) as url:
        with opened(browser, f"{url}/video") as page:
            give(page, "long.mp4", long_clip)
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
    give(page, name, b"this is no video")
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


@pytest.mark.parametrize("scheme", ["light", pytest.param("dark", marks=pytest.mark.slow)])
def test_nothing_bars_the_way_of_anybody(sample: Page, scheme: str) -> None:
    """The rules of axe-core."""
    with seen_otherwise(sample, 1280, scheme):
        assert_no_violations(sample)
