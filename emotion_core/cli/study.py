"""``emoscope study``: a folder of videos, or a project, to the tables of a study."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from emotion_core.cli.arguments import (
    OK,
    SOME_FAILED,
    WRONG_USE,
    add_material,
    add_networks,
    eprint,
    load_chosen,
    rate_hz,
)
from emotion_core.cli.media import (
    DECIMALS,
    add_actions,
    add_decimal,
    add_faces,
    add_video_settings,
    to_video_settings,
)
from emotion_core.errors import EmotionError
from emotion_core.models.runtime import DEVICES
from emotion_core.study.edits import Edits
from emotion_core.study.settings import TABLE_FORMATS, Baseline

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from emotion_core.study.assignment import StudyVideo
    from emotion_core.study.settings import StudySettings
    from emotion_core.study.tables import Study
    from emotion_core.video.types import VideoProgress

_OF_ANALYSIS = {
    "every": "--every",
    "hz": "--hz",
    "from_s": "--from",
    "to_s": "--to",
    "model": "--model",
    "detector": "--detector",
    "device": "--device",
    "material": "--material",
    "min_score": "--min-score",
    "min_face": "--min-face",
    "region": "--region",
    "faces": "--faces",
    "actions": "--actions",
    "annotated": "--annotated",
}
"""Options that need the videos, which a project does not have."""

_READINGS, _ANNOTATED, _PROJECT = "readings", "annotated", "study.emoscope"


def add_study(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of ``study``; sets ``run``."""
    parser.description = (
        "Analyse the videos of a study one after another and write its tables: all_frames.csv, "
        "all_people.csv, all_videos.csv, participants.csv, curves, means with intervals over "
        "participants, comparisons; a figure, a code book, a methods paragraph, scripts, and the "
        "project study.emoscope. The same command resumes a run that was stopped: no video is "
        "analysed twice. docs/study.md of the project explains it."
    )
    parser.add_argument(
        "source", type=Path, metavar="FOLDER", help="videos and photos; or a project, NAME.emoscope"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for results")
    who = parser.add_mutually_exclusive_group()
    who.add_argument(
        "--pattern",
        metavar="TEXT",
        help="how files are named: {participant}, {stimulus}, optionally {condition}, and * for "
        "anything, e.g. '{participant}_{stimulus}.mp4'",
    )
    who.add_argument(
        "--assign",
        type=Path,
        metavar="CSV",
        help="table with the columns file, participant, stimulus and, optionally, condition",
    )
    _add_tables(parser)
    add_video_settings(parser)
    add_networks(parser)
    add_material(parser)
    parser.add_argument("--device", choices=DEVICES, default="auto")
    add_faces(parser, noun="video")
    add_actions(parser)
    add_decimal(parser)
    # without values of their own it is known which of them were given
    usual = {name: parser.get_default(name) for name in (*_OF_ANALYSIS, "smooth")}
    parser.set_defaults(run=_run, usual=usual, **dict.fromkeys(usual))


def _add_tables(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--edits", type=Path, metavar="JSON", help="merged and excluded people etc.")
    add("--events", type=Path, metavar="CSV", help="events: time, label, and of which videos")
    add(
        "--window",
        type=_span,
        metavar="FROM,TO",
        help="window around events, in seconds after them; write --window=-1,3 (the default)",
    )
    add(
        "--baseline",
        type=_span,
        metavar="FROM,TO",
        help="neutral span, in seconds, of each video or of the neutral clip: change scores",
    )
    add("--baseline-stimulus", metavar="NAME", help="the neutral clip of each participant")
    add("--clock", type=rate_hz, metavar="HZ", help="steps a second of curves (default 2)")
    words = "write each video with its labels, merged, named and left out as --edits say, too"
    add("--annotated", action="store_true", help=words)
    add(
        "--also",
        nargs="+",
        choices=TABLE_FORMATS,
        default=[],
        metavar="FORMAT",
        help=f"write tables also as {', '.join(TABLE_FORMATS)}",
    )


def _span(text: str) -> tuple[float, float]:
    try:
        start_s, end_s = map(float, text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text} is no span such as 0,5") from None
    return start_s, end_s


def _run(chosen: argparse.Namespace) -> int:
    from emotion_core.study.checks import check_study
    from emotion_core.study.export import need_packages
    from emotion_core.study.project import PROJECT_SUFFIX, read_project
    from emotion_core.study.settings import StudySettings
    from emotion_core.study.store import need_parquet

    if chosen.source.suffix == PROJECT_SUFFIX:
        if chosen.pattern or chosen.assign:
            raise EmotionError("A project knows its participants: leave --pattern or --assign out.")
        given = [flag for name, flag in _OF_ANALYSIS.items() if getattr(chosen, name) is not None]
        if given:
            raise EmotionError(
                f"A project has its readings: leave {' and '.join(given)} out, or name the folder "
                "with the videos instead."
            )
        need_packages(chosen.also)
        study = read_project(chosen.source)
        study = replace(study, **_choices(chosen, study.settings))
        _tell_unused(study.events, [record.video for record in study.records])
        return _write(study, chosen)
    if not (chosen.pattern or chosen.assign):
        raise EmotionError(
            "Who is in which video? Give --pattern, such as '{participant}_{stimulus}.mp4', or "
            "--assign with a CSV file."
        )
    videos = _find(chosen)
    if not videos:
        eprint("error: No video is named as the pattern says.")
        return WRONG_USE
    # what is wrong with settings, edits and events is said before hours of analysis
    need_packages(chosen.also)
    need_parquet()
    for name, value in chosen.usual.items():
        if getattr(chosen, name) is None:
            setattr(chosen, name, value)
    choices = _choices(chosen, StudySettings())
    check_study(videos, choices["settings"], choices.get("edits", Edits()))
    _tell_unused(choices.get("events"), videos)
    return _write(_analyze(chosen, videos, choices), chosen)


def _find(chosen: argparse.Namespace) -> tuple[StudyVideo, ...]:
    from emotion_core.imaging.codec import SUFFIXES
    from emotion_core.reporting.photo_folder import iter_files, readable_path
    from emotion_core.reporting.video_folder import find_videos
    from emotion_core.study.assignment import assign_by_pattern, assign_by_table
    from emotion_core.video.io.still import is_photo

    if not chosen.source.is_dir():
        raise EmotionError(f"There is no folder {chosen.source}.")
    drawn = chosen.out / _ANNOTATED
    photos = [path for path in iter_files(chosen.source, SUFFIXES) if is_photo(path)]
    found = find_videos([chosen.source])
    found = [path for path in [*found, *photos] if drawn not in path.parents]
    names = [path.relative_to(chosen.source).as_posix() for path in found]
    if chosen.assign:
        videos, others = assign_by_table(names, chosen.assign)
    else:
        videos, others = assign_by_pattern(names, chosen.pattern)
    for name in others:
        eprint(f"note: {readable_path(Path(name))} is left out: no participant and stimulus.")
    return videos


def _choices(chosen: argparse.Namespace, settings: StudySettings) -> dict[str, Any]:
    """Fields of ``Study`` from the options; what was not given stays as it is."""
    from emotion_core.study.events import read_events

    given: dict[str, Any] = {"all_faces": True} if chosen.all_faces else {}
    if chosen.smooth is not None:
        given["smoothing_s"] = chosen.smooth
    if chosen.clock is not None:
        given["clock_hz"] = chosen.clock
    if chosen.window is not None:
        given["window_s"] = chosen.window
    if chosen.baseline is not None or chosen.baseline_stimulus is not None:
        given["baseline"] = Baseline(chosen.baseline_stimulus, *(chosen.baseline or ()))
    choices: dict[str, Any] = {"settings": replace(settings, **given)}
    if chosen.edits is not None:
        choices["edits"] = _read_edits(chosen.edits)
    if chosen.events is not None:
        choices["events"] = read_events(chosen.events)
    return choices


def _tell_unused(events: pd.DataFrame | None, videos: Sequence[StudyVideo]) -> None:
    from emotion_core.study.events import unused_events

    for words in [] if events is None else unused_events(events, videos):
        eprint(f"note: No video fits the event {words}.")


def _read_edits(path: Path) -> Edits:
    try:
        return Edits.from_json(path.read_text("utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        raise EmotionError(f"{path} cannot be read ({error}).") from error
    except EmotionError as error:
        raise EmotionError(f"{path}: {error}") from error


def _analyze(
    chosen: argparse.Namespace, videos: Sequence[StudyVideo], choices: Mapping[str, Any]
) -> Study:
    """Analyses the videos with a line that shows how far it is."""
    from emotion_core.study.edited_frames import check_people, tracks_of
    from emotion_core.study.methods import about_study
    from emotion_core.study.run import StudyRun
    from emotion_core.study.tables import Study

    settings = to_video_settings(chosen)
    analyzer = load_chosen(chosen)
    records, again, edits = [], 0, choices.get("edits", Edits())
    with tqdm(total=len(videos), unit="video", disable=None) as bar:

        def show(video: StudyVideo, progress: VideoProgress) -> None:
            of_all = f" of {progress.n_frames}" if progress.n_frames else ""
            bar.set_postfix_str(f"{video.participant} {video.stimulus}, {progress.frames}{of_all}")

        run = StudyRun(chosen.source, analyzer, settings, chosen.out / _READINGS, show)
        for record, was_known in run.analyze(videos):
            if record.frames is not None:  # said at once, not after hours; readings are kept
                check_people(tracks_of(record.load()), edits.of(record.video.file))
            records.append(record)
            again += was_known
            bar.update()
    done = len(records) - again - sum(bool(record.error) for record in records)
    eprint(f"{done} of {len(records)} videos analysed, {again} analysed before.")
    return Study(tuple(records), about=about_study(analyzer.info, settings), **choices)


def _write(study: Study, chosen: argparse.Namespace) -> int:
    from emotion_core.files.save import save_file
    from emotion_core.study.annotated import iter_annotated
    from emotion_core.study.export import other_names, study_files
    from emotion_core.study.project import to_project
    from emotion_core.study.tables import make_tables

    for record in study.records:
        if record.error:
            eprint(f"failed: {record.video.file}: {record.error}")
        elif remark := record.facts.get("warning"):
            eprint(f"note: {record.video.file}: {remark}")
    tables = make_tables(study)
    for name, data in study_files(study, tables, chosen.also, DECIMALS[chosen.decimal]):
        save_file(chosen.out / name, data)
    for name in other_names(chosen.also):
        (chosen.out / name).unlink(missing_ok=True)
    save_file(chosen.out / _PROJECT, to_project(study, tables))
    if chosen.annotated:
        for name in iter_annotated(study, chosen.source, chosen.out / _ANNOTATED):
            eprint(f"drawn: {name}")
    failed = sum(bool(record.error) for record in study.records)
    eprint(
        f'{len(study.records)} videos in the tables, {failed} failed; results in "{chosen.out}".'
    )
    return SOME_FAILED if failed else OK
