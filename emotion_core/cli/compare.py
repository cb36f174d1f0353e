"""``emoscope compare``: two models on the same faces; ``emoscope explain``: one face in detail."""

from __future__ import annotations

import argparse
import sys
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from emotion_core.cli.arguments import (
    OK,
    SOME_FAILED,
    WRONG_USE,
    add_detector,
    add_material,
    add_networks,
    check_parent,
    eprint,
    load_chosen,
    network,
    rate_hz,
    show_download,
)
from emotion_core.errors import EmotionError
from emotion_core.files.save import save_file
from emotion_core.labels import to_emotion
from emotion_core.models.runtime import DEVICES

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

    from emotion_core.labels import Emotion
    from emotion_core.local_analyzer import LocalAnalyzer

_HZ = 2.0
_SHOWN = 10
_FRAMES = 4  # of a video that are read together


def add_compare(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of ``compare``; sets ``run``."""
    parser.description = (
        "Compare two emotion models on the same faces of photos and videos, without labels: how "
        "often they say the same word, kappa, correlation of valence and arousal, a table of words "
        "and the faces on which they differ most. With labels, use `evaluate photos --second`."
    )
    parser.add_argument("first", type=network, metavar="M1", help="see `models list`; or a file")
    parser.add_argument("second", type=network, metavar="M2")
    parser.add_argument(
        "paths", nargs="+", type=Path, metavar="PATH", help="photos, videos, folders"
    )
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="CSV with one row a face, both models side by side"
    )
    parser.add_argument(
        "--hz",
        type=rate_hz,
        default=_HZ,
        metavar="R",
        help=f"frames read per second of video (default {_HZ:g})",
    )
    add_detector(parser)
    parser.add_argument("--device", choices=DEVICES, default="auto")
    parser.set_defaults(run=_run_compare)


def add_explain(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of ``explain``; sets ``run``."""
    parser.description = (
        "Tell of each face of a photo how far its reading hangs on small shifts, turns and light, "
        "and draw where in the face it comes from: red parts speak for the emotion, blue ones "
        "against it. Such a map shows what the network uses, not what causes the expression."
    )
    parser.add_argument("photo", type=Path, metavar="PHOTO")
    parser.add_argument("--emotion", type=_emotion, help="what to map (default: what is read)")
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder for one JPEG a face")
    add_networks(parser)
    add_material(parser)
    parser.add_argument("--device", choices=DEVICES, default="auto")
    parser.set_defaults(run=_run_explain)


def _emotion(word: str) -> Emotion:
    try:
        return to_emotion(word)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _run_compare(chosen: argparse.Namespace) -> int:
    from emotion_core.local_analyzer import load_analyzer
    from emotion_core.photos.comparison import to_compared_table
    from emotion_core.photos.tables import table_to_csv

    if chosen.out is not None:
        check_parent(chosen.out)
    paths = list(_iter_files(chosen.paths))
    if not paths:
        eprint("error: There is no photo or video among the paths given.")
        return WRONG_USE
    first, second = (
        load_analyzer(name, chosen.detector, device=chosen.device, on_progress=show_download)
        for name in (chosen.first, chosen.second)
    )
    rows: list[dict[str, object]] = []
    failed = 0
    with tqdm(total=len(paths), unit="file", disable=None) as bar:
        for name, found in _iter_compared(first, second, paths, chosen.hz):
            bar.update()
            if isinstance(found, str):
                eprint(f"failed: {name}: {found}")
                failed += 1
            else:
                rows += found
    compared = to_compared_table(rows)
    sys.stdout.write(_comparison_text(compared, first, second))
    if chosen.out is not None:
        save_file(chosen.out, table_to_csv(compared))
    return SOME_FAILED if failed else OK


def _iter_files(paths: list[Path]) -> Iterator[tuple[str, Path]]:
    from emotion_core.imaging.codec import SUFFIXES
    from emotion_core.reporting.photo_folder import iter_files, readable_path
    from emotion_core.video.io import demuxer

    for path in paths:
        if path.is_dir():
            for file in iter_files(path, (*SUFFIXES, *demuxer.SUFFIXES)):
                yield readable_path(file.relative_to(path)), file
        else:
            yield readable_path(Path(path.name)), path


def _iter_compared(
    first: LocalAnalyzer, second: LocalAnalyzer, files: list[tuple[str, Path]], hz: float
) -> Iterator[tuple[str, list[dict[str, object]] | str]]:
    """Rows of each file, or why it cannot be read; photos first, in batches, then videos."""
    from emotion_core.files.archive import has_suffix
    from emotion_core.photos.comparison import compared_rows, iter_compared_photos
    from emotion_core.photos.pipeline import PhotoSource
    from emotion_core.video.io import demuxer

    videos = [file for file in files if has_suffix(file[1].name, demuxer.SUFFIXES)]
    sources = [
        PhotoSource(name, path.read_bytes) for name, path in files if (name, path) not in videos
    ]
    for record, read in iter_compared_photos(first, second, sources):
        if record.analysis is None or read is None:
            yield record.source, record.error
        else:
            yield record.source, compared_rows(record.source, record.analysis, read)
    for name, path in videos:
        try:
            yield name, _compare_video(first, second, name, path, hz)
        except (EmotionError, OSError) as error:
            yield name, str(error)


def _compare_video(
    first: LocalAnalyzer, second: LocalAnalyzer, name: str, path: Path, hz: float
) -> list[dict[str, object]]:
    from emotion_core.photos.comparison import compare_images, compared_rows
    from emotion_core.types import AnalyzeOptions
    from emotion_core.video.io.reader import VideoReader
    from emotion_core.video.sampling import FrameSampler
    from emotion_core.video.types import VideoSettings

    rows: list[dict[str, object]] = []
    options = AnalyzeOptions(search_px=640)
    with VideoReader(path) as reader:
        frames = iter(reader.frames(FrameSampler(VideoSettings(hz=hz)).should_analyze))
        while batch := list(islice(frames, _FRAMES)):
            read = compare_images(first, second, [frame.image for frame in batch], options)
            for frame, found in zip(batch, read, strict=True):
                rows += compared_rows(name, *found, frame.time_s)
    return rows


def _comparison_text(compared: pd.DataFrame, first: LocalAnalyzer, second: LocalAnalyzer) -> str:
    from emotion_core.photos.comparison import agreement_counts, find_disputed, measure_agreement

    names = (first.info.emotion.title, second.info.emotion.title)
    found = measure_agreement(compared)
    if found is None:
        return "No face was found.\n"
    lines = [
        f"{found.n} faces, found by {first.info.detector.name}; 1: {names[0]}, 2: {names[1]}",
        f"same word {found.same_word:.1%}, kappa {_number(found.kappa)}",
        *(
            f"{name}: r {_number(getattr(found, f'{name}_r'))}, 2 minus 1 "
            f"{getattr(found, f'{name}_difference'):+.3f} on average"
            for name in ("valence", "arousal")
        ),
        "",
        "words (rows: 1, columns: 2)",
        agreement_counts(compared).to_string(),
        "",
    ]
    disputed = find_disputed(compared, _SHOWN)
    if len(disputed):
        lines.append("surest of different words")
    for row in disputed.to_dict("records"):
        at = "" if row["time_s"] != row["time_s"] else f" at {row['time_s']:.2f} s"
        lines.append(
            f"  {row['source']}{at}, face {row['face']}: {row['emotion_1']} "
            f"{row['confidence_1']:.2f}, {row['emotion_2']} {row['confidence_2']:.2f}"
        )
    return "\n".join(lines) + "\n"


def _run_explain(chosen: argparse.Namespace) -> int:
    import numpy as np

    from emotion_core.imaging.codec import encode_jpeg, load_image
    from emotion_core.recognition.explanation import explain_face, measure_spread

    analyzer = load_chosen(chosen)
    try:
        image = load_image(chosen.photo)
    except OSError as error:
        raise EmotionError(f"{chosen.photo} cannot be read ({error.strerror or error}).") from error
    analysis = analyzer.read(image)
    if not len(analysis):
        sys.stdout.write("No face was found.\n")
        return OK
    for number, face in enumerate(analysis, 1):
        one = analysis.faces[np.array([number - 1])]
        spread = measure_spread(analyzer.classifier, image, one)
        low, high = spread.interval(face.emotion)
        sys.stdout.write(
            f"face {number}: {face.emotion} {face.confidence:.2f} ({low:.2f} to {high:.2f}), "
            f"valence {face.valence:+.2f} ({spread.valence[0]:+.2f} to {spread.valence[1]:+.2f}), "
            f"arousal {face.arousal:+.2f} ({spread.arousal[0]:+.2f} to {spread.arousal[1]:+.2f}); "
            f"the word stays in {spread.same_word:.0%} of small changes\n"
        )
        if chosen.out is not None:
            found = explain_face(analyzer.classifier, image, one, chosen.emotion)
            path = chosen.out / f"{chosen.photo.stem}_face{number}_{found.emotion}.jpg"
            save_file(path, encode_jpeg(found.draw()))
    return OK


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.3f}"
