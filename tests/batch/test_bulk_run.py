"""The command with real actors: undisturbed, stopped and gone on with, on two nodes."""

import json
import os
import signal
import subprocess
import sys
import time
from types import SimpleNamespace
from unittest.mock import MagicMock

import pandas as pd
import pytest

from emotion_core.batch.bulk_run import WorkerConfig, fit_workforce, iter_steps
from emotion_core.errors import EmotionError
from tests.batch.conftest import read_parts, start_batch
from tests.factories import encode, make_image
from tests.paths import PORTRAIT, ROOT
from tests.video.clips import make_clip, on_canvas, sample_face

PATIENCE_S = 240
OPTIONS = ("--chunk", "1", "--actors", "1")
PORTRAITS = 40
"""So many that a run can be stopped twice before it has done them all."""
SUMMARY = f"{PORTRAITS + 4} of {PORTRAITS + 6} inputs analysed, 2 failed"


@pytest.fixture(scope="session")
def inputs(tmp_path_factory):
    """Photos with a face, two without, two broken ones; a clip, and one that is none."""
    pytest.importorskip("ray.data", reason="The extra `serve` is not installed.")
    folder = tmp_path_factory.mktemp("inputs")
    portrait = PORTRAIT.read_bytes()
    for i in range(PORTRAITS):
        (folder / f"portrait{i}.jpg").write_bytes(portrait)
    (folder / "cut.jpg").write_bytes(portrait[: len(portrait) // 2])
    (folder / "empty.jpg").touch()
    (folder / "one pixel.png").write_bytes(encode(make_image(1, 1)))
    (folder / os.fsdecode(b"noise\xff.png")).write_bytes(encode(make_image(64, 48)))
    face = sample_face(96)
    make_clip(folder / "clip.mp4", [on_canvas(face, (100 + 4 * i, 120)) for i in range(6)])
    (folder / "broken.mov").write_bytes(b"no video")
    return folder


@pytest.fixture(scope="session")
def undisturbed(inputs, tmp_path_factory):
    """The folder of a run that was left alone, and what it said."""
    out = tmp_path_factory.mktemp("undisturbed")
    process = start_batch(inputs, "--out", out, *OPTIONS)
    said = process.communicate(timeout=PATIENCE_S)[1]
    return SimpleNamespace(out=out, said=said, code=process.returncode)


def count_chunks(out):
    """How many chunks of photos are finished."""
    return len([p for p in (out / "photos").glob("part-*") if "empty" not in p.name])


def wait_for_a_chunk(out, before, process):
    """Wait until more chunks are finished than before, so that the process is at work."""
    end = time.monotonic() + PATIENCE_S
    while count_chunks(out) <= before:
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < end
        time.sleep(0.01)


def test_run_tells_what_became_of_the_inputs(undisturbed):
    assert undisturbed.code == 1, undisturbed.said
    assert f'{SUMMARY}; results in "{undisturbed.out}".' in undisturbed.said
    assert "Traceback" not in undisturbed.said


def test_every_input_is_in_the_tables_once(undisturbed):
    tables = {t: pd.read_parquet(undisturbed.out / t) for t in ("photos", "videos", "failed")}
    assert sorted(tables["photos"]["source"]) == sorted(
        ["cut.jpg", "empty.jpg", "one pixel.png", "noise?.png"]
        + [f"portrait{i}.jpg" for i in range(PORTRAITS)]
    )
    assert sorted(tables["videos"]["source"]) == ["broken.mov", "clip.mp4"]
    assert sorted(tables["failed"]["source"]) == ["broken.mov", "empty.jpg"]
    faces = pd.read_parquet(undisturbed.out / "faces")
    assert set(faces.loc[faces["source"].str.startswith("portrait"), "emotion"]) == {"happiness"}
    assert set(pd.read_parquet(undisturbed.out / "frames")["track"]) == {1}


def test_nothing_but_results_is_left(undisturbed):
    assert {path.name for path in undisturbed.out.iterdir()} == {
        *("faces", "photos", "frames", "people", "videos", "failed"),
        *("settings.json", "_unfinished", ".lock"),
    }
    assert not list((undisturbed.out / "_unfinished").iterdir())


def test_run_that_was_stopped_and_killed_goes_on_to_the_same_bytes(inputs, undisturbed, tmp_path):
    """By Ctrl-C, which a terminal sends to all processes, and by SIGKILL."""
    for stop in (
        lambda pid: os.killpg(pid, signal.SIGINT),
        lambda pid: os.kill(pid, signal.SIGKILL),
    ):
        before = count_chunks(tmp_path)
        process = start_batch(inputs, "--out", tmp_path, *OPTIONS)
        wait_for_a_chunk(tmp_path, before, process)
        stop(process.pid)
        said = process.communicate(timeout=PATIENCE_S)[1]
        assert len(read_parts(tmp_path)) < len(read_parts(undisturbed.out))
        if process.returncode != -signal.SIGKILL:
            assert process.returncode == 130, said
            assert "What is finished stays; the same command goes on." in said
            assert "Traceback" not in said
            assert not list((tmp_path / "_unfinished").iterdir())
    again = start_batch(inputs, "--out", tmp_path, *OPTIONS)
    said = again.communicate(timeout=PATIENCE_S)[1]
    assert again.returncode == 1, said
    assert "inputs were finished before." in said
    assert SUMMARY in said
    assert read_parts(tmp_path) == read_parts(undisturbed.out)


def test_two_machines_share_the_work_and_give_the_same_bytes(inputs, undisturbed, tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "tests.batch.two_nodes", str(inputs), str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert done.returncode == 0, done.stderr
    assert len(set(json.loads(done.stdout.splitlines()[-1]))) == 2
    assert read_parts(tmp_path) == read_parts(undisturbed.out)


def make_ray(*nodes):
    return SimpleNamespace(
        nodes=lambda: [{"Alive": True, "Resources": resources} for resources in nodes]
    )


@pytest.mark.parametrize(
    ("nodes", "wanted", "expected"),
    [
        ([{"CPU": 8}], WorkerConfig(0, 0, -1, "auto"), WorkerConfig(4, 2, 0, "cpu")),
        ([{"CPU": 1}], WorkerConfig(0, 0, -1, "auto"), WorkerConfig(1, 1, 0, "cpu")),
        ([{"CPU": 8, "GPU": 2}], WorkerConfig(0, 0, -1, "auto"), WorkerConfig(2, 4, 1, "auto")),
        ([{"CPU": 8, "GPU": 1}], WorkerConfig(4, 0, -1, "auto"), WorkerConfig(4, 2, 0.25, "auto")),
        ([{"CPU": 8, "GPU": 1}], WorkerConfig(2, 3, -1, "cpu"), WorkerConfig(2, 3, 0, "cpu")),
        ([{"CPU": 1}, {"CPU": 1}], WorkerConfig(1, 0, -1, "auto"), WorkerConfig(1, 1, 0, "cpu")),
    ],
    ids=["cores", "one core", "GPUs", "part of a GPU", "no GPU wanted", "small machines"],
)
def test_workforce_follows_from_what_there_is(nodes, wanted, expected):
    assert fit_workforce(make_ray(*nodes), wanted) == expected


def test_actor_that_fits_no_machine_is_refused():
    with pytest.raises(EmotionError, match="No machine has the 4 cores and 0 GPUs that an actor"):
        fit_workforce(make_ray({"CPU": 2}), WorkerConfig(1, 4, -1, "auto"))


@pytest.mark.parametrize(
    ("cause", "reason"),
    [(ValueError("Much before it.\nWhat counts"), "What counts"), (MemoryError(), "MemoryError")],
    ids=["words", "silence"],
)
def test_what_ended_a_run_is_told(cause, reason):
    pytest.importorskip("ray.data", reason="The extra `serve` is not installed.")

    class LostError(Exception):
        def __init__(self):
            super().__init__()
            self.cause = cause

    ray = MagicMock()
    ray.exceptions.RayError = LostError
    steps = ray.data.read_datasource.return_value.map_batches.return_value
    steps.iter_batches.side_effect = LostError
    with pytest.raises(EmotionError, match=rf"^The run ended early: {reason}\. What is finished"):
        list(iter_steps(ray, MagicMock(), WorkerConfig(1, 1, 0, "cpu"), 1))
