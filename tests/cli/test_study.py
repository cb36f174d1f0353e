"""``emoscope study``: from a folder to tables, resumed to the same bytes, and projects opened."""

import json
import sys

import pandas as pd
import pytest

from emotion_core.cli.main import main
from emotion_core.imaging.codec import encode_jpeg
from emotion_core.study import run
from emotion_core.study.edits import Edits, ExcludePerson, ExcludeVideo, RenamePerson
from emotion_core.video.io.reader import VideoReader
from tests.cli.conftest import note_loads
from tests.video.clips import make_clip, numbered_images
from tests.video.detectors import SteadyDetector

SIZE_WH = (96, 64)
NAMES = ("P1_calm", "P1_joy", "P2_calm")
PATTERN = "{participant}_{stimulus}.mp4"


@pytest.fixture(autouse=True)
def detector(monkeypatch):
    """Finds one face in every frame; the analyzer loads nothing."""
    steady = SteadyDetector((20, 10, 60, 50))
    note_loads(monkeypatch, steady)
    return steady


@pytest.fixture(autouse=True)
def quick_page(monkeypatch):
    monkeypatch.setattr("emotion_core.study.export.to_html", lambda *_, **__: "<html></html>")
    monkeypatch.setattr("emotion_core.reporting.html_page.vega_script", str)


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clips")
    for number, name in enumerate(NAMES, 8):
        make_clip(folder / f"{name}.mp4", number * numbered_images(1, *SIZE_WH))
    (folder / "P2_joy.mp4").touch()
    make_clip(folder / "warmup.mp4", numbered_images(2, *SIZE_WH))
    return folder


@pytest.fixture
def study(tmp_path):
    """Runs the command into ``out``."""
    return lambda *arguments: main(["study", *map(str, arguments), "--out", str(tmp_path / "out")])


def bytes_in(folder):
    return {
        p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()
    }


def test_folder_becomes_tables_and_failures_stop_nothing(study, clips, tmp_path, capsys):
    events = tmp_path / "events.csv"
    events.write_text("time,label,stimulus\n0,cue,joy\n0.5,bell,jjoy\n")
    more = ("--baseline", "0,0.1", "--events", events)
    assert study(clips, "--pattern", PATTERN, *more) == 1
    said = capsys.readouterr().err
    assert "note: No video fits the event bell at 0.5 s (stimulus jjoy).\n" in said
    assert "note: warmup.mp4 is left out: no participant and stimulus.\n" in said
    assert "failed: P2_joy.mp4: The file is empty" in said
    assert "3 of 4 videos analysed, 0 analysed before.\n" in said
    assert said.endswith(f'4 videos in the tables, 1 failed; results in "{tmp_path / "out"}".\n')
    frames = pd.read_csv(tmp_path / "out" / "all_frames.csv", encoding="utf-8-sig")
    assert frames.groupby(["participant", "stimulus"])["frame"].count().tolist() == [8, 9, 10]
    assert "change_valence" in frames
    videos = pd.read_csv(tmp_path / "out" / "all_videos.csv", encoding="utf-8-sig")
    assert videos["error"].notna().tolist() == [False, False, False, True]
    assert json.loads((tmp_path / "out" / "study_settings.json").read_text())["about"]["networks"]


def test_a_photo_is_a_still_of_one_second_whatever_part_of_videos_is_analysed(
    study, tmp_path, capsys
):
    folder = tmp_path / "photos"
    folder.mkdir()
    encoded = encode_jpeg(numbered_images(1, *SIZE_WH)[0])
    for name in ("P1_joy.jpg", "P2_joy.jpg", "holiday.jpg"):
        (folder / name).write_bytes(encoded)
    part = ("--every", 3, "--from", 5, "--annotated")
    assert study(folder, "--pattern", "{participant}_{stimulus}", *part) == 0
    assert "note: holiday.jpg is left out" in capsys.readouterr().err
    frames = pd.read_csv(tmp_path / "out" / "all_frames.csv", encoding="utf-8-sig")
    assert frames.groupby("participant")["weight_s"].sum().tolist() == [1, 1]
    drawn = sorted(path.name for path in (tmp_path / "out" / "annotated").iterdir())
    assert drawn == ["P1_joy.mp4", "P2_joy.mp4"]


def test_stopped_and_resumed_run_gives_the_same_bytes_and_analyses_nothing_twice(
    study, clips, tmp_path, monkeypatch, capsys
):
    calls = []
    tabulate = run.tabulate_video

    def stop_at_the_third(path, *rest, **options):
        calls.append(path.name)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return tabulate(path, *rest, **options)

    monkeypatch.setattr(run, "tabulate_video", stop_at_the_third)
    assert study(clips, "--pattern", PATTERN) == 130
    assert sorted(bytes_in(tmp_path / "out")) == sorted(
        f"readings/{path.name}" for path in (tmp_path / "out" / "readings").iterdir()
    )
    assert study(clips, "--pattern", PATTERN) == 1
    assert calls == [f"{name}.mp4" for name in (*NAMES, NAMES[2], "P2_joy")]
    assert "1 of 4 videos analysed, 2 analysed before." in capsys.readouterr().err
    resumed = bytes_in(tmp_path / "out")
    (tmp_path / "out").rename(tmp_path / "first")
    assert study(clips, "--pattern", PATTERN) == 1
    assert bytes_in(tmp_path / "out") == resumed


@pytest.mark.slow
def test_renamed_files_and_other_tables_need_no_new_analysis(study, clips, tmp_path, detector):
    who = tmp_path / "who.csv"
    lines = [f"{name}.mp4,{i},S," for i, name in enumerate(NAMES)]
    who.write_text("\n".join(["file,participant,stimulus,condition", *lines]))
    assert study(clips, "--assign", who) == 0
    n_calls = len(detector.calls)
    events = tmp_path / "events.csv"
    events.write_text("time,label\n0.1,cue\n")
    arguments = ("--assign", who, "--events", events, "--clock", "4", "--also", "json")
    assert study(clips, *arguments) == 0
    assert len(detector.calls) == n_calls
    windows = pd.read_csv(tmp_path / "out" / "event_windows.csv", encoding="utf-8-sig")
    assert windows["event"].tolist() == ["cue"] * 3
    assert (tmp_path / "out" / "study.json").is_file()
    assert study(clips, "--assign", who, "--hz", "5") == 0
    assert len(detector.calls) > n_calls
    assert not (tmp_path / "out" / "study.json").exists()


@pytest.mark.slow
def test_annotated_videos_are_drawn_from_the_readings_with_the_edits(
    study, clips, tmp_path, monkeypatch
):
    drawn = []

    def draw(canvas, analysis, names):
        drawn.append((len(analysis), names))
        return canvas

    monkeypatch.setattr("emotion_core.video.annotation.draw_in_place", draw)
    edits = Edits(
        (
            RenamePerson("P1_calm.mp4", 1, "Anna"),
            ExcludePerson("P1_joy.mp4", 1),
            ExcludeVideo("P2_calm.mp4"),
        )
    )
    (tmp_path / "edits.json").write_text(edits.to_json())
    study(clips, "--pattern", PATTERN, "--edits", tmp_path / "edits.json", "--annotated")
    folder = tmp_path / "out" / "annotated"
    assert sorted(path.name for path in folder.iterdir()) == ["P1_calm.mp4", "P1_joy.mp4"]
    assert (1, {1: "Anna"}) in drawn
    assert (0, {1: "Person 1"}) in drawn
    with VideoReader(folder / "P1_calm.mp4") as reader:
        assert len(list(reader.frames())) == 8


def test_project_is_opened_edited_and_written_without_its_videos(
    study, clips, tmp_path, detector, capsys
):
    study(clips, "--pattern", PATTERN)
    project = (tmp_path / "out" / "study.emoscope").rename(tmp_path / "mine.emoscope")
    before = bytes_in(tmp_path / "out")
    n_calls = len(detector.calls)
    assert study(project) == 1
    assert len(detector.calls) == n_calls
    assert {n: d for n, d in bytes_in(tmp_path / "out").items() if n in before} == before
    edits = tmp_path / "edits.json"
    edits.write_text('{"edits": [{"kind": "exclude_video", "video": "P1_joy.mp4"}]}')
    assert study(project, "--edits", edits) == 1
    rows = pd.read_csv(tmp_path / "out" / "participants.csv", encoding="utf-8-sig")
    assert rows.set_index("video").loc["P1_joy.mp4", "note"] == "excluded"
    assert study(project, "--smooth", "2") == 1
    settings = json.loads((tmp_path / "out" / "study_settings.json").read_text())["settings"]
    assert settings["smoothing_s"] == 2
    capsys.readouterr()
    assert study(project, "--every", "1", "--model", "other") == 2
    assert "leave --every and --model out" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "Who is in which video? Give --pattern"),
        (["--pattern", "{participant}.mp4"], "The pattern needs {participant} and {stimulus}"),
        (["--pattern", "{participant}-{stimulus}.mp4"], "No video is named as the pattern says."),
        (["--pattern", PATTERN, "--edits", "none.json"], "none.json cannot be read"),
        (["--pattern", PATTERN, "--baseline", "5,1"], "The span of the baseline must"),
        (["--pattern", PATTERN, "--baseline-stimulus", "nap"], "No video has the stimulus nap"),
        (["--pattern", PATTERN, "--also", "xlsx"], "Excel files need the package xlsxwriter"),
        (["--pattern", PATTERN, "--edits", "wrong.json"], "wrong.json: Edit 1 needs a kind"),
        (["--pattern", PATTERN, "--edits", "other.json"], "Edit 1 names x.mp4, which is not in"),
    ],
)
def test_wrong_use_is_explained_before_any_analysis(
    study, clips, detector, capsys, monkeypatch, tmp_path, arguments, said
):
    monkeypatch.setitem(sys.modules, "xlsxwriter", None)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "wrong.json").write_text('{"edits": [{"kind": "melt"}]}')
    (tmp_path / "other.json").write_text('{"edits": [{"kind": "exclude_video", "video": "x.mp4"}]}')
    assert study(clips, *arguments) == 2
    assert f"error: {said}" in capsys.readouterr().err
    assert not detector.calls


def test_edit_of_somebody_who_is_not_there_ends_the_run_at_that_video(
    study, clips, tmp_path, capsys
):
    edits = tmp_path / "edits.json"
    edits.write_text('{"edits": [{"kind": "choose", "video": "P1_calm.mp4", "track": 9}]}')
    assert study(clips, "--pattern", PATTERN, "--edits", edits) == 2
    assert "error: P1_calm.mp4 has no person 9." in capsys.readouterr().err
    assert len(list((tmp_path / "out" / "readings").iterdir())) == 1


def test_folder_that_is_not_there_is_named(study, tmp_path, capsys):
    assert study(tmp_path / "none", "--pattern", PATTERN) == 2
    assert "error: There is no folder" in capsys.readouterr().err
