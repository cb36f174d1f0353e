"""A visitor's way through the Photos page."""

from __future__ import annotations

import io
import zipfile
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import PIL.Image
import pytest

from emotion_core.imaging.codec import decode_image, encode_jpeg
from emotion_core.imaging.palette import EMOTION_COLOURS, to_rgb
from tests.browser.conftest import (
    assert_has_words,
    detail,
    download,
    drag,
    drop,
    expect_text,
    no_overflow,
    opened,
    picture,
    seen_otherwise,
    upload,
    wait_until,
)
from tests.paths import PORTRAIT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page


@pytest.fixture
def page(browser: Browser, app_url: str) -> Iterator[Page]:
    """The Photos page, freshly opened."""
    with opened(browser, app_url) as page:
        yield page


@pytest.fixture(scope="module")
def portrait() -> bytes:
    """Head and shoulders: one face, and nothing that a small detector could take for one."""
    return encode_jpeg(decode_image(PORTRAIT.read_bytes()).pixels[:260])


@pytest.fixture(scope="module")
def pair(portrait: bytes) -> bytes:
    """The portrait beside its mirror image: two faces."""
    pixels = decode_image(portrait).pixels
    return encode_jpeg(np.hstack([pixels, pixels[:, ::-1]]))


@pytest.fixture(scope="module")
def empty() -> bytes:
    """A picture without a face."""
    return encode_jpeg(np.full((300, 400, 3), 200, np.uint8))


@pytest.fixture(scope="module")
def results(
    browser: Browser, app_url: str, portrait: bytes, pair: bytes, empty: bytes
) -> Iterator[Page]:
    """The page with three photos and a broken one; tests leave it as it is."""
    with opened(browser, app_url) as page:
        upload(
            page,
            ("portrait.jpg", portrait),
            ("pair.jpg", pair),
            ("empty.jpg", empty),
            ("broken.jpg", b"this is no picture"),
        )
        wait_for_results(page)
        yield page


def wait_for_results(page: Page) -> None:
    page.get_by_role("button", name="Faces (CSV)").wait_for()


def read_csv(page: Page, label: str) -> pd.DataFrame:
    return pd.read_csv(io.BytesIO(download(page, label)[1]))


def test_photos_are_shown_with_their_faces_marked_or_why_there_are_none(results: Page) -> None:
    expect_text(results, "The file is not an image in a format that can be read")
    expect_text(results, "No face was found.")
    marked = picture(results, results.get_by_role("img", name="portrait.jpg with its faces marked"))
    happy = np.array(to_rgb(EMOTION_COLOURS["happiness"]))
    assert (np.abs(marked.astype(int) - happy).max(axis=2) < 24).sum() > 500


def test_the_tables_of_photos_are_files(results: Page) -> None:
    faces = read_csv(results, "Faces (CSV)")
    assert faces["source"].tolist() == ["portrait.jpg", "pair.jpg", "pair.jpg"]
    assert (faces["emotion"] == "happiness").all()
    assert set(faces["va_source"]) <= {"head", "expectation"}
    photos = read_csv(results, "Photos (CSV)").set_index("source")
    assert np.isnan(photos.loc["broken.jpg", "faces"])
    assert photos["faces"].dropna().to_dict() == {"portrait.jpg": 1, "pair.jpg": 2, "empty.jpg": 0}
    assert "not an image" in photos.loc["broken.jpg", "error"]


@pytest.mark.slow
def test_the_chart_is_a_picture_and_a_page_that_asks_nobody(results: Page) -> None:
    with PIL.Image.open(io.BytesIO(download(results, "Chart (PNG)")[1])) as chart:
        assert chart.format == "PNG"
    html = download(results, "Chart (HTML)")[1].decode()
    assert "vega" in html
    assert 'src="http' not in html


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1920], ids=["phone", "wide"])
def test_nothing_overflows(results: Page, scheme: str, width: int) -> None:
    with seen_otherwise(results, width, scheme):
        assert no_overflow(results)


def test_every_picture_and_chart_has_words(results: Page) -> None:
    assert results.get_by_test_id("stImage").locator("img").count() >= 4
    assert_has_words(results)


@pytest.mark.slow
def test_photos_and_choices_stay_while_another_page_is_looked_at(
    page: Page, pair: bytes, empty: bytes
) -> None:
    upload(page, ("pair.jpg", pair), ("empty.jpg", empty))
    wait_for_results(page)
    page.get_by_text("Blur faces").click()
    wait_until(page, lambda: page.get_by_text("Show original").count() == 0)
    wait_for_results(page)
    for other in ("About", "Video"):
        page.get_by_role("link", name=other, exact=True).click()
        page.wait_for_function(f"document.title == '{other} · Emoscope'")
        page.get_by_role("link", name="Photos", exact=True).click()
        page.wait_for_function("document.title == 'Photos · Emoscope'")
        wait_for_results(page)
        expect_text(page, "pair.jpg")
        assert page.get_by_role("switch", name="Blur faces").is_checked()
    page.get_by_role("button", name="Remove").click()
    expect_text(page, "No photo at hand?")


@pytest.mark.slow
def test_brushing_the_plane_shows_the_faces_in_it(page: Page, pair: bytes) -> None:
    upload(page, ("pair.jpg", pair))
    wait_for_results(page)
    plane = page.get_by_test_id("stVegaLiteChart").first.locator("canvas, svg").first
    plane.scroll_into_view_if_needed()
    box = plane.bounding_box()
    assert box is not None
    left = box["x"] + 0.2 * box["width"]
    drag(page, (left, box["y"] + 0.45 * box["width"]), (left + 60, box["y"] + 0.6 * box["width"]))
    expect_text(page, "No face is in this range.")
    drag(
        page,
        (box["x"] + 0.6 * box["width"], box["y"] + 0.02 * box["width"]),
        (box["x"] + box["width"] - 4, box["y"] + 0.45 * box["width"]),
    )
    page.get_by_role("heading", name="Selected faces").wait_for()
    page.get_by_role("img", name="happiness, face 2 of pair.jpg").wait_for()


@pytest.mark.slow
def test_the_sample_blurred_and_its_files(page: Page) -> None:
    """Reached by the keyboard alone."""
    button = page.get_by_role("button", name="Start with a sample")
    button.wait_for()
    for _ in range(40):
        page.keyboard.press("Tab")
        if button.evaluate("e => e === document.activeElement"):
            break
    else:
        pytest.fail("Tab never reaches the sample's button.")
    page.keyboard.press("Enter")
    wait_for_results(page)
    plain = picture(page, page.get_by_role("img", name="astronaut.jpg with its faces marked"))

    page.get_by_text("Blur faces").click()
    page.get_by_text("Show original").wait_for(state="detached")
    wait_for_results(page)
    marked = page.get_by_role("img", name="astronaut.jpg with its faces marked")
    wait_until(page, lambda: marked.count() == 1)  # the clear one goes while the new one comes
    blurred = picture(page, marked)
    face = (slice(100, 160), slice(200, 250))
    assert detail(blurred[face]) < 0.2 * detail(plain[face])
    archive = zipfile.ZipFile(io.BytesIO(download(page, "Annotated photos (ZIP)")[1]))
    with PIL.Image.open(io.BytesIO(archive.read("annotated/astronaut.jpg"))) as annotated:
        assert annotated.size == (512, 330)
        assert not annotated.getexif()


def large_photos(portrait: bytes, n: int) -> list[tuple[str, bytes]]:
    """Photos that take a while."""
    with PIL.Image.open(io.BytesIO(portrait)) as small:
        large = small.convert("RGB").resize((2400, 1600))
    files = []
    for i in range(n):
        large.paste((20 * i, 0, 0), (0, 0, 400, 400))
        buffer = io.BytesIO()
        large.save(buffer, "JPEG")
        files.append((f"{i}.jpg", buffer.getvalue()))
    return files


def test_a_reload_loses_nothing_and_downloads_of_an_earlier_run_go(
    page: Page, portrait: bytes
) -> None:
    first, *others = large_photos(portrait, 9)
    upload(page, first)
    wait_for_results(page)
    upload(page, *others)
    page.get_by_role("progressbar").wait_for()
    page.get_by_role("button", name="Faces (CSV)").wait_for(state="hidden")
    assert is_at_work(page)
    page.reload()
    wait_for_results(page)
    assert len(read_csv(page, "Faces (CSV)")) == 9
    page.reload()
    wait_for_results(page)
    expect_text(page, "9 photos")
    page.get_by_role("button", name="Remove").click()
    expect_text(page, "No photo at hand?")
    page.wait_for_url(lambda url: "visit" not in url)


@pytest.mark.slow
def test_blur_takes_clear_faces_away_at_once(page: Page, portrait: bytes) -> None:
    upload(page, *large_photos(portrait, 4))
    wait_for_results(page)
    clear = set(sources(page))
    assert len(clear) >= 4
    page.get_by_text("Blur faces").click()
    page.get_by_role("progressbar").wait_for()
    left = [clear & set(sources(page)) for _ in iter(lambda: is_at_work(page), False)]
    assert left
    assert not any(left)


def sources(page: Page) -> list[str]:
    """Of the pictures on the page."""
    found: list[str] = (
        page.get_by_test_id("stImage")
        .locator("img")
        .evaluate_all("images => images.map((image) => image.src)")
    )
    return found


def is_at_work(page: Page) -> bool:
    return page.get_by_role("progressbar").count() > 0


@pytest.mark.slow
def test_a_folder_that_is_dropped_keeps_the_names_of_its_folders(
    page: Page, portrait: bytes, tmp_path: Path
) -> None:
    for name in ("anna", "ben"):
        (tmp_path / "album" / name).mkdir(parents=True)
        (tmp_path / "album" / name / "1.jpg").write_bytes(portrait)
    expect_text(page, "No photo at hand?")  # the page is complete
    drop(page, tmp_path / "album")
    expect_text(page, "album/anna/1.jpg")
    wait_for_results(page)
    for name in ("anna", "ben"):
        page.get_by_role("img", name=f"album/{name}/1.jpg with its faces marked").wait_for()


@pytest.mark.slow
def test_hostile_names_are_shown_as_they_are(page: Page, portrait: bytes) -> None:
    names = [
        "=портрет.jpg",
        "<img src=x onerror=alert(1)>.jpg",
        "**bold** $x$ [a](http:b).jpg",
        ":smile: a -> b -- www.example.com a@example.com `e` ``.jpg",
        "same.jpg",
        "same.jpg",
        "x" * 200 + ".jpg",
    ]
    alerts: list[str] = []
    page.on("dialog", lambda dialog: (alerts.append(dialog.message), dialog.dismiss()))
    upload(page, *((name, portrait) for name in names))
    wait_for_results(page)
    for name in [*names[:4], "same (2).jpg"]:
        page.get_by_role("img", name=f"{name} with its faces marked").wait_for()
        assert page.get_by_test_id("stMarkdown").get_by_text(name, exact=True).count() == 1
    assert alerts == []
    assert no_overflow(page)
    assert read_csv(page, "Photos (CSV)")["source"][0] == "'=портрет.jpg"


@pytest.mark.slow
def test_about(browser: Browser, app_url: str) -> None:
    with opened(browser, f"{app_url}/about") as page:
        expect_text(page, "Article 5(1)(f)")
        expect_text(page, "shown to other visitors")
        assert no_overflow(page)
