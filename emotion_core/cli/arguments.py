"""What the commands that analyse something share: their arguments, and the core these choose."""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emotion_core.errors import EmotionError
from emotion_core.models.hub import resolve_models
from emotion_core.models.local import is_path
from emotion_core.models.runtime import DEVICES
from emotion_core.training.engine.atomic_write import write_errors
from emotion_core.training.engine.base_config import parse_settings
from emotion_core.types import DEFAULT_MIN_FACE_PX, DEFAULT_MIN_SCORE
from emotion_core.video.types import VideoSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from emotion_core.local_analyzer import LocalAnalyzer, ResolvedModel
    from emotion_core.models.card import Task
    from emotion_core.models.download import Progress
    from emotion_core.types import Device

    _Arguments = argparse.ArgumentParser | argparse._ArgumentGroup

OK, SOME_FAILED, WRONG_USE = 0, 1, 2
"""What a command ends with: all done; some inputs failed, the others are done; nothing done."""

TABLES_HELP = "What each column of the tables means stands in docs/tables.md of the project."


def add_analysis(parser: argparse.ArgumentParser, *, noun: str) -> None:
    """Add the arguments that say how images are analysed, here and now.

    Args:
        parser: Of the command.
        noun: What the command's help calls one, e.g. ``"photo"``.
    """
    add_networks(parser)
    parser.add_argument("--device", choices=DEVICES, default="auto")
    add_faces(parser, noun=noun)
    parser.add_argument(
        "--blur",
        action="store_true",
        help="make every face that is found unrecognisable, also those that are not reported; "
        "videos are searched image by image then",
    )


def add_networks(parser: _Arguments) -> None:
    """Add ``--model`` and ``--detector``."""
    parser.add_argument(
        "--model",
        type=network,
        metavar="M",
        help="emotion network: a name from `models list`, a Hub repository, owner/name[@commit], "
        "or a file that `export` wrote",
    )
    add_detector(parser)


def add_detector(parser: _Arguments) -> None:
    """Add ``--detector``."""
    parser.add_argument(
        "--detector",
        type=network,
        metavar="D",
        help="face detector: a name from `models list`, or a file that `export-detector` wrote",
    )


def network(text: str) -> str:
    """The name of a network; a path is made absolute, since other processes may read it."""
    return str(Path(text).absolute()) if is_path(text) else text


def add_faces(parser: _Arguments, *, noun: str) -> None:
    """Add ``--min-score`` and ``--min-face``, which say what faces count; see ``add_analysis``."""
    parser.add_argument(
        "--min-score",
        type=_fraction,
        default=DEFAULT_MIN_SCORE,
        metavar="0-1",
        help=f"least confidence of a face (default {DEFAULT_MIN_SCORE})",
    )
    parser.add_argument(
        "--min-face",
        type=_pixels,
        default=DEFAULT_MIN_FACE_PX,
        metavar="PX",
        help=f"least side of a face, in pixels of the {noun} (default {DEFAULT_MIN_FACE_PX})",
    )


def add_video_settings(parser: _Arguments) -> None:
    """Add ``--every``, ``--hz`` and ``--smooth``, which say how videos are analysed."""
    often = parser.add_mutually_exclusive_group()
    often.add_argument(
        "--every", type=count, default=1, metavar="N", help="analyse every N-th image of a video"
    )
    often.add_argument("--hz", type=_rate, metavar="R", help="analyse R images a second of video")
    parser.add_argument(
        "--smooth",
        type=_seconds,
        default=VideoSettings().smoothing_s,
        metavar="S",
        help="time constant, in seconds, of the smoothing of what is drawn, charted and told of "
        f"emotions and moments; 0 for none (default {VideoSettings().smoothing_s}); tables of "
        "frames, and means, are never smoothed",
    )


def to_video_settings(chosen: argparse.Namespace, *, blur: bool = False) -> VideoSettings:
    """What the arguments of ``add_faces`` and ``add_video_settings`` ask for."""
    return VideoSettings(
        every=chosen.every,
        hz=chosen.hz,
        min_score=chosen.min_score,
        min_face_px=chosen.min_face,
        blur=blur,
        smoothing_s=chosen.smooth,
    )


def load_chosen(chosen: argparse.Namespace) -> LocalAnalyzer:
    """Load the networks that the arguments of ``add_analysis`` ask for, and say which they are.

    Raises:
        EmotionError: See ``load_analyzer`` and ``find_model``.
    """
    from emotion_core.local_analyzer import load_analyzer

    analyzer = load_analyzer(
        chosen.model,
        chosen.detector,
        device=chosen.device,
        on_progress=show_download,
    )
    info = analyzer.info
    eprint(f"{info.emotion.name} on {info.device}, faces by {info.detector.name}.")
    print_notices(info.notices)
    return analyzer


def fetch_chosen(
    name: str | None, task: Task, device: Device, on_progress: Progress | None = None
) -> ResolvedModel:
    """Fetch the network that was named, or else the first default that is available.

    Raises:
        EmotionError: See ``find_model`` and ``fetch_first``.
    """
    from emotion_core.local_analyzer import fetch_first

    found = fetch_first(resolve_models(name, task), device, on_progress)
    print_notices(found.notices)
    return found


def print_notices(notices: Iterable[str]) -> None:
    """Tell the person at the terminal which preferred networks are not available."""
    for notice in notices:
        eprint(f"note: {notice}")


def add_run_options(parser: argparse.ArgumentParser, example: str) -> None:
    """Add the options that both trainings share; ``example`` is a setting for the help text."""
    parser.add_argument("--config", type=Path, metavar="FILE", help="settings, as config.json")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help=f"any other setting of config.json, e.g. {example}",
    )
    parser.add_argument("--resume", type=Path, metavar="FILE", help="start from this checkpoint")
    parser.add_argument(
        "--keep-every", type=count_or_none, default=0, metavar="N", help="keep epoch-NNNN.pt"
    )
    parser.add_argument("--device", choices=DEVICES, default="auto")
    add_threads(parser)


def add_threads(parser: argparse.ArgumentParser) -> None:
    """Add ``--threads``."""
    parser.add_argument(
        "--threads", type=count, metavar="N", help="CPU threads of torch (default: its own choice)"
    )


def set_threads(n: int | None) -> None:
    """Set the number of torch's CPU threads; ``None`` leaves it as it is."""
    if n is not None:
        import torch

        torch.set_num_threads(n)


def to_settings(chosen: argparse.Namespace, names: Iterable[str]) -> dict[str, Any]:
    """Settings by name that were given by options of their own or by ``--set``."""
    given = {name: getattr(chosen, name) for name in names}
    settings = {name: value for name, value in given.items() if value is not None}
    return settings | parse_settings(chosen.set)


def check_report_path(path: Path | None) -> None:
    """Check before a long measurement that ``write_report`` can write its files.

    Raises:
        EmotionError: It cannot.
    """
    if path is None:
        return
    if path.suffix == ".html":
        raise EmotionError("--json needs another ending than .html, where the plots go.")
    check_parent(path)


def check_parent(path: Path) -> None:
    """Check that the folder of a file exists.

    Raises:
        EmotionError: It does not.
    """
    if not path.parent.is_dir():
        raise EmotionError(f"There is no folder {path.parent} to write {path.name} to.")


def write_report(path: Path, json: str, page: str) -> None:
    """Write metrics as JSON, and their charts to the ``.html`` file beside it."""
    with write_errors(path):
        path.write_text(json, encoding="utf-8")
        path.with_suffix(".html").write_text(page, encoding="utf-8")


def int_in_range(low: int, high: float, what: str) -> Callable[[str], int]:
    """What reads a whole number from ``low`` to ``high``; others are not ``what``, it says."""

    def read(text: str) -> int:
        if not text.isdecimal() or not low <= int(text) <= high:
            raise argparse.ArgumentTypeError(f"{text} is not {what}")
        return int(text)

    return read


def float_in_range(is_right: Callable[[float], bool], what: str) -> Callable[[str], float]:
    """What reads a number for which ``is_right``; others are not ``what``, it says."""

    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan  # lies in no range
        if not is_right(value):
            raise argparse.ArgumentTypeError(f"{text} is not {what}")
        return value

    return read


count = int_in_range(1, math.inf, "a number from 1")
count_or_none = int_in_range(0, math.inf, "a number from 0")
_pixels = int_in_range(1, math.inf, "a number of pixels from 1")
_fraction = float_in_range(lambda value: 0 <= value <= 1, "between 0 and 1")
_rate = float_in_range(lambda value: 0 < value <= 1000, "above 0 and up to 1000")
_seconds = float_in_range(lambda value: 0 <= value <= 60, "between 0 and 60")


def show_download(filename: str, done: int, total: int) -> None:
    """Keep one line of the terminal up to date; say nothing where there is no terminal."""
    if sys.stderr.isatty():
        all_of_it = f" of {total / 1e6:.1f}" if total else ""
        end = "\n" if done == total else ""
        sys.stderr.write(f"\rdownloading {filename}: {done / 1e6:.1f}{all_of_it} MB{end}")


_ESCAPED = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160)) if code != ord("\n")}


def eprint(text: str) -> None:
    """Tell the person at the terminal; what would steer it, in a file's name, stands escaped."""
    sys.stderr.write(text.translate(_ESCAPED) + "\n")
