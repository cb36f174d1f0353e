"""The pages where another server does the work: nothing but its name tells the difference."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.browser.conftest import expect_text, open_sidebar, opened, running_app, upload
from tests.serving.conftest import SESAME, serving_here
from tests.video.clips import make_clip, on_canvas, sample_face

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser

    from emotion_core.local_analyzer import LocalAnalyzer

pytest.importorskip("ray.serve", reason="The extra `serve` is not installed.")

pytestmark = pytest.mark.slow


@pytest.fixture
def served_url(tmp_path: Path, shipped_analyzer: LocalAnalyzer) -> Iterator[str]:
    classify = shipped_analyzer.classifier.classify_crops
    with serving_here(shipped_analyzer, classify, SESAME) as server:
        settings = {"EMOTION_SERVER_URL": server.url, "EMOSCOPE_SERVER_TOKEN": SESAME}
        with running_app(tmp_path, {"HF_HUB_OFFLINE": "1", **settings}) as url:
            yield url


def test_photos_and_videos_are_analysed_by_the_server(
    browser: Browser, served_url: str, tmp_path: Path
) -> None:
    clip = make_clip(tmp_path / "clip.mp4", [on_canvas(sample_face(150), (160, 120))] * 10, fps=10)
    with opened(browser, served_url) as page:
        page.get_by_role("button", name="Start with a sample").click()
        page.get_by_role("img", name="astronaut.jpg with its faces marked: happiness").wait_for()
        open_sidebar(page)
        expect_text(page, "Analysed by the server at 127.0.0.1")
        page.get_by_role("link", name="Video").click()
        page.get_by_role("button", name="Now you").click()
        upload(page, ("clip.mp4", clip.read_bytes()))
        expect_text(page, "Happiness; valence")
        page.get_by_role("link", name="Webcam").click()
        expect_text(page, "The video of your camera is analysed on 127.0.0.1")
