"""One process or several: which device, which part of each batch, and which one writes."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from emotion_core.errors import EmotionError
from emotion_core.models.runtime import pick_device

if TYPE_CHECKING:
    from collections.abc import Iterator

    from emotion_core.types import Device

_T = TypeVar("_T")

_TIMEOUT = timedelta(hours=1)
"""Maximum time that others wait while the first process reads data, validates or writes."""


@dataclass(frozen=True, slots=True)
class DistributedContext:
    """This process among those that train together.

    Attributes:
        rank: From 0; the first one validates and writes.
        world: Number of processes.
        device: Where the network of this process is.
    """

    rank: int = 0
    world: int = 1
    device: Device = "cpu"

    @property
    def is_first(self) -> bool:
        """Whether this process validates, writes and logs."""
        return self.rank == 0


@contextlib.contextmanager
def join_processes(device: str) -> Iterator[DistributedContext]:
    """Joins the other processes that ``torchrun`` started, if any.

    Args:
        device: ``"auto"``, ``"cpu"`` or ``"cuda"``; on CUDA each process takes the GPU of its local
            rank.

    Raises:
        EmotionError: There is no such device, or there are fewer GPUs than processes.
    """
    picked = pick_device(device)
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world == 1:
        yield DistributedContext(device=picked)
        return
    if picked == "cuda":
        _take_gpu(int(os.environ["LOCAL_RANK"]))
    distributed.init_process_group("nccl" if picked == "cuda" else "gloo", timeout=_TIMEOUT)
    try:
        yield DistributedContext(distributed.get_rank(), world, picked)
    finally:
        distributed.destroy_process_group()


def _take_gpu(local_rank: int) -> None:
    count = torch.cuda.device_count()
    if local_rank >= count:
        raise EmotionError(f"There are more processes than GPUs; use --nproc-per-node {count}.")
    torch.cuda.set_device(local_rank)


def wrap(network: nn.Module, context: DistributedContext) -> nn.Module:
    """Lets several processes train one network, starting from the weights of the first process.

    On CUDA batch normalisation spans all processes; on the CPU torch cannot do that, and each
    process normalises by its own faces.
    """
    if context.world == 1:
        return network
    if context.device == "cuda":
        network = nn.SyncBatchNorm.convert_sync_batchnorm(network)  # type: ignore[no-untyped-call]
        return DistributedDataParallel(network, [torch.cuda.current_device()])
    return DistributedDataParallel(network)


def share_buffers(network: nn.Module, context: DistributedContext) -> None:
    """Copies the first process's buffers, e.g. the means of batch normalisation, to all."""
    if context.world > 1:
        for buffer in network.buffers():
            distributed.broadcast(buffer, 0)


def share_tensor(tensor: torch.Tensor, context: DistributedContext) -> torch.Tensor:
    """The first process's tensor, on the CPU, in every process; shapes must agree."""
    if context.world == 1:
        return tensor
    moved = tensor.to(context.device)
    distributed.broadcast(moved, 0)
    return moved.cpu()


def share_object(value: _T | None, context: DistributedContext) -> _T | None:
    """The first process's value, in every process."""
    if context.world == 1:
        return value
    values = [value]
    distributed.broadcast_object_list(values, 0)
    return values[0]
