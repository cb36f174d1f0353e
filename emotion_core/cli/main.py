"""The command line: the same core without a browser."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
from tqdm import tqdm

from emotion_core.cli.adapt import add_adapt
from emotion_core.cli.arguments import (
    OK,
    SOME_FAILED,
    TABLES_HELP,
    WRONG_USE,
    eprint,
    load_chosen,
    show_download,
)
from emotion_core.cli.batch import add_batch
from emotion_core.cli.compare import add_compare, add_explain
from emotion_core.cli.data import add_data
from emotion_core.cli.evaluate import add_evaluate
from emotion_core.cli.evaluate_detector import add_evaluate_detector
from emotion_core.cli.media import DECIMALS, add_analysis, print_skipped
from emotion_core.cli.serve import add_serve
from emotion_core.cli.study import add_study
from emotion_core.cli.train import add_export, add_train
from emotion_core.cli.train_detector import add_export_detector, add_train_detector
from emotion_core.cli.video import add_video
from emotion_core.cli.webcam import add_webcam
from emotion_core.errors import EmotionError
from emotion_core.models.card import Task
from emotion_core.models.hub import find_model
from emotion_core.models.local import is_path, read_released_card
from emotion_core.models.registry import CARDS, find_any
from emotion_core.types import AnalyzeOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from emotion_core.models.card import ModelCard

_PHOTOS = (
    "photos, folders and ZIP archives; tables name photos in a folder or archive by their path "
    "inside it, e.g. anna/1.jpg"
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command.

    Args:
        arguments: Without the program's name; by default ``sys.argv``.

    Returns:
        0 if all is done, 1 if some inputs failed (others are done), 2 for wrong usage or no input.
    """
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")
    # Errors only: its warnings are about its own choice of engine.
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)
    chosen = _make_parser().parse_args(arguments)
    try:
        code: int = chosen.run(chosen)
        sys.stdout.flush()
    except EmotionError as error:
        eprint(f"error: {error}")
        return WRONG_USE
    except KeyboardInterrupt:
        eprint("Stopped.")
        return 130
    except BrokenPipeError:  # the reader of the output, e.g. head, has ended
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for what Python flushes
        return 1
    return code


def _make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="emoscope" if Path(sys.argv[0]).stem == "emoscope" else "python -m emotion_core",
        description="Read emotions, valence and arousal from faces.",
    )
    commands = parser.add_subparsers(title="commands", required=True)
    _add_photos(
        commands.add_parser("photos", help="analyse photos: CSV, annotated photos, a chart")
    )
    add_video(commands.add_parser("video", help="analyse videos: annotated MP4, CSV, a report"))
    add_study(commands.add_parser("study", help="analyse a study: tables and curves of groups"))
    add_batch(
        commands.add_parser("batch", help="analyse any number of files: Parquet tables (Ray)")
    )
    add_serve(commands.add_parser("serve", help="serve the analysis over HTTP"))
    add_webcam(commands.add_parser("webcam", help="analyse a camera's frames on a server"))
    models = commands.add_parser("models", help="list, fetch, verify and publish networks")
    _add_models(models.add_subparsers(title="commands", required=True))
    add_train(commands.add_parser("train", help="train an emotion network"))
    add_export(commands.add_parser("export", help="calibrate and release a trained network"))
    add_evaluate(
        commands.add_parser("evaluate", help="measure a network on labelled faces or photos")
    )
    add_compare(commands.add_parser("compare", help="compare two models on photos and videos"))
    add_explain(commands.add_parser("explain", help="tell where in a face a reading comes from"))
    add_adapt(commands.add_parser("adapt", help="adapt an emotion network to your labels"))
    add_data(commands.add_parser("data", help="download, show and crop data sets"))
    add_train_detector(commands.add_parser("train-detector", help="train a face detector"))
    add_export_detector(commands.add_parser("export-detector", help="release a face detector"))
    add_evaluate_detector(
        commands.add_parser("evaluate-detector", help="measure face detectors side by side")
    )
    return parser


def _add_photos(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Analyse photos. DIR gets faces.csv (one row per face), photos.csv (one row per input, "
        "even if it failed), annotated/, valence_arousal.html and settings.json. "
        f"{TABLES_HELP}"
    )
    parser.add_argument("paths", nargs="+", type=Path, metavar="PATH", help=_PHOTOS)
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder for results; those of an earlier run over the same photos are replaced, and a "
        "folder with results of other photos is refused",
    )
    add_analysis(parser, noun="photo")
    parser.set_defaults(run=_run_photos)


def _add_models(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    listing = commands.add_parser("list", help="list all networks, and which are on this machine")
    listing.set_defaults(run=_run_list)
    for name, run, text in (
        ("fetch", _run_fetch, "download and verify"),
        ("verify", _run_verify, "check local files against their hashes"),
    ):
        command = commands.add_parser(name, help=text)
        command.add_argument("names", nargs="*", metavar="NAME", help="default: all of them")
        command.set_defaults(run=run)
    publish = commands.add_parser("publish", help="push a network to the Hub")
    publish.add_argument(
        "name",
        metavar="NAME",
        help="a network that ships with the project, or a .safetensors that `export` wrote, with "
        "its .onnx and, optionally, a description NAME.md beside it",
    )
    publish.add_argument("repo_id", metavar="OWNER/NAME")
    publish.add_argument("--private", action="store_true")
    publish.set_defaults(run=_run_publish)


def _run_photos(chosen: argparse.Namespace) -> int:
    from emotion_core.files.archive import unpacked
    from emotion_core.imaging.codec import SUFFIXES

    with unpacked(chosen.paths, chosen.out, SUFFIXES) as (paths, passed_over):
        return _analyze_photos(chosen, paths, passed_over)


def _analyze_photos(chosen: argparse.Namespace, given: list[Path], passed_over: list[Path]) -> int:
    from emotion_core.files.archive import packed_path
    from emotion_core.reporting.photo_folder import find_photos, readable_path, write_results

    photos = find_photos(given, out=chosen.out, on_skip=passed_over.append)
    print_skipped(path.suffix for path in passed_over)
    if not photos:
        eprint("error: There is no photo among the paths given.")
        return WRONG_USE
    analyzer = load_chosen(chosen)
    results = write_results(
        analyzer,
        photos,
        chosen.out,
        AnalyzeOptions(
            chosen.min_score,
            chosen.min_face,
            region=chosen.region,
            largest_only=chosen.faces == "largest",
            all_faces=chosen.all_faces,
            actions=chosen.actions,
        ),
        blur=chosen.blur,
        decimal=DECIMALS[chosen.decimal],
    )
    with tqdm(results, total=len(photos), unit="photo", disable=None) as bar:
        failed = [record for record in bar if record.error]
    for record in failed:
        path = packed_path(photos[record.source])
        eprint(f"failed: {readable_path(path)}: {record.error}")
    done = len(photos) - len(failed)
    eprint(f'{done} of {len(photos)} photos analysed; results in "{chosen.out}".')
    return SOME_FAILED if failed else OK


def _run_list(_: argparse.Namespace) -> int:
    from emotion_core.models.download import is_available

    for card in CARDS.values():
        size = card.weights.size_bytes
        megabytes = f"{size / 1e6:.1f} MB" if size else "size unknown"
        origin = "ships with the project" if card.is_local else card.repo_id
        here = "here" if is_available(card) else "not downloaded"
        line = f"{card.name:22} {card.task:10} {here:15} {megabytes:>8}  {origin} ({card.licence})"
        sys.stdout.write(line + "\n")
    return OK


def _run_fetch(chosen: argparse.Namespace) -> int:
    from emotion_core.models.download import fetch

    def run(card: ModelCard) -> str:
        return fetch(card, on_progress=show_download).detail

    return _for_each(chosen.names or list(CARDS), run)


def _run_verify(chosen: argparse.Namespace) -> int:
    from emotion_core.models.download import is_available, verify

    here = [card.name for card in CARDS.values() if is_available(card)]

    def run(card: ModelCard) -> str:
        if card.is_local and card.torch_weights:
            verify(card, card.torch_weights)
        return f"is intact: {verify(card).detail}"

    return _for_each(chosen.names or here, run)


def _for_each(names: Sequence[str], run: Callable[[ModelCard], str]) -> int:
    """Runs a function for each named model, even if it fails for one of them."""
    code = OK
    for card in [_card_of(name) for name in names]:
        try:
            sys.stdout.write(f"{card.name}: {run(card)}\n")
        except EmotionError as error:
            eprint(f"failed: {card.name}: {error}")
            code = SOME_FAILED
    return code


def _card_of(name: str) -> ModelCard:
    """A card of the registry, or an emotion network on the Hub."""
    is_on_hub = "/" in name and not is_path(name)
    return find_model(name, Task.EMOTION) if is_on_hub else find_any(name)


def _run_publish(chosen: argparse.Namespace) -> int:
    from emotion_core.models.download import WEIGHTS_DIR
    from emotion_core.models.publish import publish

    path = Path(chosen.name)
    if is_path(chosen.name):
        card, folder = read_released_card(path), path.parent
    else:
        card, folder = find_any(chosen.name), WEIGHTS_DIR
    reference = publish(card, folder, chosen.repo_id, private=chosen.private)
    sys.stdout.write(f"{reference}\n")
    return OK
