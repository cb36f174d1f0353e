"""The training loop: soft targets, AdamW with a one-cycle rate, averaged weights, resume."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn import functional

from emotion_core.errors import WeightsMismatchError
from emotion_core.models import make_network
from emotion_core.training.augment import augment
from emotion_core.training.config import GREY_MEAN, GREY_STD, LABELS, TrainConfig

if TYPE_CHECKING:
    from pathlib import Path

    from emotion_core.training.datasets import FaceSet

_LOG = logging.getLogger(__name__)
_CHECKPOINT = "last.pt"


@dataclass(frozen=True, slots=True)
class EpochReport:
    """What one epoch gave.

    Attributes:
        epoch: Counted from 1.
        loss: Mean training loss, cross-entropy against the votes.
        time_s: How long it took.
    """

    epoch: int
    loss: float
    time_s: float


class Trainer:
    """One run: network, averaged network, optimiser and how far they are.

    Everything random in an epoch comes from the seed and the epoch's number, so a run that was cut
    off and resumed ends with the weights of one that was not.

    Args:
        config: The hyper-parameters.
        folder: Where the checkpoint lies; created if need be. A checkpoint in it is continued.

    Attributes:
        config: As given.
        epoch: How many are done.
        checkpoint_path: Written after every epoch.
        averaged: The averaged network, the one to use.

    Raises:
        WeightsMismatchError: The checkpoint in ``folder`` is of another configuration.
    """

    def __init__(self, config: TrainConfig, folder: Path) -> None:
        torch.manual_seed(config.seed)
        self.config = config
        self.epoch = 0
        self.checkpoint_path = folder / _CHECKPOINT
        self._network = _make(config)
        self.averaged = _make(config).eval().requires_grad_(requires_grad=False)
        self.averaged.load_state_dict(self._network.state_dict())
        self._optimiser = _make_optimiser(self._network, config)
        folder.mkdir(parents=True, exist_ok=True)
        if self.checkpoint_path.exists():
            self._resume()

    def iter_epochs(self, faces: FaceSet) -> Iterator[EpochReport]:
        """Train until the last epoch; yield after each one, once its checkpoint is written."""
        while self.epoch < self.config.epochs:
            start_s = time.perf_counter()
            loss = self._train_epoch(faces)
            self.epoch += 1
            self._save()
            yield EpochReport(self.epoch, loss, time.perf_counter() - start_s)

    def _train_epoch(self, faces: FaceSet) -> float:
        generator = torch.Generator().manual_seed(self.config.seed * 10_007 + self.epoch)
        torch.manual_seed(self.config.seed * 10_007 + self.epoch)  # dropout draws from here
        self._network.train()
        order = torch.randperm(len(faces), generator=generator)
        batches = torch.split(order, self.config.batch_size)
        total = 0.0
        for i, batch in enumerate(batches):
            progress = (self.epoch + i / len(batches)) / self.config.epochs
            inputs = augment(_to_planes(faces, batch), self.config, generator)
            targets = torch.from_numpy(faces.targets)[batch]
            total += self._step(inputs, targets, progress) * len(batch)
            self._average(self.epoch * len(batches) + i)
        return total / len(faces)

    def _step(self, inputs: torch.Tensor, targets: torch.Tensor, progress: float) -> float:
        rate = self.config.learning_rate * one_cycle(progress, self.config.warmup)
        for group in self._optimiser.param_groups:
            group["lr"] = rate
        planes = ((inputs - GREY_MEAN) / GREY_STD).contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16, enabled=self.config.bf16):
            logits = self._network(planes)
        loss = functional.cross_entropy(logits.float(), targets)
        self._optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimiser.step()
        return loss.item()

    @torch.no_grad()
    def _average(self, step: int) -> None:
        """Move the averaged weights towards the network's; faster at first, when those move far."""
        keep = min(self.config.ema_decay, (1 + step) / (10 + step))
        current = self._network.state_dict()
        for key, value in self.averaged.state_dict().items():
            if value.is_floating_point():
                value.lerp_(current[key], 1 - keep)
            else:
                value.copy_(current[key])

    def _save(self) -> None:
        part = self.checkpoint_path.with_suffix(".part")
        torch.save(
            {
                "config": self.config.to_json(),
                "epoch": self.epoch,
                "network": self._network.state_dict(),
                "averaged": self.averaged.state_dict(),
                "optimiser": self._optimiser.state_dict(),
            },
            part,
        )
        part.replace(self.checkpoint_path)  # a kill in mid-writing leaves the old checkpoint whole

    def _resume(self) -> None:
        checkpoint = load_checkpoint(self.checkpoint_path)
        if TrainConfig.from_json(checkpoint["config"]) != self.config:
            raise WeightsMismatchError(
                f"{self.checkpoint_path} is of another configuration; choose another folder."
            )
        self.epoch = checkpoint["epoch"]
        self._network.load_state_dict(checkpoint["network"])
        self.averaged.load_state_dict(checkpoint["averaged"])
        self._optimiser.load_state_dict(checkpoint["optimiser"])
        _LOG.info("Resumed after epoch %d.", self.epoch)


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read what a ``Trainer`` saved: config (JSON), epoch, network, averaged, optimiser."""
    checkpoint: dict[str, Any] = torch.load(path, weights_only=True, map_location="cpu")
    return checkpoint


def one_cycle(progress: float, warmup: float) -> float:
    """Learning rate as a share of its peak: half a cosine up, half a cosine down to nothing.

    Args:
        progress: Share of the steps done, 0-1.
        warmup: Share of the steps in which the rate climbs, above 0.

    Source: L. Smith and N. Topin, "Super-Convergence", 2018 (arXiv:1708.07120).
    """
    if progress < warmup:
        return 0.04 + 0.96 * (1 - math.cos(math.pi * progress / warmup)) / 2
    return (1 + math.cos(math.pi * (progress - warmup) / (1 - warmup))) / 2


def _make(config: TrainConfig) -> nn.Module:
    network = make_network(config.architecture, len(LABELS))
    return network.to(memory_format=torch.channels_last)


def _make_optimiser(network: nn.Module, config: TrainConfig) -> torch.optim.Optimizer:
    kernels = [p for p in network.parameters() if p.ndim > 1]
    others = [p for p in network.parameters() if p.ndim <= 1]
    return torch.optim.AdamW(
        [
            {"params": kernels, "weight_decay": config.weight_decay},
            {"params": others, "weight_decay": 0.0},
        ],
        lr=config.learning_rate,
    )


def _to_planes(faces: FaceSet, batch: torch.Tensor) -> torch.Tensor:
    return torch.from_numpy(faces.faces)[batch][:, None].float()  # (N, 1, S, S)
