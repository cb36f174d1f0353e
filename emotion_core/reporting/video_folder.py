"""Videos on disk: finding them, and writing the results of each to its own folder."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emotion_core.errors import EmotionError, VideoDecodeError
from emotion_core.files.archive import has_suffix
from emotion_core.files.tempfiles import AnonymousTempFile, atomic_write
from emotion_core.photos.tables import (
    Decimal,
    numbered,
    readable_name,
    safe_stems,
    table_to_csv,
)
from emotion_core.reporting.dashboard import dashboard_chart
from emotion_core.reporting.html_report import charts_page, report_page
from emotion_core.reporting.photo_charts import to_png
from emotion_core.reporting.photo_folder import OnSkip, ignore, iter_files
from emotion_core.video.io import animation
from emotion_core.video.io.demuxer import SUFFIXES
from emotion_core.video.pipeline import analyze_video
from emotion_core.video.tables import longest_seen, select_people, smooth_result

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from emotion_core.analyzer import Analyzer
    from emotion_core.recognition.embedding import FaceEmbedder
    from emotion_core.video.pipeline import OnProgress
    from emotion_core.video.types import VideoResult, VideoSettings

_VIDEO = "annotated.mp4"
_CHARTS = ("charts.html", "charts.png")
_SETTINGS = "settings.json"
_LAYOUT = 4  # of the results; raised when it changes, so that videos are analysed again


@dataclass(frozen=True, slots=True)
class VideoTask:
    """How a video is analysed and what is written.

    Attributes:
        settings: Settings of the analysis.
        has_video: Whether the annotated video is written.
        embedder: Re-identifies people after longer gaps.
        decimal: Decimal sign of the tables, see ``table_to_csv``.
    """

    settings: VideoSettings
    has_video: bool = True
    embedder: FaceEmbedder | None = None
    decimal: Decimal = "."


def find_videos(paths: Iterable[Path], on_skip: OnSkip = ignore) -> list[Path]:
    """Lists the named files and all videos in and below the named folders, each once.

    Annotated videos of an earlier run are left out. A path that does not exist is kept, so that it
    is reported like any other failure.

    Args:
        paths: Files and folders.
        on_skip: Called with each file in a folder that is no video by its suffix.
    """
    found: list[Path] = []
    for path in paths:
        if os.path.isdir(path):  # noqa: PTH112 - False where it cannot be told
            found += [
                video
                for video in _iter_videos(path, on_skip)
                if video.name != _VIDEO or not (video.parent / _SETTINGS).is_file()
            ]
        else:
            found.append(path)
    return list({os.path.realpath(path): path for path in reversed(found)}.values())[::-1]


def _iter_videos(folder: Path, on_skip: OnSkip) -> Iterator[Path]:
    """The videos in and below a folder, and animated images of more than a second."""
    for path in iter_files(folder, SUFFIXES + animation.SUFFIXES, on_skip):
        if has_suffix(path.name, SUFFIXES) or animation.is_animation(path):
            yield path
        else:
            on_skip(path)


def choose_folders(paths: Sequence[Path], out: Path) -> list[Path]:
    """Chooses a folder in ``out`` for each video: the one of an earlier run, or a new one.

    Folders have the name of their video, with a number if the results of another video have it.

    Raises:
        EmotionError: ``out`` cannot be read.
    """
    try:
        folders = sorted(out.iterdir()) if out.is_dir() else []
    except OSError as error:
        raise EmotionError(f"{out} cannot be read ({error.strerror or error}).") from error
    notes = {folder: _read_note(folder) for folder in folders}
    known = {note["source"]["path"]: folder for folder, note in notes.items() if note}
    taken = {folder.name.casefold() for folder in known.values()}
    chosen = []
    for path in paths:
        folder = known.get(os.path.realpath(path))
        if folder is None:
            (stem,) = safe_stems([path.name])
            folder = out / next(n for n in numbered(stem) if n.casefold() not in taken)
        taken.add(folder.name.casefold())
        chosen.append(folder)
    return chosen


def is_done(path: Path, folder: Path, analyzer: Analyzer, task: VideoTask) -> bool:
    """Whether a folder has the finished results of exactly this file, settings and models."""
    note = _read_note(folder)
    if note is None or (task.has_video and not (folder / _VIDEO).is_file()):
        return False
    try:
        return note == _make_note(path, analyzer, task)
    except OSError:
        return False


def write_video(
    path: Path,
    folder: Path,
    analyzer: Analyzer,
    task: VideoTask,
    on_progress: OnProgress | None = None,
) -> VideoResult:
    """Analyses a video and writes the results to a folder.

    Nothing is written before the analysis is complete, each file is written atomically, and the
    note by which ``is_done`` recognises finished results comes last: an interruption leaves
    neither partial files nor a folder that looks finished.

    Args:
        path: The video.
        folder: Folder, made if it does not exist; files of the same names in it are replaced.
        analyzer: The analyzer.
        task: How the video is analysed and what is written.
        on_progress: See ``analyze_video``.

    Raises:
        VideoDecodeError: The file is missing or not a video.
        EmotionError: The analyzer failed, or the folder cannot be written.
    """
    try:
        note = _make_note(path, analyzer, task)
    except OSError as error:
        raise VideoDecodeError(f"The file cannot be read ({error.strerror or error}).") from error
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with AnonymousTempFile(folder.parent) as video:
            result = analyze_video(
                path,
                analyzer,
                task.settings,
                target=video.path if task.has_video else None,
                on_progress=on_progress,
                embedder=task.embedder,
            )
            _publish(result, path.name, folder, task, video)
        atomic_write(folder / _SETTINGS, json.dumps(note, indent=2).encode())
    except EmotionError:  # some are also an OSError, but not about this folder
        raise
    except OSError as error:
        raise EmotionError(f"{folder} cannot be written ({error.strerror or error}).") from error
    return result


def _publish(
    result: VideoResult, name: str, folder: Path, task: VideoTask, video: AnonymousTempFile
) -> None:
    """Writes everything but the note; removes an earlier run's note and other files before."""
    files = {
        "frames.csv": table_to_csv(result.frames, task.decimal),
        "people.csv": table_to_csv(result.people, task.decimal),
        "report.html": report_page(result, name).encode(),
        **_draw_charts(result, name),
    }
    folder.mkdir(exist_ok=True)
    (folder / _SETTINGS).unlink(missing_ok=True)
    for earlier in {_VIDEO, *_CHARTS} - set(files):
        (folder / earlier).unlink(missing_ok=True)
    if task.has_video:
        video.publish(folder / _VIDEO)
    for filename, data in files.items():
        atomic_write(folder / filename, data)


def _draw_charts(result: VideoResult, name: str) -> dict[str, bytes]:
    """The linked charts of the people seen longest as a page and an image; none without a face."""
    if result.people.empty:
        return {}
    frames = select_people(smooth_result(result), longest_seen(result.people))
    charts = dashboard_chart(frames, smoothing_s=result.settings.smoothing_s)
    page = charts_page(charts, f"Emotions in {readable_name(name)}").encode()
    return dict(zip(_CHARTS, (page, to_png(charts)), strict=True))


def _make_note(path: Path, analyzer: Analyzer, task: VideoTask) -> dict[str, Any]:
    """Everything that determines the results.

    Raises:
        OSError: The file does not exist.
    """
    status, info = path.stat(), analyzer.info
    return {
        "layout": _LAYOUT,
        "source": {
            "path": os.path.realpath(path),
            "bytes": status.st_size,
            "modified_ns": status.st_mtime_ns,
        },
        "settings": {
            **asdict(task.settings),
            "video": task.has_video,
            "reidentify": task.embedder is not None,
            "decimal": task.decimal,
        },
        "model": info.emotion.version,
        "detector": info.detector.version,
    }


def _read_note(folder: Path) -> dict[str, Any] | None:
    """The note of finished results, or ``None`` if there is no readable one."""
    try:
        note = json.loads((folder / _SETTINGS).read_text("utf-8"))
        return note if isinstance(note["source"]["path"], str) else None
    except (OSError, ValueError, TypeError, KeyError):
        return None
