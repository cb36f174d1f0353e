"""The command with real actors: killed and gone on with; on two nodes."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest

from tests.batch.conftest import OPTIONS, SUMMARY, differing, read_parts, start_batch
from tests.paths import ROOT

pytest.importorskip("ray.data", reason="The extra `serve` is not installed.")

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


@pytest.fixture
def stop_at(inputs, tmp_path):
    """Runs the command until it reads a photo, and stops it there.

    Called with the photo and what ends a process by its id; gives what was said, and the code.
    """
    pipes = []

    def run_and_stop(photo, stop):
        with held_up(photo):
            process = start_batch(photo, inputs, "--out", tmp_path, *OPTIONS)
            pipes.append(wait_until_read(photo, process))
            stop(process.pid)
            said = process.communicate(timeout=PATIENCE_S)[1]
        return said, process.returncode

    yield run_and_stop
    for pipe in pipes:  # not sooner: an actor that has outlived the command would go on
        os.close(pipe)


def test_run_that_was_killed_goes_on_to_the_same_bytes(inputs, undisturbed, tmp_path, stop_at):
    _, code = stop_at(inputs / "portrait2.jpg", lambda pid: os.kill(pid, signal.SIGKILL))
    assert code == -signal.SIGKILL
    assert len(read_parts(tmp_path)) < len(read_parts(undisturbed.out))

    again = start_batch(inputs, "--out", tmp_path, *OPTIONS)
    said = again.communicate(timeout=PATIENCE_S)[1]
    assert again.returncode == 1, said
    assert SUMMARY in said
    assert differing(tmp_path, undisturbed.out) == []
    assert not list((tmp_path / "_unfinished").iterdir())


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
    assert differing(tmp_path, undisturbed.out) == []
