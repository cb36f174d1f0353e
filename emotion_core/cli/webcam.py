"""``python -m emotion_core webcam``: a camera's frames, analysed by a server."""

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
    """Adds the arguments of ``webcam``; sets ``run``."""
    parser.description = (
        "Show a camera's frames with a server's results. If the server requires a token, it is "
        "taken from EMOSCOPE_SERVER_TOKEN."
    )
    parser.add_argument("--server", required=True, metavar="URL", help="http://host:8000")
    parser.add_argument(
        "--source", default="0", metavar="INDEX|FILE", help="camera number or video (default 0)"
    )
    parser.add_argument(
        "--no-window",
        action="store_true",
        help="print a line per second instead of showing a window",
    )
    seconds = float_in_range(lambda value: 0 < value < 1e6, "a number of seconds above 0")
    parser.add_argument("--seconds", type=seconds, metavar="S", help="stop after this time")
    parser.add_argument("--out", type=Path, metavar="FILE.mp4", help="record what is shown")
    parser.set_defaults(run=run_webcam)


def run_webcam(chosen: argparse.Namespace) -> int:
    """Runs until the source, the time or the user ends it.

    Returns:
        0, or 1 if the server never analysed a frame.

    Raises:
        EmotionError: Source, server, window or file is not available.
    """
    analyzer = load_remote_analyzer(
        chosen.server, os.environ.get("EMOSCOPE_SERVER_TOKEN", ""), timeout_s=10.0
    )
    with ExitStack() as stack:
        stack.callback(analyzer.close)
        sinks: list[FrameSink] = [] if chosen.no_window else [Window()]
        if chosen.out:
            sinks.append(VideoFileSink(chosen.out))
        for sink in sinks:
            stack.callback(sink.close)
        camera = stack.enter_context(Camera(chosen.source))
        worker = stack.enter_context(AnalysisWorker(camera, analyzer))
        stats = _show(camera, worker, sinks, chosen)
    answered = worker.reading.answered
    sys.stdout.write(
        f"{stats.captured} frames captured, {stats.shown} shown, {answered} analysed.\n"
    )
    if not answered and worker.reading.error:
        sys.stderr.write(f"error: {worker.reading.error}\n")
    return OK if answered else FAILED


def _show(
    camera: Camera, worker: AnalysisWorker, sinks: list[FrameSink], chosen: argparse.Namespace
) -> RunStats:
    lines = StatusLine() if chosen.no_window else None
    last = RunStats()
    for image, stats in iter_shown(camera, worker, chosen.seconds):
        last = stats
        if lines:
            lines.tell(stats)
        drawn = _draw(image, stats) if sinks else image
        if not all([sink.show(drawn) for sink in sinks]):  # noqa: C419 - each must be shown
            break
    return last


def _draw(image: Image, stats: RunStats) -> Image:
    """The newest result on the newest frame, although it belongs to a slightly older one."""
    analysis = stats.reading.analysis
    return image if analysis is None else annotate(image, analysis)
