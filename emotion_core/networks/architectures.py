"""Facts about network architectures that need no torch."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from emotion_core.errors import UnknownModelError

if TYPE_CHECKING:
    from collections.abc import Mapping

_IMAGENET_MEAN = (0.485 * 255, 0.456 * 255, 0.406 * 255)
_IMAGENET_STD = (0.229 * 255, 0.224 * 255, 0.225 * 255)


@dataclass(frozen=True, slots=True)
class Architecture:
    """The input of a network, and the origin of its layers.

    Attributes:
        mean: Subtracted from the input, per channel, on the 0-255 scale; one entry means grey.
        std: Divided by afterwards, on the 0-255 scale.
        torchvision: Name of the network in ``torchvision.models`` that it is made of, for which
            there are ImageNet weights; ``None`` for our own.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    torchvision: str | None = None

    @property
    def channels(self) -> Literal[1, 3]:
        """1 for grey faces, 3 for RGB."""
        return 1 if len(self.mean) == 1 else 3


def _imagenet(torchvision: str) -> Architecture:
    """Colour input as torchvision's ImageNet weights expect it, here on the 0-255 scale."""
    return Architecture(_IMAGENET_MEAN, _IMAGENET_STD, torchvision)


_GREY = Architecture((127.5,), (64.0,))

ARCHITECTURES: Mapping[str, Architecture] = MappingProxyType(
    {
        "small-face-net": _GREY,
        "medium-face-net": _GREY,
        "tiny-face-net": _GREY,
        "resnet18": _imagenet("resnet18"),
        "resnet34": _imagenet("resnet34"),
        "resnet50": _imagenet("resnet50"),
        "resnet101": _imagenet("resnet101"),
        "resnet50-cbam": _imagenet("resnet50"),
        "efficientnet-b0": _imagenet("efficientnet_b0"),
        "efficientnet-b3": _imagenet("efficientnet_b3"),
        "efficientnet-b7": _imagenet("efficientnet_b7"),
        "mobilenet-v3": _imagenet("mobilenet_v3_large"),
        "convnext-tiny": _imagenet("convnext_tiny"),
    }
)
"""Networks that ``emotion_net.make_network`` builds; the tiny one is for trials and tests."""


def find_architecture(name: str) -> Architecture:
    """Looks up an architecture.

    Raises:
        UnknownModelError: There is none of that name.
    """
    if name not in ARCHITECTURES:
        known = ", ".join(ARCHITECTURES)
        raise UnknownModelError(f"There is no architecture {name!r}; there are: {known}.")
    return ARCHITECTURES[name]
