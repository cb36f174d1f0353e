"""The training loop of the face detector: AdamW, a cosine schedule, averaged weights, resume."""

from __future__ import annotations

import copy
import logging
import math
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import torch

from emotion_core.errors import DatasetError, EmotionError, WeightsMismatchError
from emotion_core.networks.face_net import FaceNetwork, grid_centres
from emotion_core.training.detector.batches import iter_detector_batches
from emotion_core.training.detector.epoch_report import DetectorEpochReport, best_row
from emotion_core.training.detector.load import KEYS, read_train_config
from emotion_core.training.detector.loss import Losses, Targets, detector_loss
from emotion_core.training.engine.checkpoint import load_checkpoint
from emotion_core.training.engine.optim import (
    apply_gradients,
    make_optimiser,
    move_average,
    set_rate,
    uses_bf16,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from emotion_core.training.detector.batches import Batch
    from emotion_core.training.detector.config import DetectorTrainConfig
    from emotion_core.training.detector.samples import DetectionSample
    from emotion_core.training.engine.checkpoint import CheckpointPolicy
    from emotion_core.training.engine.run_dir import Row
    from emotion_core.types import Device

_LOG = logging.getLogger(__name__)

Validate = Callable[[FaceNetwork], float]
"""Average precision of a network on held-out images."""

OnStep = Callable[[float, torch.Tensor], None]
"""Told after each step how far the run is, 0-1, and the loss of the last step."""


class DetectorTrainer:
    """One run: network, averaged network, optimiser and progress.

    Every batch depends only on the seed and the number of its step, so that an interrupted and
    resumed run ends with the same weights, unless the clock ends it.

    Args:
        config: The hyper-parameters.
        saving: Where the checkpoints lie. A run found there is continued.
        device: Where to train.
        start: Network to start from; random by default. A continued run needs none.

    Attributes:
        epoch: Number of epochs done.
        step: Number of steps done.
        elapsed_s: Seconds of training and validation, over all starts.
        average: The averaged network, the one to use.
        history: One row for each epoch done.

    Raises:
        WeightsMismatchError: The checkpoint or ``start`` is of another configuration.
        WeightsUnavailableError: The checkpoint to start from is missing.
    """

    def __init__(
        self,
        config: DetectorTrainConfig,
        saving: CheckpointPolicy,
        device: Device = "cpu",
        start: FaceNetwork | None = None,
    ) -> None:
        self.config, self.saving = config, saving
        self.epoch, self.step, self.elapsed_s = 0, 0, 0.0
        self.history: list[Row] = []
        self._device: Device = device
        found = saving.find(config, _load)
        self._n_samples = found["n_pictures"] if found and saving.resume is None else None
        torch.manual_seed(config.seed)
        network = FaceNetwork(config.network)
        if start is not None and found is None:
            _fill(network, start.state_dict(), "The weights to start from are")
        self.network: FaceNetwork = network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average = copy.deepcopy(self.network).eval().requires_grad_(requires_grad=False)
        self._optimiser = make_optimiser(self.network, config)
        self._centres = grid_centres((config.size_px, config.size_px)).to(device)
        if found is not None:
            self._restore(found)
        saving.folder.mkdir(parents=True, exist_ok=True)
        if saving.branch is not None and self.history:
            self._take_as_best(saving.branch)
        if device == "cuda":
            torch.backends.cudnn.benchmark = True

    @property
    def progress(self) -> float:
        """How much of the run is done, 0-1."""
        if self.config.n_steps:
            return min(1.0, self.step / self.config.n_steps)
        return min(1.0, self.elapsed_s / (self.config.minutes * 60))

    @property
    def is_done(self) -> bool:
        """Whether all steps are done, or the time is up."""
        return self.progress >= 1

    def iter_epochs(
        self,
        samples: Sequence[DetectionSample],
        validate: Validate | None,
        on_step: OnStep | None = None,
        *,
        n_workers: int = 0,
    ) -> Iterator[DetectorEpochReport]:
        """Trains to the end.

        Args:
            samples: To learn from; the same ones after every resume.
            validate: Called every few epochs and at the end; ``None``: there is nothing to measure.
            on_step: Called with the progress.
            n_workers: Processes that compose images.

        Yields:
            After each epoch, once its checkpoint is written.

        Raises:
            DatasetError: The run began with other images, or one is unreadable.
            EmotionError: The loss is no longer a number.
        """
        if self._n_samples not in (None, len(samples)):
            raise DatasetError(
                f"The run began with {self._n_samples} images, and now there are "
                f"{len(samples)}; give the same data, or choose another --run."
            )
        self._n_samples = len(samples)
        if self.is_done:
            return
        batches = iter_detector_batches(
            samples, self.config, self.step, device=self._device, n_workers=n_workers
        )
        while not self.is_done:
            yield self._do_epoch(batches, validate, on_step)

    def _do_epoch(
        self, batches: Iterator[Batch], validate: Validate | None, on_step: OnStep | None
    ) -> DetectorEpochReport:
        start_s, before_s = time.monotonic(), self.elapsed_s
        total = torch.zeros(len(Losses._fields), device=self._device)
        n_done = 0
        while n_done < self.config.epoch_steps and not self.is_done:
            losses = self.advance(*next(batches))
            total += losses
            n_done += 1
            self.elapsed_s = before_s + time.monotonic() - start_s
            if on_step:
                on_step(self.progress, losses[0])
        means = dict(zip(Losses._fields, (total / n_done).tolist(), strict=True))
        if not math.isfinite(means["total"]):
            raise EmotionError(
                f"The loss of epoch {self.epoch + 1} is not a number; train with a smaller "
                "--learning-rate."
            )
        self.epoch += 1
        is_due = self.epoch % self.config.validate_every == 0 or self.is_done
        ap = validate(self.average) if validate and is_due else None
        time_s = time.monotonic() - start_s
        self.elapsed_s = before_s + time_s
        rate = self._optimiser.param_groups[0]["lr"]
        report = DetectorEpochReport(self.epoch, self.step, means, rate, time_s, ap)
        self.history.append(report.to_row())
        self._save()
        return report

    def advance(self, images: torch.Tensor, targets: Targets) -> torch.Tensor:
        """Takes a step on uint8 images ``(B, 3, S, S)``; returns loss and its parts, ``(4,)``."""
        set_rate(self._optimiser, self._rate())
        self.network.train()
        pixels = images.float().contiguous(memory_format=torch.channels_last)
        is_bf16 = uses_bf16(self.config, self._device)
        with torch.autocast(self._device, torch.bfloat16, enabled=is_bf16):
            raw = self.network(pixels)
        losses = detector_loss(raw.float(), self._centres, targets, self.config.landmark_weight)
        apply_gradients(losses.total, self.network, self._optimiser, self.config.clip_norm)
        self.step += 1
        # Faster at first, when the network's weights move far.
        keep = min(self.config.ema_decay, self.step / (self.step + 10))
        move_average(self.average, self.network, keep)
        return torch.stack(losses).detach()

    def _rate(self) -> float:
        warm = min(1.0, (self.step + 1) / max(1, self.config.warm_up_steps))
        fall = 0.5 + 0.5 * math.cos(math.pi * self.progress) + 0.005
        return self.config.learning_rate * warm * fall

    def _save(self) -> None:
        state = {
            "config": self.config.to_json(),
            "network_config": asdict(self.network.config),
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self._optimiser.state_dict(),
            "epoch": self.epoch,
            "step": self.step,
            "elapsed_s": self.elapsed_s,
            "history": self.history,
            "n_pictures": self._n_samples,
        }
        self.saving.save(state, is_best=best_row(self.history) is self.history[-1])

    def _take_as_best(self, checkpoint: Path) -> None:
        """Copies the checkpoint as the best one; an earlier, better one is not in this folder."""
        if best_row(self.history) is not self.history[-1]:
            self.history = self.history[-1:]
        if best_row(self.history) is not None:
            self.saving.take_as_best(checkpoint)

    def _restore(self, found: dict[str, Any]) -> None:
        _fill(self.network, found["network"], "The checkpoint's network is")
        _fill(self.average, found["average"], "The checkpoint's averaged network is")
        self._optimiser.load_state_dict(found["optimiser"])
        self.epoch, self.step = found["epoch"], found["step"]
        self.elapsed_s, self.history = found["elapsed_s"], found["history"]
        _LOG.info("Resumed after epoch %d.", self.epoch)


def _load(path: Path) -> dict[str, Any]:
    read_train_config(path)  # or it says what to do with one of an older version
    return load_checkpoint(path, (*KEYS, "epoch", "history", "n_pictures"), "a face detector")


def _fill(network: FaceNetwork, state: dict[str, Any], what: str) -> None:
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        raise WeightsMismatchError(
            f"{what} not of the widths of this run ({network.config}); set stem, body and deep."
        ) from error
