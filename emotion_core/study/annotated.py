"""Annotated videos of a study: who is who by its edits stands in the labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emotion_core.errors import EmotionError
from emotion_core.files.tempfiles import AnonymousTempFile
from emotion_core.photos.tables import safe_stems
from emotion_core.study.edited_frames import edit_frames, people_rows
from emotion_core.study.edits import ExcludeVideo
from emotion_core.tracking.smoothing import smooth_frames
from emotion_core.video.annotation import FrameInterpolator, annotate_frames
from emotion_core.video.frame_table import iter_analyses
from emotion_core.video.highlights import HighlightCutter
from emotion_core.video.io.reader import VideoReader
from emotion_core.video.io.still import as_video
from emotion_core.video.io.writer import VideoWriter
from emotion_core.video.pipeline import ProgressMeter
from emotion_core.video.tables import counted_frames

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from emotion_core.study.tables import Study, StudyRecord
    from emotion_core.video.pipeline import OnProgress


def iter_annotated(study: Study, source: Path, folder: Path) -> Iterator[str]:
    """Draws all videos of a study but those that failed or were excluded.

    Args:
        study: The study.
        source: The folder with the videos.
        folder: Where they are written, each whole or not at all; made if it is not there.

    Yields:
        Names of the files.

    Raises:
        EmotionError: See ``write_annotated``.
    """
    out = {e.video for e in study.edits.items if isinstance(e, ExcludeVideo)}
    drawn = [r for r in study.records if r.frames is not None and r.video.file not in out]
    stems = safe_stems([record.video.file for record in drawn])
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise EmotionError(f"{folder} cannot be made ({error.strerror or error}).") from error
    for record, stem in zip(drawn, stems, strict=True):
        with AnonymousTempFile(folder) as file, as_video(source / record.video.file) as video:
            write_annotated(study, record, video, file.path)
            file.publish(folder / f"{stem}.mp4")
        yield f"{stem}.mp4"


def write_annotated(
    study: Study,
    record: StudyRecord,
    source: Path,
    target: Path,
    on_progress: OnProgress | None = None,
) -> None:
    """Draws the kept readings of a video on it; nothing is analysed again.

    People who were merged are one, names are those given, and whoever was left out has no box.

    Args:
        study: With the edits.
        record: Of the video.
        source: The video.
        target: Path of the MP4; after an exception it is incomplete.
        on_progress: Called now and then; its exceptions end it and are raised again.

    Raises:
        EmotionError: The video has no readings or cannot be read, faces were to be blurred, or the
            file cannot be written.
    """
    how = study.about.get("video_settings", {})
    if how.get("blur"):
        raise EmotionError("Faces are to be blurred: annotated videos of a study show them.")
    settings = study.settings
    edited = edit_frames(
        record.load(),
        study.edits.of(record.video.file),
        record.start_s,
        all_faces=settings.all_faces,
    )
    rows = people_rows(edited.assign(is_in_span=True))
    counted = counted_frames(rows, all_faces=settings.all_faces)
    smoothed = smooth_frames(counted, settings.smoothing_s)
    seen = edited[edited["person"].notna()].drop_duplicates("person")
    names = dict(zip(seen["person"].astype(int), seen["name"], strict=True))
    part = {"from_s": record.start_s, "to_s": how.get("to_s"), "longest_s": how.get("longest_s")}
    given = {name: value for name, value in part.items() if value is not None}
    with (
        VideoReader(source, **given) as reader,
        VideoWriter(target, reader, audio=source) as writer,
    ):
        analyses = iter_analyses(smoothed, reader.info.size_wh)
        cutter = HighlightCutter(smoothed, {})
        shown = FrameInterpolator(analyses, names)
        meter = ProgressMeter(reader.info, part["to_s"], on_progress, is_writing=True)
        annotate_frames(reader, writer, shown, cutter, {}, meter.report)
