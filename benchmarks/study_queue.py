"""Ninety short clips in the Study page's queue, driven in a real browser: time and memory.

Two of the clips are no videos. Afterwards the project is saved, opened on a fresh server, edited
and exported, and the exported tables are compared with plain pandas. Memory is what the server's
process holds (resident), models included. Needs Playwright for Python and a Chromium, see
``pages``.
"""

from __future__ import annotations

import io
import os
import tempfile
import time
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from benchmarks.harness import describe_machine, make_parser, print_table, write_json
from benchmarks.pages import running_app
from examples.make_study import NETWORKS, load_portrait, make_face, make_frame, write_clip

if TYPE_CHECKING:
    from playwright.sync_api import Browser, FilePayload, Page

_STIMULI = ("calm", "joy", "film")
_FRAMES = 16
_PATIENCE_MS = 900_000
_MB = 2**20


def main() -> None:
    """Measures and prints; see the module's description."""
    parser = make_parser(__doc__ or "")
    arguments = parser.parse_args()
    people = 4 if arguments.quick else 30
    from playwright.sync_api import sync_playwright

    chromium = os.environ.get("EMOSCOPE_CHROMIUM", "/usr/bin/chromium")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        clips = _make_clips(Path(folder), people)
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        with running_app() as (url, process):
            figures, project = _queue(browser, url, process, clips)
        with running_app() as (url, _):
            bundle = _edit(browser, url, project)
        browser.close()
    _compare(bundle, len(clips))
    print_table("the queue", ["what", "figure"], list(figures.items()))
    write_json(arguments.json, {"machine": describe_machine(), "figures": figures})


def _make_clips(folder: Path, people: int) -> list[Path]:
    """Clips of two seconds of each participant and stimulus; two are no videos."""
    import emotion_core as emo

    analyzer = emo.load_analyzer(*NETWORKS)
    portrait = load_portrait(analyzer)
    landmarks = analyzer.read(portrait).faces.landmarks
    if landmarks is None:
        raise SystemExit("The detector gives no landmarks.")
    mouth = landmarks[0, 3:5]
    faces = [make_face(portrait, mouth, amount) for amount in (0.0, 0.35, 0.7)]
    paths = []
    for person in range(people):
        for stimulus, face in zip(_STIMULI, faces, strict=True):
            path = folder / f"P{person + 1:02}_{stimulus}.mp4"
            frames = [make_frame(face, person % 6, i / _FRAMES) for i in range(_FRAMES)]
            write_clip(path, frames)
            paths.append(path)
    for path in (paths[3], paths[-2]):
        path.write_bytes(b"This is no video.")
    return paths


def _queue(
    browser: Browser, url: str, process: int, clips: list[Path]
) -> tuple[dict[str, float], bytes]:
    """Uploads all clips and waits; gives minutes and memory, and the saved project."""
    page = _open(browser, url)
    figures = {"clips": float(len(clips)), "MB before": _resident_mb(process)}
    start_s = time.perf_counter()
    page.get_by_test_id("stFileUploaderDropzoneInput").set_input_files(clips)
    page.get_by_text(f"of {len(clips)} videos").wait_for()
    figures["seconds of upload"] = time.perf_counter() - start_s
    marks = [len(clips) * part // 3 for part in (1, 2)]
    while (done := _done(page, len(clips))) < len(clips):
        while marks and done >= marks[0]:
            figures[f"MB after {marks.pop(0)}"] = _resident_mb(process)
        time.sleep(0.5)
    page.get_by_role("heading", name="Means").wait_for()
    figures["minutes to the results"] = (time.perf_counter() - start_s) / 60
    figures[f"MB after {len(clips)}"] = _resident_mb(process)
    page.get_by_role("tab", name="Videos").click()
    page.get_by_role("button", name="Retry failed or cancelled (2)").wait_for()
    page.get_by_role("tab", name="Export").click()
    return figures, _download(page, "Project (.emoscope)")


def _done(page: Page, n: int) -> int:
    """How many videos the page says are done."""
    words = page.get_by_text(f"of {n} videos").all_inner_texts()
    return int(words[0].split()[0]) if words else n  # the line goes when the queue has ended


def _edit(browser: Browser, url: str, project: bytes) -> bytes:
    """Opens the project, leaves out a video, and gives everything that can be exported."""
    page = _open(browser, url)
    saved: FilePayload = {
        "name": "saved.emoscope",
        "mimeType": "application/zip",
        "buffer": project,
    }
    page.get_by_test_id("stFileUploaderDropzoneInput").set_input_files([saved])
    page.get_by_text("opened from a project").wait_for()
    page.get_by_role("tab", name="People").click()
    page.get_by_role("button", name="Exclude this video").click()
    page.get_by_role("button", name="Exclude video", exact=True).click()
    page.get_by_text("1 excluded").wait_for()
    page.get_by_role("tab", name="Export").click()
    return _download(page, "Everything (ZIP)")


def _compare(bundle: bytes, n: int) -> None:
    """Checks the exported tables against plain pandas."""
    with zipfile.ZipFile(io.BytesIO(bundle)) as archive:
        tables = {
            name: pd.read_csv(archive.open(f"{name}.csv"), encoding="utf-8-sig")
            for name in ("all_frames", "all_videos", "participants", "group_summary")
        }
    videos, people = tables["all_videos"], tables["participants"]
    counts = (len(videos), int(videos["error"].notna().sum()), int(videos["is_excluded"].sum()))
    frames = tables["all_frames"]
    counted = frames[frames["is_counted"]]
    means = counted.groupby("video")[["valence", "arousal", "weight_s"]].apply(
        lambda rows: pd.Series(
            {
                name: np.average(rows[name], weights=rows["weight_s"])
                for name in ("valence", "arousal")
            }
        )
    )
    own = people.set_index("video").loc[means.index, ["mean_valence", "mean_arousal"]]
    apart = float(np.abs(own.to_numpy() - means.to_numpy()).max())
    summary = tables["group_summary"].set_index(["measure", "stimulus"])["mean"]
    grouped = people.groupby("stimulus")["mean_valence"].mean()
    apart = max(apart, float((summary["mean_valence"] - grouped).abs().max()))
    if counts != (n, 2, 1) or apart > 1e-6:
        raise SystemExit(f"The tables differ from pandas: {counts}, {apart}.")


def _open(browser: Browser, url: str) -> Page:
    page = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
    page.set_default_timeout(_PATIENCE_MS)
    page.goto(f"{url}/study")
    page.get_by_text("Get the figure").wait_for()
    return page


def _download(page: Page, label: str) -> bytes:
    with page.expect_download() as waiting:
        page.get_by_role("button", name=label).click()
    return Path(waiting.value.path()).read_bytes()


def _resident_mb(process: int) -> float:
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024 / _MB
    raise SystemExit("The server has ended.")


if __name__ == "__main__":
    main()
