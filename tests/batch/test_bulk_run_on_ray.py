"""The command with real actors: killed, and gone on with on two nodes."""

import json
import os
import subprocess
import sys
import time
from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from tests.batch.conftest import OPTIONS, differing, read_parts, start_batch
from tests.paths import ROOT

pytest.importorskip("ray.serve", reason="The extra `serve` is not installed.")

pytestmark = pytest.mark.slow

PATIENCE_S = 240


@contextmanager
def held_up(photo):
    """A photo whose reader waits for more while the block runs; then it is what it was."""
    aside = photo.with_suffix(".aside")
    photo.rename(aside)
    os.mkfifo(photo)
    try:
        yield
    finally:
        photo.unlink()
        aside.rename(photo)


def wait_until_read(pipe, process):
    """Wait until somebody reads a photo that holds them up."""
    end_s = time.monotonic() + PATIENCE_S
    while True:
        try:
            return os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
        except OSError:  # nobody does
            assert process.poll() is None, process.stderr.read()
            assert time.monotonic() < end_s
            time.sleep(0.05)


@pytest.fixture(scope="module")
def killed(inputs, tmp_path_factory):
    """A run that was killed on this machine while it read its fourth input: its folder, and how
    many files were finished then.
    """
    out = tmp_path_factory.mktemp("killed")
    first, photo = [inputs / f"portrait{i}.jpg" for i in range(3)], inputs / "portrait3.jpg"
    with held_up(photo):
        process = start_batch(*first, photo, inputs, "--out", out, *OPTIONS)
        pipe = wait_until_read(photo, process)
        process.kill()
        process.communicate()
    yield SimpleNamespace(out=out, n_parts=len(read_parts(out)))
    os.close(pipe)  # not sooner: an actor that has outlived the command would go on


@pytest.fixture(scope="module")
def on_two_nodes(inputs, killed):
    """What ``two_nodes`` tells of the rest of the run, and of a server."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.batch.two_nodes", str(inputs), str(killed.out)],
        cwd=ROOT,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert done.returncode == 0, done.stderr
    return {**json.loads(done.stdout.splitlines()[-1]), "said": done.stderr}


def test_what_was_finished_when_a_run_was_killed_is_kept(killed, undisturbed):
    assert 0 < killed.n_parts < len(read_parts(undisturbed.out))


def test_two_nodes_finish_the_run_to_the_same_bytes(on_two_nodes, killed, undisturbed):
    assert on_two_nodes["code"] == undisturbed.code
    assert len(set(on_two_nodes["workers"])) == 2
    assert "of 10 inputs were finished before." in on_two_nodes["said"]
    assert differing(killed.out, undisturbed.out) == []
    assert not list((killed.out / "_unfinished").iterdir())


def test_replicas_on_two_nodes_share_the_work(on_two_nodes):
    assert len(set(on_two_nodes["replicas"])) == len(on_two_nodes["replicas"]) == 2
    assert on_two_nodes["faces"] == [1] * 16
