"""A visitor's way through the Webcam page, with a face before the camera."""

from __future__ import annotations

import base64
import io
import re
from contextlib import suppress
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from playwright.sync_api import Error as PlaywrightError

from emotion_core.imaging.codec import decode_image
from emotion_core.imaging.palette import EMOTION_COLOURS, to_rgb
from tests.browser.conftest import (
    CAMERA_WH,
    assert_no_violations,
    assert_plays,
    detail,
    download,
    expect_text,
    no_overflow,
    open_sidebar,
    open_tab,
    opened,
    seen_otherwise,
    wait_until,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser, Frame, Page

QUESTION = "What does your face show right now?"


@pytest.fixture(scope="module")
def camera_browser(with_camera: Callable[..., Browser]) -> Browser:
    return with_camera()


@pytest.fixture
def page(camera_browser: Browser, app_url: str) -> Iterator[Page]:
    """The Webcam page, freshly opened."""
    with opened(camera_browser, f"{app_url}/webcam") as page:
        yield page


def camera(page: Page) -> Frame:
    """The part of the page with Start and Stop."""
    page.locator("iframe[src*=webrtc_streamer]").wait_for()
    for frame in page.frames:
        if "webrtc_streamer" in frame.url:
            return frame
    raise AssertionError([frame.url for frame in page.frames])


def start(page: Page) -> Frame:
    """Press Start and wait for frames; a start that fails is tried once more, as people do."""
    for is_last in (False, True):
        frame = camera(page)
        frame.get_by_role("button", name="Start").click()
        try:
            wait_for_frames(frame, 5, timeout_ms=40_000)
        except PlaywrightError:
            if is_last:
                raise
            page.reload()
            page.get_by_text(QUESTION).wait_for()
        else:
            return frame
    raise AssertionError


def count_frames(frame: Frame) -> int:
    return int(
        frame.evaluate(
            "document.querySelector('video')?.getVideoPlaybackQuality().totalVideoFrames ?? 0"
        )
    )


def wait_for_frames(frame: Frame, n: int, timeout_ms: int = 60_000) -> None:
    frame.wait_for_function(
        "n => document.querySelector('video')?.getVideoPlaybackQuality().totalVideoFrames >= n",
        arg=n,
        polling=200,
        timeout=timeout_ms,
    )


def look(frame: Frame) -> np.ndarray:
    """The frame that the visitor sees now."""
    url = frame.evaluate(
        """([width, height]) => {
            const video = document.querySelector('video');
            const canvas = document.createElement('canvas');
            canvas.width = width; canvas.height = height;
            canvas.getContext('2d').drawImage(video, 0, 0, width, height);
            return canvas.toDataURL('image/png');
        }""",
        list(CAMERA_WH),
    )
    return decode_image(base64.b64decode(url.split(",")[1])).pixels


def wait_for_look(page: Page, frame: Frame, condition: Callable[[np.ndarray], bool]) -> None:
    wait_until(page, lambda: condition(look(frame)))


def has_box(image: np.ndarray) -> bool:
    """Whether something is drawn in the colour of the emotion that the portrait shows."""
    happy = np.array(to_rgb(EMOTION_COLOURS["happiness"]))
    return bool((np.abs(image.astype(int) - happy).max(axis=2) < 40).sum() > 200)


def face_detail(image: np.ndarray) -> float:
    """Fine structure about the mouth, wherever the face is in its small way."""
    return detail(np.ascontiguousarray(image[117:143, 145:175]))


def analysed(page: Page) -> int:
    """How many frames of the session were analysed, as the results tell."""
    words = page.get_by_text(re.compile(r"\d+ of them analysed \(")).inner_text()
    return int(words.split(" of them")[0].split()[-1])


def stop(page: Page) -> None:
    camera(page).get_by_role("button", name="Stop").click()
    page.get_by_role("tab", name="Timeline").wait_for()


def places(page: Page, n: int) -> None:
    """Wait until so many places for streams are taken."""
    words = page.get_by_text("webcams are in use")
    words.wait_for()
    for _ in range(150):
        if words.inner_text().startswith(f"{n} of"):
            return
        page.get_by_text(QUESTION).click()
        page.keyboard.press("r")  # Streamlit's key for another run of the page
        page.wait_for_timeout(500)
    raise AssertionError


def test_a_visit_from_start_to_files(page: Page) -> None:
    frame = start(page)
    wait_for_look(page, frame, has_box)
    charts = page.get_by_test_id("stVegaLiteChart")
    charts.nth(1).get_by_text(re.compile(r"Person \d")).first.wait_for()
    wait_until(page, lambda: charts.count() == 3)  # an old one may stay until the page is drawn
    page.keyboard.press("m")  # the focus is in the camera's frame
    expect_text(page, "1 mark, the last at")
    page.get_by_text("Record", exact=True).click()
    page.get_by_text(re.compile(r"Recording \d+:(0[1-9]|[1-5])")).wait_for()

    stop(page)
    assert_plays(page)
    open_tab(page, "Export")
    name, data = download(page, "Frames (CSV)")
    assert name == "webcam_frames.csv"
    frames = pd.read_csv(io.BytesIO(data))
    assert frames["frame"].nunique() == analysed(page) > 3
    assert frames["emotion"].mode()[0] == "happiness"
    assert download(page, "Annotated video (MP4)")[1][4:8] == b"ftyp"
    questions: list[str] = []
    page.on("dialog", lambda dialog: (questions.append(dialog.type), dialog.dismiss()))
    page.close(run_before_unload=True)
    wait_until(page, lambda: questions == ["beforeunload"])


@pytest.mark.slow
def test_two_streams_run_side_by_side_and_end_with_their_tabs(
    page: Page, with_camera: Callable[..., Browser], browser: Browser, app_url: str
) -> None:
    gone = with_camera()
    other = gone.new_page()
    other.goto(f"{app_url}/webcam")
    with opened(browser, f"{app_url}/webcam") as third:
        frame, beside = start(page), start(other)
        for one in (frame, beside):
            wait_for_frames(one, count_frames(one) + 10)
        places(third, 2)
        with suppress(PlaywrightError):  # nobody is left to answer
            gone.new_browser_cdp_session().send("Browser.crash")

        sharp = max(face_detail(look(frame)) for _ in range(5))
        open_sidebar(page)
        page.get_by_text("Blur faces").click()
        wait_for_look(page, frame, lambda image: face_detail(image) < sharp / 5)
        page.get_by_text("Record", exact=True).click()
        page.get_by_text(re.compile(r"Recording \d+:(0[1-9]|[1-5])")).wait_for()
        height = "document.querySelector('[data-testid=stMain]').scrollHeight"
        before = page.evaluate(height)
        page.wait_for_timeout(1500)
        assert page.evaluate(height) == before
        assert_no_violations(page)

        page.get_by_role("link", name="About").click()
        expect_text(page, "What the numbers mean")
        assert_no_violations(page)
        places(third, 0)
    page.get_by_role("link", name="Webcam").click()
    page.get_by_role("tab", name="Timeline").wait_for()
    camera(page).get_by_role("button", name="Start").wait_for()
    assert_no_violations(page)


@pytest.mark.slow
def test_without_a_connection_a_photo_is_offered_and_analysed(
    camera_browser: Browser, app_url: str
) -> None:
    script = "RTCPeerConnection.prototype.setRemoteDescription = () => new Promise(() => {});"
    with opened(camera_browser, f"{app_url}/webcam", script) as page:
        camera(page).get_by_role("button", name="Start").click()
        expect_text(page, "No connection could be established")
        expect_text(page, "lets no UDP through")
        page.wait_for_function(
            "() => document.querySelector('[data-testid=stCameraInput] video')?.currentTime > 0.5"
        )
        photo = page.get_by_role("img", name="camera.jpg with its faces marked")
        for _ in range(3):  # a click that meets another run of the page is lost
            with suppress(PlaywrightError):
                page.get_by_role("button", name="Take Photo").click(timeout=1000)
            with suppress(PlaywrightError):
                photo.wait_for(timeout=20_000)
                break
        assert "happiness" in str(photo.get_attribute("alt"))


def test_the_buttons_of_the_camera_look_like_those_of_the_page(page: Page) -> None:
    style = """button => {
        const { fontFamily, borderRadius, textTransform, minHeight } = getComputedStyle(button);
        return [fontFamily, borderRadius, textTransform, minHeight];
    }"""
    ours = page.get_by_role("button", name="Mark").evaluate(style)
    start = camera(page).get_by_role("button", name="Start")
    wait_until(page, lambda: start.evaluate(style) == ours)
    assert not camera(page).get_by_test_id("VideoLabelIcon").is_visible()


@pytest.mark.slow
def test_a_browser_without_a_camera_is_told_so(browser: Browser, app_url: str) -> None:
    with opened(browser, f"{app_url}/webcam") as page:
        expect_text(page, "No camera was found")
        camera(page).get_by_role("button", name="Start").wait_for()
        for width, scheme in ((400, "dark"), (1600, "light")):
            with seen_otherwise(page, width, scheme):
                assert no_overflow(page)


@pytest.mark.slow
def test_a_camera_that_is_blocked_is_told_and_the_message_goes_when_it_is_allowed(
    browser: Browser, app_url: str
) -> None:
    answer = """
        const asked = new EventTarget();
        asked.state = 'denied';
        navigator.permissions.query = async () => asked;
        navigator.mediaDevices.enumerateDevices = async () => [{ kind: 'videoinput' }];
        window.allowCamera = () => { asked.state = 'granted'; asked.onchange(); };
    """
    with opened(browser, f"{app_url}/webcam", answer) as page:
        expect_text(page, "The camera is blocked for this page")
        page.evaluate("window.allowCamera()")
        page.get_by_text("The camera is blocked for this page").wait_for(state="detached")
        camera(page).get_by_role("button", name="Start").wait_for()


@pytest.mark.slow
def test_a_page_that_is_not_secure_is_told(
    with_camera: Callable[..., Browser], app_url: str
) -> None:
    port = app_url.rsplit(":", 1)[1]
    chromium = with_camera("--host-resolver-rules=MAP emoscope.test 127.0.0.1")
    with opened(chromium, f"http://emoscope.test:{port}/webcam") as page:
        expect_text(page, "The camera needs a secure page")
        page.get_by_role("link", name="Analyse photos instead").wait_for()
        assert page.locator("iframe[src*=webrtc_streamer]").count() == 0
