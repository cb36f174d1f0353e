"""Videos on disk: what is found, where results go, and that nothing half-written is left."""

import json
from dataclasses import replace

import pandas as pd
import pytest

from emotion_core.errors import EmotionError, VideoDecodeError, WeightsUnavailableError
from emotion_core.reporting import video_folder
from emotion_core.reporting.video_folder import (
    VideoTask,
    choose_folders,
    find_videos,
    is_done,
    write_video,
)
from emotion_core.video.io.demuxer import SUFFIXES
from emotion_core.video.io.reader import VideoReader
from emotion_core.video.types import VideoSettings
from tests.factories import FakeDetector, make_fake_analyzer
from tests.video.clips import make_clip, numbered_images
from tests.video.detectors import SteadyDetector

ALL_FILES = [
    *("annotated.mp4", "charts.html", "charts.png", "frames.csv", "people.csv"),
    *("report.html", "settings.json"),
]


def make_analyzer(detector=None):
    """Finds one face in every frame of ``clip``, if not told otherwise."""
    return make_fake_analyzer(detector or SteadyDetector((20, 10, 60, 50)))


def names_in(folder):
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


@pytest.fixture
def clip(tmp_path):
    return make_clip(tmp_path / "in" / "clip.mp4", 6 * numbered_images(1, 96, 64))


@pytest.fixture(autouse=True)
def folder_of_inputs(tmp_path):
    (tmp_path / "in").mkdir()


@pytest.fixture
def real_pages():
    """Asked for by tests that need more than stand-ins for charts and report."""


@pytest.fixture(autouse=True)
def quick_pages(request, monkeypatch):
    if "real_pages" not in request.fixturenames:
        stub_pages(monkeypatch)


def stub_pages(monkeypatch):
    monkeypatch.setattr(video_folder, "dashboard_chart", lambda *_, **__: None)
    monkeypatch.setattr(video_folder, "charts_page", lambda _, title: f"page of {title}")
    monkeypatch.setattr(video_folder, "to_png", lambda _: b"frame")
    monkeypatch.setattr(video_folder, "report_page", lambda _, name: f"report of {name}")


def test_videos_of_a_folder_are_found_by_their_ending(tmp_path):
    for suffix in (*SUFFIXES, "MP4", "txt", "jpg", "csv"):
        (tmp_path / "in" / f"{suffix}.{suffix}").touch()
    (tmp_path / "in" / "folder.mp4").mkdir()
    (tmp_path / "in" / "._a.mp4").touch()
    (tmp_path / "in" / "__MACOSX").mkdir()
    (tmp_path / "in" / "__MACOSX" / "a.mp4").touch()
    skipped = []
    find_videos([tmp_path / "in"], skipped.append)
    assert [path.name for path in skipped] == ["csv.csv", "jpg.jpg", "txt.txt"]
    assert {p.suffix[1:].lower() for p in find_videos([tmp_path / "in"])} == set(SUFFIXES)


def test_named_files_are_taken_whatever_their_ending(tmp_path):
    paths = [tmp_path / "missing.mp4", tmp_path / "notes.txt"]
    assert find_videos(paths) == paths


def test_no_file_is_found_twice(tmp_path, clip):
    spelled = tmp_path / "in" / ".." / "in" / "clip.mp4"
    assert find_videos([clip, clip.parent, spelled]) == [clip]


def test_results_of_an_earlier_run_are_no_input(tmp_path, clip):
    write_video(clip, tmp_path / "in" / "out" / "clip", make_analyzer(), task())
    (tmp_path / "in" / "annotated.mp4").touch()  # called like one, but the user's own
    assert find_videos([tmp_path / "in"]) == [tmp_path / "in" / "annotated.mp4", clip]


def task(**changes):
    has_video = changes.pop("has_video", True)
    return VideoTask(VideoSettings(**changes), has_video=has_video)


def test_folders_are_named_after_videos_and_told_apart(tmp_path):
    paths = [tmp_path / name for name in ("a/Clip.mp4", "b/clip.mp4", "b/clip.mov", "con.mp4")]
    chosen = choose_folders(paths, tmp_path / "out")
    assert [p.name for p in chosen] == ["Clip", "clip (2)", "clip (3)", "_con"]
    assert {p.parent for p in chosen} == {tmp_path / "out"}


def test_videos_keep_their_folders_in_whatever_order_they_come(tmp_path):
    paths = [tmp_path / "in" / folder / "clip.mp4" for folder in "ab"]
    for path in paths:
        path.parent.mkdir()
        make_clip(path, numbered_images(3, 96, 64))
    out = tmp_path / "out"
    first = choose_folders(paths, out)
    for path, folder in zip(paths, first, strict=True):
        write_video(path, folder, make_analyzer(), task(has_video=False))
    assert choose_folders(paths[::-1], out) == first[::-1]
    new = tmp_path / "in" / "clip.mp4"
    assert [p.name for p in choose_folders([new, *paths], out)] == ["clip (3)", "clip", "clip (2)"]


@pytest.mark.parametrize(
    "note", ["", "{", "[]", '{"source": 3}', '{"source": {"path": null}}'], ids=repr
)
def test_note_that_cannot_be_read_is_none(tmp_path, clip, note):
    folder = tmp_path / "out" / "clip"
    folder.mkdir(parents=True)
    (folder / "settings.json").write_text(note)
    assert choose_folders([clip], tmp_path / "out") == [folder]
    assert not is_done(clip, folder, make_analyzer(), task())


@pytest.mark.slow  # all that draws and opens without a network is read and run
@pytest.mark.usefixtures("real_pages")
def test_results_are_written_and_open(tmp_path, clip):
    folder = tmp_path / "new" / "out" / "clip"
    write_video(clip, folder, make_analyzer(), task())
    assert names_in(folder) == ALL_FILES
    for page in ("report.html", "charts.html"):
        assert (folder / page).read_text("utf-8").lower().startswith("<!doctype html>")
    assert (folder / "charts.png").read_bytes().startswith(b"\x89PNG")


def test_results_are_written(tmp_path, clip):
    folder = tmp_path / "new" / "out" / "clip"
    result = write_video(clip, folder, make_analyzer(), task())
    assert names_in(folder) == ALL_FILES
    assert names_in(folder.parent) == ["clip"]
    frames = pd.read_csv(folder / "frames.csv", encoding="utf-8-sig")
    assert len(frames) == len(result.frames) >= 6
    assert len(pd.read_csv(folder / "people.csv", encoding="utf-8-sig")) == len(result.people)
    assert (folder / "report.html").read_text() == "report of clip.mp4"
    assert (folder / "charts.html").read_text() == "page of Emotions in clip.mp4"
    assert (folder / "charts.png").read_text() == "frame"
    with VideoReader(folder / "annotated.mp4") as reader:
        assert len(list(reader.frames())) == 6


def test_without_a_video(tmp_path, clip):
    folder = tmp_path / "out" / "clip"
    write_video(clip, folder, make_analyzer(), task(has_video=False))
    assert names_in(folder) == [name for name in ALL_FILES if name != "annotated.mp4"]


def test_video_of_other_settings_does_not_stay_behind(tmp_path, clip):
    folder = tmp_path / "out" / "clip"
    write_video(clip, folder, make_analyzer(), task())
    write_video(clip, folder, make_analyzer(), task(has_video=False))
    assert "annotated.mp4" not in names_in(folder)


def test_without_a_face_there_are_no_charts(tmp_path, clip):
    folder = tmp_path / "out" / "clip"
    write_video(clip, folder, make_analyzer(SteadyDetector()), task())
    assert names_in(folder) == [name for name in ALL_FILES if not name.startswith("charts")]


def test_finished_results_are_known(tmp_path, clip):
    folder, analyzer = tmp_path / "out" / "clip", make_analyzer()
    assert not is_done(clip, folder, analyzer, task())
    write_video(clip, folder, analyzer, task(every=2))
    assert is_done(clip, folder, analyzer, task(every=2))
    assert json.loads((folder / "settings.json").read_text())["settings"]["every"] == 2


def test_two_files_of_one_name_are_two_networks(tmp_path, clip):
    folder, analyzer = tmp_path / "out" / "clip", make_analyzer()
    detector = replace(analyzer.info.detector, name=analyzer.info.emotion.name)
    analyzer.info = replace(analyzer.info, detector=detector)
    write_video(clip, folder, analyzer, task())
    assert is_done(clip, folder, analyzer, task())
    weights = replace(analyzer.info.emotion.weights, sha256="a" * 64)
    emotion = replace(analyzer.info.emotion, weights=weights)
    analyzer.info = replace(analyzer.info, emotion=emotion)
    assert not is_done(clip, folder, analyzer, task())


@pytest.mark.parametrize("change", ["settings", "no video", "video gone", "file", "missing"])
def test_results_of_something_else_do_not_count(tmp_path, clip, change):
    folder, analyzer = tmp_path / "out" / "clip", make_analyzer()
    write_video(clip, folder, analyzer, task())
    wanted = task()
    if change == "settings":
        wanted = task(blur=True)
    elif change == "no video":
        wanted = task(has_video=False)
    elif change == "video gone":
        (folder / "annotated.mp4").unlink()
    elif change == "file":
        make_clip(clip, numbered_images(7, 96, 64))
    else:
        clip.unlink()
    assert not is_done(clip, folder, analyzer, wanted)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(None, r"^The file cannot be read \(No such file or directory\)\.$", id="none"),
        pytest.param(b"", r".", id="empty"),
        pytest.param(b"text" * 99, r".", id="text"),
    ],
)
def test_what_is_no_video_leaves_nothing(tmp_path, content, message):
    path, out = tmp_path / "in" / "bad.mp4", tmp_path / "out"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(VideoDecodeError, match=message):
        write_video(path, out / "bad", make_analyzer(), task())
    assert names_in(out) == []


@pytest.mark.parametrize("place", ["progress", "report"])
def test_interruption_leaves_no_half_file(tmp_path, clip, monkeypatch, place):
    def interrupt(*_):
        raise KeyboardInterrupt

    folder, analyzer = tmp_path / "out" / "clip", make_analyzer()
    on_progress = interrupt if place == "progress" else None
    if place == "progress":
        monkeypatch.setattr("emotion_core.video.pipeline._REPORT_EVERY_S", 0)
    else:
        monkeypatch.setattr(video_folder, "report_page", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_video(clip, folder, analyzer, task(), on_progress)
    assert names_in(tmp_path / "out") == []


def test_interruption_while_files_are_written_leaves_whole_ones(tmp_path, clip, monkeypatch):
    folder, analyzer = tmp_path / "out" / "clip", make_analyzer()
    write_video(clip, folder, analyzer, task())
    original, written = video_folder.atomic_write, []

    def write(target, data):
        if written:
            raise KeyboardInterrupt
        written.append(target.name)
        original(target, data)

    monkeypatch.setattr(video_folder, "atomic_write", write)
    with pytest.raises(KeyboardInterrupt):
        write_video(clip, folder, analyzer, task(blur=True))
    assert names_in(folder) == [name for name in ALL_FILES if name != "settings.json"]
    assert not is_done(clip, folder, analyzer, task())
    assert not is_done(clip, folder, analyzer, task(blur=True))


def test_folder_that_cannot_be_written(tmp_path, clip):
    (tmp_path / "out").write_text("a file")
    with pytest.raises(EmotionError, match=r"clip cannot be written \(.+\)\.$"):
        write_video(clip, tmp_path / "out" / "clip", make_analyzer(), task())


def test_error_of_the_analyzer_is_not_taken_for_one_of_the_folder(tmp_path, clip):
    analyzer = make_fake_analyzer(FakeDetector(WeightsUnavailableError("Out of reach.")))
    with pytest.raises(WeightsUnavailableError, match=r"^Out of reach\.$"):
        write_video(clip, tmp_path / "out" / "clip", analyzer, task())
    assert names_in(tmp_path / "out") == []


@pytest.mark.parametrize("name", ["x" * 300 + ".mp4", "round.mp4"], ids=["long", "link to itself"])
def test_path_that_cannot_be_looked_at_is_a_failure_like_any_other(tmp_path, name):
    (tmp_path / "round.mp4").symlink_to("round.mp4")
    path = tmp_path / name
    assert find_videos([path]) == [path]
    (folder,) = choose_folders([path], tmp_path / "out")
    with pytest.raises(VideoDecodeError, match="cannot be read"):
        write_video(path, folder, make_analyzer(), VideoTask(VideoSettings()))
