"""``python -m emotion_core video``: videos to one folder of results each."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from emotion_core.cli.arguments import (
    OK,
    SOME_FAILED,
    TABLES_HELP,
    WRONG_USE,
    eprint,
    load_chosen,
    show_download,
)
from emotion_core.cli.media import (
    DECIMALS,
    add_analysis,
    add_video_settings,
    print_skipped,
    to_video_settings,
)
from emotion_core.errors import EmotionError

if TYPE_CHECKING:
    from emotion_core.analyzer import Analyzer
    from emotion_core.reporting.video_folder import VideoTask
    from emotion_core.video.types import VideoProgress, VideoResult


def add_video(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of ``video``; sets ``run``."""
    parser.description = (
        "Analyse videos. Each gets a folder in DIR with annotated.mp4, frames.csv, people.csv, "
        "report.html, settings.json and, if there are faces, charts.html and charts.png. The same "
        "command resumes a run that was stopped: finished videos are skipped. "
        f"{TABLES_HELP}"
    )
    parser.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="videos, folders, ZIPs")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for results")
    add_video_settings(parser)
    parser.add_argument("--no-video", action="store_true", help="write no annotated video")
    parser.add_argument(
        "--reidentify",
        action="store_true",
        help="recognise people after long gaps (downloads a network once)",
    )
    parser.add_argument("--again", action="store_true", help="analyse finished videos again")
    add_analysis(parser, noun="video")
    parser.set_defaults(run=_run)


def _run(chosen: argparse.Namespace) -> int:
    from emotion_core.files.archive import unpacked
    from emotion_core.video.io import animation, demuxer

    suffixes = demuxer.SUFFIXES + animation.SUFFIXES
    with unpacked(chosen.paths, chosen.out, suffixes) as (paths, passed_over):
        return _analyze_all(chosen, paths, passed_over)


def _analyze_all(chosen: argparse.Namespace, given: list[Path], passed_over: list[Path]) -> int:
    from emotion_core.files.archive import packed_path
    from emotion_core.reporting.video_folder import choose_folders, find_videos, is_done

    paths = find_videos(given, passed_over.append)
    print_skipped(path.suffix for path in passed_over)
    if not paths:
        eprint("error: There is no video among the paths given.")
        return WRONG_USE
    analyzer = load_chosen(chosen)
    task = _make_task(chosen)
    failed = skipped = 0
    for path, folder in zip(paths, choose_folders(paths, chosen.out), strict=True):
        if not chosen.again and is_done(path, folder, analyzer, task):
            eprint(f"{packed_path(path)}: finished before; results in {folder}.")
            skipped += 1
            continue
        try:
            result = _analyze(path, folder, analyzer, task)
        except EmotionError as error:
            eprint(f"failed: {packed_path(path)}: {error}")
            failed += 1
        else:
            eprint(f"{packed_path(path)}: {_sum_up(result)}; results in {folder}.")
            for remark in (*result.info.warnings, result.fault):
                if remark:
                    eprint(f"note: {packed_path(path)}: {remark}")
    done = len(paths) - failed - skipped
    eprint(f"{done} of {len(paths)} videos analysed, {skipped} skipped, {failed} failed.")
    return SOME_FAILED if failed else OK


def _make_task(chosen: argparse.Namespace) -> VideoTask:
    from emotion_core.reporting.video_folder import VideoTask

    settings = to_video_settings(chosen, blur=chosen.blur)
    embedder = None
    if chosen.reidentify:
        from emotion_core.recognition.embedding import load_embedder

        embedder = load_embedder(on_progress=show_download)
    decimal = DECIMALS[chosen.decimal]
    return VideoTask(settings, not chosen.no_video, embedder, decimal)


def _analyze(path: Path, folder: Path, analyzer: Analyzer, task: VideoTask) -> VideoResult:
    """Analyses one video with a progress bar."""
    from emotion_core.photos.tables import readable_name
    from emotion_core.reporting.video_folder import write_video

    name = readable_name(path.name)
    with tqdm(desc=name, unit="frame", disable=None, leave=False) as bar:

        def show(progress: VideoProgress) -> None:
            bar.total, bar.n = progress.n_frames, progress.frames
            bar.set_description(f"{name}, writing" if progress.is_writing else name)

        return write_video(path, folder, analyzer, task, show)


def _sum_up(result: VideoResult) -> str:
    n_people = len(result.people)
    people = {0: "no face", 1: "1 person"}.get(n_people, f"{n_people} people")
    speed = result.n_frames / max(result.elapsed_s, 1e-3)
    frames = f"{result.n_analyzed} of {result.n_frames} frames analysed"
    return f"{people}; {frames} in {result.elapsed_s:.1f} s ({speed:.0f} a second)"
