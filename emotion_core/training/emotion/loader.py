"""The faces of each step, read ahead of the network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from emotion_core.errors import DatasetError
from emotion_core.networks.architectures import find_architecture
from emotion_core.training.emotion.class_balance import draw_balanced
from emotion_core.training.emotion.mixup import Batch
from emotion_core.training.engine.read_ahead import iter_ahead

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from emotion_core.training.datasets.face_set import FaceSet, Indices
    from emotion_core.training.emotion.config import TrainConfig
    from emotion_core.training.engine.distributed import DistributedContext


@dataclass(frozen=True, slots=True)
class EpochRngs:
    """The random generators of one epoch; the same for a resumed run.

    Attributes:
        order: Of the order of the faces; alike in all processes.
        mixing: Of mixup and CutMix.
        augmentation: On the device of the network.
    """

    order: np.random.Generator
    mixing: np.random.Generator
    augmentation: torch.Generator


def epoch_rngs(seed: int, epoch: int, context: DistributedContext) -> EpochRngs:
    """Seeds all random generators of an epoch, including torch's own (dropout)."""
    common = np.random.SeedSequence([seed, epoch])
    own = np.random.SeedSequence([seed, epoch, context.rank + 1])
    mixing, augmentation, dropout = own.spawn(3)
    torch.manual_seed(_to_int(dropout))
    generator = torch.Generator(context.device).manual_seed(_to_int(augmentation))
    return EpochRngs(np.random.default_rng(common), np.random.default_rng(mixing), generator)


def _to_int(sequence: np.random.SeedSequence) -> int:
    return int(sequence.generate_state(1, np.uint64)[0] >> np.uint64(1))


def draw_order(faces: FaceSet, config: TrainConfig, rng: np.random.Generator) -> Indices:
    """The faces of one epoch, in the order in which they are shown."""
    if config.balance == "sampler":
        order = draw_balanced(faces.targets, rng)
    else:
        order = np.asarray(rng.permutation(len(faces)), np.int64)
    return order[: config.epoch_faces or None]


def split_order(order: Indices, batch_size: int, world: int) -> list[Indices]:
    """Cuts an order into steps.

    The last step is cut to a multiple of the processes, and left out if a process would get a
    single face, which batch normalisation and concordance cannot use.

    Raises:
        DatasetError: There are fewer than two faces for each process.
    """
    if len(order) < 2 * world or batch_size < 2 * world:
        raise DatasetError(
            f"Training needs at least two faces in a step for each of {world} process(es); there "
            f"are {len(order)} faces in steps of {batch_size}."
        )
    batches = [order[start : start + batch_size] for start in range(0, len(order), batch_size)]
    batches = [batch[: len(batch) // world * world] for batch in batches]
    return [batch for batch in batches if len(batch) >= 2 * world]


def count_steps(faces: FaceSet, config: TrainConfig, context: DistributedContext) -> int:
    """Number of steps in one epoch."""
    shown = np.arange(len(faces))[: config.epoch_faces or None]
    return len(split_order(shown, config.batch_size, context.world))


def iter_emotion_batches(
    faces: FaceSet, steps: Sequence[Indices], config: TrainConfig, context: DistributedContext
) -> Iterator[Batch]:
    """Reads the faces of each step onto the device, some steps ahead.

    Args:
        faces: All of them.
        steps: Faces of each step over all processes; this one takes every ``world``-th.
        config: Has size and colour.
        context: This process.

    Raises:
        DatasetError: An image cannot be read.
    """
    channels = find_architecture(config.architecture).channels
    actions = faces.actions
    if actions is None:
        actions = np.empty((len(faces), 0), np.float32)
    is_cuda = context.device == "cuda"

    def load(step: Indices) -> tuple[torch.Tensor, ...]:
        chosen = step[context.rank :: context.world]
        images = torch.from_numpy(faces.images.load(chosen, config.size_px, channels))
        parts = (
            images.permute(0, 3, 1, 2),
            torch.from_numpy(faces.targets[chosen]),
            torch.from_numpy(faces.va[chosen]),
            torch.from_numpy(actions[chosen]),
        )
        return tuple(part.pin_memory() for part in parts) if is_cuda else parts

    for parts in iter_ahead(load, steps):
        images, targets, va, seen = (part.to(context.device, non_blocking=True) for part in parts)
        yield Batch(images.float(), targets, va, seen)
