"""What the commands over photos and videos share: options, and what they say about files."""

from __future__ import annotations

import argparse
import math
from collections import Counter
from typing import TYPE_CHECKING

from emotion_core.analyzer import to_region
from emotion_core.cli.arguments import (
    add_material,
    add_networks,
    count,
    eprint,
    float_in_range,
    int_in_range,
    rate_hz,
)
from emotion_core.clock import parse_time
from emotion_core.errors import EmotionError
from emotion_core.models.runtime import DEVICES
from emotion_core.types import DEFAULT_MIN_FACE_PX, DEFAULT_MIN_SCORE
from emotion_core.video.types import VideoSettings

if TYPE_CHECKING:
    from collections.abc import Iterable

    from emotion_core.cli.arguments import _Arguments
    from emotion_core.photos.tables import Decimal
    from emotion_core.types import Region

_pixels = int_in_range(1, math.inf, "a number of pixels from 1")
_fraction = float_in_range(lambda value: 0 <= value <= 1, "between 0 and 1")
_seconds = float_in_range(lambda value: 0 <= value <= 60, "between 0 and 60")


DECIMALS: dict[str, Decimal] = {"point": ".", "comma": ","}


def add_analysis(parser: argparse.ArgumentParser, *, noun: str) -> None:
    """Adds the options of an analysis on this machine; the help calls its inputs ``noun``."""
    add_networks(parser)
    add_material(parser)
    parser.add_argument("--device", choices=DEVICES, default="auto")
    add_faces(parser, noun=noun)
    add_actions(parser)
    add_decimal(parser)
    parser.add_argument(
        "--blur",
        action="store_true",
        help="make every detected face unrecognisable, including those not reported; "
        "videos are then searched frame by frame",
    )


def add_decimal(parser: _Arguments) -> None:
    """Adds ``--decimal``; ``DECIMALS`` has the sign."""
    parser.add_argument(
        "--decimal",
        choices=DECIMALS,
        default="point",
        help="decimal sign in CSV files; with comma, semicolons separate cells (default point)",
    )


def add_faces(parser: _Arguments, *, noun: str) -> None:
    """Adds ``--min-score``, ``--min-face``, ``--region``, ``--faces`` and ``--all-faces``."""
    parser.add_argument(
        "--min-score",
        type=_fraction,
        default=DEFAULT_MIN_SCORE,
        metavar="0-1",
        help=f"minimum confidence of a face (default {DEFAULT_MIN_SCORE})",
    )
    parser.add_argument(
        "--min-face",
        type=_pixels,
        default=DEFAULT_MIN_FACE_PX,
        metavar="PX",
        help=f"minimum side of a face, in pixels of the {noun} (default {DEFAULT_MIN_FACE_PX})",
    )
    parser.add_argument(
        "--region",
        type=_region,
        metavar="X,Y,W,H",
        help=f"search only this part of the {noun}, in pixels from its upper left corner",
    )
    parser.add_argument(
        "--faces",
        choices=("all", "largest"),
        default="all",
        help=f"which faces of the {noun} are reported (default all)",
    )
    parser.add_argument(
        "--all-faces",
        action="store_true",
        help="count faces that are too small, blurred, turned or covered to be read in means, "
        "shares and charts, too; by default the column n_unusable tells how many are left out",
    )


def add_actions(parser: _Arguments) -> None:
    """Adds ``--actions``."""
    parser.add_argument(
        "--actions",
        action="store_true",
        help="add 51 columns of action features (brows, eyes, cheeks, nose, mouth; 0-1) to the "
        "tables of faces and frames, if the model has them",
    )


def _region(text: str) -> Region:
    try:
        return to_region(text)
    except EmotionError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _time(text: str) -> float:
    try:
        return parse_time(text)
    except EmotionError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def add_video_settings(parser: _Arguments) -> None:
    """Adds ``--every``, ``--hz``, ``--smooth``, ``--from`` and ``--to``."""
    for name, where in (("from", "begins"), ("to", "ends")):
        parser.add_argument(
            f"--{name}",
            dest=f"{name}_s",
            type=_time,
            metavar="TIME",
            help=f"where the part of a video to analyse {where}: seconds, or 1:30, or 0:01:30.5",
        )
    often = parser.add_mutually_exclusive_group()
    often.add_argument(
        "--every", type=count, default=1, metavar="N", help="analyse every N-th frame of a video"
    )
    often.add_argument(
        "--hz", type=rate_hz, metavar="R", help="analyse R frames per second of video"
    )
    parser.add_argument(
        "--smooth",
        type=_seconds,
        default=VideoSettings().smoothing_s,
        metavar="S",
        help="time constant, in seconds, for smoothing annotations, charts, dominant emotions and "
        f"key moments; 0 for none (default {VideoSettings().smoothing_s}); frames.csv and means "
        "are never smoothed",
    )


def to_video_settings(chosen: argparse.Namespace, *, blur: bool = False) -> VideoSettings:
    """Settings from the options of ``add_faces`` and ``add_video_settings``."""
    return VideoSettings(
        every=chosen.every,
        hz=chosen.hz,
        min_score=chosen.min_score,
        min_face_px=chosen.min_face,
        blur=blur,
        smoothing_s=chosen.smooth,
        region=chosen.region,
        largest_only=chosen.faces == "largest",
        from_s=chosen.from_s or 0.0,
        to_s=chosen.to_s,
        all_faces=chosen.all_faces,
        actions=chosen.actions,
    )


def print_skipped(suffixes: Iterable[str]) -> None:
    """Prints how many files were passed over by their suffixes, if there are any."""
    uses = Counter(suffix.lower() or "without an ending" for suffix in suffixes)
    if uses:
        kinds = ", ".join(f"{n} {suffix}" for suffix, n in uses.most_common())
        eprint(f"note: Passed over, by their endings: {kinds}.")
