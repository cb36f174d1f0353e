"""Makes ``docs/emoscope.webp``: the sample of the Video page plays, cursor, plane and bars move.

streamlit run app.py --server.headless true --server.port 8501
python docs/make_animation.py http://127.0.0.1:8501 docs/emoscope.webp

It needs Playwright and Chromium (``requirements-dev.txt``; EMOSCOPE_CHROMIUM names another than
/usr/bin/chromium). The video is stepped, not played, so that a slow machine makes the same file.
"""

from __future__ import annotations

import io
import os
import sys

from PIL import Image
from playwright.sync_api import sync_playwright

SIZE = {"width": 1080, "height": 860}
PAGE = {"x": 0, "y": 72, **SIZE, "height": SIZE["height"] - 72}  # without the bar of pages
WIDTH_PX = 864
STEP_S, SHOWN_MS = 0.2, 160
"""Seconds of the clip from one image to the next, and for how long each is shown."""

SEEK = """(video, time_s) => new Promise(done => {
    video.addEventListener("seeked", () => setTimeout(done, 250), {once: true});
    video.currentTime = time_s;
})"""


def main(url: str, target: str) -> None:
    """Writes the animation of the page at a URL."""
    images = []
    with sync_playwright() as playwright:
        chromium = os.environ.get("EMOSCOPE_CHROMIUM", "/usr/bin/chromium")
        browser = playwright.chromium.launch(executable_path=chromium)
        page = browser.new_page(viewport=SIZE, color_scheme="light")
        page.goto(f"{url}/video")
        page.locator(".bars svg").wait_for(timeout=120_000)
        video = page.locator("video")
        video.evaluate("video => { video.controls = false; }")  # they would cover the face
        duration_s = video.evaluate("video => video.duration")
        for i in range(int(duration_s / STEP_S)):
            video.evaluate(SEEK, i * STEP_S)
            image = Image.open(io.BytesIO(page.screenshot(clip=PAGE)))
            height = round(image.height * WIDTH_PX / image.width)
            images.append(image.convert("RGB").resize((WIDTH_PX, height), Image.Resampling.LANCZOS))
        browser.close()
    durations = [SHOWN_MS] * (len(images) - 1) + [1500]
    images[0].save(
        target,
        save_all=True,
        append_images=images[1:],
        duration=durations,
        loop=0,
        quality=70,
        method=6,
        minimize_size=True,
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
