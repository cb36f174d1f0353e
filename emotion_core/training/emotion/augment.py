"""Random changes to a batch of faces, which make them look like a detector's crops."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch.nn import functional

from emotion_core.actions import ACTIONS, MIRRORED, POSE

if TYPE_CHECKING:
    from emotion_core.training.emotion.config import TrainConfig

_BLUR_SIDE_PX = 48
"""Side of the images to which ``TrainConfig.blur_px`` refers."""

_SAME_SIDE = 8
"""Faces that ``_coarsen`` shrinks to the same side."""

_LUMA = (0.299, 0.587, 0.114)


class Moves(NamedTuple):
    """How faces are moved: by ``theta``, which mirrors some of them and turns all.

    Attributes:
        theta: ``(N, 2, 3)`` from positions in the result to positions in the image, both from -1 to
            1, for ``affine_grid``.
        is_mirrored: ``(N,)``.
        turned_deg: ``(N,)`` anticlockwise, before mirroring.
    """

    theta: torch.Tensor
    is_mirrored: torch.Tensor
    turned_deg: torch.Tensor


def augment(
    faces: torch.Tensor,
    config: TrainConfig,
    generator: torch.Generator,
    moves: Moves | None = None,
) -> torch.Tensor:
    """Changes position, size, rotation, detail, sharpness, colour, light and noise; erases a part.

    Args:
        faces: ``(N, 1 or 3, S, S)`` float, 0-255, grey or RGB.
        config: Has the limits.
        generator: Source of the random numbers; on the device of ``faces``.
        moves: From ``draw_moves``; by default they are drawn here.

    Returns:
        As ``faces``.
    """
    moves = moves or draw_moves(len(faces), config, generator)
    grid = functional.affine_grid(moves.theta, list(faces.shape), align_corners=False)
    faces = functional.grid_sample(faces, grid, padding_mode="border", align_corners=False)
    faces = _coarsen(faces, config, generator)
    faces = _blur(faces, config.blur_px, generator)
    if faces.shape[1] == 3:
        faces = _colour(faces, config, generator)
    faces = _relight(faces, config.gamma, generator)
    noise = torch.randn(faces.shape, generator=generator, device=faces.device)
    faces = faces + _uniform(len(faces), 0, config.noise, generator) * noise
    return _erase(faces.clamp(0, 255), config.erase, generator)


def _uniform(
    n: int, low: float, high: float, generator: torch.Generator, channels: int = 1
) -> torch.Tensor:
    drawn = torch.rand((n, channels, 1, 1), generator=generator, device=generator.device)
    return low + (high - low) * drawn


def draw_moves(n: int, config: TrainConfig, generator: torch.Generator) -> Moves:
    """Mirrors half of the faces; shifts, zooms, turns and slightly stretches all; edges repeat."""

    def draw(low: float, high: float) -> torch.Tensor:
        return _uniform(n, low, high, generator).flatten()

    turned_deg = draw(-config.rotation_deg, config.rotation_deg)
    angle = torch.deg2rad(turned_deg)
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
    return Moves(theta, mirror < 0, turned_deg)


def move_actions(actions: torch.Tensor, moves: Moves) -> torch.Tensor:
    """Changes action features and the pose ``(N, 54)`` as moves change the faces; or ``(N, 0)``."""
    if not actions.shape[1]:
        return actions
    features, pose = torch.split(actions, [len(ACTIONS), len(POSE)], 1)
    pose = pose - functional.pad(moves.turned_deg[:, None], (len(POSE) - 1, 0))  # roll is the last
    mirrored = torch.cat([features[:, MIRRORED], pose * pose.new_tensor([-1, 1, -1])], 1)
    return torch.where(moves.is_mirrored[:, None], mirrored, torch.cat([features, pose], 1))


def _coarsen(faces: torch.Tensor, config: TrainConfig, generator: torch.Generator) -> torch.Tensor:
    """Shrinks a share of the faces and enlarges them again.

    Neighbours get the same side, and sides rise along the batch, whose order is random; evenly on a
    logarithmic scale, since halving a side loses as much at any size.
    """
    side = faces.shape[2]
    if not config.coarse or config.coarse_px >= side:
        return faces
    parts = list(torch.split(faces, _SAME_SIDE))
    is_coarse = torch.split(_chosen(len(faces), config.coarse, generator), _SAME_SIDE)
    for i, part in enumerate(parts):
        small = round(side * (config.coarse_px / side) ** ((i + 0.5) / len(parts)))
        shrunk = functional.interpolate(part, (small, small), mode="area")
        coarse = functional.interpolate(shrunk, (side, side), mode="bicubic", align_corners=False)
        parts[i] = torch.where(is_coarse[i], coarse, part)
    return torch.cat(parts)


def _blur(faces: torch.Tensor, blur_px: float, generator: torch.Generator) -> torch.Tensor:
    """Blurs two in five faces with a Gaussian of random width, which is relative to the side."""
    n, channels, side, _ = faces.shape
    scale = side / _BLUR_SIDE_PX
    radius = max(1, min(math.ceil(3 * scale), side - 1))
    sigma = _uniform(n, 0.2, max(blur_px, 0.2), generator) * scale
    steps = torch.arange(-radius, radius + 1, dtype=faces.dtype, device=faces.device)
    kernel = torch.exp(-(steps.view(1, 1, 1, -1) ** 2) / (2 * sigma**2))
    kernel = kernel / kernel.sum(3, keepdim=True)  # (N, 1, 1, 2 radius + 1)
    kernel = kernel.repeat_interleave(channels, 0)
    planes = faces.reshape(1, n * channels, side, side)
    padded = functional.pad(planes, (radius,) * 4, mode="replicate")
    rows = functional.conv2d(padded, kernel.transpose(2, 3), groups=n * channels)
    soft = functional.conv2d(rows, kernel, groups=n * channels).view(faces.shape)
    return torch.where(_chosen(n, 0.4, generator), soft, faces)


def _chosen(n: int, share: float, generator: torch.Generator) -> torch.Tensor:
    return _uniform(n, 0, 1, generator) < share


def _colour(faces: torch.Tensor, config: TrainConfig, generator: torch.Generator) -> torch.Tensor:
    """Changes the saturation and each channel's gain; turns a share of the faces grey."""
    n = len(faces)
    luma = torch.tensor(_LUMA, device=faces.device).view(1, 3, 1, 1)
    grey = (faces * luma).sum(1, keepdim=True)
    saturation = _uniform(n, 1 - config.saturation, 1 + config.saturation, generator)
    saturation = torch.where(_chosen(n, config.grey_share, generator), 0.0, saturation)
    faces = grey + saturation * (faces - grey)
    gain = torch.exp(_uniform(n, -1, 1, generator, 3) * math.log(config.channel_gain))
    return faces * torch.where(saturation == 0, 1.0, gain)


def _relight(faces: torch.Tensor, gamma: float, generator: torch.Generator) -> torch.Tensor:
    """Bends the brightness curve, and adds a gradient of light."""
    n, _, height, width = faces.shape
    exponent = torch.exp(_uniform(n, -1, 1, generator) * math.log(gamma))
    bent = 255 * (faces.clamp(0, 255) / 255) ** exponent
    across = torch.linspace(-1, 1, width, device=faces.device).view(1, 1, 1, width)
    down = torch.linspace(-1, 1, height, device=faces.device).view(1, 1, height, 1)
    slope = across * _uniform(n, -0.2, 0.2, generator) + down * _uniform(n, -0.2, 0.2, generator)
    return bent * (1 + slope)


def _erase(faces: torch.Tensor, share: float, generator: torch.Generator) -> torch.Tensor:
    """Covers a rectangle of a share of the faces with a random grey or colour.

    Source: Z. Zhong et al., "Random Erasing Data Augmentation", AAAI 2020.
    """
    n, channels, height, width = faces.shape
    half_w = _uniform(n, 0.06, 0.2, generator) * width
    half_h = _uniform(n, 0.06, 0.2, generator) * height
    across = torch.arange(width, device=faces.device).view(1, 1, 1, width)
    down = torch.arange(height, device=faces.device).view(1, 1, height, 1)
    beside = (across - _uniform(n, 0, width, generator)).abs()
    below = (down - _uniform(n, 0, height, generator)).abs()
    hole = (beside < half_w) & (below < half_h) & _chosen(n, share, generator)
    return torch.where(hole, _uniform(n, 0, 255, generator, channels), faces)
