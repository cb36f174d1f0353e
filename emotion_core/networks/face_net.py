"""The project's own face detector: a YuNet-class network, written from the paper.

Source: W. Wu, H. Peng, S. Yu, "YuNet: A Tiny Millisecond-level Face Detector", Machine Intelligence
Research 20, 2023: units of a point-wise and a depth-wise convolution, a five-stage backbone, a
feature pyramid that adds, anchor-free heads at strides 8, 16 and 32. It differs from the paper in
one score per cell (instead of the product of a class and an objectness), in one unit for all
outputs of a level, and in deeper stages whose units add to their input.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn
from torch.nn import functional

from emotion_core.errors import WeightsMismatchError, WeightsUnavailableError

if TYPE_CHECKING:
    from pathlib import Path

STRIDES = (8, 16, 32)
"""Pixels between neighbouring cells of each level."""

CHANNELS_PER_CELL = 15
"""Score logit, box (centre offset, log size), five landmarks (offsets)."""

_MAX_LOG_SIZE = 5.0
"""Limits box sides to exp(5) = 148 strides: keeps the exponential finite early in training."""


@dataclass(frozen=True, slots=True)
class FaceNetworkConfig:
    """Widths of the network.

    Attributes:
        stem: Channels at stride 2.
        body: Channels from stride 4 on.
        deep: Depth-wise units in each of the stages at strides 8, 16 and 32.
    """

    stem: int = 16
    body: int = 64
    deep: tuple[int, int, int] = (4, 4, 4)

    @classmethod
    def from_fields(cls, fields: dict[str, Any]) -> Self:
        """Converts fields of JSON, which has no tuples; raises ``TypeError`` or ``KeyError``."""
        return cls(**{**fields, "deep": tuple(fields["deep"])})


class DepthwiseUnit(nn.Sequential):
    """Point-wise, then depth-wise convolution; normalisation and ReLU unless it ends a head."""

    def __init__(self, inputs: int, outputs: int, *, last: bool = False) -> None:
        layers: list[nn.Module] = [
            nn.Conv2d(inputs, outputs, 1),
            nn.Conv2d(outputs, outputs, 3, padding=1, groups=outputs, bias=last),
        ]
        if not last:
            layers += [nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)]
        super().__init__(*layers)


class ResidualUnit(nn.Module):
    """A unit that adds to its input."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.unit = DepthwiseUnit(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Maps ``(B, C, h, w)`` to the same shape."""
        added: Tensor = self.unit(x)
        return x + added


class FaceNetwork(nn.Module):
    """Maps RGB images to scored boxes and landmarks at every cell of three grids."""

    def __init__(self, config: FaceNetworkConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or FaceNetworkConfig()
        stem, body = config.stem, config.body
        self.stem = nn.Sequential(
            nn.Conv2d(3, stem, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(stem),
            nn.ReLU(inplace=True),
            DepthwiseUnit(stem, stem),
            nn.MaxPool2d(2),
            DepthwiseUnit(stem, stem),
            DepthwiseUnit(stem, body),
        )
        self.stages = nn.ModuleList(
            nn.Sequential(nn.MaxPool2d(2), *(ResidualUnit(body) for _ in range(n)))
            for n in config.deep
        )
        self.laterals = nn.ModuleList(DepthwiseUnit(body, body) for _ in STRIDES)
        self.heads = nn.ModuleList(
            DepthwiseUnit(body, CHANNELS_PER_CELL, last=True) for _ in STRIDES
        )
        self._initialise()

    def forward(self, images: Tensor) -> Tensor:
        """Raw outputs at every cell.

        Args:
            images: ``(B, 3, H, W)`` RGB, float, 0-255; H and W multiples of 32.

        Returns:
            ``(B, P, 15)``: score logit, box, landmarks, in strides; P counts the cells of stride 8
            row by row, then of 16, then of 32.
        """
        features = []
        x = self.stem(images)
        for stage in self.stages:
            x = stage(x)
            features.append(x)
        merged = merge_down(features, self.laterals)
        outputs = [head(x).flatten(2) for head, x in zip(self.heads, merged, strict=True)]
        return torch.cat(outputs, dim=2).transpose(1, 2)

    def _initialise(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_in", nonlinearity="relu")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        for head in self.heads:
            last = head[-1]  # type: ignore[index]
            nn.init.constant_(last.bias[0], -4.0)  # faces are rare: begin with a score near 0.02


def merge_down(features: list[Tensor], laterals: nn.ModuleList) -> list[Tensor]:
    """Passes coarse maps down to the finer ones: enlarges, adds, convolves.

    Args:
        features: ``(B, C, H, W)`` each, from fine to coarse, each half as wide as the one before.
        laterals: A layer for each map.

    Returns:
        One map for each, in the same order.

    Source: T.-Y. Lin et al., "Feature Pyramid Networks for Object Detection", CVPR 2017.
    """
    merged: list[Tensor] = []
    for x, lateral in zip(reversed(features), reversed(laterals), strict=True):
        if merged:
            x = x + functional.interpolate(merged[0], scale_factor=2.0, mode="nearest")
        merged.insert(0, lateral(x))
    return merged


def grid_centres(size_wh: tuple[int, int]) -> Tensor:
    """Centres of the cells of the three grids.

    Args:
        size_wh: Width and height of the network's input, multiples of 32.

    Returns:
        ``(P, 3)`` x, y, stride, in pixels of the input, in the order of the network's outputs.
    """
    grids = []
    for stride in STRIDES:
        columns = (torch.arange(size_wh[0] // stride) + 0.5) * stride
        rows = (torch.arange(size_wh[1] // stride) + 0.5) * stride
        y, x = torch.meshgrid(rows, columns, indexing="ij")
        grids.append(torch.stack([x, y, torch.full_like(x, stride)], dim=-1).flatten(0, 1))
    return torch.cat(grids)


def decode_boxes(raw: Tensor, centres: Tensor) -> Tensor:
    """Raw outputs ``(..., P, 15)`` to boxes ``(..., P, 4)``: x1, y1, x2, y2 in input pixels."""
    stride = centres[:, 2:]
    centre = centres[:, :2] + raw[..., 1:3] * stride
    half = torch.exp(raw[..., 3:5].clamp(max=_MAX_LOG_SIZE)) * stride / 2
    return torch.cat([centre - half, centre + half], dim=-1)


def decode_landmarks(raw: Tensor, centres: Tensor) -> Tensor:
    """Raw outputs ``(..., P, 15)`` to landmarks ``(..., P, 10)`` in pixels of the input.

    These are x, y of eye, eye, nose tip, mouth corner, mouth corner.
    """
    return centres[:, :2].repeat(1, 5) + raw[..., 5:] * centres[:, 2:]


class DecodedFaceNetwork(nn.Module):
    """The network as it is released: scores, boxes and landmarks in pixels of its input."""

    def __init__(self, network: FaceNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Finds candidates, without suppressing overlapping ones.

        Args:
            images: ``(B, 3, H, W)`` RGB, float, 0-255; H and W multiples of 32.

        Returns:
            Scores ``(B, P)`` 0-1, boxes ``(B, P, 4)`` xyxy, landmarks ``(B, P, 10)`` x, y, both in
            pixels of the input.
        """
        raw = self.network(images).float()
        centres = grid_centres((images.shape[3], images.shape[2])).to(raw.device)
        return raw[..., 0].sigmoid(), decode_boxes(raw, centres), decode_landmarks(raw, centres)


def load_face_network(path: Path) -> DecodedFaceNetwork:
    """Builds the network by its weight file's metadata, ready to predict.

    Args:
        path: A safetensors file whose metadata holds ``config``.

    Raises:
        WeightsUnavailableError: The file is missing.
        WeightsMismatchError: It is no such file, or its tensors do not fit.
    """
    if not path.is_file():
        raise WeightsUnavailableError(f"There is no weight file {path.name}.")
    try:
        with safe_open(path, framework="pt") as file:
            fields = json.loads((file.metadata() or {})["config"])
            state = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        network = FaceNetwork(FaceNetworkConfig.from_fields(fields))
        network.load_state_dict(state)
    except (SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise WeightsMismatchError(f"{path.name} is no face network: {error}") from error
    return DecodedFaceNetwork(network).eval()
