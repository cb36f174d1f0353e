import os
import shutil
import signal

import pandas as pd
import pytest

from emotion_core.batch.job import do_chunk
from emotion_core.batch.plan import Chunk
from emotion_core.batch.sources import MediaKind
from emotion_core.cli import batch as batch_command
from emotion_core.cli.batch import run_batch
from emotion_core.errors import EmotionError, MissingExtraError
from tests.batch.conftest import NETWORKS, parse, read_parts
from tests.paths import PORTRAIT

pytest.importorskip("ray.data", reason="The extra `serve` is not installed.")


@pytest.fixture(autouse=True)
def no_ray(monkeypatch):
    """These runs have nothing to do for an actor: that none is started is part of the test."""

    def fail(*_):
        pytest.fail("Ray is not needed here.")

    monkeypatch.setattr(batch_command, "_work", fail)


def run(*arguments):
    return run_batch(parse(*arguments, *NETWORKS))


def finish(out, *paths, analyzer):
    """What a run leaves behind that has done these photos."""
    job = batch_command._make_job(parse("x", "--out", out, *NETWORKS))
    job.folder.prepare(job.to_settings())
    list(do_chunk(analyzer, job, Chunk(MediaKind.PHOTO, tuple(map(str, paths)))))


def test_sources_without_a_photo_are_wrong_use(tmp_path, capsys):
    (tmp_path / "in").mkdir()
    assert run(tmp_path / "in", "--out", tmp_path / "out") == 2
    assert "There is no photo or video among the sources given." in capsys.readouterr().err


def test_run_that_is_finished_does_nothing(tmp_path, capsys, shipped_analyzer):
    finish(tmp_path / "out", PORTRAIT, analyzer=shipped_analyzer)
    before = read_parts(tmp_path / "out")
    assert run(PORTRAIT, "--out", tmp_path / "out") == 0
    said = capsys.readouterr().err
    assert "1 of 1 inputs were finished before." in said
    assert f'1 of 1 inputs analysed, 0 failed; results in "{tmp_path / "out"}".\n' in said
    assert read_parts(tmp_path / "out") == before


def test_failures_of_earlier_runs_still_count(tmp_path, capsys, shipped_analyzer):
    finish(tmp_path / "out", PORTRAIT, tmp_path / "none.jpg", analyzer=shipped_analyzer)
    assert run(PORTRAIT, tmp_path / "none.jpg", "--out", tmp_path / "out") == 1
    said = capsys.readouterr().err
    assert "1 of 2 inputs analysed, 1 failed" in said
    assert "none.jpg: The file cannot be read (No such file or directory).\n" in said


def test_a_run_that_is_told_to_end_says_what_stays(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(batch_command, "_work", lambda *_: os.kill(os.getpid(), signal.SIGTERM))
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt):
        run(PORTRAIT, "--out", tmp_path)
    assert "Finished results are kept; run the same command to resume.\n" in capsys.readouterr().err
    assert signal.getsignal(signal.SIGTERM) is before
    assert not list((tmp_path / "_unfinished").iterdir())


def test_failed_inputs_are_tried_again_when_asked(tmp_path, capsys, shipped_analyzer, monkeypatch):
    late, out = tmp_path / "late.jpg", tmp_path / "out"
    finish(out, PORTRAIT, late, tmp_path / "none.jpg", analyzer=shipped_analyzer)
    shutil.copy(PORTRAIT, late)
    earlier = pd.read_parquet(out / "faces")

    def work(_chosen, job, extent):
        assert (extent.inputs, extent.finished, extent.failed) == (2, 1, 0)
        (rows,) = job.folder.read_plan(0)
        assert rows["urls"].to_pylist() == [[str(late)]]
        steps = list(do_chunk(shipped_analyzer, job, Chunk(MediaKind.PHOTO, (str(late),))))
        return sum(s.inputs for s in steps), sum(s.failed for s in steps)

    monkeypatch.setattr(batch_command, "_work", work)
    assert run(PORTRAIT, late, "--out", out, "--retry-failed") == 0
    assert "2 of 2 inputs analysed, 0 failed" in capsys.readouterr().err
    photos = pd.read_parquet(out / "photos").set_index("url")["error"]
    assert photos[[str(PORTRAIT), str(late)]].tolist() == ["", ""]
    assert pd.read_parquet(out / "failed")["source"].tolist() == ["none.jpg"]  # not given this time
    faces = pd.read_parquet(out / "faces")
    kept = faces[faces["url"] == str(PORTRAIT)].reset_index(drop=True)
    pd.testing.assert_frame_equal(kept, earlier)


def test_a_retry_that_never_begins_keeps_what_was_found(tmp_path, shipped_analyzer, monkeypatch):
    finish(tmp_path / "out", PORTRAIT, tmp_path / "none.jpg", analyzer=shipped_analyzer)

    def work(*_):
        raise EmotionError("No machine has room.")

    monkeypatch.setattr(batch_command, "_work", work)
    arguments = (PORTRAIT, tmp_path / "none.jpg", "--out", tmp_path / "out", "--retry-failed")
    with pytest.raises(EmotionError, match="No machine has room"):
        run(*arguments)
    assert pd.read_parquet(tmp_path / "out" / "photos")["error"].tolist() == [""]
    assert len(pd.read_parquet(tmp_path / "out" / "faces")) == 1


def test_the_first_failures_are_named(tmp_path, capsys, shipped_analyzer):
    paths = [tmp_path / f"{i}.jpg" for i in range(7)]
    finish(tmp_path / "out", *paths, analyzer=shipped_analyzer)
    assert run(*paths, "--out", tmp_path / "out") == 1
    said = capsys.readouterr().err
    assert said.count("failed: ") == 5
    assert f"failed: {paths[0]}: The file cannot be read (No such file or directory).\n" in said
    assert "The table failed lists all of them." in said


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--min-score", "0.9", r"min_score 0\.6 there, 0\.9 now"),
        ("--hz", "2", r"hz None there, 2\.0 now"),
        ("--chunk", "10", "chunk_photos 256 there, 10 now"),
    ],
    ids=["score", "rate", "chunk"],
)
def test_other_settings_than_those_of_the_folder_are_refused(tmp_path, option, value, said):
    (tmp_path / "in").mkdir()
    assert run(tmp_path / "in", "--out", tmp_path / "out") == 2
    with pytest.raises(EmotionError, match=said):
        run(tmp_path / "in", "--out", tmp_path / "out", option, value)


def test_missing_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(batch_command, "find_spec", lambda name: None if name == "ray" else name)
    with pytest.raises(MissingExtraError, match=r"pip install -e '\.\[serve\]'\.$"):
        run(tmp_path, "--out", tmp_path / "out")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--actors", "0"], "0 is not a number from 1"),
        (["--gpus-per-actor", "much"], "much is not a number from 0 to 64"),
        (["--every", "2", "--hz", "1"], "not allowed with argument"),
    ],
    ids=["no actor", "no number", "both"],
)
def test_wrong_arguments_are_refused(options, said, capsys):
    with pytest.raises(SystemExit):
        parse("photos", "--out", "out", *options)
    assert said in capsys.readouterr().err
