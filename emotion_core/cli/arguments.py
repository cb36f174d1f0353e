"""What the commands share: options, checks, and loading the networks that were chosen."""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emotion_core.errors import EmotionError
from emotion_core.files.save import write_errors
from emotion_core.models.hub import resolve_models
from emotion_core.models.local import is_path
from emotion_core.models.material import MATERIALS
from emotion_core.models.runtime import DEVICES
from emotion_core.training.engine.base_config import parse_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from emotion_core.local_analyzer import LocalAnalyzer, ResolvedModel
    from emotion_core.models.card import Task
    from emotion_core.models.download import Progress
    from emotion_core.types import Device

    _Arguments = argparse.ArgumentParser | argparse._ArgumentGroup

OK, SOME_FAILED, WRONG_USE = 0, 1, 2
"""Exit codes: all done; some inputs failed, the others are done; nothing done."""

TABLES_HELP = "The columns of the tables are explained in docs/tables.md of the project."


def add_networks(parser: _Arguments) -> None:
    """Adds ``--model`` and ``--detector``."""
    parser.add_argument(
        "--model",
        type=network,
        metavar="M",
        help="emotion network: a name from `models list`, a Hub repository, owner/name[@commit], "
        "or a file that `export` or `adapt` wrote",
    )
    add_detector(parser)


def add_material(parser: _Arguments) -> None:
    """Adds ``--material``."""
    parser.add_argument(
        "--material",
        choices=MATERIALS,
        default="everyday",
        help="everyday: emotions are as frequent as in training, most faces neutral or happy "
        "(default); posed: all emotions are about as frequent, so that rare ones are read more "
        "often",
    )


def add_detector(parser: _Arguments) -> None:
    """Adds ``--detector``."""
    parser.add_argument(
        "--detector",
        type=network,
        metavar="D",
        help="face detector: a name from `models list`, or a file that `export-detector` wrote",
    )


def network(text: str) -> str:
    """The name of a network; paths become absolute, because other processes may read them."""
    return str(Path(text).absolute()) if is_path(text) else text


def load_chosen(chosen: argparse.Namespace) -> LocalAnalyzer:
    """Loads the networks chosen by the options of ``add_analysis``, and prints their names.

    Raises:
        EmotionError: See ``load_analyzer`` and ``find_model``.
    """
    from emotion_core.local_analyzer import load_analyzer

    analyzer = load_analyzer(
        chosen.model,
        chosen.detector,
        device=chosen.device,
        material=chosen.material,
        on_progress=show_download,
    )
    info = analyzer.info
    eprint(f"{info.emotion.name} on {info.device}, faces by {info.detector.name}.")
    print_notices(info.notices)
    return analyzer


def fetch_chosen(
    name: str | None, task: Task, device: Device, on_progress: Progress | None = None
) -> ResolvedModel:
    """Fetches the network that was named, or else the first available default.

    Raises:
        EmotionError: See ``find_model`` and ``fetch_first``.
    """
    from emotion_core.local_analyzer import fetch_first

    found = fetch_first(resolve_models(name, task), device, on_progress)
    print_notices(found.notices)
    return found


def print_notices(notices: Iterable[str]) -> None:
    """Prints which preferred networks are not available."""
    for notice in notices:
        eprint(f"note: {notice}")


def add_labels(parser: _Arguments, default: str) -> None:
    """Adds ``--labels`` for photos; ``find_labels`` reads it."""
    parser.add_argument(
        "--labels",
        metavar="FILE",
        help=f"CSV of the labels (default {default}); fairface: the ratings of FairFace that come "
        "with this program",
    )


def find_labels(labels: str | None, root: Path) -> Path:
    """The file of the labels, or the folder of the photos if none was named."""
    from emotion_core.training.datasets.fairface import RATINGS

    if labels is None:
        return root
    return RATINGS if labels == "fairface" else Path(labels)


def add_run_options(parser: argparse.ArgumentParser, example: str) -> None:
    """Adds the options that both trainings share; ``example`` is a setting for the help text."""
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="settings, in the format of config.json"
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help=f"any other setting of config.json, e.g. {example}",
    )
    parser.add_argument("--resume", type=Path, metavar="FILE", help="start from this checkpoint")
    parser.add_argument(
        "--keep-every",
        type=count_or_none,
        default=0,
        metavar="N",
        help="also keep the checkpoint of every N-th epoch (default 0: none)",
    )
    parser.add_argument("--device", choices=DEVICES, default="auto")
    add_threads(parser)


def add_threads(parser: argparse.ArgumentParser) -> None:
    """Adds ``--threads``."""
    parser.add_argument(
        "--threads", type=count, metavar="N", help="CPU threads of torch (default: torch's choice)"
    )


def set_threads(n: int | None) -> None:
    """Sets the number of torch's CPU threads; ``None`` leaves it as it is."""
    if n is not None:
        import torch

        torch.set_num_threads(n)


def to_settings(chosen: argparse.Namespace, names: Iterable[str]) -> dict[str, Any]:
    """Settings by name that were given by options of their own or by ``--set``."""
    given = {name: getattr(chosen, name) for name in names}
    settings = {name: value for name, value in given.items() if value is not None}
    return settings | parse_settings(chosen.set)


def check_report_path(path: Path | None) -> None:
    """Raises an ``EmotionError`` before a long measurement if its report cannot be written."""
    if path is None:
        return
    if path.suffix == ".html":
        raise EmotionError("--json needs another ending than .html, which is for the charts.")
    check_parent(path)


def check_parent(path: Path) -> None:
    """Raises an ``EmotionError`` if the folder of a file does not exist."""
    if not path.parent.is_dir():
        raise EmotionError(f"There is no folder {path.parent} to write {path.name} to.")


def write_report(path: Path, json: str, page: str) -> None:
    """Writes metrics as JSON, and their charts to the ``.html`` file beside it."""
    with write_errors(path):
        path.write_text(json, encoding="utf-8")
        path.with_suffix(".html").write_text(page, encoding="utf-8")


def int_in_range(low: int, high: float, what: str) -> Callable[[str], int]:
    """Makes a parser of integers from ``low`` to ``high``; ``what`` describes them in errors."""

    def read(text: str) -> int:
        if not text.isdecimal() or not low <= int(text) <= high:
            raise argparse.ArgumentTypeError(f"{text} is not {what}")
        return int(text)

    return read


def float_in_range(is_right: Callable[[float], bool], what: str) -> Callable[[str], float]:
    """Makes a parser of numbers that pass ``is_right``; ``what`` describes them in errors."""

    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan  # is in no range
        if not is_right(value):
            raise argparse.ArgumentTypeError(f"{text} is not {what}")
        return value

    return read


count = int_in_range(1, math.inf, "a number from 1")
rate_hz = float_in_range(lambda value: 0 < value <= 1000, "above 0 and up to 1000")
count_or_none = int_in_range(0, math.inf, "a number from 0")


def show_download(filename: str, done: int, total: int) -> None:
    """Updates a progress line on stderr, if that is a terminal."""
    if sys.stderr.isatty():
        all_of_it = f" of {total / 1e6:.1f}" if total else ""
        end = "\n" if done == total else ""
        sys.stderr.write(f"\rdownloading {filename}: {done / 1e6:.1f}{all_of_it} MB{end}")


_ESCAPED = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160)) if code != ord("\n")}


def eprint(text: str) -> None:
    """Prints to stderr, with the control characters of file names escaped."""
    sys.stderr.write(text.translate(_ESCAPED) + "\n")
