"""What the commands that analyse something share: their arguments, and the core these choose."""

from __future__ import annotations

import argparse
import math
import sys
from typing import TYPE_CHECKING

from emotion_core.catalog import candidates
from emotion_core.hub_models import find_model
from emotion_core.model_card import Task
from emotion_core.runtime import DEVICES
from emotion_core.types import DEFAULT_MIN_FACE_PX, DEFAULT_MIN_SCORE

if TYPE_CHECKING:
    from emotion_core.analyzer import LocalAnalyzer
    from emotion_core.model_card import ModelCard

OK, SOME_FAILED, WRONG_USE = 0, 1, 2
"""What a command ends with: all done; some inputs failed, the others are done; nothing done."""


def add_analysis(parser: argparse.ArgumentParser, *, picture: str) -> None:
    """Add the arguments that say how pictures are analysed.

    Args:
        parser: Of the command.
        picture: What the command's help calls one, e.g. ``"photo"``.
    """
    parser.add_argument(
        "--model",
        metavar="M",
        help="emotion network: a name from `models list`, or a Hub repository, owner/name[@commit]",
    )
    parser.add_argument("--detector", metavar="D", help="face detector from `models list`")
    parser.add_argument("--device", choices=DEVICES, default="auto")
    parser.add_argument(
        "--min-score",
        type=fraction,
        default=DEFAULT_MIN_SCORE,
        metavar="0-1",
        help=f"least confidence of a face (default {DEFAULT_MIN_SCORE})",
    )
    parser.add_argument(
        "--min-face",
        type=pixels,
        default=DEFAULT_MIN_FACE_PX,
        metavar="PX",
        help=f"least side of a face, in pixels of the {picture} (default {DEFAULT_MIN_FACE_PX})",
    )
    parser.add_argument("--blur", action="store_true", help="make faces unrecognisable")


def load_chosen(chosen: argparse.Namespace) -> LocalAnalyzer:
    """Load the networks that the arguments of ``add_analysis`` ask for, and say which they are.

    Raises:
        EmotionError: See ``analyzer.load_analyzer`` and ``hub_models.find_model``.
    """
    from emotion_core.analyzer import load_analyzer

    analyzer = load_analyzer(
        _wanted(chosen.model, Task.EMOTION),
        _wanted(chosen.detector, Task.DETECTION),
        device=chosen.device,
        on_progress=show_download,
    )
    info = analyzer.info
    say(f"{info.emotion.name} on {info.device}, faces by {info.detector.name}.")
    for notice in info.notices:
        say(f"note: {notice}")
    return analyzer


def pixels(text: str) -> int:
    """Read a number of pixels, from 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a number of pixels from 1")
    return int(text)


def fraction(text: str) -> float:
    """Read a number from 0 to 1."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 1")
    return value


def show_download(filename: str, done: int, total: int) -> None:
    """Keep one line of the terminal up to date; say nothing where there is no terminal."""
    if sys.stderr.isatty():
        whole = f" of {total / 1e6:.1f}" if total else ""
        end = "\n" if done == total else ""
        sys.stderr.write(f"\rdownloading {filename}: {done / 1e6:.1f}{whole} MB{end}")


def say(text: str) -> None:
    """Tell the person at the terminal."""
    sys.stderr.write(text + "\n")


def _wanted(name: str | None, task: Task) -> list[ModelCard]:
    """A model that was asked for by name is used or nothing is; else there are defaults."""
    return [find_model(name, task)] if name else candidates(task)
