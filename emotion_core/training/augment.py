"""Random changes to a batch of faces, so that a detector's crops look like the training set's."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch.nn import functional

if TYPE_CHECKING:
    from emotion_core.training.config import TrainConfig


def augment(faces: torch.Tensor, config: TrainConfig, generator: torch.Generator) -> torch.Tensor:
    """Change every face a little: place, size, rotation, sharpness, light, noise, and a hole.

    Args:
        faces: ``(N, 1, S, S)`` float, 0-255.
        config: Says how far.
        generator: Where the chances come from.

    Returns:
        As ``faces``.
    """
    faces = _move(faces, config, generator)
    faces = _blur(faces, config.blur_px, generator)
    faces = _relight(faces, config.gamma, generator)
    faces = faces + _uniform(len(faces), 0, config.noise, generator) * torch.randn(
        faces.shape, generator=generator
    )
    return _erase(faces.clamp(0, 255), config.erase, generator)


def _uniform(n: int, low: float, high: float, generator: torch.Generator) -> torch.Tensor:
    return low + (high - low) * torch.rand((n, 1, 1, 1), generator=generator)


def _move(faces: torch.Tensor, config: TrainConfig, generator: torch.Generator) -> torch.Tensor:
    """Mirror half of the faces; shift, zoom, rotate and slightly stretch all; edges repeat."""
    n = len(faces)

    def draw(low: float, high: float) -> torch.Tensor:
        return _uniform(n, low, high, generator).flatten()

    angle = torch.deg2rad(draw(-config.rotation_deg, config.rotation_deg))
    scale = torch.exp(draw(-1, 1) * math.log(config.zoom))
    stretch = torch.exp(draw(-0.08, 0.08))
    mirror = torch.where(draw(0, 1) < 0.5, -1.0, 1.0)
    cos, sin = torch.cos(angle) * scale, torch.sin(angle) * scale
    theta = torch.stack(
        [
            torch.stack([cos * stretch * mirror, -sin, 2 * draw(-config.shift, config.shift)], 1),
            torch.stack([sin * stretch * mirror, cos, 2 * draw(-config.shift, config.shift)], 1),
        ],
        1,
    )  # (N, 2, 3)
    grid = functional.affine_grid(theta, list(faces.shape), align_corners=False)
    return functional.grid_sample(faces, grid, padding_mode="border", align_corners=False)


def _blur(faces: torch.Tensor, blur_px: float, generator: torch.Generator) -> torch.Tensor:
    """Blur two in five faces with a Gaussian of random width."""
    n = len(faces)
    sigma = _uniform(n, 0.2, blur_px, generator)
    steps = torch.arange(-3, 4, dtype=faces.dtype).view(1, 1, 1, 7)
    kernel = torch.exp(-(steps**2) / (2 * sigma**2))
    kernel = kernel / kernel.sum(3, keepdim=True)  # (N, 1, 1, 7)
    padded = functional.pad(faces, (3, 3, 3, 3), mode="replicate").transpose(0, 1)  # (1, N, ...)
    rows = functional.conv2d(padded, kernel.transpose(2, 3), groups=n)
    soft = functional.conv2d(rows, kernel, groups=n).transpose(0, 1)
    chosen = torch.rand((n, 1, 1, 1), generator=generator) < 0.4
    return torch.where(chosen, soft, faces)


def _relight(faces: torch.Tensor, gamma: float, generator: torch.Generator) -> torch.Tensor:
    """Bend the brightness curve, and lay a slope of light over the face."""
    n, _, height, width = faces.shape
    exponent = torch.exp(_uniform(n, -1, 1, generator) * math.log(gamma))
    bent = 255 * (faces.clamp(0, 255) / 255) ** exponent
    across = torch.linspace(-1, 1, width).view(1, 1, 1, width)
    down = torch.linspace(-1, 1, height).view(1, 1, height, 1)
    slope = across * _uniform(n, -0.2, 0.2, generator) + down * _uniform(n, -0.2, 0.2, generator)
    return bent * (1 + slope)


def _erase(faces: torch.Tensor, share: float, generator: torch.Generator) -> torch.Tensor:
    """Fill a rectangle of random grey into a share of the faces.

    Source: Z. Zhong et al., "Random Erasing Data Augmentation", AAAI 2020.
    """
    n, _, height, width = faces.shape
    half_w = _uniform(n, 0.06, 0.2, generator) * width
    half_h = _uniform(n, 0.06, 0.2, generator) * height
    across = torch.arange(width).view(1, 1, 1, width) - _uniform(n, 0, width, generator)
    down = torch.arange(height).view(1, 1, height, 1) - _uniform(n, 0, height, generator)
    chosen = torch.rand((n, 1, 1, 1), generator=generator) < share
    hole = (across.abs() < half_w) & (down.abs() < half_h) & chosen
    return torch.where(hole, _uniform(n, 0, 255, generator), faces)
