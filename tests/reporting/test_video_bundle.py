"""The archive of all results of a video."""

import io
import json
import zipfile
from dataclasses import replace
from datetime import UTC, datetime

import pandas as pd
import pytest

from emotion_core import __version__
from emotion_core.models.registry import CARDS
from emotion_core.reporting import html_page, video_bundle
from emotion_core.reporting.video_bundle import VideoRun, describe_video_methods, write_video_bundle
from emotion_core.video.tables import people_table
from emotion_core.video.types import VideoInfo, VideoResult, VideoSettings
from tests.video.frame_tables import make_none, make_table, walk


@pytest.fixture(autouse=True)
def light_charts(monkeypatch):
    """Take the place of Vega and of its drawing, which take seconds."""
    monkeypatch.setattr(html_page, "vega_script", lambda: "window.vega = 0;")
    monkeypatch.setattr(video_bundle, "to_png", lambda _: b"PNG")


def make_run(frames):
    n = frames["frame"].nunique()
    result = VideoResult(
        info=VideoInfo((1280, 720), 25.0, 20.0, n, "h264", "aac"),
        settings=VideoSettings(hz=5.0, smoothing_s=1.0),
        model="emoscope-fer-s",
        detector="somebody/faces",
        frames=frames,
        people=people_table(frames),
        highlights=(),
        n_frames=n,
        n_analyzed=n,
        elapsed_s=1.0,
        fault="",
    )
    return VideoRun("a.mp4", result, frames, datetime(2026, 11, 30, tzinfo=UTC), "ab" * 32)


def files_of(run, **options):
    with zipfile.ZipFile(io.BytesIO(write_video_bundle(run, **options))) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def test_tables_charts_report_settings_and_methods_are_in_one_archive():
    run = make_run(walk(2, seconds=3))
    files = files_of(run, decimal=",")
    tables = ("frames.csv", "people.csv")
    pages = ("charts.html", "charts.png", "report.html")
    assert set(files) == {"methods.txt", "settings.json", *tables, *pages}
    frames = pd.read_csv(io.BytesIO(files["frames.csv"]), sep=";", decimal=",")
    assert len(frames) == len(run.result.frames)
    settings = json.loads(files["settings.json"])
    assert settings["hz"] == 5.0
    assert settings["video_sha256"] == "ab" * 32
    assert settings["versions"]["emoscope"] == __version__
    # the hash of a model that is not in the registry is not known
    sha256 = CARDS["emoscope-fer-s"].weights.sha256
    assert settings["weights_sha256"] == {"emoscope-fer-s": sha256}


def test_without_a_face_there_are_no_charts():
    files = files_of(make_run(make_table([(i, i / 10, make_none()) for i in range(5)])))
    assert not [name for name in files if name.startswith("charts")]
    assert "No face was found." in files["methods.txt"].decode()


def test_methods_tell_models_rate_settings_and_what_was_shown():
    run = make_run(walk(2, seconds=3))
    text = describe_video_methods(run)
    assert "The video a.mp4 was analysed" in text
    assert "(5 fps)" in text
    assert "a time constant of 1 s" in text
    assert "\nPerson 2: " in text
    part = replace(run.result.settings, from_s=2.0, region=(0, 0, 640, 720), largest_only=True)
    only = describe_video_methods(replace(run, result=replace(run.result, settings=part)))
    assert "the part from 2 s to the end; the region 0,0,640,720; the largest face" in only
    started = replace(run.result, started_at=datetime(2026, 11, 30, tzinfo=UTC))
    session = replace(run, result=started)
    assert describe_video_methods(session).startswith("A webcam session was analysed")
