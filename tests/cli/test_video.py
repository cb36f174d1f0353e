"""``python -m emotion_core video``: what it writes, says, skips and ends with."""

import json
import re

import pandas as pd
import pytest

from emotion_core.cli.arguments import show_download
from emotion_core.cli.main import main
from emotion_core.errors import WeightsUnavailableError
from emotion_core.recognition import embedding
from emotion_core.video import pipeline
from tests.cli.conftest import note_loads
from tests.reporting.test_video_folder import stub_pages
from tests.video.clips import make_clip, numbered_images
from tests.video.detectors import SteadyDetector

SIZE_WH = (96, 64)

pytestmark = pytest.mark.usefixtures("asked")


@pytest.fixture(autouse=True)
def quick_pages(monkeypatch):
    stub_pages(monkeypatch)


@pytest.fixture
def asked(monkeypatch):
    """What the analyzer was loaded with; the analyzer itself is a fake one."""
    return note_loads(monkeypatch, SteadyDetector((20, 10, 60, 50)))


@pytest.fixture
def videos(tmp_path):
    """A folder of two good videos of the same name, and a text."""
    folder = tmp_path / "in"
    (folder / "sub").mkdir(parents=True)
    make_clip(folder / "clip.mp4", 8 * numbered_images(1, *SIZE_WH), audio="aac")
    make_clip(folder / "sub" / "clip.mkv", 5 * numbered_images(1, *SIZE_WH))
    (folder / "notes.txt").write_text("not a video")
    return folder


@pytest.fixture
def video(tmp_path):
    """Runs the command into ``out``."""
    return lambda *arguments: main(["video", *map(str, arguments), "--out", str(tmp_path / "out")])


def test_videos_are_analysed_into_folders(video, videos, tmp_path, capsys):
    assert video(videos) == 0
    out = tmp_path / "out"
    written = sorted(p.relative_to(out).as_posix() for p in out.rglob("*") if p.is_file())
    files = ["annotated.mp4", "charts.html", "charts.png", "frames.csv", "people.csv"]
    files += ["report.html", "settings.json"]
    assert written == [f"{folder}/{name}" for folder in ("clip (2)", "clip") for name in files]
    frames = pd.read_csv(out / "clip (2)" / "frames.csv", encoding="utf-8-sig")
    assert frames["frame"].nunique() == 5
    said = capsys.readouterr()
    assert said.out == ""
    assert "tiny on cpu, faces by tiny-faces." in said.err
    assert "note: Going on without far." in said.err
    summary = r"clip\.mp4: 1 person; 8 of 8 frames analysed in [\d.]+ s \(\d+ a second\); "
    assert re.search(summary + rf"results in {re.escape(str(out / 'clip'))}\.\n", said.err)
    assert said.err.endswith("2 of 2 videos analysed, 0 skipped, 0 failed.\n")


def test_failed_inputs_are_named_and_the_others_written(video, videos, tmp_path, capsys):
    (videos / "empty.mp4").touch()
    assert video(videos, videos / "notes.txt", tmp_path / "missing.mp4") == 1
    said = capsys.readouterr().err
    for name in ("empty.mp4", "notes.txt", "missing.mp4"):
        assert re.search(rf"^failed: \S+{re.escape(name)}: \S.+\.$", said, re.MULTILINE)
    assert "Traceback" not in said
    assert said.endswith("2 of 5 videos analysed, 0 skipped, 3 failed.\n")
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["clip", "clip (2)"]


def test_names_of_files_do_not_steer_the_terminal(video, tmp_path, capsys):
    name = "\x1b]0;title\x07.mp4"
    (tmp_path / name).touch()
    make_clip(tmp_path / "b.mp4", numbered_images(1, *SIZE_WH)).rename(tmp_path / f"b{name}")
    assert video(tmp_path / name, tmp_path / f"b{name}") == 1
    said = capsys.readouterr().err
    assert r"\x1b]0;title\x07.mp4: The file is empty" in said
    assert "\x1b" not in said
    assert "\x07" not in said


def test_finished_videos_are_skipped(video, videos, tmp_path, capsys):
    assert video(videos / "clip.mp4") == 0
    before = (tmp_path / "out" / "clip" / "frames.csv").stat().st_mtime_ns
    assert video(videos) == 0
    said = capsys.readouterr().err
    assert f"clip.mp4: finished before; results in {tmp_path / 'out' / 'clip'}." in said
    assert said.endswith("1 of 2 videos analysed, 1 skipped, 0 failed.\n")
    assert (tmp_path / "out" / "clip" / "frames.csv").stat().st_mtime_ns == before


@pytest.mark.parametrize("options", [["--again"], ["--blur"]], ids=" ".join)
def test_finished_videos_are_redone(video, videos, options, capsys):
    assert video(videos) == 0
    assert video(videos, *options) == 0
    assert capsys.readouterr().err.endswith("2 of 2 videos analysed, 0 skipped, 0 failed.\n")


def test_run_that_was_stopped_goes_on(video, videos, tmp_path, monkeypatch, capsys):
    original, calls = pipeline.people_table, []

    def interrupt_second(frames, **more):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return original(frames, **more)

    monkeypatch.setattr(pipeline, "people_table", interrupt_second)
    assert video(videos) == 130
    assert capsys.readouterr().err.endswith("Stopped.\n")
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["clip"]
    assert video(videos) == 0
    assert capsys.readouterr().err.endswith("1 of 2 videos analysed, 1 skipped, 0 failed.\n")


def test_options_reach_the_core(video, asked, videos, tmp_path):
    clip = videos / "clip.mp4"
    assert video(clip, "--every", "3", "--no-video", "--min-score", "0.25", "--min-face", "40") == 0
    frames = pd.read_csv(tmp_path / "out" / "clip" / "frames.csv", encoding="utf-8-sig")
    assert sorted(set(frames["frame"])) == [0, 3, 6]
    assert not (tmp_path / "out" / "clip" / "annotated.mp4").exists()
    assert video(clip, "--hz", "12.5", "--model", "emotion-ferplus-8", "--detector", "yunet") == 0
    frames = pd.read_csv(tmp_path / "out" / "clip" / "frames.csv", encoding="utf-8-sig")
    assert sorted(set(frames["frame"])) == [0, 2, 4, 6]
    assert asked[1][:2] == ("emotion-ferplus-8", "yunet")
    detector = asked[0][3]
    assert set(detector.calls) == {0.25, 0.6}
    assert set(detector.least_sides) == {40, 12}


def test_a_part_a_region_and_the_largest_face(video, videos, tmp_path, capsys):
    options = ["--from", "0:00.08", "--to", "0.2", "--region", "10,0,60,64", "--faces", "largest"]
    assert video(videos / "clip.mp4", *options, "--all-faces") == 0
    settings = json.loads((tmp_path / "out" / "clip" / "settings.json").read_text())["settings"]
    assert settings["all_faces"] is True
    frames = pd.read_csv(tmp_path / "out" / "clip" / "frames.csv", encoding="utf-8-sig")
    assert frames["frame"].tolist() == [2, 3, 4]
    assert frames["time_s"].tolist() == pytest.approx([0.08, 0.12, 0.16])
    assert (frames["x1"] == 30).all()  # that of the fake detector, in the region
    assert "note: " in capsys.readouterr().err


def test_embedder_that_cannot_be_had(video, videos, monkeypatch, capsys):
    def load(*, on_progress):
        assert on_progress is show_download
        raise WeightsUnavailableError("SFace is out of reach; go on without --reidentify.")

    monkeypatch.setattr(embedding, "load_embedder", load)
    assert video(videos, "--reidentify") == 2
    assert "error: SFace is out of reach; go on without --reidentify." in capsys.readouterr().err


def test_folder_without_videos(video, tmp_path, capsys):
    (tmp_path / "none").mkdir()
    assert video(tmp_path / "none") == 2
    assert "error: There is no video among the paths given." in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_video_that_breaks_off_is_kept_and_said(video, tmp_path, capsys):
    whole = make_clip(tmp_path / "whole.mkv", numbered_images(60, *SIZE_WH))
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    assert video(cut) == 0
    assert re.search(rf"note: {re.escape(str(cut))}: \S.+\.\n", capsys.readouterr().err)
    assert (tmp_path / "out" / "cut" / "settings.json").is_file()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param(["--every", "0"], "0 is not a number from 1", id="every"),
        pytest.param(["--hz", "0"], "0 is not above 0 and up to 1000", id="hz"),
        pytest.param(["--hz", "x"], "x is not above 0 and up to 1000", id="no number"),
        pytest.param(["--smooth", "61"], "61 is not between 0 and 60", id="smooth"),
        pytest.param(["--smooth", "nan"], "nan is not between 0 and 60", id="nan"),
        pytest.param(["--hz", "5", "--every", "2"], "not allowed with", id="both"),
        pytest.param(["--from", "soon"], "soon is no time", id="from"),
        pytest.param(["--region", "1,2"], "A region is x,y,width,height", id="region"),
        pytest.param(["--min-face", "0"], "0 is not a number of pixels", id="min-face"),
    ],
)
def test_wrong_use(video, options, message, capsys):
    with pytest.raises(SystemExit) as caught:
        video("a.mp4", *options)
    assert caught.value.code == 2
    assert message in capsys.readouterr().err
