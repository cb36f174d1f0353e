"""The command line: what it writes, what it says and how it ends, around a fake analyzer."""

import json
import re
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from emotion_core import local_analyzer
from emotion_core.cli import main as cli
from emotion_core.cli.main import main
from emotion_core.errors import WeightsUnavailableError
from emotion_core.imaging import codec
from emotion_core.imaging.codec import decode_image
from emotion_core.models import download, registry
from emotion_core.models.card import WeightFile
from emotion_core.models.registry import CARDS
from emotion_core.reporting import photo_folder
from emotion_core.reporting.photo_folder import find_photos, write_results
from tests.cli.conftest import note_loads
from tests.factories import (
    FakeDetector,
    make_counting_photo,
    make_emotion_card,
    make_fake_analyzer,
)
from tests.paths import ROOT

PAGE = "<!DOCTYPE html>".ljust(200_000)


@pytest.fixture(autouse=True)
def quick_page(monkeypatch):
    """A page without its chart and what draws it."""
    monkeypatch.setattr(photo_folder, "valence_arousal_chart", len)
    monkeypatch.setattr(photo_folder, "to_html", lambda n, title: f"{PAGE}{title} of {n} faces")


@pytest.fixture
def asked(monkeypatch):
    """What the analyzer was loaded with; the analyzer itself is a fake one."""
    return note_loads(monkeypatch, FakeDetector())


@pytest.fixture
def photos(tmp_path):
    """A folder of three good photos (two in folders below), a broken one and a text."""
    folder = tmp_path / "in"
    (folder / "sub" / "deep").mkdir(parents=True)
    (folder / "a.png").write_bytes(make_counting_photo(2, 400, 300))
    (folder / "sub" / "a.png").write_bytes(make_counting_photo(0, 400, 300))
    (folder / "sub" / "deep" / "=cmd.png").write_bytes(make_counting_photo(1, 400, 300))
    (folder / "notes.txt").write_text("not a photo")
    return folder


@pytest.mark.usefixtures("asked")
def test_photos_are_analysed_into_a_folder(photos, tmp_path, capsys):
    out = tmp_path / "new" / "out"
    assert main(["photos", str(photos), "--out", str(out)]) == 0
    written = sorted(p.relative_to(out).as_posix() for p in out.rglob("*") if p.is_file())
    assert written == [
        "annotated/a.jpg",
        "annotated/sub_a.jpg",
        "annotated/sub_deep_=cmd.jpg",
        "faces.csv",
        "photos.csv",
        "settings.json",
        "valence_arousal.html",
    ]
    assert json.loads((out / "settings.json").read_text("utf-8")) == {
        "model": "tiny 0000000000000000",
        "detector": "tiny-faces 1111111111111111",
        "min_score": 0.6,
        "min_face_px": 12,
        "blur": False,
    }
    table = pd.read_csv(out / "photos.csv", encoding="utf-8-sig").set_index("source")
    assert table["faces"].to_dict() == {"a.png": 2, "sub/a.png": 0, "sub/deep/=cmd.png": 1}
    faces = pd.read_csv(out / "faces.csv", encoding="utf-8-sig")
    assert sorted(faces["source"]) == ["a.png", "a.png", "sub/deep/=cmd.png"]
    assert decode_image((out / "annotated" / "a.jpg").read_bytes()).pixels.shape == (300, 400, 3)
    page = (out / "valence_arousal.html").read_text("utf-8")
    assert page == f"{PAGE}Valence and arousal of 3 faces"
    said = capsys.readouterr()
    assert said.out == ""
    assert "tiny on cpu, faces by tiny-faces." in said.err
    assert "note: Going on without far." in said.err
    assert f'3 of 3 photos analysed; results in "{out}".\n' in said.err


@pytest.mark.usefixtures("asked")
def test_photos_in_an_archive_are_analysed_and_the_rest_is_told(photos, tmp_path, capsys):
    packed = shutil.make_archive(str(tmp_path / "album"), "zip", photos)
    assert main(["photos", packed, "--out", str(tmp_path / "out")]) == 0
    table = pd.read_csv(tmp_path / "out" / "photos.csv", encoding="utf-8-sig")
    assert set(table["source"]) == {"a.png", "sub/a.png", "sub/deep/=cmd.png"}
    assert "note: Passed over, by their endings: 1 .txt.\n" in capsys.readouterr().err
    assert not list((tmp_path / "out").glob(".unpacked*"))


@pytest.mark.usefixtures("asked")
def test_tables_may_have_decimal_commas(photos, tmp_path):
    out = tmp_path / "out"
    assert main(["photos", str(photos), "--out", str(out), "--decimal", "comma"]) == 0
    table = pd.read_csv(out / "faces.csv", encoding="utf-8-sig", sep=";", decimal=",")
    assert table["confidence"].between(0, 1).all()
    assert len(table) == 3


@pytest.mark.usefixtures("asked")
def test_failed_inputs_are_named_and_the_others_written(photos, tmp_path, capsys):
    (photos / "empty.jpg").write_bytes(b"")
    paths = [str(photos), str(photos / "notes.txt"), str(photos / "missing.jpg")]
    assert main(["photos", *paths, "--out", str(tmp_path / "out")]) == 1
    table = pd.read_csv(tmp_path / "out" / "photos.csv", encoding="utf-8-sig").set_index("source")
    assert len(table) == 6
    failed = table["error"].dropna().to_dict()
    assert failed["empty.jpg"] == "The file is empty (0 bytes)."
    assert failed["missing.jpg"] == "The file cannot be read (No such file or directory)."
    assert failed["notes.txt"].startswith("The file is not an image in a format that can be read")
    assert len(failed) == 3
    said = capsys.readouterr().err
    assert f"failed: {photos / 'empty.jpg'}: The file is empty (0 bytes)." in said
    assert f"failed: {photos / 'missing.jpg'}: The file cannot be read" in said
    assert "3 of 6 photos analysed" in said
    assert len(list((tmp_path / "out" / "annotated").iterdir())) == 3


@pytest.mark.usefixtures("asked")
def test_of_a_file_that_is_too_large_no_more_is_read_than_tells_so(photos, tmp_path, monkeypatch):
    monkeypatch.setattr(codec, "MAX_BYTES", 2**20)
    with (photos / "huge.tif").open("wb") as file:
        file.truncate(3 * 2**20)
    assert main(["photos", str(photos), "--out", str(tmp_path / "out")]) == 1
    table = pd.read_csv(tmp_path / "out" / "photos.csv", encoding="utf-8-sig").set_index("source")
    failed = table["error"].dropna().to_dict()
    assert failed == {"huge.tif": "The file has more than 1 MB; at most 1 MB are read."}


@pytest.mark.usefixtures("asked")
def test_only_failures_still_write_all_tables(tmp_path):
    assert main(["photos", str(tmp_path / "no.jpg"), "--out", str(tmp_path / "out")]) == 1
    assert len(pd.read_csv(tmp_path / "out" / "photos.csv", encoding="utf-8-sig")) == 1
    assert len(pd.read_csv(tmp_path / "out" / "faces.csv", encoding="utf-8-sig")) == 0


@pytest.mark.usefixtures("asked")
def test_blur_makes_faces_unrecognisable(photos, tmp_path):
    spreads = []
    for options in ([], ["--blur"]):
        out = tmp_path / f"out{len(options)}"
        path = photos / "sub" / "deep" / "=cmd.png"
        assert main(["photos", str(path), "--out", str(out), *options]) == 0
        pixels = decode_image((out / "annotated" / "=cmd.jpg").read_bytes()).pixels
        spreads.append(float(np.std(pixels[80:280, 20:380])))
    assert spreads[1] < 0.2 * spreads[0]


def test_options_reach_the_core(asked, photos, tmp_path):
    arguments = ["photos", str(photos), "--out", str(tmp_path / "out"), "--device", "cpu"]
    assert main(arguments) == 0
    options = ["--model", "emotion-ferplus-8", "--detector", "yunet", "--min-score", "0.25"]
    options += ["--min-face", "40", "--material", "posed"]
    assert main([*arguments, *options]) == 0
    default, chosen = asked
    assert default[:3] == (None, None, "cpu")
    assert chosen[:2] == ("emotion-ferplus-8", "yunet")
    assert (default[4], chosen[4]) == ("everyday", "posed")
    assert set(default[3].calls) == {0.6, 0.25}
    assert set(default[3].least_sides) == {12, 40}


@pytest.mark.usefixtures("asked")
def test_out_that_cannot_be_written(photos, tmp_path, capsys):
    (tmp_path / "out").write_text("a file")
    assert main(["photos", str(photos), "--out", str(tmp_path / "out")]) == 2
    assert re.search(r"error: .*out cannot be written \(.+\)\.", capsys.readouterr().err)
    assert (tmp_path / "out").read_text() == "a file"


@pytest.mark.usefixtures("asked")
def test_a_full_disk_leaves_no_half_file(photos, tmp_path, capsys):
    """There is room for an image of a kilobyte, then for none of the page of charts."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        assert main(["photos", str(photos), "--out", str(tmp_path / "out")]) == 2
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert "cannot be written (File too large)." in capsys.readouterr().err
    left = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert {path.name for path in left} >= {"faces.csv", "photos.csv"}
    assert "valence_arousal.html" not in {path.name for path in left}


@pytest.mark.usefixtures("asked")
def test_a_folder_with_images_of_other_photos_is_refused(photos, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["photos", str(photos / "a.png"), "--out", str(out)]) == 0
    before = {p: p.read_bytes() for p in out.rglob("*.*")}
    assert main(["photos", str(photos / "sub" / "deep"), "--out", str(out)]) == 2
    assert {p: p.read_bytes() for p in out.rglob("*.*")} == before
    said = capsys.readouterr().err
    assert f"error: {out / 'annotated'} holds images of other photos, e.g. a.jpg;" in said


@pytest.mark.usefixtures("asked")
def test_the_same_photos_again_leave_nothing_of_the_earlier_run(photos, tmp_path):
    out = tmp_path / "out"
    (out / "annotated").mkdir(parents=True)
    (out / "annotated" / "notes.txt").write_text("mine")
    assert main(["photos", str(photos), "--out", str(out)]) == 0
    (photos / "a.png").write_bytes(b"")
    assert main(["photos", str(photos), "--out", str(out)]) == 1
    left = sorted(p.name for p in (out / "annotated").iterdir())
    assert left == ["notes.txt", "sub_a.jpg", "sub_deep_=cmd.jpg"]


def test_error_of_the_analyzer_is_not_taken_for_one_of_the_folder(photos, tmp_path):
    detector = FakeDetector(WeightsUnavailableError("The Hub cannot be reached."))
    results = write_results(make_fake_analyzer(detector), {"a": photos / "a.png"}, tmp_path / "out")
    with pytest.raises(WeightsUnavailableError, match=r"^The Hub cannot be reached\.$"):
        list(results)


def test_stopping_early_keeps_what_was_done(photos, tmp_path):
    found = find_photos([photos], out=tmp_path / "out")
    results = write_results(make_fake_analyzer(), found, tmp_path / "out")
    first = next(results)
    results.close()
    table = pd.read_csv(tmp_path / "out" / "photos.csv", encoding="utf-8-sig")
    assert table["source"].tolist() == [first.source]
    assert len(list((tmp_path / "out" / "annotated").iterdir())) == 1


@pytest.mark.usefixtures("asked")
def test_folder_without_photos(tmp_path, capsys):
    assert main(["photos", str(tmp_path), "--out", str(tmp_path / "out")]) == 2
    assert "error: There is no photo among the paths given." in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_unknown_model_names_what_there_is(photos, tmp_path, capsys):
    arguments = ["photos", str(photos), "--out", str(tmp_path / "out"), "--model", "nonesuch"]
    assert main(arguments) == 2
    said = capsys.readouterr().err
    assert "nonesuch" in said
    assert "mobilefacenet-rafdb" in said
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param([], "the following arguments are required", id="nothing"),
        pytest.param(["photos"], "the following arguments are required: PATH, --out", id="photos"),
        pytest.param(["photos", "a.jpg"], "arguments are required: --out", id="no out"),
        pytest.param(["photos", "a", "--out", "b", "--min-score", "2"], "2 is not between", id="2"),
        pytest.param(
            ["photos", "a", "--out", "b", "--min-face", "0"], "0 is not a number of", id="no side"
        ),
        pytest.param(
            ["photos", "a", "--out", "b", "--min-score", "x"], "x is not between 0 and 1", id="x"
        ),
        pytest.param(
            ["photos", "a", "--out", "b", "--min-score", "nan"], "nan is not between", id="nan"
        ),
        pytest.param(["photos", "a", "--out", "b", "--device", "tpu"], "invalid choice", id="tpu"),
        pytest.param(["models"], "the following arguments are required", id="models"),
        pytest.param(["dance"], "invalid choice: 'dance'", id="unknown"),
    ],
)
def test_wrong_use(arguments, message, capsys):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert message in capsys.readouterr().err


def test_interrupt(monkeypatch, photos, tmp_path, capsys):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(local_analyzer, "load_analyzer", interrupt)
    assert main(["photos", str(photos), "--out", str(tmp_path / "out")]) == 130
    assert capsys.readouterr().err.endswith("Stopped.\n")


# Models


@pytest.fixture
def shipped(tmp_path, monkeypatch):
    """A catalog of two: one file ships intact, one is missing."""
    intact = make_emotion_card(
        name="intact",
        weights=WeightFile(
            "intact.onnx", "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
        ),
    )
    (tmp_path / "intact.onnx").write_bytes(b"test")  # whose SHA-256 it is
    cards = {"intact": intact, "missing": make_emotion_card(name="missing")}
    for module in (registry, cli):
        monkeypatch.setattr(module, "CARDS", cards)
    monkeypatch.setattr(download, "WEIGHTS_DIR", tmp_path)
    return tmp_path


@pytest.mark.usefixtures("shipped")
def test_models_list(capsys):
    assert main(["models", "list"]) == 0
    intact, missing = capsys.readouterr().out.splitlines()
    assert re.match(r"intact +emotion +here +size unknown +ships with the project \(MIT\)", intact)
    assert re.match(r"missing +emotion +not downloaded", missing)


def test_models_list_names_every_card(capsys):
    assert main(["models", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(CARDS)
    assert all(card.licence in line for card, line in zip(CARDS.values(), lines, strict=True))


@pytest.mark.parametrize("names", [[], ["intact"]])
@pytest.mark.usefixtures("shipped")
def test_models_verify(names, capsys):
    assert main(["models", "verify", *names]) == 0
    assert capsys.readouterr().out.startswith("intact: is intact: ships with the project (")


def test_models_verify_tells_tampered_and_missing_ones(shipped: Path, capsys):
    (shipped / "intact.onnx").write_bytes(b"tampered")
    assert main(["models", "verify", "intact", "missing"]) == 1
    said = capsys.readouterr().err
    assert "failed: intact: intact.onnx is not the file that its card describes" in said
    assert re.search(r"failed: missing: .*tiny\.onnx is missing; it ships with", said)


@pytest.mark.usefixtures("shipped")
def test_models_fetch_goes_on_after_a_failure(capsys):
    assert main(["models", "fetch"]) == 1
    said = capsys.readouterr()
    assert said.out.startswith("intact: ships with the project")
    assert "failed: missing: " in said.err


@pytest.mark.parametrize("command", ["fetch", "verify", "publish"])
@pytest.mark.usefixtures("shipped")
def test_models_of_unknown_name(command, capsys):
    more = ["owner/name"] if command == "publish" else []
    assert main(["models", command, "nonesuch", *more]) == 2
    expected = "error: There is no model 'nonesuch'; there are: intact, missing."
    assert expected in capsys.readouterr().err


def test_program_starts_as_a_module():
    program = [sys.executable, "-m", "emotion_core"]
    folder = ROOT
    done = subprocess.run([*program, "models", "list"], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == len(CARDS)
    assert done.stderr == ""


@pytest.mark.slow
def test_whoever_reads_only_the_beginning_of_the_output_sees_no_traceback():
    command = [sys.executable, "-m", "emotion_core", "models", "list"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    process.stdout.close()
    assert process.stderr.read() == ""
    process.stderr.close()
    assert process.wait() == 1
