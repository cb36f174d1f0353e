"""Videos on disk: which files are meant, and each one's results in a folder of its own."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emotion_core.errors import EmotionError, VideoDecodeError
from emotion_core.files.tempfiles import AnonymousTempFile, atomic_write
from emotion_core.photos.tables import numbered, readable_name, safe_stems, table_to_csv
from emotion_core.reporting.dashboard import dashboard_chart
from emotion_core.reporting.html_report import charts_page, report_page
from emotion_core.reporting.photo_charts import to_png
from emotion_core.tracking.smoothing import smooth_frames
from emotion_core.video.pipeline import analyze_video
from emotion_core.video.tables import longest_seen, select_people

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from emotion_core.analyzer import Analyzer
    from emotion_core.recognition.embedding import FaceEmbedder
    from emotion_core.video.pipeline import OnProgress
    from emotion_core.video.types import VideoResult, VideoSettings

SUFFIXES = (
    *("mp4", "m4v", "mov", "avi", "mkv", "webm", "mpg"),
    *("mpeg", "ts", "wmv", "flv", "3gp", "ogv"),
)
"""Endings by which videos are known in a folder; a file that is named is tried whatever its own."""

_VIDEO = "annotated.mp4"
_CHARTS = ("charts.html", "charts.png")
_SETTINGS = "settings.json"
_LAYOUT = 2  # of the results; raised when they change, so that videos are analysed anew


@dataclass(frozen=True, slots=True)
class VideoTask:
    """What is to be done with each of some videos.

    Attributes:
        settings: How they are analysed.
        has_video: Whether the annotated video is written.
        embedder: Recognises people after longer gaps.
    """

    settings: VideoSettings
    has_video: bool = True
    embedder: FaceEmbedder | None = None


def find_videos(paths: Iterable[Path]) -> list[Path]:
    """List the files meant by paths, none twice.

    Of a folder, all videos in it and below, but for annotated ones of an earlier run. A path that
    does not exist is kept, so that it is reported like any other failure.
    """
    found: list[Path] = []
    for path in paths:
        if os.path.isdir(path):  # noqa: PTH112 - False where it cannot be told
            inside = (p for p in sorted(path.rglob("*")) if p.suffix[1:].lower() in SUFFIXES)
            found.extend(p for p in inside if p.is_file() and not _is_result(p))
        else:
            found.append(path)
    return list({_whole(path): path for path in reversed(found)}.values())[::-1]


def choose_folders(paths: Sequence[Path], out: Path) -> list[Path]:
    """Choose a folder in ``out`` for each video: the one of an earlier run, or a new one.

    Folders are called like their video; a number tells apart videos of the same name. A folder
    with another video's results is left to it.

    Raises:
        EmotionError: ``out`` cannot be read.
    """
    known = {
        note["source"]["path"]: folder
        for folder in _list_folder(out)
        if (note := _read_note(folder))
    }
    taken = {folder.name.casefold() for folder in known.values()}
    chosen = []
    for path in paths:
        folder = known.get(_whole(path))
        if folder is None:
            (stem,) = safe_stems([path.name])
            folder = out / next(n for n in numbered(stem) if n.casefold() not in taken)
        taken.add(folder.name.casefold())
        chosen.append(folder)
    return chosen


def _list_folder(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir()) if folder.is_dir() else []
    except OSError as error:
        raise EmotionError(f"{folder} cannot be read ({error.strerror or error}).") from error


def is_done(path: Path, folder: Path, analyzer: Analyzer, task: VideoTask) -> bool:
    """Whether a folder has the finished results of this very file, settings and networks."""
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
    """Analyse a video into a folder.

    Nothing is written before all is analysed, each file appears whole, and the note by which
    ``is_done`` knows finished results comes last: whenever this is interrupted, no half file is
    left, and no folder that looks finished.

    Args:
        path: The video.
        folder: Made if it does not exist; files of the same names in it are replaced.
        analyzer: The core.
        task: What is to be done.
        on_progress: See ``analyze_video``.

    Raises:
        VideoDecodeError: The file is missing or no video.
        EmotionError: The analyser failed, or the folder cannot be written.
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
            _publish(result, path.name, folder, video if task.has_video else None)
        atomic_write(folder / _SETTINGS, json.dumps(note, indent=2).encode())
    except EmotionError:  # some are an OSError too, but not of this folder
        raise
    except OSError as error:
        raise EmotionError(f"{folder} cannot be written ({error.strerror or error}).") from error
    return result


def _publish(result: VideoResult, name: str, folder: Path, video: AnonymousTempFile | None) -> None:
    """Write everything but the note; what an earlier run wrote beyond that goes, its note first."""
    files = {
        "frames.csv": table_to_csv(result.frames),
        "people.csv": table_to_csv(result.people),
        "report.html": report_page(result, name).encode(),
        **_draw_charts(result, name),
    }
    folder.mkdir(exist_ok=True)
    (folder / _SETTINGS).unlink(missing_ok=True)
    for earlier in {_VIDEO, *_CHARTS} - set(files):
        (folder / earlier).unlink(missing_ok=True)
    if video is not None:
        video.publish(folder / _VIDEO)
    for filename, data in files.items():
        atomic_write(folder / filename, data)


def _draw_charts(result: VideoResult, name: str) -> dict[str, bytes]:
    """The linked charts of those seen longest, as a page and as a picture; none without a face."""
    if result.people.empty:
        return {}
    smoothing_s = result.settings.smoothing_s
    smooth = smooth_frames(result.frames, smoothing_s)
    frames = select_people(smooth, longest_seen(result.people))
    charts = dashboard_chart(frames, smoothing_s=smoothing_s)
    page, picture = _CHARTS
    return {
        page: charts_page(charts, f"Emotions in {readable_name(name)}").encode(),
        picture: to_png(charts),
    }


def _whole(path: Path) -> str:
    """The path of the file itself; of links in a circle as far as it can be told."""
    return os.path.realpath(path)


def _is_result(path: Path) -> bool:
    return path.name == _VIDEO and (path.parent / _SETTINGS).is_file()


def _make_note(path: Path, analyzer: Analyzer, task: VideoTask) -> dict[str, Any]:
    """All that decides on the results.

    Raises:
        OSError: There is no such file.
    """
    status, info = path.stat(), analyzer.info
    return {
        "layout": _LAYOUT,
        "source": {
            "path": _whole(path),
            "bytes": status.st_size,
            "modified_ns": status.st_mtime_ns,
        },
        "settings": {
            **asdict(task.settings),
            "video": task.has_video,
            "reidentify": task.embedder is not None,
        },
        "model": info.emotion.version,
        "detector": info.detector.version,
    }


def _read_note(folder: Path) -> dict[str, Any] | None:
    """The note of finished results; none where there is none that can be read."""
    try:
        note = json.loads((folder / _SETTINGS).read_text("utf-8"))
        return note if isinstance(note["source"]["path"], str) else None
    except (OSError, ValueError, TypeError, KeyError):
        return None
