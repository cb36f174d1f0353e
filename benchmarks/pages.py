"""How fast the pages answer: the app, driven in a real browser, as a visitor sees it.

Times are from the press of a button to the moment at which the browser shows what was asked for.
Needs Playwright for Python and a Chromium (``EMOSCOPE_CHROMIUM``, else ``/usr/bin/chromium``).
"""

from __future__ import annotations

import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.harness import (
    describe_machine,
    iter_image_files,
    make_parser,
    print_table,
    write_json,
)
from benchmarks.live_clip import SAMPLE
from benchmarks.video import repeat_clip
from emotion_core.imaging.codec import decode_image, encode_jpeg

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser, FilePayload, Locator, Page, ViewportSize

_ROOT = Path(__file__).resolve().parents[1]
_SAMPLE_CLIP = SAMPLE.parent / "sample" / "sad_to_happy.mp4"
_N_PHOTOS = 60
_CLIP_S = 20.0
_WINDOW: ViewportSize = {"width": 1440, "height": 900}
_PATIENCE_MS = 120_000


def main() -> None:
    """Measures and prints; see the module's description."""
    parser = make_parser(__doc__ or "")
    parser.add_argument(
        "--photos", type=Path, help="folder or ZIP archive, instead of one portrait"
    )
    arguments = parser.parse_args()
    rounds = 2 if arguments.quick else 5
    from playwright.sync_api import sync_playwright

    times: dict[str, list[float]] = {}
    chromium = os.environ.get("EMOSCOPE_CHROMIUM", "/usr/bin/chromium")
    with running_app() as (url, _), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        _visit(browser, url)  # warms the server
        for _ in range(rounds):
            times.setdefault("first load, warm server, empty cache", []).append(
                _visit(browser, url)
            )
        page = browser.new_context(viewport=_WINDOW).new_page()
        page.set_default_timeout(_PATIENCE_MS)
        _measure_switches(page, url, rounds, times)
        _measure_photos(page, url, list(_photos(arguments.photos)), rounds, times)
        _measure_video(page, url, rounds, times)
        browser.close()
    rows = [(what, statistics.median(found), max(found)) for what, found in times.items()]
    print_table("seconds", ["what", "median", "slowest"], rows)
    write_json(arguments.json, {"machine": describe_machine(), "seconds": times})


@contextmanager
def running_app() -> Iterator[tuple[str, int]]:
    """Starts the app; yields its address and the number of its process, and ends it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.headless", "true"]
    command += ["--server.address", "127.0.0.1", "--server.port", str(port)]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    with tempfile.TemporaryFile() as log:
        app = subprocess.Popen(command, cwd=_ROOT, env=environment, stdout=log, stderr=log)
        try:
            _wait_until_healthy(url)
            yield url, app.pid
        finally:
            app.terminate()
            app.wait()


def _wait_until_healthy(url: str) -> None:
    for _ in range(300):
        try:
            with urllib.request.urlopen(f"{url}/_stcore/health", timeout=2):  # noqa: S310
                return
        except OSError:
            time.sleep(0.2)
    raise SystemExit("The app did not start.")


def _visit(browser: Browser, url: str) -> float:
    """A first visit of the Photos page by somebody new."""
    context = browser.new_context(viewport=_WINDOW)
    page = context.new_page()
    page.set_default_timeout(_PATIENCE_MS)
    seconds = _time(
        lambda: page.goto(url), lambda: page.get_by_text("No photo at hand?").wait_for()
    )
    context.close()
    return seconds


def _time(act: Callable[[], object], wait: Callable[[], object]) -> float:
    start_s = time.perf_counter()
    act()
    wait()
    return time.perf_counter() - start_s


def _settle(page: Page) -> None:
    """Waits until the server has nothing more to say."""
    page.wait_for_function("document.querySelector('[data-testid=stStatusWidget]') === null")
    page.wait_for_timeout(700)


def _measure_switches(page: Page, url: str, rounds: int, times: dict[str, list[float]]) -> None:
    shown = {
        "About": page.get_by_text("What the numbers mean").first,
        "Webcam": page.get_by_text("How it works"),
        "Photos": page.get_by_text("No photo at hand?"),
        "Video": page.locator(".bars svg"),
    }
    page.goto(url)
    shown["Photos"].wait_for()
    for _ in range(rounds + 1):
        for name, found in shown.items():
            _settle(page)
            link = page.get_by_role("link", name=name, exact=True)
            seconds = _time(link.click, found.wait_for)
            times.setdefault(f"page switch to {name}", []).append(seconds)
    for name in shown:  # the first visit of each loads its code
        del times[f"page switch to {name}"][0]


def _photos(source: Path | None) -> Iterator[FilePayload]:
    """Sixty photos: given ones, or the sample portrait in sixty sections."""
    if source:
        for number, data in enumerate(iter_image_files(source, _N_PHOTOS)):
            yield {"name": f"{number}.jpg", "mimeType": "image/jpeg", "buffer": data}
        return
    pixels = decode_image(SAMPLE.read_bytes()).pixels
    for number in range(_N_PHOTOS):
        x, y = number % 10, number // 10
        data = encode_jpeg(np.ascontiguousarray(pixels[3 * y : 300 + 3 * y, 4 * x : 400 + 4 * x]))
        yield {"name": f"{number}.jpg", "mimeType": "image/jpeg", "buffer": data}


def _measure_photos(
    page: Page, url: str, photos: list[FilePayload], rounds: int, times: dict[str, list[float]]
) -> None:
    page.goto(url)
    field = page.get_by_test_id("stFileUploaderDropzoneInput")
    field.wait_for(state="attached")
    tiles = page.get_by_role("option")
    done = page.get_by_role("heading", name=f"{len(photos)} photos,")
    times[f"{len(photos)} photos, from upload to contact sheet"] = [
        _time(lambda: field.set_input_files(photos), done.wait_for)
    ]
    page.get_by_text("photos analysed").wait_for(state="detached")
    nothing = page.get_by_text("No face passes these filters.")
    clear = page.get_by_role("button", name="Clear filters")
    contempt = page.get_by_role("button", name="contempt: 0")
    plane = page.get_by_test_id("stVegaLiteChart").first.locator("canvas")
    for _ in range(rounds):
        _settle(page)
        found = _time(contempt.click, nothing.wait_for)
        times.setdefault("filter by an emotion", []).append(found)
        _settle(page)
        found = _time(clear.click, tiles.first.wait_for)
        times.setdefault("clear filters", []).append(found)
        _settle(page)
        x, y = _point(plane, 0.25)
        page.mouse.move(x, y)
        page.mouse.down()
        page.mouse.move(x + 30, y + 30, steps=4)
        found = _time(page.mouse.up, nothing.wait_for)
        times.setdefault("brush in the plane", []).append(found)
        _settle(page)
        clear.click()
        tiles.first.wait_for()


def _point(place: Locator, part: float) -> tuple[float, float]:
    """A point at half the height, and at a part of the width."""
    box = place.bounding_box() or {"x": 0.0, "y": 0.0, "width": 0.0, "height": 0.0}
    return box["x"] + part * box["width"], box["y"] + box["height"] / 2


def _measure_video(page: Page, url: str, rounds: int, times: dict[str, list[float]]) -> None:
    page.goto(f"{url}/video")
    page.locator(".bars svg").wait_for()
    page.get_by_role("button", name="Now you").click()
    clip: FilePayload = {"name": "clip.mp4", "mimeType": "video/mp4", "buffer": _clip()}
    video = page.locator("video[aria-label^='clip.mp4']")
    times[f"video of {_CLIP_S:.0f} s, from upload to results"] = [
        _time(
            lambda: page.get_by_test_id("stFileUploaderDropzoneInput").set_input_files([clip]),
            video.wait_for,
        )
    ]
    page.locator(".bars svg").wait_for()
    place = page.locator(".probabilities svg .background").first
    for number in range(2 * rounds):
        _settle(page)
        part = (0.2, 0.7, 0.4, 0.9, 0.1)[number % 5]
        x, y = _point(place, part)
        there = f"v => !v.seeking && Math.abs(v.currentTime - {part * _CLIP_S}) < 0.3"
        found = _time(
            lambda: page.mouse.click(x, y),  # noqa: B023 - called at once
            lambda: page.wait_for_function(f"v => ({there})(v)", arg=video.element_handle()),  # noqa: B023
        )
        times.setdefault("seek", []).append(found)
    page.get_by_role("tab", name="Export").click()
    report = page.get_by_role("button", name="Report (HTML)")
    report.wait_for()
    for _ in range(rounds):
        _settle(page)
        start_s = time.perf_counter()
        with page.expect_download() as waiting:
            report.click()
        waiting.value.path()
        seconds = time.perf_counter() - start_s
        times.setdefault(f"HTML report of {_CLIP_S:.0f} s", []).append(seconds)


def _clip() -> bytes:
    """Twenty seconds: the sample clip twice."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip.mp4"
        repeat_clip(_SAMPLE_CLIP, path, 2)
        return path.read_bytes()


if __name__ == "__main__":
    main()
