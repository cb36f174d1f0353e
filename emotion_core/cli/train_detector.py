"""The commands that train and release a face detector; torch is imported when they run."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from emotion_core.cli.arguments import (
    add_run_options,
    count_or_none,
    float_in_range,
    set_threads,
    to_settings,
)

if TYPE_CHECKING:
    from emotion_core.training.detector.config import DetectorTrainConfig
    from emotion_core.training.detector.readers import Sources
    from emotion_core.training.engine.run_dir import RunFolder

LABELS = Path("debug", "detector-labels")
"""Folder of the teacher's labels, for all runs and for evaluation."""

_NO_TEACHER = "none"
_DEFAULT_RUN = "detector"
_SHORT_WARM_UP = 50

_FLAGS: tuple[tuple[str, str, type, str, str], ...] = (
    ("--epochs", "epochs", int, "N", "of 250 steps each (default 74)"),
    (
        "--minutes",
        "minutes",
        float,
        "M",
        "train for this time instead; such a run is not reproducible",
    ),
    ("--size", "size_px", int, "PX", "side of the composed images (default 320)"),
    ("--batch-size", "batch_size", int, "N", "images in one step (default 16)"),
    ("--learning-rate", "learning_rate", float, "R", "maximum, after the warm-up (default 0.003)"),
    ("--seed", "seed", int, "N", "of all random numbers (default 0)"),
)


def add_train_detector(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of ``train-detector``; sets ``run``."""
    parser.description = (
        "Train a face detector, or resume an interrupted run. A fifth of the images, and WIDER's "
        "validation images, are held out."
    )
    add_sources(parser)
    parser.add_argument(
        "--run",
        dest="folder",
        default=_DEFAULT_RUN,
        metavar="NAME",
        help=f"folder under debug/, or a path (default {_DEFAULT_RUN})",
    )
    length = parser.add_mutually_exclusive_group()
    for option, name, kind, metavar, text in _FLAGS:
        group = length if name in ("epochs", "minutes") else parser
        group.add_argument(option, dest=name, type=kind, metavar=metavar, help=text)
    parser.add_argument(
        "--init", type=Path, metavar="WEIGHTS.safetensors", help="start from released weights"
    )
    add_run_options(parser, "ema_decay=0.999")
    parser.add_argument(
        "--workers",
        type=count_or_none,
        metavar="N",
        help="processes that compose images (default: cores-1)",
    )
    parser.set_defaults(run=_run_train)


def add_export_detector(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of ``export-detector``; sets ``run``."""
    parser.description = "Release a detector's checkpoint as safetensors and ONNX."
    parser.add_argument("checkpoint", type=Path, metavar="CHECKPOINT")
    parser.add_argument("out", type=Path, metavar="OUT.safetensors", help="the .onnx goes beside")
    how = parser.add_mutually_exclusive_group()
    how.add_argument(
        "--shift", type=float, default=0.0, metavar="S", help="added to the logit of every score"
    )
    how.add_argument(
        "--precision",
        type=float_in_range(lambda value: 0 < value <= 1, "above 0 and at most 1"),
        metavar="P",
        help="choose the shift so that held-out images of --boxes and --wider give this precision "
        "at the product's threshold; metrics on these images are too good afterwards",
    )
    parser.add_argument(
        "--boxes",
        type=Path,
        action="append",
        default=[],
        metavar="PATH",
        help="folder or ZIP with boxes.csv; may be repeated",
    )
    parser.add_argument("--wider", type=Path, metavar="PATH", help="WIDER FACE")
    parser.set_defaults(run=_run_export)


def add_sources(parser: argparse.ArgumentParser) -> None:
    """Adds the options for data and teacher."""
    for option, text in (
        ("--boxes", "folder or ZIP of images with boxes.csv: image, x1, y1, x2, y2 (and lx1, ly1 "
         "to lx5, ly5); may be repeated"),
        ("--portraits", "folder or ZIP of portraits for the teacher to mark; may be repeated"),
        ("--scenes", "folder or ZIP of images without faces; may be repeated"),
    ):  # fmt: skip
        parser.add_argument(
            option, type=Path, action="append", default=[], metavar="PATH", help=text
        )
    parser.add_argument(
        "--wider", type=Path, metavar="PATH", help="WIDER FACE, as published: WIDER_train, ..."
    )
    parser.add_argument(
        "--teacher",
        default="yunet",
        metavar="T",
        help="yunet (default), a YuNet's ONNX file, or none: marks portraits, adds landmarks and "
        "unmarked faces",
    )
    parser.add_argument(
        "--labels",
        type=Path,
        default=LABELS,
        metavar="DIR",
        help=f"folder of the teacher's labels (default {LABELS})",
    )


def to_sources(chosen: argparse.Namespace) -> Sources:
    """The data that were named."""
    from emotion_core.training.detector.readers import Sources

    named = {name: tuple(getattr(chosen, name, ())) for name in ("boxes", "portraits", "scenes")}
    return Sources(wider=chosen.wider, **named)


def to_teacher(chosen: argparse.Namespace) -> str | None:
    """The teacher's name or file; ``None`` for none."""
    return None if chosen.teacher == _NO_TEACHER else str(chosen.teacher)


def _run_train(chosen: argparse.Namespace) -> int:
    from emotion_core.training.detector.run import DetectorTrainJob, run_detector_training

    set_threads(chosen.threads)
    config, run = _to_config(chosen)
    job = DetectorTrainJob(
        config=config,
        run=run,
        sources=to_sources(chosen),
        labels=chosen.labels,
        teacher=to_teacher(chosen),
        init=chosen.init,
        device=chosen.device,
        resume=chosen.resume,
        keep_every=chosen.keep_every,
        n_workers=chosen.workers,
    )
    return run_detector_training(job)


def _to_config(chosen: argparse.Namespace) -> tuple[DetectorTrainConfig, RunFolder]:
    """Settings of the command line on top of those of a file, checkpoint, run, or the defaults.

    Raises:
        EmotionError: A setting is unknown or invalid, or a file is missing.
    """
    from emotion_core.training.detector.config import DetectorTrainConfig
    from emotion_core.training.detector.load import read_train_config
    from emotion_core.training.engine.run_dir import RUNS, RunFolder

    run = RunFolder(RUNS / chosen.folder)
    last = run.weights / "last.pt"
    if chosen.config:
        config = DetectorTrainConfig.from_file(chosen.config)
    elif chosen.resume or last.is_file():
        config = read_train_config(chosen.resume or last)
    else:
        config = DetectorTrainConfig()
        if chosen.init:
            config = config.changed({"warm_up_steps": _SHORT_WARM_UP})
    return config.changed(to_settings(chosen, (name for _, name, *_ in _FLAGS))), run


def _run_export(chosen: argparse.Namespace) -> int:
    from emotion_core.training.detector.export import find_shift, release_detector
    from emotion_core.training.engine.release import check_release

    check_release(chosen.out)
    shift = chosen.shift
    if chosen.precision is not None:
        groups = to_sources(chosen).read()
        held_out = [p for part in groups.values() for p in part if p.held_out]
        shift = find_shift(chosen.checkpoint, held_out, chosen.precision)
        sys.stdout.write(f"shift {shift:g}, from {len(held_out)} held-out images\n")
    for file in release_detector(chosen.checkpoint, chosen.out, shift=shift):
        sys.stdout.write(f"{file}\n")
    return 0
