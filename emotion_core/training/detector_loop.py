"""Trains the face detector: ``python -m emotion_core.training.detector_loop --cache C --out O``.

Runs for a given time rather than for a number of steps, so that the schedule ends when the machine
is wanted back; a run that was stopped goes on from its last checkpoint when it is started again.
``--export weights/NAME`` writes the averaged network of the last checkpoint instead of training.
"""

from __future__ import annotations

import argparse
import copy
import json
import logging
import math
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import onnx
import torch
from safetensors.torch import save_file
from torch.utils.data import DataLoader, IterableDataset

from emotion_core.face_network import (
    DecodedFaceNetwork,
    FaceNetwork,
    FaceNetworkConfig,
    place_centres,
)
from emotion_core.training.detector_augment import Composer, Sample
from emotion_core.training.detector_data import load_cache
from emotion_core.training.detector_loss import Targets, detector_loss

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch import Tensor

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class DetectorTrainConfig:
    """Every choice of a run; saved in its checkpoints.

    Attributes:
        size_px: Side of the composed pictures, a multiple of 32.
        batch: Pictures per step.
        minutes: Length of the run; the learning rate falls to nothing at its end.
        learning_rate: Highest, after the warm-up.
        weight_decay: Of convolution weights.
        warm_up_steps: Steps in which the rate rises.
        average: Share that the running average of the weights keeps per step.
        epoch_steps: Steps between checkpoints.
        seed: Of the pictures and of the weights.
    """

    size_px: int = 320
    batch: int = 16
    minutes: float = 60.0
    learning_rate: float = 3e-3
    weight_decay: float = 0.02
    warm_up_steps: int = 200
    average: float = 0.998
    epoch_steps: int = 250
    seed: int = 0


class _Stream(IterableDataset[Sample]):
    def __init__(self, cache: Path, size_px: int, seed: int) -> None:
        self._cache, self._size_px, self._seed = cache, size_px, seed

    def __iter__(self) -> Iterator[Sample]:
        cv2.setNumThreads(1)
        pictures = [p for p in load_cache(self._cache) if not p.held_out]
        composer = Composer(pictures, self._size_px, self._seed)
        while True:
            yield composer.compose()


def collate(samples: Sequence[Sample]) -> tuple[Tensor, Targets]:
    """Stack pictures into ``(B, 3, S, S)`` uint8 and fill their labels up to equal counts."""
    images = np.stack([s.image for s in samples])
    faces = max(1, *(len(s.boxes) for s in samples))
    ignored = max(1, *(len(s.ignored) for s in samples))
    b = len(samples)
    targets = Targets(
        torch.zeros(b, faces, 4),
        torch.full((b, faces, 10), math.nan),
        torch.zeros(b, faces, dtype=torch.bool),
        torch.zeros(b, ignored, 4),
    )
    for i, sample in enumerate(samples):
        n = len(sample.boxes)
        targets.boxes[i, :n] = torch.from_numpy(sample.boxes)
        targets.landmarks[i, :n] = torch.from_numpy(sample.landmarks)
        targets.is_face[i, :n] = True
        targets.ignored[i, : len(sample.ignored)] = torch.from_numpy(sample.ignored)
    return torch.from_numpy(images).permute(0, 3, 1, 2), targets


class Trainer:
    """One run: network, its running average, optimiser and clock."""

    def __init__(self, config: DetectorTrainConfig, out: Path) -> None:
        torch.manual_seed(config.seed)
        self.config, self._out = config, out
        self.network = FaceNetwork().to(memory_format=torch.channels_last)
        self.average = copy.deepcopy(self.network).eval()
        groups: list[dict[str, Any]] = [
            {"params": [p for p in self.network.parameters() if p.ndim > 1]},
            {"params": [p for p in self.network.parameters() if p.ndim == 1], "weight_decay": 0.0},
        ]
        self._optimiser = torch.optim.AdamW(
            groups, lr=config.learning_rate, weight_decay=config.weight_decay
        )
        self._places = place_centres((config.size_px, config.size_px))
        self.step, self.elapsed_s = 0, 0.0

    def train(self, batches: Iterator[tuple[Tensor, Targets]]) -> None:
        """Take batches until the time is up; write a checkpoint every epoch and at the end."""
        last = time.monotonic()
        sums = np.zeros(4)
        while self.elapsed_s < self.config.minutes * 60:
            sums += self.advance(*next(batches))
            now = time.monotonic()
            self.elapsed_s, last = self.elapsed_s + now - last, now
            if self.step % self.config.epoch_steps == 0:
                self.save()
                parts = " ".join(f"{v:.4f}" for v in sums / self.config.epoch_steps)
                _LOG.info("step %d, %.1f min: %s", self.step, self.elapsed_s / 60, parts)
                sums[:] = 0
        self.save()

    def advance(self, images: Tensor, targets: Targets) -> list[float]:
        """Take one step on ``(B, 3, S, S)`` uint8 pictures; returns the loss and its parts."""
        for group in self._optimiser.param_groups:
            group["lr"] = self._rate()
        pixels = images.float().contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            raw = self.network(pixels)
        losses = detector_loss(raw.float(), self._places, targets)
        self._optimiser.zero_grad()
        losses.total.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 10.0)
        self._optimiser.step()
        self.step += 1
        self._follow()
        return [float(loss.detach()) for loss in losses]

    def _rate(self) -> float:
        progress = min(1.0, self.elapsed_s / (self.config.minutes * 60))
        warm = min(1.0, (self.step + 1) / self.config.warm_up_steps)
        return self.config.learning_rate * warm * (0.5 + 0.5 * math.cos(math.pi * progress) + 0.005)

    @torch.no_grad()
    def _follow(self) -> None:
        keep = min(self.config.average, self.step / (self.step + 10))
        mine = self.network.state_dict()
        for name, value in self.average.state_dict().items():
            if value.is_floating_point():
                value.lerp_(mine[name], 1 - keep)

    def save(self) -> None:
        """Write everything that a resumed run needs, and the configuration in clear."""
        state = {
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self._optimiser.state_dict(),
            "step": self.step,
            "elapsed_s": self.elapsed_s,
            "config": asdict(self.config),
            "network_config": asdict(self.network.config),
        }
        self._out.mkdir(parents=True, exist_ok=True)
        partial = self._out / "last.pt.partial"
        torch.save(state, partial)
        partial.rename(self._out / "last.pt")
        text = json.dumps(asdict(self.config), indent=2)
        (self._out / "config.json").write_text(text, encoding="utf-8")

    def resume(self) -> None:
        """Go on from the last checkpoint, if there is one."""
        path = self._out / "last.pt"
        if not path.is_file():
            return
        state = torch.load(path, weights_only=True)
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self._optimiser.load_state_dict(state["optimiser"])
        self.step, self.elapsed_s = state["step"], state["elapsed_s"]


def load_average(path: Path, *, shift: float = 0.0) -> FaceNetwork:
    """The averaged network of a checkpoint, ready for use.

    Args:
        path: Checkpoint.
        shift: Added to the logit of every score, so that the place of the threshold can be chosen.
    """
    state: dict[str, Any] = torch.load(path, weights_only=True)
    fields = dict(state["network_config"], deep=tuple(state["network_config"]["deep"]))
    network = FaceNetwork(FaceNetworkConfig(**fields))
    network.load_state_dict(state["average"])
    for head in network.heads:
        head.get_parameter("1.bias").data[0] += shift
    return network.eval()


def export(network: FaceNetwork, stem: Path) -> None:
    """Write a network as safetensors and as ONNX with dynamic batch, height and width.

    Args:
        network: In evaluation mode.
        stem: Path without suffix; ``.safetensors`` and ``.onnx`` are added.
    """
    config = json.dumps(asdict(network.config))
    weights = {name: value.contiguous() for name, value in network.state_dict().items()}
    save_file(weights, stem.with_suffix(".safetensors"), {"config": config})
    rows, columns = torch.export.Dim("rows", min=1), torch.export.Dim("columns", min=1)
    program = torch.onnx.export(
        DecodedFaceNetwork(network).eval(),
        (torch.zeros(2, 3, 256, 320),),
        input_names=["images"],
        output_names=["scores", "boxes", "landmarks"],
        dynamic_shapes={
            "images": {0: torch.export.Dim("batch", min=1), 2: 32 * rows, 3: 32 * columns}
        },
        opset_version=18,
        dynamo=True,
        verbose=False,
    )
    if program is None:
        raise RuntimeError("The ONNX exporter gave nothing back.")
    graph = program.model_proto
    for node in graph.graph.node:
        del node.metadata_props[:]  # stack traces of the exporter, with paths of this machine
    del graph.graph.value_info[:]
    onnx.save(graph, stem.with_suffix(".onnx"))


def main(arguments: Sequence[str] | None = None) -> None:
    """Train from the command line."""
    defaults = DetectorTrainConfig()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", type=Path, help="folder made by detector_data")
    parser.add_argument("--out", type=Path, required=True, help="folder for checkpoints")
    parser.add_argument("--minutes", type=float, default=defaults.minutes)
    parser.add_argument("--batch", type=int, default=defaults.batch)
    parser.add_argument("--size", type=int, default=defaults.size_px)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--export", type=Path, help="write weights to this path plus suffixes")
    parser.add_argument("--shift", type=float, default=0.0, help="of all score logits, at export")
    options = parser.parse_args(arguments)
    if options.export:
        export(load_average(options.out / "last.pt", shift=options.shift), options.export)
        return
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    if options.cache is None:
        parser.error("--cache is needed for training")
    torch.set_num_threads(options.threads)
    config = DetectorTrainConfig(size_px=options.size, batch=options.batch, minutes=options.minutes)
    trainer = Trainer(config, options.out)
    trainer.resume()
    stream = _Stream(options.cache, config.size_px, config.seed + trainer.step)
    loader = DataLoader(stream, config.batch, collate_fn=collate, num_workers=1, prefetch_factor=4)
    trainer.train(iter(loader))


if __name__ == "__main__":
    main()
