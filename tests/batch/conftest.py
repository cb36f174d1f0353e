"""Inputs of a small bulk run, and the command as a process of its own."""

import argparse
import os
import subprocess
import sys
from pathlib import Path

import pytest

from emotion_core.batch.job import Job
from emotion_core.batch.results import ResultFolder
from emotion_core.video.types import VideoSettings
from tests.factories import SEVEN, make_detector_card, make_emotion_card
from tests.paths import ROOT

NETWORKS = ("--model", "emoscope-fer-s", "--detector", "emoscope-face-s", "--device", "cpu")


@pytest.fixture
def job(tmp_path):
    """A job whose results go to a new folder."""
    folder = ResultFolder(str(tmp_path / "out"), SEVEN)
    return Job(folder, make_emotion_card(), make_detector_card(), VideoSettings(), 4)


def parse(*arguments):
    from emotion_core.cli.batch import add_batch

    parser = argparse.ArgumentParser()
    add_batch(parser)
    return parser.parse_args([str(argument) for argument in arguments])


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
