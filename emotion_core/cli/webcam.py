"""``python -m emotion_core webcam``: a camera's pictures, read by a server."""

from __future__ import annotations

import argparse
import os
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from emotion_core.cli.arguments import float_in_range
from emotion_core.imaging.annotate import annotate
from emotion_core.serving.client import load_remote_analyzer
from emotion_core.serving.webcam_client import AnalysisWorker, Camera, RunStats, iter_shown
from emotion_core.serving.webcam_sinks import StatusLine, VideoFileSink, Window

if TYPE_CHECKING:
    from emotion_core.serving.webcam_client import FrameSink
    from emotion_core.types import Image

OK, FAILED = 0, 1


def add_webcam(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``webcam`` to a parser."""
    parser.description = (
        "Show a camera's pictures with what a server reads in them. A server that wants a token "
        "gets that of EMOSCOPE_SERVER_TOKEN."
    )
    parser.add_argument("--server", required=True, metavar="URL", help="http://host:8000")
    parser.add_argument(
        "--source", default="0", metavar="INDEX|FILE", help="camera number or video (default 0)"
    )
    parser.add_argument(
        "--no-window", action="store_true", help="print a line a second instead of a window"
    )
    seconds = float_in_range(lambda value: 0 < value < 1e6, "a number of seconds above 0")
    parser.add_argument("--seconds", type=seconds, metavar="S", help="end after so long")
    parser.add_argument("--out", type=Path, metavar="FILE.mp4", help="record what is shown")
    parser.set_defaults(run=run_webcam)


def run_webcam(chosen: argparse.Namespace) -> int:
    """Run until the source, the time or the user ends it.

    Returns:
        0, or 1 if the server never answered a picture.

    Raises:
        EmotionError: Source, server, window or file cannot be had.
    """
    analyzer = load_remote_analyzer(
        chosen.server, os.environ.get("EMOSCOPE_SERVER_TOKEN", ""), timeout_s=10.0
    )
    with ExitStack() as stack:
        stack.callback(analyzer.close)
        outlets: list[FrameSink] = [] if chosen.no_window else [Window()]
        if chosen.out:
            outlets.append(VideoFileSink(chosen.out))
        for outlet in outlets:
            stack.callback(outlet.close)
        camera = stack.enter_context(Camera(chosen.source))
        asker = stack.enter_context(AnalysisWorker(camera, analyzer))
        tally = _show(camera, asker, outlets, chosen)
    answered = asker.reading.answered
    sys.stdout.write(
        f"{tally.captured} pictures captured, {tally.shown} shown, {answered} analysed.\n"
    )
    if not answered and asker.reading.error:
        sys.stderr.write(f"error: {asker.reading.error}\n")
    return OK if answered else FAILED


def _show(
    camera: Camera, asker: AnalysisWorker, outlets: list[FrameSink], chosen: argparse.Namespace
) -> RunStats:
    lines = StatusLine() if chosen.no_window else None
    last = RunStats()
    for image, tally in iter_shown(camera, asker, chosen.seconds):
        last = tally
        if lines:
            lines.tell(tally)
        drawn = _draw(image, tally) if outlets else image
        if not all([outlet.show(drawn) for outlet in outlets]):  # noqa: C419 - each must be shown
            break
    return last


def _draw(image: Image, tally: RunStats) -> Image:
    """The newest answer on the newest picture; the answer's own is a little older."""
    analysis = tally.reading.analysis
    return image if analysis is None else annotate(image, analysis)
