"""``python -m emotion_core.training train|evaluate|export``."""

from __future__ import annotations

import argparse
import hashlib
import json
import logging
import sys
from dataclasses import asdict, replace
from pathlib import Path

import torch

from emotion_core.errors import EmotionError
from emotion_core.training.config import LABELS, TrainConfig
from emotion_core.training.datasets import read_ferplus
from emotion_core.training.export import (
    export_onnx,
    export_safetensors,
    predict_checkpoint,
    predict_onnx,
)
from emotion_core.training.loop import Trainer
from emotion_core.training.metrics import Figures, fit_temperature, measure


def add_commands(parser: argparse.ArgumentParser) -> None:
    """Add train, evaluate and export; each sets ``run``, which takes the parsed arguments."""
    commands = parser.add_subparsers(required=True)
    train = commands.add_parser("train", help="train on FER+ Train, or continue a run")
    train.add_argument("run_folder", type=Path, help="where the checkpoint lies")
    train.add_argument("--epochs", type=int, default=TrainConfig().epochs)
    train.add_argument("--seed", type=int, default=TrainConfig().seed)
    train.set_defaults(run=_train)
    evaluate = commands.add_parser("evaluate", help="measure a released ONNX file")
    evaluate.add_argument("weights", type=Path)
    evaluate.add_argument("--split", choices=["Train", "Valid", "Test"], default="Valid")
    evaluate.add_argument("--json", type=Path, help="write the figures to this file, too")
    evaluate.set_defaults(run=_evaluate)
    export = commands.add_parser("export", help="release a checkpoint, calibrated on FER+ Valid")
    export.add_argument("checkpoint", type=Path)
    export.add_argument("weights", type=Path, help="the .safetensors file; the .onnx goes beside")
    export.set_defaults(run=_export)
    for command in (train, evaluate, export):
        command.add_argument("--data", type=Path, required=True, help="folder of FER+")
        command.add_argument("--threads", type=int, default=torch.get_num_threads())


def _train(arguments: argparse.Namespace) -> None:
    config = replace(TrainConfig(), epochs=arguments.epochs, seed=arguments.seed)
    trainer = Trainer(config, arguments.run_folder)
    faces = read_ferplus(arguments.data, "Train")
    held_out = read_ferplus(arguments.data, "Valid")
    for report in trainer.iter_epochs(faces):
        logits = predict_checkpoint(trainer.checkpoint_path, held_out)
        figures = measure(logits, held_out, temperature=1.0)
        print(
            f"epoch {report.epoch}/{config.epochs}  loss {report.loss:.4f}  "
            f"validation accuracy {figures.accuracy:.4f}  {report.time_s:.0f} s",
            flush=True,
        )


def _evaluate(arguments: argparse.Namespace) -> None:
    faces = read_ferplus(arguments.data, arguments.split)
    logits, temperature = predict_onnx(arguments.weights, faces)
    figures = measure(logits, faces, temperature)
    print(_to_table(figures))
    if arguments.json:
        arguments.json.write_text(json.dumps(asdict(figures), indent=2), encoding="utf-8")


def _export(arguments: argparse.Namespace) -> None:
    held_out = read_ferplus(arguments.data, "Valid")
    temperature = fit_temperature(predict_checkpoint(arguments.checkpoint, held_out), held_out)
    graph = arguments.weights.with_suffix(".onnx")
    export_safetensors(arguments.checkpoint, arguments.weights, temperature)
    export_onnx(arguments.weights, graph)
    print(f"temperature {temperature}")
    for path in (arguments.weights, graph):
        data = path.read_bytes()
        print(f"{path}  {len(data)} bytes  sha256 {hashlib.sha256(data).hexdigest()}")


def _to_table(figures: Figures) -> str:
    lines = [
        f"accuracy, 8 classes    {figures.accuracy:.4f}  ({figures.n} faces, majority rule)",
        f"macro-F1, 8 classes    {figures.macro_f1:.4f}",
        f"accuracy, 9 classes    {figures.accuracy_nine:.4f}  ({figures.n_nine} faces)",
        f"calibration error      {figures.ece:.4f}  (temperature {figures.temperature})",
        f"  with temperature 1   {figures.ece_raw:.4f}",
        f"cross-entropy, votes   {figures.cross_entropy:.4f}",
        "recall and number of faces:",
    ]
    for i, label in enumerate(LABELS):
        if label in figures.per_class_recall:
            recall = figures.per_class_recall[label]
            lines.append(f"  {label:20} {recall:.4f}  ({sum(figures.confusion[i])})")
    return "\n".join(lines)


def main() -> int:
    """Run one command; an expected error becomes one line and exit code 1."""
    logging.basicConfig(format="%(message)s")
    logging.getLogger("emotion_core").setLevel(logging.INFO)
    parser = argparse.ArgumentParser(prog="python -m emotion_core.training", description=__doc__)
    add_commands(parser)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    try:
        arguments.run(arguments)
    except EmotionError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
