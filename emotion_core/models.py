"""Emotion networks of our own: built by the name of their architecture, filled from safetensors."""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType
from typing import TYPE_CHECKING

import torch
from safetensors import SafetensorError, safe_open
from torch import nn

from emotion_core.errors import UnknownModelError, WeightsMismatchError, WeightsUnavailableError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class Standardise(nn.Module):
    """Bring every picture to mean 0 and deviation about 1: exposure and contrast don't count."""

    def forward(self, planes: torch.Tensor) -> torch.Tensor:
        """Standardise ``(N, C, S, S)`` one by one; a picture of one colour becomes zeros."""
        centred = planes - planes.mean((2, 3), keepdim=True)
        deviation = centred.square().mean((2, 3), keepdim=True).sqrt()
        return centred / (deviation + 0.05)


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut, which averages 2x2 pixels where the block halves.

    Source: K. He et al., "Deep Residual Learning for Image Recognition", CVPR 2016; the averaging
    shortcut: T. He et al., "Bag of Tricks for Image Classification", CVPR 2019, section 4.
    """

    def __init__(self, in_width: int, width: int, *, halve: bool) -> None:
        super().__init__()
        stride = 2 if halve else 1
        self.body = nn.Sequential(
            nn.Conv2d(in_width, width, 3, stride, 1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, width, 3, 1, 1, bias=False),
            nn.BatchNorm2d(width),
        )
        self.shortcut = nn.Sequential(
            nn.AvgPool2d(2, ceil_mode=True) if halve else nn.Identity(),
            nn.Conv2d(in_width, width, 1, bias=False),
            nn.BatchNorm2d(width),
        )
        if in_width == width and not halve:
            self.shortcut = nn.Sequential()

    def forward(self, planes: torch.Tensor) -> torch.Tensor:
        """Map ``(N, C, H, W)`` to ``(N, width, H', W')``."""
        return torch.relu(self.body(planes) + self.shortcut(planes))


class SmallFaceNet(nn.Module):
    """A residual network for grey faces of about 48 pixels; stages at 1/2, 1/4, 1/8 of the side.

    Args:
        n_outputs: Logits, one per emotion.
        widths: Channels of each stage.
        depths: Residual blocks of each stage.
    """

    def __init__(self, n_outputs: int, *, widths: tuple[int, ...], depths: tuple[int, ...]) -> None:
        super().__init__()
        width = 32
        layers: list[nn.Module] = [
            Standardise(),
            nn.Conv2d(1, width, 3, 2, 1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
        ]
        for stage, (next_width, depth) in enumerate(zip(widths, depths, strict=True)):
            for block in range(depth):
                layers.append(ResidualBlock(width, next_width, halve=stage > 0 and block == 0))
                width = next_width
        self.features = nn.Sequential(*layers)
        self.head = nn.Sequential(nn.Dropout(0.2), nn.Linear(width, n_outputs))

    def forward(self, faces: torch.Tensor) -> torch.Tensor:
        """Map ``(N, 1, S, S)`` from ``preprocess.to_input`` to ``(N, n_outputs)`` logits."""
        pooled = self.features(faces).mean((2, 3))  # (N, C)
        logits: torch.Tensor = self.head(pooled)
        return logits


ARCHITECTURES: Mapping[str, Callable[[int], nn.Module]] = MappingProxyType(
    {
        "small-face-net": lambda n: SmallFaceNet(n, widths=(40, 80, 192), depths=(1, 2, 2)),
        "tiny-face-net": lambda n: SmallFaceNet(n, widths=(16, 32), depths=(1, 1)),
    }
)
"""What ``make_network`` builds, by name; the tiny one is for trying things out and for tests."""


def make_network(architecture: str, n_outputs: int) -> nn.Module:
    """Build a network with fresh weights.

    Raises:
        UnknownModelError: No architecture goes by that name.
    """
    if architecture not in ARCHITECTURES:
        known = ", ".join(ARCHITECTURES)
        raise UnknownModelError(f"There is no architecture {architecture!r}; there are: {known}.")
    return ARCHITECTURES[architecture](n_outputs)


def load_network(path: Path) -> nn.Module:
    """Build a network as its weight file's metadata says, and fill it, ready to predict on the CPU.

    Args:
        path: A safetensors file whose metadata names ``architecture`` and ``labels``.

    Raises:
        WeightsUnavailableError: The file is not there.
        WeightsMismatchError: It is no such file, or its tensors are not those of its architecture.
    """
    if not path.is_file():
        raise WeightsUnavailableError(f"There is no weight file {path.name}.")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            state = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        network = make_network(metadata["architecture"], len(metadata["labels"].split(",")))
        network.load_state_dict(state)
    except (SafetensorError, KeyError, RuntimeError, UnknownModelError) as error:
        raise WeightsMismatchError(f"{path.name} is no Emoscope weight file: {error}") from error
    return network.eval()
