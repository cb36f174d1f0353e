"""A real Chromium against the real app in a process of its own."""

from __future__ import annotations

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

import pytest

from tests.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from playwright.sync_api import Browser, Page

CHROMIUM = Path(os.environ.get("EMOSCOPE_CHROMIUM", "/usr/bin/chromium"))
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


_CLOSED_TAB = re.compile(
    r"Exception in ASGI application\nTraceback(?:(?!ASGI application).)*?"
    r"WebSocketDisconnected: Cannot call \"send\" once a close message has been sent\.\n",
    re.DOTALL,
)
"""What Streamlit 1.67 writes where a tab is closed while the server sends it something."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.xdist_group("browser"))  # one app for all


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
    assert "Traceback" not in _CLOSED_TAB.sub("", written)


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


@pytest.fixture
def page(browser: Browser, app_url: str) -> Iterator[Page]:
    """The Photos page, freshly opened; it may ask no other host for anything."""
    with opened(browser, app_url) as page:
        yield page


@contextmanager
def opened(browser: Browser, url: str, **context: object) -> Iterator[Page]:
    """Open a page and check at the end that nothing was asked of another host."""
    options = {"viewport": {"width": 1280, "height": 1800}, "accept_downloads": True, **context}
    with browser.new_context(**options) as visit:  # type: ignore[arg-type]
        page = visit.new_page()
        page.set_default_timeout(60_000)
        elsewhere: list[str] = []
        host = url.split("//")[1].split("/")[0]
        page.on(
            "request", lambda r: elsewhere.append(r.url) if _is_elsewhere(r.url, host) else None
        )
        page.goto(url)
        page.get_by_test_id("stAppViewContainer").locator("h1").wait_for()
        yield page
        assert not elsewhere
        assert page.get_by_test_id("stException").count() == 0


def _is_elsewhere(url: str, host: str) -> bool:
    return not url.startswith(("data:", "blob:")) and url.split("//")[-1].split("/")[0] != host


def wait_until(page: Page, is_so: Callable[[], bool], timeout_s: float = 60) -> None:
    """Wait until the page has become so."""
    end_s = time.monotonic() + timeout_s
    while not is_so():
        assert time.monotonic() < end_s, "the page never became so"
        page.wait_for_timeout(250)
