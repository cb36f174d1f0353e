"""The commands that train and release an emotion network; torch is imported when they run."""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from emotion_core.cli.arguments import add_run_options, add_threads, set_threads, to_settings
from emotion_core.errors import EmotionError
from emotion_core.networks.architectures import ARCHITECTURES
from emotion_core.training.emotion.config import Balance, Pretrained, TrainConfig

if TYPE_CHECKING:
    from emotion_core.training.engine.run_dir import RunFolder

_DEFAULT = TrainConfig()


@dataclass(frozen=True, slots=True)
class _Flag:
    """A setting with its own option, named after the setting except for two."""

    name: str
    metavar: str
    help: str
    flag: str = ""
    choices: tuple[str, ...] | None = None

    @property
    def option(self) -> str:
        return "--" + (self.flag or self.name.replace("_", "-"))


_FLAGS = (
    _Flag("architecture", "B", f"network: {', '.join(ARCHITECTURES)}", flag="backbone"),
    _Flag(
        "size_px", "PX", "side of the input; torchvision's networks need 112 to 224", flag="size"
    ),
    _Flag("epochs", "N", "passes over the training faces"),
    _Flag("patience", "N", "stop after N epochs without a better validation; 0 never"),
    _Flag("batch_size", "N", "faces in one step, over all GPUs"),
    _Flag("learning_rate", "R", "peak of the one-cycle schedule"),
    _Flag("balance", "HOW", "handling of rare classes", choices=get_args(Balance)),
    _Flag("mixup", "A", "alpha of mixup; 0 is off"),
    _Flag("cutmix", "A", "alpha of CutMix; 0 is off"),
    _Flag("label_smoothing", "E", "share of each target spread over all classes"),
    _Flag("init", "FILE", "start from the tensors of this released .safetensors that fit"),
    _Flag("pretrained", "P", "ImageNet weights of torchvision", choices=get_args(Pretrained)),
    _Flag("seed", "N", "of all random numbers"),
)


def add_train(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of ``train``; sets ``run``."""
    parser.description = (
        "Train an emotion network, or resume an interrupted run. Several GPUs: "
        "torchrun --nproc-per-node N -m emotion_core train ..."
    )
    parser.add_argument("dataset", metavar="DATASET", help="reader: ferplus, rafdb, csv, ...")
    parser.add_argument("root", type=Path, metavar="ROOT", help="folder of the data set")
    parser.add_argument(
        "--also",
        nargs=2,
        action="append",
        default=[],
        metavar=("DATASET", "ROOT"),
        help="also learn from this; given three times it counts three times",
    )
    parser.add_argument(
        "--valid",
        nargs=3,
        metavar=("DATASET", "ROOT", "SPLIT"),
        help="validate on this (default: valid, else test, else a tenth of the training faces)",
    )
    # Two options of torchrun begin with "--run", which its parser therefore rejects.
    parser.add_argument(
        "--run",
        "--run-name",
        dest="folder",
        metavar="NAME",
        help="folder under debug/, or a path; under torchrun write --run-name",
    )
    for flag in _FLAGS:
        default = getattr(_DEFAULT, flag.name)
        parser.add_argument(
            flag.option,
            dest=flag.name,
            type=type(default),
            choices=flag.choices,
            metavar=None if flag.choices else flag.metavar,
            help=f"{flag.help} (default {default})",
        )
    parser.add_argument(
        "--teacher",
        action="append",
        default=[],
        metavar="T",
        help="also learn from this network: a name or a released file; given several times, from "
        "the mean of all",
    )
    parser.add_argument(
        "--landmarker",
        type=Path,
        metavar="FILE",
        help="also learn the action features and the pose of the head that MediaPipe's "
        "face_landmarker.task sees (needs ai-edge-litert)",
    )
    add_run_options(parser, "erase=0.2")
    parser.set_defaults(run=_run_train)


def add_export(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of ``export``; sets ``run``."""
    parser.description = "Calibrate a checkpoint and release it as safetensors and ONNX."
    parser.add_argument("checkpoint", type=Path, metavar="CHECKPOINT")
    parser.add_argument("out", type=Path, metavar="OUT.safetensors", help="the .onnx goes beside")
    parser.add_argument(
        "--calibrate",
        nargs=2,
        required=True,
        metavar=("DATASET", "ROOT"),
        help="fit the temperature on this data set",
    )
    parser.add_argument("--split", default="valid", help="of that data set (default valid)")
    parser.add_argument(
        "--mix",
        nargs=2,
        metavar=("CHECKPOINT", "SHARE"),
        help="average the weights with another run's, of which SHARE (0 to 1) counts",
    )
    parser.add_argument(
        "--recall-weight",
        type=float,
        default=0.0,
        metavar="W",
        help="make rare emotions likelier: choose words for (1 - W) accuracy + W mean recall",
    )
    add_threads(parser)
    parser.set_defaults(run=_run_export)


def _run_train(chosen: argparse.Namespace) -> int:
    from emotion_core.training.datasets.loading import DatasetSource
    from emotion_core.training.emotion.run import EmotionTrainJob, run_emotion_training

    set_threads(chosen.threads)
    config, run = _to_config(chosen)
    job = EmotionTrainJob(
        config=config,
        run=run,
        main=DatasetSource(chosen.dataset, chosen.root),
        also=tuple(DatasetSource(dataset, Path(root)) for dataset, root in chosen.also),
        valid=chosen.valid
        and DatasetSource(chosen.valid[0], Path(chosen.valid[1]), chosen.valid[2]),
        teachers=tuple(chosen.teacher),
        landmarker=chosen.landmarker,
        device=chosen.device,
        resume=chosen.resume,
        keep_every=chosen.keep_every,
    )
    return run_emotion_training(job)


def _to_config(chosen: argparse.Namespace) -> tuple[TrainConfig, RunFolder]:
    """Settings of the command line on top of those of a file, checkpoint, run, or the defaults.

    Raises:
        EmotionError: A setting is unknown or invalid, or a file is missing.
    """
    from emotion_core.training.engine.run_dir import RUNS, RunFolder

    settings = to_settings(chosen, (flag.name for flag in _FLAGS))
    base = _DEFAULT
    if chosen.config:
        base = TrainConfig.from_file(chosen.config)
    elif chosen.resume:
        base = _read_config(chosen.resume)
    config = base.changed(settings)
    run = RunFolder(RUNS / (chosen.folder or f"{chosen.dataset}-{config.architecture}"))
    last = run.weights / "last.pt"
    if last.is_file() and not (chosen.config or chosen.resume):
        config = _read_config(last).changed(settings)
    return config, run


def _read_config(checkpoint: Path) -> TrainConfig:
    from emotion_core.training.engine.checkpoint import load_checkpoint

    return TrainConfig.from_json(load_checkpoint(checkpoint)["config"])


def _run_export(chosen: argparse.Namespace) -> int:
    from emotion_core.training.datasets import read_faces
    from emotion_core.training.emotion.export import release_emotion

    set_threads(chosen.threads)
    dataset, root = chosen.calibrate
    faces = read_faces(dataset, Path(root), chosen.split)
    mixed_in = (Path(chosen.mix[0]), _to_share(chosen.mix[1])) if chosen.mix else None
    files = release_emotion(
        chosen.checkpoint,
        chosen.out,
        faces,
        recall_weight=chosen.recall_weight,
        mixed_in=mixed_in,
    )
    for file in files:
        sys.stdout.write(f"{file}\n")
    return 0


def _to_share(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise EmotionError(
            f"The share of --mix must be a number from 0 to 1, not {text!r}."
        ) from None
