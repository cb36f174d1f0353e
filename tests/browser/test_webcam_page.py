"""A visitor's way through the Webcam page, with a face before the camera."""

from __future__ import annotations

import base64
import io
import math
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from playwright.sync_api import Error as PlaywrightError

from emotion_core.imaging.codec import decode_image
from emotion_core.imaging.palette import EMOTION_COLOURS, to_rgb
from tests.browser.conftest import FLAGS, opened, wait_until
from tests.browser.test_photos_page import detail, expect_text, no_overflow
from tests.video.clips import make_clip, on_canvas, sample_face

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser, Frame, Page

SIZE = (640, 480)
TITLE = "What does your face show right now?"


@pytest.fixture(scope="module")
def with_camera(
    browser: Browser, chromium_path: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., Browser]]:
    """Starts browsers whose camera shows a face that moves slowly."""
    face = sample_face(240)
    turns = [2 * math.pi * i / 120 for i in range(120)]
    images = [on_canvas(face, (320 + 24 * math.sin(t), 250), SIZE) for t in turns]
    clip = tmp_path_factory.mktemp("camera") / "face.mjpeg"
    make_clip(clip, images, fps=30, codec="mjpeg", pix_fmt="yuvj420p", options={"q:v": "4"})
    flags = [
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream=fps=30",
        f"--use-file-for-fake-video-capture={clip}",
    ]
    started = []

    def start(*more: str) -> Browser:
        chromium = browser.browser_type.launch(
            executable_path=chromium_path, args=[*FLAGS, *flags, *more]
        )
        started.append(chromium)
        return chromium

    yield start
    for chromium in started:
        chromium.close()


@pytest.fixture(scope="module")
def camera_browser(with_camera: Callable[..., Browser]) -> Browser:
    return with_camera()


@pytest.fixture
def page(camera_browser: Browser, app_url: str) -> Iterator[Page]:
    """The Webcam page, freshly opened."""
    with opened(camera_browser, f"{app_url}/webcam") as page:
        yield page


def camera(page: Page) -> Frame:
    """The part of the page with START and STOP."""
    page.locator("iframe[src*=webrtc_streamer]").wait_for()
    for frame in page.frames:
        if "webrtc_streamer" in frame.url:
            return frame
    raise AssertionError([frame.url for frame in page.frames])


def start(page: Page) -> Frame:
    """Press START and wait for pictures; a start that fails is tried once more, as people do."""
    for is_last in (False, True):
        frame = camera(page)
        frame.get_by_role("button", name="START").click()
        try:
            wait_for_pictures(frame, 5, timeout_ms=40_000)
        except PlaywrightError:
            if is_last:
                raise
            page.reload()
            page.get_by_role("heading", name=TITLE).wait_for()
        else:
            return frame
    raise AssertionError


def pictures(frame: Frame) -> int:
    return int(
        frame.evaluate(
            "document.querySelector('video')?.getVideoPlaybackQuality().totalVideoFrames ?? 0"
        )
    )


def wait_for_pictures(frame: Frame, n: int, timeout_ms: int = 60_000) -> None:
    frame.wait_for_function(
        "n => document.querySelector('video')?.getVideoPlaybackQuality().totalVideoFrames >= n",
        arg=n,
        polling=200,
        timeout=timeout_ms,
    )


def look(frame: Frame) -> np.ndarray:
    """The picture that the visitor sees now."""
    url = frame.evaluate(
        """() => {
            const video = document.querySelector('video');
            const canvas = document.createElement('canvas');
            canvas.width = 640; canvas.height = 480;
            canvas.getContext('2d').drawImage(video, 0, 0, 640, 480);
            return canvas.toDataURL('image/png');
        }"""
    )
    return decode_image(base64.b64decode(url.split(",")[1])).pixels


def wait_for_look(page: Page, frame: Frame, condition: Callable[[np.ndarray], bool]) -> None:
    wait_until(page, lambda: condition(look(frame)))


def has_box(image: np.ndarray) -> bool:
    """Whether something is drawn in the colour of the emotion that the portrait shows."""
    happy = np.array(to_rgb(EMOTION_COLOURS["happiness"]))
    return bool((np.abs(image.astype(int) - happy).max(axis=2) < 40).sum() > 800)


def face_detail(image: np.ndarray) -> float:
    """Fine structure about the mouth, wherever the face is in its small way."""
    return detail(np.ascontiguousarray(image[235:285, 290:350]))


def metric(page: Page, label: str) -> float:
    """The number in a box, without its unit."""
    box = page.get_by_test_id("stMetric").filter(has_text=label).first
    value = box.get_by_test_id("stMetricValue").inner_text()
    return float("".join(c for c in value if c.isdigit() or c == ".") or 0)


def wait_for_metric(page: Page, label: str) -> None:
    wait_until(page, lambda: metric(page, label) > 0)


def stop(page: Page) -> None:
    camera(page).get_by_role("button", name="STOP").click()
    page.get_by_role("button", name="Report (HTML)").wait_for()


def places(page: Page, n: int) -> None:
    """Wait until so many places for streams are taken."""
    for _ in range(70):
        text = page.get_by_text("places for webcams are taken")
        text.wait_for()
        if text.inner_text().startswith(f"{n} of"):
            return
        page.wait_for_timeout(500)
        page.reload()
    raise AssertionError


def test_a_visit_from_start_to_files(page: Page, camera_browser: Browser, app_url: str) -> None:
    frame = start(page)
    wait_for_metric(page, "Analyses")
    wait_for_look(page, frame, has_box)
    charts = page.get_by_test_id("stVegaLiteChart")
    charts.nth(2).get_by_text("Person 1").first.wait_for()
    assert charts.count() == 3

    with opened(camera_browser, f"{app_url}/webcam") as other:
        beside = start(other)
        wait_for_metric(other, "Analyses")
        for one in (frame, beside):
            wait_for_pictures(one, pictures(one) + 10)

    sharp = max(face_detail(look(frame)) for _ in range(5))
    page.get_by_text("Blur faces").click()
    wait_for_look(page, frame, lambda image: face_detail(image) < sharp / 5)
    page.get_by_text("Record", exact=True).click()
    page.get_by_text("Recording 0:02").or_(page.get_by_text("Recording 0:03")).first.wait_for()
    heights = page.evaluate("document.querySelector('[data-testid=stMain]').scrollHeight")
    page.wait_for_timeout(1500)
    assert page.evaluate("document.querySelector('[data-testid=stMain]').scrollHeight") == heights

    stop(page)
    video = page.get_by_test_id("stVideo")
    video.evaluate("v => { v.muted = true; v.play(); }")
    page.wait_for_function("() => document.querySelector('video').currentTime > 0.3", polling=100)
    assert video.evaluate("v => v.error") is None
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Frames (CSV)").click()
    assert waiting.value.suggested_filename == "webcam_frames.csv"
    frames = pd.read_csv(io.BytesIO(Path(waiting.value.path()).read_bytes()))
    assert frames["frame"].nunique() == metric(page, "Analysed") > 10
    assert frames["emotion"].mode()[0] == "happiness"
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Annotated video (MP4)").click()
    assert Path(waiting.value.path()).read_bytes()[4:8] == b"ftyp"


def test_leaving_the_page_ends_the_stream_and_keeps_its_results(
    page: Page, camera_browser: Browser, app_url: str
) -> None:
    frame = start(page)
    wait_for_pictures(frame, 20)
    with opened(camera_browser, f"{app_url}/webcam") as other:
        places(other, 1)
        page.get_by_role("link", name="About").click()
        expect_text(page, "What the numbers mean")
        places(other, 0)
    page.get_by_role("link", name="Webcam").click()
    page.get_by_role("button", name="Report (HTML)").wait_for()
    camera(page).get_by_role("button", name="START").wait_for()


@pytest.fixture(scope="module")
def crashed_tab(with_camera: Callable[..., Browser], browser: Browser, app_url: str) -> None:
    """A tab that is gone while its webcam runs; the server finds out while other tests go on."""
    gone = with_camera()
    page = gone.new_page()
    page.goto(f"{app_url}/webcam")
    frame = start(page)
    wait_for_pictures(frame, 20)
    with opened(browser, f"{app_url}/webcam") as other:
        places(other, 1)
    with suppress(PlaywrightError):  # nobody is left to answer
        gone.new_browser_cdp_session().send("Browser.crash")


@pytest.mark.usefixtures("crashed_tab")
def test_without_a_connection_a_photo_is_offered_and_analysed(
    camera_browser: Browser, app_url: str
) -> None:
    with opened(camera_browser, app_url) as page:
        page.context.add_init_script(
            "RTCPeerConnection.prototype.setRemoteDescription = () => new Promise(() => {});"
        )
        page.goto(f"{app_url}/webcam")
        camera(page).get_by_role("button", name="START").click()
        expect_text(page, "No connection could be established")
        expect_text(page, "lets no UDP through")
        page.wait_for_function(
            "() => document.querySelector('[data-testid=stCameraInput] video')?.currentTime > 0.5"
        )
        page.get_by_role("button", name="Take Photo").click()
        page.get_by_role("img", name="camera.jpg with its faces marked: happiness").wait_for()


@pytest.mark.parametrize(
    ("scheme", "width"),
    [pytest.param("dark", 400, id="dark phone"), pytest.param("light", 1600, id="light and wide")],
)
def test_a_browser_without_a_camera_is_told_so(
    browser: Browser, app_url: str, scheme: str, width: int
) -> None:
    window = {"width": width, "height": 900}
    with opened(browser, f"{app_url}/webcam", color_scheme=scheme, viewport=window) as page:
        expect_text(page, "No camera was found")
        camera(page).get_by_role("button", name="START").wait_for()
        assert no_overflow(page)


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
    with opened(browser, app_url) as page:
        page.context.add_init_script(answer)
        page.goto(f"{app_url}/webcam")
        expect_text(page, "The camera is blocked for this page")
        page.evaluate("window.allowCamera()")
        page.get_by_text("The camera is blocked for this page").wait_for(state="detached")
        camera(page).get_by_role("button", name="START").wait_for()


def test_a_page_that_is_not_secure_is_told(
    with_camera: Callable[..., Browser], app_url: str
) -> None:
    port = app_url.rsplit(":", 1)[1]
    chromium = with_camera("--host-resolver-rules=MAP emoscope.test 127.0.0.1")
    with opened(chromium, f"http://emoscope.test:{port}/webcam") as page:
        expect_text(page, "The camera needs a secure page")
        page.get_by_role("link", name="Analyse photos instead").wait_for()
        assert page.locator("iframe[src*=webrtc_streamer]").count() == 0


@pytest.mark.usefixtures("crashed_tab")
def test_a_tab_that_is_gone_frees_its_place(browser: Browser, app_url: str) -> None:
    with opened(browser, f"{app_url}/webcam") as page:
        places(page, 0)
