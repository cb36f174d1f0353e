"""Inputs of a small bulk run, and the command: in this process, or one of its own."""

import argparse
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import cv2
import fsspec
import pytest

from emotion_core.batch.job import Job
from emotion_core.batch.results import ResultFolder
from emotion_core.video.types import VideoSettings
from tests.factories import SEVEN, encode, make_detector_card, make_emotion_card, make_image
from tests.paths import PORTRAIT, ROOT
from tests.video.clips import make_clip, on_canvas, sample_face

NETWORKS = ("--model", "emoscope-fer-s", "--detector", "emoscope-face-s", "--device", "cpu")
OPTIONS = ("--chunk", "1", "--actors", "1")
SUMMARY = "8 of 10 inputs analysed, 2 failed"
"""Of a run with ``inputs``."""


@pytest.fixture
def memory():
    """fsspec's file system in memory, emptied afterwards."""
    storage = fsspec.filesystem("memory")
    yield storage
    storage.store.clear()
    storage.pseudo_dirs[:] = [""]


@pytest.fixture
def job(tmp_path):
    """A job whose results go to a new folder."""
    folder = ResultFolder(str(tmp_path / "out"), SEVEN)
    return Job(folder, make_emotion_card(), make_detector_card(), VideoSettings(), 4)


@pytest.fixture(scope="session")
def inputs(tmp_path_factory):
    """Photos with a face, two without, two broken ones; a clip, and one that is none.

    The clip has two images: of a longer one, how many are read together goes by the time that
    they take, and with it the last bits of what is read.
    """
    folder = tmp_path_factory.mktemp("inputs")
    portrait = PORTRAIT.read_bytes()
    for i in range(4):
        (folder / f"portrait{i}.jpg").write_bytes(portrait)
    (folder / "cut.jpg").write_bytes(portrait[: len(portrait) // 2])
    (folder / "empty.jpg").touch()
    (folder / "one pixel.png").write_bytes(encode(make_image(1, 1)))
    (folder / os.fsdecode(b"noise\xff.png")).write_bytes(encode(make_image(64, 48)))
    face = sample_face(96)
    make_clip(folder / "clip.mp4", [on_canvas(face, (100 + 4 * i, 120)) for i in range(2)])
    (folder / "broken.mov").write_bytes(b"no video")
    return folder


@pytest.fixture(scope="session")
def undisturbed(inputs, tmp_path_factory):
    """The folder of a run in this process that was left alone, what it said, and its code."""
    return run_here(inputs, "--out", tmp_path_factory.mktemp("undisturbed"), *OPTIONS)


def parse(*arguments):
    from emotion_core.cli.batch import add_batch

    parser = argparse.ArgumentParser()
    add_batch(parser)
    return parser.parse_args([str(argument) for argument in arguments])


def run_here(*arguments, **ray):
    """The command in this process, with a stand-in for Ray; ``ray``: arguments of that.

    Gives what was written to the terminal, and the exit code, or what was raised in its place.
    """
    pytest.importorskip("ray.data", reason="The extra `serve` is not installed.")
    from emotion_core.cli import batch as batch_command
    from tests.batch.ray_stand_in import RayStandIn

    said = []
    chosen = parse(*arguments, *NETWORKS)
    threads = cv2.getNumThreads()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")  # what the actor sets is undone
        patch.setattr(batch_command, "prepare_environment", lambda **_: None)
        patch.setattr(batch_command, "ray_session", RayStandIn(**ray).session)
        patch.setattr(batch_command, "eprint", said.append)
        try:
            code = batch_command.run_batch(chosen)
        except BaseException as error:  # noqa: BLE001 - for the test to look at
            code = error
        finally:
            cv2.setNumThreads(threads)
    return SimpleNamespace(out=Path(chosen.out), said="\n".join(said), code=code)


def start_batch(*arguments):
    """``python -m emotion_core batch`` with the networks that ship."""
    code = "import argparse, sys\n"
    code += "from emotion_core.cli.batch import add_batch\n"
    code += "parser = argparse.ArgumentParser()\nadd_batch(parser)\n"
    code += "chosen = parser.parse_args()\n"
    code += "try: code = chosen.run(chosen)\n"
    code += "except KeyboardInterrupt: code = 130\n"
    code += "sys.exit(code)"
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments), *NETWORKS],
        cwd=ROOT,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )


def read_parts(out):
    """Every Parquet file of a result folder: its path in it and its bytes."""
    return {str(p.relative_to(out)): p.read_bytes() for p in sorted(Path(out).rglob("*.parquet"))}


def differing(out, expected):
    """Names of the Parquet files that are in one of two result folders only, or not the same."""
    these, those = read_parts(out), read_parts(expected)
    return [name for name in sorted({*these, *those}) if these.get(name) != those.get(name)]
