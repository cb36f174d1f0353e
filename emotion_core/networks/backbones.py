"""The layers of each architecture, from faces to feature maps."""

from __future__ import annotations

import contextlib
import socket
import sys
from collections import OrderedDict
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from emotion_core.errors import WeightsUnavailableError
from emotion_core.networks.architectures import find_architecture

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Features = tuple[nn.Module, int]
"""Layers that map ``(N, 1 or 3, S, S)`` to ``(N, width, H, W)``, and that width."""

_TIMEOUT_S = 20


class Standardise(nn.Module):
    """Normalises each image to mean 0 and deviation about 1, whatever its exposure and contrast."""

    def forward(self, planes: torch.Tensor) -> torch.Tensor:
        """Standardises ``(N, C, S, S)`` one by one; images of one colour become zeros."""
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
        """Maps ``(N, C, H, W)`` to ``(N, width, H', W')``."""
        return torch.relu(self.body(planes) + self.shortcut(planes))


class Attention(nn.Module):
    """Convolutional block attention: weighs the channels, then the positions.

    Args:
        width: Channels of the maps.

    Source: S. Woo et al., "CBAM: Convolutional Block Attention Module", ECCV 2018, equations 2 and
    3; the reduction to a sixteenth and the 7x7 kernel by its section 4.1.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.channels = nn.Sequential(
            nn.Conv2d(width, width // 16, 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(width // 16, width, 1),
        )
        self.places = nn.Conv2d(2, 1, 7, padding=3)

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """Weights ``(N, C, H, W)``; the shape stays the same."""
        mean, peak = maps.mean((2, 3), keepdim=True), maps.amax((2, 3), keepdim=True)
        maps = maps * torch.sigmoid(self.channels(mean) + self.channels(peak))  # (N, C, 1, 1)
        both = torch.cat([maps.mean(1, keepdim=True), maps.amax(1, keepdim=True)], 1)
        return maps * torch.sigmoid(self.places(both))  # (N, 1, H, W)


_OWN: Mapping[str, tuple[tuple[int, ...], tuple[int, ...]]] = MappingProxyType(
    {
        "small-face-net": ((40, 80, 192), (1, 2, 2)),
        "medium-face-net": ((40, 80, 192, 320), (1, 2, 2, 1)),
        "tiny-face-net": ((16, 32), (1, 1)),
    }
)
"""Channels and number of residual blocks of each stage of our own networks."""


def make_features(architecture: str, *, imagenet: bool = False) -> Features:
    """Builds an architecture's layers with fresh weights, or torchvision's ImageNet weights.

    Args:
        architecture: A name in ``ARCHITECTURES``.
        imagenet: Whether to download and load torchvision's weights; not for our own networks.

    Raises:
        UnknownModelError: There is no such architecture.
        WeightsUnavailableError: The ImageNet weights are not available.
    """
    name = find_architecture(architecture).torchvision
    if name is None:
        return _face_net(*_OWN[architecture])
    from torchvision import models

    network = models.get_model(name)
    if imagenet:
        network.load_state_dict(_load_imagenet(name))
    features = _cut_resnet(network) if name.startswith("resnet") else _cut(network)
    if architecture == "resnet50-cbam":
        _add_attention(network)
    return features


def imagenet_weights(architecture: str) -> str:
    """Name of torchvision's best ImageNet weights for an architecture, for the record."""
    from torchvision import models

    name = find_architecture(architecture).torchvision
    return "" if name is None else f"torchvision {models.get_model_weights(name).DEFAULT}"


def _face_net(widths: tuple[int, ...], depths: tuple[int, ...]) -> Features:
    """A residual network for grey faces; stages at 1/2, 1/4, 1/8 and so on of the side."""
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
    return nn.Sequential(*layers), width


def _cut_resnet(network: Any) -> Features:
    """A torchvision ResNet without pooling and classifier."""
    parts = network.named_children()
    layers = OrderedDict((name, part) for name, part in parts if name not in ("avgpool", "fc"))
    return nn.Sequential(layers), network.fc.in_features


def _cut(network: Any) -> Features:
    """A torchvision network that has its layers in ``features``, without its classifier.

    ConvNeXt's normalisation after pooling is kept; the resulting maps have one pixel.
    """
    first, *others = network.classifier
    if isinstance(first, nn.LayerNorm):
        pooled = nn.Sequential(network.features, nn.AdaptiveAvgPool2d(1), first)
        return pooled, others[-1].in_features
    linear = next(part for part in network.classifier if isinstance(part, nn.Linear))
    return network.features, linear.in_features


def _add_attention(network: Any) -> None:
    """Puts attention at the end of each residual branch of a torchvision ResNet, before the sum."""
    for layer in (network.layer1, network.layer2, network.layer3, network.layer4):
        for block in layer:
            block.bn3 = nn.Sequential(block.bn3, Attention(block.bn3.num_features))


def _load_imagenet(name: str) -> dict[str, Any]:
    """Torchvision's weights, cached or downloaded; the hash in the name is checked.

    Raises:
        WeightsUnavailableError: They are not available, or do not match the hash.
    """
    from torchvision import models

    weights = models.get_model_weights(name).DEFAULT
    # torch.hub prints its downloads to stdout, which is for results.
    with contextlib.redirect_stdout(sys.stderr), _socket_timeout(_TIMEOUT_S):
        try:
            state: dict[str, Any] = weights.get_state_dict(
                progress=False, check_hash=True, weights_only=True
            )
        except (OSError, RuntimeError) as error:
            raise WeightsUnavailableError(
                f"The ImageNet weights {weights} are not available from {weights.url} ({error}); "
                "put that file into torch's cache, or train with --pretrained none."
            ) from error
    return state


@contextlib.contextmanager
def _socket_timeout(seconds: float) -> Iterator[None]:
    """Limits connections opened in the block; torch.hub has no timeout of its own."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
