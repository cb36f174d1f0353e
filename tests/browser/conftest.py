"""A real Chromium against the real app in a process of its own."""

from __future__ import annotations

import math
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import pytest

from emotion_core.imaging.codec import decode_image
from tests.paths import ROOT
from tests.video.clips import on_canvas, sample_face

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import numpy as np
    from playwright.sync_api import Browser, BrowserContext, Locator, Page

CHROMIUM = Path(os.environ.get("EMOSCOPE_CHROMIUM", "/usr/bin/chromium"))
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]

CAMERA_WH, CAMERA_FPS = (320, 240), 10
"""Of the camera: the browser encodes and decodes without help, and so does the server."""

_CLOSED_TAB = re.compile(
    r"Exception in ASGI application\nTraceback(?:(?!ASGI application).)*?"
    r"WebSocketDisconnected: Cannot call \"send\" once a close message has been sent\.\n",
    re.DOTALL,
)
"""What Streamlit 1.67 writes where a tab is closed while the server sends it something."""

_STOPPED_RELAY = re.compile(
    r"Exception ignored in: <coroutine object TurnTransport\._close(?:(?!Exception ignored).)*?"
    r"RuntimeError: Event loop is closed\n",
    re.DOTALL,
)
"""What aioice 0.13 writes where the app stops while a connection through a relay is closing."""


@pytest.fixture(scope="session")
def chromium_path() -> str:
    if not CHROMIUM.exists():
        reason = f"no Chromium at {CHROMIUM}; install it or set EMOSCOPE_CHROMIUM"
        if os.environ.get("EMOSCOPE_REQUIRE_ALL"):
            pytest.fail(reason)
        pytest.skip(reason)
    return str(CHROMIUM)


@pytest.fixture(scope="module")
def browser(chromium_path: str) -> Iterator[Browser]:
    """A browser for one file's tests.

    Playwright keeps an event loop in this thread, beside which no other test can run its own.
    """
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=chromium_path, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def with_camera(
    browser: Browser, chromium_path: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., Browser]]:
    """Starts browsers whose camera shows a face that moves slowly."""
    clip = tmp_path_factory.mktemp("camera") / "face.y4m"
    write_camera_clip(clip)
    flags = [
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
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


def write_camera_clip(path: Path) -> None:
    """Write a YUV4MPEG2 file, whose speed the browser keeps."""
    face = sample_face(120)
    with path.open("wb") as file:
        file.write(b"YUV4MPEG2 W%d H%d F%d:1 Ip A1:1 C420\n" % (*CAMERA_WH, CAMERA_FPS))
        for i in range(4 * CAMERA_FPS):
            image = on_canvas(
                face, (160 + 12 * math.sin(math.pi * i / (2 * CAMERA_FPS)), 125), CAMERA_WH
            )
            file.write(b"FRAME\n" + cv2.cvtColor(image, cv2.COLOR_RGB2YUV_I420).tobytes())


@contextmanager
def running_app(folder: Path, environment: Mapping[str, str]) -> Iterator[str]:
    """Start the app with an empty Hub cache; at the end its log must hold no traceback."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(port)]
    command += ["--server.address", "127.0.0.1", "--server.headless", "true"]
    env = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "EMOSCOPE_", "HUGGING"))}
    env |= {"HF_HOME": str(folder / "hub"), "NO_PROXY": "127.0.0.1", **environment}
    log = folder / "app.log"
    with log.open("wb") as out:
        app = subprocess.Popen(command, cwd=ROOT, env=env, stdout=out, stderr=subprocess.STDOUT)
    try:
        _wait_until_healthy(f"http://127.0.0.1:{port}", app, log)
        yield f"http://127.0.0.1:{port}"
    finally:
        app.send_signal(signal.SIGINT)
        try:
            app.wait(15)
        except subprocess.TimeoutExpired:
            app.kill()
            app.wait()
    written = log.read_text(encoding="utf-8", errors="replace")
    assert "Traceback" not in _STOPPED_RELAY.sub("", _CLOSED_TAB.sub("", written))


def _wait_until_healthy(url: str, app: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(300):
        if app.poll() is not None:
            break
        try:
            with urllib.request.urlopen(f"{url}/_stcore/health", timeout=2) as answer:  # noqa: S310
                if answer.read() == b"ok":
                    return
        except OSError:
            time.sleep(0.2)
    pytest.fail("The app did not start:\n" + log.read_text(encoding="utf-8", errors="replace"))


@pytest.fixture(scope="session")
def app_url(chromium_path: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The app without a network: what ships with the project must be enough."""
    assert chromium_path
    with running_app(tmp_path_factory.mktemp("app"), {"HF_HUB_OFFLINE": "1"}) as url:
        yield url


WIDE = {"width": 1280, "height": 1800}


@contextmanager
def opened(browser: Browser, url: str, script: str = "") -> Iterator[Page]:
    """Open a page and check at the end that nothing was asked of another host.

    All pages of a browser are one visitor's: what the first has loaded, the others need not load.
    ``script`` is run before those of the page.
    """
    visitor = browser.contexts[0] if browser.contexts else _arrive(browser)
    page = visitor.new_page()
    page.add_init_script(script)
    elsewhere: list[str] = []
    host = url.split("//")[1].split("/")[0]
    page.on("request", lambda r: elsewhere.append(r.url) if _is_elsewhere(r.url, host) else None)
    try:
        page.goto(url)
        page.get_by_test_id("stAppViewContainer").locator("h1").wait_for()
        yield page
        assert not elsewhere
        assert page.get_by_test_id("stException").count() == 0
    finally:
        page.close()


def _arrive(browser: Browser) -> BrowserContext:
    visitor = browser.new_context(viewport=WIDE, accept_downloads=True, reduced_motion="reduce")
    visitor.set_default_timeout(60_000)
    return visitor


@contextmanager
def seen_otherwise(page: Page, width: int, scheme: str) -> Iterator[None]:
    """Have a window of another width and, in light or dark, another scheme while the block runs."""
    page.set_viewport_size({"width": width, "height": 900})
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    is_dark = "true" if scheme == "dark" else "false"
    page.wait_for_function(f"({BRIGHTNESS}) < 60 === {is_dark}")
    yield
    page.set_viewport_size(WIDE)
    page.emulate_media(color_scheme="light")


BRIGHTNESS = """getComputedStyle(document.querySelector('[data-testid="stApp"]'))
    .backgroundColor.match(/[0-9.]+/g).slice(0, 3).reduce((sum, c) => sum + Number(c) / 3, 0)"""
"""Of the page's background, 0-255; as the page knows it."""


def _is_elsewhere(url: str, host: str) -> bool:
    return not url.startswith(("data:", "blob:")) and url.split("//")[-1].split("/")[0] != host


def wait_until(page: Page, is_so: Callable[[], bool], timeout_s: float = 60) -> None:
    """Wait until the page has become so."""
    end_s = time.monotonic() + timeout_s
    while not is_so():
        assert time.monotonic() < end_s, "the page never became so"
        page.wait_for_timeout(250)


def open_tab(page: Page, name: str) -> None:
    page.get_by_role("tab", name=name).click()


def open_sidebar(page: Page) -> None:
    """Open the settings, which are closed until they are wanted."""
    button = page.get_by_test_id("stExpandSidebarButton")
    if button.is_visible():
        button.click()


def expect_text(page: Page, text: str) -> None:
    page.get_by_text(text).first.wait_for()


def upload(page: Page, *files: tuple[str, bytes]) -> None:
    """Give files to the page; what they are, their names tell it."""
    kinds = {"mp4": "video/mp4", "png": "image/png", ".ts": "text/vnd.trolltech.linguist"}
    payload = [
        {"name": name, "mimeType": kinds.get(name[-3:], "image/jpeg"), "buffer": data}
        for name, data in files
    ]
    inputs = "[data-testid=stFileUploaderDropzoneInput]"
    field = page.locator(f"{inputs}:not([data-testid=stSidebar] *)")  # that one takes models
    field.set_input_files(payload)  # type: ignore[arg-type]


def drop(page: Page, path: Path) -> None:
    """Drop a file or a folder on the page's upload field."""
    box = page.get_by_test_id("stFileUploaderDropzone").bounding_box()
    assert box
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    data = {"items": [], "files": [str(path)], "dragOperationsMask": 1}
    session = page.context.new_cdp_session(page)
    for kind in ("dragEnter", "dragOver", "drop"):
        event = {"type": kind, "x": x, "y": y, "data": data}
        session.send("Input.dispatchDragEvent", event)


def download(page: Page, label: str) -> tuple[str, bytes]:
    """What a button gives: a file's name and its bytes."""
    for _ in range(2):  # Chromium has cancelled one in some hundred, for a reason not found
        with page.expect_download() as waiting:
            page.get_by_role("button", name=label).click()
        if waiting.value.failure() != "canceled":
            break
    return waiting.value.suggested_filename, Path(waiting.value.path()).read_bytes()


def drag(page: Page, start: tuple[float, float], end: tuple[float, float]) -> None:
    page.mouse.move(*start)
    page.mouse.down()
    page.mouse.move((start[0] + end[0]) / 2, (start[1] + end[1]) / 2, steps=4)
    page.mouse.move(*end, steps=4)
    page.mouse.up()


def pixels_of(page: Page, image: Locator) -> np.ndarray:
    """The pixels of an image on the page."""
    image.wait_for()
    return decode_image(page.request.get(image.evaluate("e => e.src")).body()).pixels


def detail(pixels: np.ndarray) -> float:
    """Energy of fine structure."""
    return float(cv2.Laplacian(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), cv2.CV_64F).var())


def no_overflow(page: Page) -> bool:
    """Whether nothing is wider than the window, at the latest when charts have followed it."""
    for _ in range(25):
        if page.evaluate(
            """() => [...document.querySelectorAll('[data-testid="stMain"], body')]
                 .every(e => e.scrollWidth <= e.clientWidth + 1)"""
        ):
            return True
        page.wait_for_timeout(200)
    return False


def assert_has_words(page: Page) -> None:
    """Check that what cannot be seen by all can be read to them: every image, every chart."""
    for image in page.get_by_test_id("stImage").locator("img").all():
        assert image.get_attribute("alt")
    for chart in page.get_by_test_id("stVegaLiteChart").all():
        assert chart.locator("[aria-label]").count() or chart.get_attribute("aria-label")


def assert_no_violations(page: Page) -> None:
    """Check the rules of axe-core that stand for WCAG 2.2, A and AA."""
    from axe_playwright_python.sync_playwright import Axe

    rules = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
    told: list[tuple[str, str, str]] = []
    for _ in range(5):  # what Streamlit is about to replace fades, and is pale then
        found = Axe().run(page, options={"runOnly": rules}).response["violations"]
        told = [(v["id"], node["target"], node["html"][:200]) for v in found for node in v["nodes"]]
        if not told:
            return
        page.wait_for_timeout(1000)
    raise AssertionError(told)


def assert_plays(page: Page) -> Locator:
    """Check that the video on the page plays; gives it."""
    video = page.locator("video").last
    video.evaluate("v => { v.muted = true; v.play(); }")
    wait_until(page, lambda: video.evaluate("v => v.currentTime") > 0.1)
    assert video.evaluate("v => v.error") is None
    video.evaluate("v => v.pause()")
    return video
