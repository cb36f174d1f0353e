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
from tests.browser.conftest import (
    assert_has_words,
    assert_no_violations,
    detail,
    download,
    drag,
    drop,
    expect_text,
    no_overflow,
    open_sidebar,
    open_tab,
    opened,
    pixels_of,
    seen_otherwise,
    upload,
    wait_until,
)
from tests.paths import PORTRAIT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Locator, Page


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
    """A photo without a face."""
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
            ("broken.jpg", b"this is no image"),
        )
        wait_for_results(page)
        yield page


def wait_for_results(page: Page) -> None:
    page.get_by_role("button", name="Export").first.wait_for()
    wait_until(page, lambda: not is_at_work(page))


def save(page: Page, label: str) -> tuple[str, bytes]:
    """A file from the menu of downloads."""
    if not page.get_by_role("button", name=label).is_visible():
        page.get_by_role("button", name="Export").click()
    found = download(page, label)
    page.keyboard.press("Escape")
    return found


def add(page: Page, *files: tuple[str, bytes]) -> None:
    """Gives more files to a page that has some."""
    page.get_by_text("Add or remove photos").click()
    upload(page, *files)


def face(page: Page, words: str) -> Locator:
    return page.get_by_role("option", name=words)


def marked_photo(page: Page, name: str) -> Locator:
    return page.get_by_role("img", name=f"{name} with its faces marked")


def read_csv(page: Page, label: str) -> pd.DataFrame:
    return pd.read_csv(io.BytesIO(save(page, label)[1]))


def test_faces_are_on_a_contact_sheet_and_what_failed_is_folded(results: Page) -> None:
    expect_text(results, "1 file could not be read")
    assert results.locator("h1").inner_text() == "3 photos, 3 faces"
    for words in ("face 1 of portrait.jpg", "face 1 of pair.jpg", "face 2 of pair.jpg"):
        assert "happiness" in str(face(results, words).get_attribute("aria-label"))
    counts = results.get_by_role("group", name="Faces per emotion").get_by_role("button")
    assert counts.filter(has_text="happiness").get_attribute("aria-label") == "happiness: 3"
    assert counts.filter(has_text="anger").get_attribute("aria-label") == "anger: 0"


def test_a_click_opens_the_detail_whose_boxes_and_faces_answer_each_other(results: Page) -> None:
    face(results, "face 1 of pair.jpg").click()
    marked_photo(results, "pair.jpg").wait_for()
    box = results.get_by_role("button", name="Face 2: happiness")
    box.hover()
    tile = face(results, "face 2 of pair.jpg")
    assert "lit" in str(tile.get_attribute("class"))
    face(results, "face 1 of pair.jpg").hover()
    lit = results.get_by_role("button", name="Face 1: happiness")
    assert "lit" in str(lit.get_attribute("class"))
    box.click()
    assert tile.get_attribute("aria-selected") == "true"
    results.keyboard.press("Escape")
    wait_until(results, lambda: marked_photo(results, "pair.jpg").count() == 0)


def test_the_keyboard_walks_through_faces_and_their_photos(results: Page) -> None:
    first = face(results, "face 1 of portrait.jpg")
    first.focus()
    results.keyboard.press("Enter")
    marked_photo(results, "portrait.jpg").wait_for()
    results.keyboard.press("ArrowRight")
    marked_photo(results, "pair.jpg").wait_for()
    assert face(results, "face 1 of pair.jpg").get_attribute("aria-selected") == "true"
    results.keyboard.press("Home")
    marked_photo(results, "portrait.jpg").wait_for()
    results.keyboard.press("Escape")
    wait_until(results, lambda: marked_photo(results, "portrait.jpg").count() == 0)


@pytest.mark.parametrize("scheme", ["light", pytest.param("dark", marks=pytest.mark.slow)])
def test_nothing_bars_the_way_of_anybody(results: Page, scheme: str) -> None:
    """The rules of axe-core, with the detail open."""
    with seen_otherwise(results, 1280, scheme):
        face(results, "face 1 of portrait.jpg").click()
        marked_photo(results, "portrait.jpg").wait_for()
        assert_no_violations(results)
        results.keyboard.press("Escape")


def test_where_in_the_face_a_reading_comes_from_is_shown_beside_its_bars(results: Page) -> None:
    face(results, "face 1 of pair.jpg").click()
    results.get_by_role("button", name="Where in the face?").click()
    found = results.get_by_role("img", name="Map of happiness on face 1 of pair.jpg. Covering")
    found.wait_for()
    assert results.locator(".interval").count() == results.locator("td.track").count()
    assert_no_violations(results)
    with results.expect_download() as saved:
        results.get_by_role("link", name="Save image").click()
    assert saved.value.suggested_filename == "pair_face1_happiness.jpg"
    results.get_by_label("Emotion of the map").select_option("anger")
    results.get_by_role("img", name="Map of anger on face 1").wait_for()
    results.get_by_role("button", name="Next face").click()
    results.get_by_role("img", name="Map of anger on face 2").wait_for()
    results.get_by_role("button", name="Back to the photo").click()
    marked_photo(results, "pair.jpg").wait_for()
    results.keyboard.press("Escape")
    wait_until(results, lambda: marked_photo(results, "pair.jpg").count() == 0)


def test_the_right_word_is_chosen_in_the_detail_and_the_face_is_marked(results: Page) -> None:
    face(results, "face 1 of pair.jpg").click()
    results.keyboard.press("7")  # the words are not shown
    results.get_by_role("button", name="Wrong?").click()
    assert_no_violations(results)
    results.keyboard.press("4")
    face(results, "face 1 of pair.jpg, labelled surprise").wait_for()
    results.keyboard.press("ArrowRight")
    results.get_by_role("button", name="happiness", exact=True).click()
    face(results, "face 2 of pair.jpg, labelled happiness").wait_for()
    results.get_by_text("Correct, measure, adapt", exact=True).click()
    expect_text(results, "2 labels; 1 face to go.")
    results.get_by_role("button", name="happiness", exact=True).focus()
    results.keyboard.press("9")  # for the face in the detail, not for the one below
    face(results, "face 2 of pair.jpg, labelled cannot tell").wait_for()
    expect_text(results, "2 labels; 1 face to go.")
    face(results, "face 1 of portrait.jpg").click()
    for n in (2, 1, 0):
        results.keyboard.press("u")
        expect_text(results, f"{n or 'no'} label")
    assert results.get_by_role("option", name="labelled").count() == 0
    chosen = face(results, "face 1 of pair.jpg")  # undo goes back to it
    assert chosen.get_attribute("aria-selected") == "true"
    results.get_by_text("Correct, measure, adapt", exact=True).click()
    results.get_by_role("button", name="Wrong?").click()
    results.keyboard.press("Escape")
    wait_until(results, lambda: marked_photo(results, "pair.jpg").count() == 0)


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
def test_the_chart_is_an_image_and_a_page_that_asks_nobody(results: Page) -> None:
    with PIL.Image.open(io.BytesIO(save(results, "Chart (PNG)")[1])) as chart:
        assert chart.format == "PNG"
    html = save(results, "Chart (HTML)")[1].decode()
    assert "vega" in html
    assert 'src="http' not in html


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1920], ids=["phone", "wide"])
def test_nothing_overflows(results: Page, scheme: str, width: int) -> None:
    with seen_otherwise(results, width, scheme):
        assert no_overflow(results)


def test_every_image_and_chart_has_words(results: Page) -> None:
    assert face(results, "portrait.jpg").count() == 1
    assert_has_words(results)


@pytest.mark.slow
def test_photos_and_choices_stay_while_another_page_is_looked_at(
    page: Page, pair: bytes, empty: bytes
) -> None:
    upload(page, ("pair.jpg", pair), ("empty.jpg", empty))
    wait_for_results(page)
    blur(page)
    wait_for_results(page)
    for other in ("About", "Video"):
        page.get_by_role("link", name=other, exact=True).click()
        page.wait_for_function(f"document.title == '{other} · Emoscope'")
        page.get_by_role("link", name="Photos", exact=True).click()
        page.wait_for_function("document.title == 'Photos · Emoscope'")
        wait_for_results(page)
        face(page, "face 1 of pair.jpg").wait_for()
        assert page.get_by_role("switch", name="Blur faces").is_checked()
    page.get_by_text("Add or remove photos").click()
    page.locator("[data-test-script-state=notRunning]").wait_for()  # no run replaces the button now
    page.get_by_role("button", name="Remove").click()
    expect_text(page, "No photo at hand?")


@pytest.mark.slow
def test_brush_and_emotions_filter_sheet_counts_and_table(
    page: Page, pair: bytes, portrait: bytes
) -> None:
    upload(page, ("pair.jpg", pair), ("portrait.jpg", portrait))
    expect_text(page, "2 photos, 3 faces")
    wait_for_results(page)
    plane = page.get_by_test_id("stVegaLiteChart").first.locator("canvas")
    plane.scroll_into_view_if_needed()
    page.get_by_role("group", name="Faces per emotion").wait_for()
    box = None
    while box is None or box != plane.bounding_box():  # the page moves until all of it is there
        box = plane.bounding_box()
        page.wait_for_timeout(700)
    left = box["x"] + 80  # beside the scale, whether the settings are open or not
    drag(page, (left, box["y"] + 0.45 * box["width"]), (left + 60, box["y"] + 0.6 * box["width"]))
    expect_text(page, "No face passes these filters.")
    expect_text(page, "0 of 3")
    drag(
        page,
        (box["x"] + 0.6 * box["width"], box["y"] + 0.02 * box["width"]),
        (box["x"] + box["width"] - 4, box["y"] + 0.45 * box["width"]),
    )
    face(page, "face 2 of pair.jpg").wait_for()
    page.get_by_role("button", name="anger: 0").click()
    expect_text(page, "No face passes these filters.")
    assert read_csv(page, "Faces (CSV)").empty
    page.get_by_role("button", name="Clear filters").click()
    face(page, "face 2 of pair.jpg").wait_for()
    assert len(read_csv(page, "Faces (CSV)")) == 3


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
    plain = pixels_of(page, marked_photo(page, "astronaut.jpg"))
    source = marked_photo(page, "astronaut.jpg").get_attribute("src")
    blur(page)
    marked = marked_photo(page, "astronaut.jpg")
    wait_until(page, lambda: marked.count() == 1 and marked.get_attribute("src") != source)
    blurred = pixels_of(page, marked)
    head = (slice(100, 160), slice(200, 250))
    assert detail(blurred[head]) < 0.2 * detail(plain[head])
    archive = zipfile.ZipFile(io.BytesIO(save(page, "Everything (ZIP)")[1]))
    assert {"methods.txt", "settings.json", "faces.csv"} <= set(archive.namelist())
    with PIL.Image.open(io.BytesIO(archive.read("annotated/astronaut.jpg"))) as annotated:
        assert annotated.size == (512, 330)
        assert not annotated.getexif()


def blur(page: Page) -> None:
    open_sidebar(page)
    page.get_by_text("Blur faces").click()


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


def test_a_reload_loses_nothing(page: Page, portrait: bytes) -> None:
    first, *others = large_photos(portrait, 9)
    upload(page, first)
    wait_for_results(page)
    add(page, *others)
    page.get_by_role("progressbar").wait_for()
    page.reload()
    expect_text(page, "9 photos, ")
    wait_for_results(page)
    assert len(read_csv(page, "Faces (CSV)")) == 9
    page.reload()
    expect_text(page, "9 photos, ")
    page.get_by_text("Add or remove photos").click()
    page.get_by_role("button", name="Remove").click()
    expect_text(page, "No photo at hand?")
    page.wait_for_url(lambda url: "visit" not in url)


@pytest.mark.slow
def test_blur_takes_clear_faces_away(page: Page, portrait: bytes) -> None:
    upload(page, *large_photos(portrait, 4))
    expect_text(page, "4 photos, 4 faces")
    wait_for_results(page)
    clear = set(sources(page))
    assert clear
    blur(page)
    wait_until(page, lambda: len(sources(page)) == 4 and not clear & set(sources(page)))


def sources(page: Page) -> list[str]:
    """Of the faces on the contact sheet."""
    found: list[str] = (
        page.get_by_role("option")
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
    for name in ("anna", "ben"):
        face(page, f"face 1 of album/{name}/1.jpg").wait_for()


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
        face(page, f"face 1 of {name}").wait_for()
    assert alerts == []
    assert no_overflow(page)
    assert read_csv(page, "Photos (CSV)")["source"][0] == "'=портрет.jpg"


@pytest.mark.slow
def test_about(browser: Browser, app_url: str) -> None:
    with opened(browser, f"{app_url}/about") as page:
        expect_text(page, "Article 5(1)(f)")
        expect_text(page, "shown to other visitors")
        assert no_overflow(page)


@pytest.mark.slow
def test_faces_are_labelled_by_keys_and_labels_come_as_a_file(page: Page, pair: bytes) -> None:
    upload(page, ("pair.jpg", pair))
    page.get_by_text("Correct, measure, adapt").click()
    expect_text(page, "no label; 2 faces to go.")
    page.keyboard.press("4")
    expect_text(page, "1 label; 1 face to go.")
    page.keyboard.press("9")
    expect_text(page, "Every face was labelled or skipped.")
    page.keyboard.press("u")
    expect_text(page, "1 label; 1 face to go.")
    name, data = download(page, "Save labels (CSV)")
    assert name == "labels.csv"
    labels = pd.read_csv(io.BytesIO(data))
    assert labels[["image", "emotion"]].to_numpy().tolist() == [["pair.jpg", "surprise"]]


def show_or_cover_mouths(portrait: bytes) -> list[tuple[str, bytes]]:
    """Ten photos of a smiling face, each with another edge; in half of them its mouth is covered.

    The model calls all of them happy.
    """
    photos = []
    for i in range(10):
        pixels = decode_image(portrait).pixels.copy()
        if i % 2:
            pixels[124:157, 190:255] = PATCH
        photos.append((f"{i}.jpg", encode_jpeg(pixels[i // 2 * 2 :, i // 2 * 3 :])))
    return photos


PATCH = (150, 110, 90)


def has_patch(pixels: np.ndarray) -> bool:
    return bool((np.abs(pixels.astype(int) - PATCH).max(axis=2) < 14).mean() > 0.08)


@pytest.mark.slow
def test_ten_faces_are_corrected_by_keys_and_what_they_teach_is_used_at_once(
    page: Page, portrait: bytes
) -> None:
    upload(page, *show_or_cover_mouths(portrait))
    expect_text(page, "Mostly happiness (10 of 10)")
    wait_for_results(page)
    page.get_by_text("Correct, measure, adapt").click()
    expect_text(page, "no label; 10 faces to go.")
    for i in range(10):
        face = pixels_of(page, page.get_by_alt_text("The face to label"))
        page.keyboard.press("1" if has_patch(face) else "2")  # neutral, happiness
        expect_text(page, f"{i + 1} label")
        expect_text(page, "Every face was" if i == 9 else f"; {9 - i} face")
    open_tab(page, "Adapt")
    page.get_by_role("button", name="Adapt", exact=True).click()
    use = page.get_by_role("button", name="Use it here")
    use.wait_for()
    name, archive = download(page, "Adapted model (ZIP)")
    assert name == "my-study.zip"
    use.click()
    expect_text(page, "Mostly neutral and happiness (5 of 10 each)")
    expect_text(page, "10 labels), faces by")
    expect_text(page, "In use: it has read the faces above.")
    faces = read_csv(page, "Faces (CSV)")
    told = r"my-study.onnx [0-9a-f]{16} \(adapted from \S+ [0-9a-f]{16}, 10 labels\)"
    assert faces["model"].str.fullmatch(told).all()
    page.get_by_role("button", name="Back to emoscope").click()
    expect_text(page, "Mostly happiness (10 of 10)")

    open_sidebar(page)
    sidebar = page.get_by_test_id("stSidebar")
    sidebar.get_by_text("Use an adapted model").click()
    field = sidebar.get_by_test_id("stFileUploaderDropzoneInput")
    file = {"name": name, "mimeType": "application/zip", "buffer": archive}
    field.set_input_files([file])  # type: ignore[list-item]
    expect_text(page, "Mostly neutral and happiness (5 of 10 each)")
    again = read_csv(page, "Faces (CSV)")
    pd.testing.assert_frame_equal(again, faces)
