"""The start of a run: network, optimiser, and schedule of the learning rate."""

from __future__ import annotations

import logging
import math
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from emotion_core.errors import WeightsMismatchError, WeightsUnavailableError
from emotion_core.labels import ALL_EMOTIONS
from emotion_core.networks.architectures import find_architecture
from emotion_core.networks.backbones import imagenet_weights
from emotion_core.networks.emotion_net import EmotionNet, load_network, make_network

if TYPE_CHECKING:
    from emotion_core.training.detector.config import DetectorTrainConfig
    from emotion_core.training.emotion.config import TrainConfig
    from emotion_core.training.engine.distributed import DistributedContext
    from emotion_core.types import Device

_LOG = logging.getLogger(__name__)


def start_network(
    config: TrainConfig, context: DistributedContext, *, is_fresh: bool
) -> tuple[EmotionNet, str]:
    """Builds the network of a run.

    Args:
        config: Has the architecture, and which weights to start from.
        context: Only the first process loads weights; the others get them from it.
        is_fresh: Whether the run begins; a resumed one brings its own weights.

    Returns:
        The network, and the name of the weights that it starts from, empty for random ones.

    Raises:
        WeightsUnavailableError: Required weights are not available.
        WeightsMismatchError: The file to start from is no network of ours, or no tensor of it fits.
    """
    if config.init and is_fresh and context.is_first:
        return _start_from(Path(config.init), config)
    loads_imagenet = config.pretrained != "none" and is_fresh and context.is_first
    if loads_imagenet and find_architecture(config.architecture).torchvision:
        try:
            return _make(config, imagenet=True), imagenet_weights(config.architecture)
        except WeightsUnavailableError as error:
            if config.pretrained == "imagenet":
                raise
            _LOG.warning("%s Training starts from random weights.", error)
            torch.manual_seed(config.seed)  # the failed try has drawn from it
    return _make(config, imagenet=False), ""


def _start_from(path: Path, config: TrainConfig) -> tuple[EmotionNet, str]:
    """A network with the tensors of another one that have the same names and shapes."""
    network, found = _make(config, imagenet=False), load_network(path).state_dict()
    state = network.state_dict()
    fitting = {
        name: value
        for name, value in found.items()
        if name in state and state[name].shape == value.shape
    }
    if not fitting:
        raise WeightsMismatchError(f"{path.name} has no tensor that fits {config.architecture}.")
    network.load_state_dict(state | fitting)
    return network, f"{path.name}, {len(fitting)} of {len(state)} tensors"


def _make(config: TrainConfig, *, imagenet: bool) -> EmotionNet:
    return make_network(
        config.architecture,
        len(ALL_EMOTIONS),
        has_va=config.has_va,
        has_actions=config.has_actions,
        imagenet=imagenet,
    )


def make_optimiser(
    network: nn.Module, config: TrainConfig | DetectorTrainConfig
) -> torch.optim.Optimizer:
    """AdamW with weight decay only for weight matrices and kernels, not for biases and norms."""
    learning = [p for p in network.parameters() if p.requires_grad]
    kernels = [p for p in learning if p.ndim > 1]
    others = [p for p in learning if p.ndim <= 1]
    return torch.optim.AdamW(
        [
            {"params": kernels, "weight_decay": config.weight_decay},
            {"params": others, "weight_decay": 0.0},
        ],
        lr=config.learning_rate,
    )


def uses_bf16(config: TrainConfig | DetectorTrainConfig, device: Device) -> bool:
    """Whether to use bfloat16, not float32; float16 on older GPUs would need loss scaling."""
    return config.bf16 and (device == "cpu" or torch.cuda.is_bf16_supported())


def one_cycle(progress: float, warmup: float) -> float:
    """Learning rate as a share of its peak: half a cosine up, half a cosine down to zero.

    Args:
        progress: Share of the steps done, 0-1.
        warmup: Share of the steps in which the rate climbs, above 0.

    Source: L. Smith and N. Topin, "Super-Convergence", 2018 (arXiv:1708.07120).
    """
    if progress < warmup:
        return 0.04 + 0.96 * (1 - math.cos(math.pi * progress / warmup)) / 2
    return (1 + math.cos(math.pi * (progress - warmup) / (1 - warmup))) / 2


def apply_gradients(
    loss: torch.Tensor, network: nn.Module, optimiser: torch.optim.Optimizer, clip_norm: float
) -> None:
    """Takes one step of the optimiser, with gradients clipped to a norm of ``clip_norm``."""
    optimiser.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    nn.utils.clip_grad_norm_(network.parameters(), clip_norm)
    optimiser.step()


def set_rate(optimiser: torch.optim.Optimizer, rate: float) -> None:
    """Sets the learning rate of all parameters."""
    for group in optimiser.param_groups:
        group["lr"] = rate


@torch.no_grad()
def move_average(averaged: nn.Module, network: nn.Module, keep: float) -> None:
    """Moves averaged weights towards a network's (exponential moving average), in place.

    Args:
        averaged: Of the same architecture as ``network``.
        network: In training.
        keep: Share of the averaged weights that stays, 0-1; integers are copied.
    """
    averages, current = averaged.state_dict(), network.state_dict()
    names = [name for name, value in averages.items() if value.is_floating_point()]
    move = get_ema_multi_avg_fn(keep)  # type: ignore[no-untyped-call]
    move([averages[name] for name in names], [current[name] for name in names], None)
    for name in averages.keys() - set(names):
        averages[name].copy_(current[name])
