"""A visitor's way through the Study page."""

from __future__ import annotations

import io
import zipfile
from typing import TYPE_CHECKING

import pandas as pd
import pytest

from tests.browser.conftest import (
    assert_has_words,
    assert_no_violations,
    download,
    expect_text,
    no_overflow,
    opened,
    seen_otherwise,
    upload,
    wait_until,
)
from tests.video.clips import make_clip, on_canvas, sample_face

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, bytes]]:
    """Two participants, two stimuli, and a file that is no video."""
    folder: Path = tmp_path_factory.mktemp("clips")
    files = []
    for number, name in enumerate(("P1_calm.mp4", "P1_joy.mp4", "P2_calm.mp4", "P2_joy.mp4")):
        face = sample_face(100 + 8 * number)
        frames = [on_canvas(face, (90 + 3 * i, 75), (240, 150)) for i in range(8)]
        files.append((name, make_clip(folder / name, frames, fps=10).read_bytes()))
    return [*files, ("P3_joy.mp4", b"nothing")]


@pytest.fixture(scope="module")
def page(browser: Browser, app_url: str, clips: list[tuple[str, bytes]]) -> Iterator[Page]:
    """The page with a study that was analysed; tests may open any tab."""
    with opened(browser, f"{app_url}/study") as page:
        expect_text(page, "Get the figure")
        upload(page, *clips)
        page.get_by_role("heading", name="Means").wait_for()
        yield page


def test_study_is_seen_edited_left_and_found_again(
    page: Page, browser: Browser, app_url: str
) -> None:
    page.bring_to_front()
    expect_text(page, "Videos: 5, of 3 participants; 1 failed, 1 not recorded.")
    page.get_by_role("tab", name="Results").click()
    wait_until(page, lambda: page.get_by_test_id("stVegaLiteChart").count() == 2)
    assert_has_words(page)
    page.get_by_role("tab", name="Videos").click()
    expect_text(page, "The file is not a video")
    page.get_by_role("tab", name="People").click()
    page.get_by_role("button", name="Exclude this video").click()
    page.get_by_role("button", name="Exclude video", exact=True).click()
    expect_text(page, "1 excluded")
    page.get_by_role("tab", name="Export").click()
    name, data = download(page, "Everything (ZIP)")
    assert name == "study.zip"
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        people = pd.read_csv(archive.open("participants.csv"), encoding="utf-8-sig")
        project = archive.read("study.emoscope")
    assert people["note"].fillna("").tolist()[:4] == ["excluded", "", "", ""]
    with opened(browser, page.url) as again:  # by the private link
        expect_text(again, "1 excluded")
    with opened(browser, f"{app_url}/study") as fresh:
        upload(fresh, ("study.emoscope", project))
        expect_text(fresh, "opened from a project")
        expect_text(fresh, "1 excluded")


@pytest.mark.slow
def test_event_is_set_at_the_cursor_by_a_key(page: Page) -> None:
    page.bring_to_front()
    page.get_by_role("tab", name="Timing").click()
    page.get_by_label("Label of the next event").fill("laughs")
    page.get_by_label("Label of the next event").press("Tab")
    page.locator(".timeline svg").wait_for()
    page.locator(".course").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("m")
    page.get_by_role("button", name="All events (CSV)").wait_for()
    text = download(page, "All events (CSV)")[1].decode("utf-8-sig")
    events = pd.read_csv(io.StringIO(text))
    assert events["label"].tolist() == ["laughs"]
    assert events["time_s"].tolist() == [pytest.approx(0.1, abs=0.01)]
    page.get_by_role("button", name="Undo").click()
    expect_text(page, "None in this video so far")


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_each_tab_keeps_the_rules_of_axe_and_fits_a_phone(page: Page, scheme: str) -> None:
    page.bring_to_front()
    with seen_otherwise(page, 390, scheme):
        for tab in ("Videos", "Results", "People", "Timing", "Export"):
            page.get_by_role("tab", name=tab).click()
            page.wait_for_timeout(800)  # what is old fades, and back
            wait_until(page, lambda: not page.locator("[data-stale=true]").count())
            page.wait_for_timeout(800)
            assert no_overflow(page)
            assert_no_violations(page)
