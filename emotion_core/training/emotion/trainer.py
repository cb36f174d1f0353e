"""The training loop: soft targets, AdamW with a one-cycle rate, averaged weights, resume."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import torch

from emotion_core.errors import DatasetError, EmotionError, WeightsMismatchError
from emotion_core.networks.architectures import find_architecture
from emotion_core.training.emotion.augment import augment, draw_moves, move_actions
from emotion_core.training.emotion.class_balance import to_class_weights
from emotion_core.training.emotion.config import TrainConfig
from emotion_core.training.emotion.history import (
    EmotionEpochReport,
    best_epoch,
    is_exhausted,
    to_row,
)
from emotion_core.training.emotion.load import make_classifier
from emotion_core.training.emotion.loader import (
    draw_order,
    epoch_rngs,
    iter_emotion_batches,
    split_order,
)
from emotion_core.training.emotion.losses import to_loss
from emotion_core.training.emotion.mixup import Batch, fill_va, mix, sharpen, smooth
from emotion_core.training.engine.checkpoint import CheckpointPolicy, load_checkpoint
from emotion_core.training.engine.distributed import (
    DistributedContext,
    share_buffers,
    share_object,
    wrap,
)
from emotion_core.training.engine.optim import (
    apply_gradients,
    make_optimiser,
    move_average,
    one_cycle,
    set_rate,
    start_network,
    uses_bf16,
)
from emotion_core.training.evaluation.evaluate import predict
from emotion_core.training.evaluation.metrics import to_metrics

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from emotion_core.training.datasets.face_set import FaceSet
    from emotion_core.training.engine.run_dir import Row
    from emotion_core.training.evaluation.metrics import Metrics

_LOG = logging.getLogger(__name__)

OnStep = Callable[[int, torch.Tensor], None]
"""Called after each step with the number of steps done in the run and the last loss."""


class EmotionTrainer:
    """One run: network, averaged network, optimiser and progress.

    Everything random in an epoch depends only on the seed and the epoch's number, so that an
    interrupted and resumed run ends with the same weights.

    Args:
        config: The hyper-parameters.
        saving: Where the checkpoints lie. A run found there is continued.
        context: This process, if several train together.

    Attributes:
        config: As given.
        epoch: Number of epochs done.
        averaged: The averaged network, the one to use.
        history: One row for each epoch done; see ``history.py``.
        pretrained: The weights that the network started from, or empty.

    Raises:
        WeightsMismatchError: The checkpoint is of another configuration.
        WeightsUnavailableError: The checkpoint to start from is missing, or required ImageNet
            weights are not available.
    """

    def __init__(
        self,
        config: TrainConfig,
        saving: CheckpointPolicy,
        context: DistributedContext | None = None,
    ) -> None:
        self.config = config
        self.saving = saving
        self.epoch = 0
        self.history: list[Row] = []
        self._context = context or DistributedContext()
        found = saving.find(config, load_checkpoint)
        self._n_faces = found.get("n_faces") if found and saving.resume is None else None
        torch.manual_seed(config.seed)
        network, self.pretrained = start_network(config, self._context, is_fresh=found is None)
        network = network.to(self._context.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        network.features.requires_grad_(requires_grad=not config.heads_only)
        self.averaged = deepcopy(network).eval().requires_grad_(requires_grad=False)
        self._optimiser = make_optimiser(network, config)
        self._network = network
        if found is not None:
            self._restore(found)
        saving.folder.mkdir(parents=True, exist_ok=True)
        if saving.branch is not None:
            self._take_as_best(saving.branch)
        self._wrapped = wrap(network, self._context)
        if found is None:
            self.averaged.load_state_dict(network.state_dict())  # the first process's
        if self._context.device == "cuda":
            torch.backends.cudnn.benchmark = True

    def iter_epochs(
        self, faces: FaceSet, held_out: FaceSet, on_step: OnStep | None = None
    ) -> Iterator[EmotionEpochReport]:
        """Trains until the last epoch or the early stop.

        Args:
            faces: To learn from; the same ones in every process and after every resume.
            held_out: For validation.
            on_step: Called with the progress.

        Yields:
            After each epoch, once its checkpoint is written.

        Raises:
            DatasetError: The run began with other faces, or there are too few.
            EmotionError: The loss is no longer a number.
        """
        if self._n_faces not in (None, len(faces)):
            raise DatasetError(
                f"The run began with {self._n_faces} training faces, and now there are "
                f"{len(faces)}; give the same data sets, or choose another --run."
            )
        while not self.is_done:
            start_s = time.perf_counter()
            loss = self._train_epoch(faces, on_step)
            self.epoch += 1
            yield self._finish_epoch(faces, held_out, loss, start_s)

    @property
    def is_done(self) -> bool:
        """Whether all epochs are done, or the early stop has been reached."""
        return self.epoch >= self.config.epochs or is_exhausted(self.history, self.config.patience)

    def _finish_epoch(
        self, faces: FaceSet, held_out: FaceSet, loss: float, start_s: float
    ) -> EmotionEpochReport:
        """Validates and saves in the first process; all processes keep its row of metrics."""
        metrics = row = None
        if self._context.is_first:
            metrics = self._validate(held_out)
        rate = self._optimiser.param_groups[0]["lr"]
        report = EmotionEpochReport(self.epoch, loss, rate, time.perf_counter() - start_s, metrics)
        if metrics:
            row = to_row(report, metrics)
            self._save(faces, [*self.history, row])
        self.history.append(share_object(row, self._context) or {})
        return report

    def _validate(self, held_out: FaceSet) -> Metrics:
        classifier = make_classifier(self.averaged, self.config, self._context.device)
        return to_metrics(*predict(classifier, held_out), held_out)

    def _train_epoch(self, faces: FaceSet, on_step: OnStep | None) -> float:
        rng = epoch_rngs(self.config.seed, self.epoch, self._context)
        order = draw_order(faces, self.config, rng.order)
        steps = split_order(order, self.config.batch_size, self._context.world)
        weights = self._weigh_classes(faces)
        self._wrapped.train()
        if self.config.heads_only:
            self._network.features.eval()  # statistics of batch normalisation stay, too
        total = torch.zeros((), device=self._context.device)
        n_faces = 0
        for i, batch in enumerate(iter_emotion_batches(faces, steps, self.config, self._context)):
            progress = (self.epoch + i / len(steps)) / self.config.epochs
            rate = self.config.learning_rate * one_cycle(progress, self.config.warmup)
            set_rate(self._optimiser, rate)
            moves = draw_moves(len(batch.faces), self.config, rng.augmentation)
            inputs = augment(batch.faces, self.config, rng.augmentation, moves)
            sharp = sharpen(batch.targets, self.config.target_power)
            targets = smooth(sharp, self.config.label_smoothing)
            va = fill_va(batch.va, batch.targets) if self.config.va_words else batch.va
            ready = Batch(inputs, targets, va, move_actions(batch.actions, moves))
            loss = self._step(mix(ready, self.config, rng.mixing), weights)
            total += loss * len(inputs)
            n_faces += len(inputs)
            done = self.epoch * len(steps) + i
            # Faster at first, when the network's weights move far.
            move_average(
                self.averaged, self._network, min(self.config.ema_decay, (1 + done) / (10 + done))
            )
            if on_step:
                on_step(done + 1, loss)
        share_buffers(self._network, self._context)
        share_buffers(self.averaged, self._context)
        if not torch.isfinite(total):
            raise EmotionError(
                f"The loss of epoch {self.epoch + 1} is not a number; train with a smaller "
                "--learning-rate or clip_norm."
            )
        return float(total) / n_faces

    def _weigh_classes(self, faces: FaceSet) -> torch.Tensor | None:
        if self.config.balance != "loss":
            return None
        weights = to_class_weights(faces.targets, self.config.effective_beta)
        return torch.from_numpy(weights).to(self._context.device)

    def _step(self, batch: Batch, class_weights: torch.Tensor | None) -> torch.Tensor:
        architecture = find_architecture(self.config.architecture)
        shape = (1, architecture.channels, 1, 1)
        mean = torch.tensor(architecture.mean, device=batch.faces.device).view(shape)
        std = torch.tensor(architecture.std, device=batch.faces.device).view(shape)
        planes = ((batch.faces - mean) / std).contiguous(memory_format=torch.channels_last)
        device = self._context.device
        with torch.autocast(device, torch.bfloat16, enabled=uses_bf16(self.config, device)):
            outputs = self._wrapped(planes)
        named = dict(zip(self._network.output_names, outputs, strict=True))
        loss = to_loss(named, batch, self.config, class_weights)
        apply_gradients(loss, self._network, self._optimiser, self.config.clip_norm)
        return loss.detach()

    def _save(self, faces: FaceSet, history: list[Row]) -> None:
        state = {
            "config": self.config.to_json(),
            "epoch": self.epoch,
            "network": self._network.state_dict(),
            "averaged": self.averaged.state_dict(),
            "optimiser": self._optimiser.state_dict(),
            "history": history,
            "n_faces": len(faces),
            "data": faces.name,
            "pretrained": self.pretrained,
        }
        self.saving.save(state, is_best=best_epoch(history) == self.epoch)

    def _take_as_best(self, checkpoint: Path) -> None:
        """Copies the checkpoint as the best one; an earlier, better one is not in this folder."""
        if best_epoch(self.history) != self.epoch:
            self.history = self.history[-1:]
        if self.history and self._context.is_first:
            self.saving.take_as_best(checkpoint)

    def _restore(self, found: dict[str, Any]) -> None:
        try:
            self._network.load_state_dict(found["network"])
            self.averaged.load_state_dict(found["averaged"])
            self._optimiser.load_state_dict(found["optimiser"])
        except (RuntimeError, ValueError) as error:
            architecture = TrainConfig.from_json(found["config"]).architecture
            raise WeightsMismatchError(
                f"The checkpoint's network ({architecture}) is not the one of this run "
                f"({self.config.architecture}, has_va {self.config.has_va})."
            ) from error
        self.epoch = found["epoch"]
        self.history = found.get("history", [])
        self.pretrained = found.get("pretrained", "")
        _LOG.info("Resumed after epoch %d.", self.epoch)
