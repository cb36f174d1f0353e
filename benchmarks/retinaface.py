"""RetinaFace with a MobileNet 0.25: another project's face detector, to compare with.

Source: J. Deng et al., "RetinaFace: Single-Shot Multi-Level Face Localisation in the Wild", CVPR
2020, as github.com/biubug6/Pytorch_Retinaface builds it; weights of that project.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import cv2
import numpy as np
import torch
from torch import nn
from torch.nn import functional

from emotion_core.detection.boxes import NmsThresholds, nms_faces, rescale, sort_by_score
from emotion_core.types import Faces

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

    from emotion_core.types import Image

_MEAN_BGR = (104, 117, 123)
_ANCHORS_PX = {8: (16, 32), 16: (64, 128), 32: (256, 512)}
_OVERLAP = NmsThresholds(0.4, 1.0)
_SIDES_PX = (640, 1280)
"""Images are enlarged towards the first (at most twice) and shrunk to the second."""


class RetinaFace:
    """Finds faces in images of any size."""

    def __init__(self, weights: Path) -> None:
        self._network = _Network().eval()
        self._network.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))

    def find(self, image: Image, min_score: float) -> Faces:
        """Finds the faces of an image, the surest first.

        Args:
            image: RGB ``(H, W, 3)``, 0-255.
            min_score: Minimum confidence, 0-1.
        """
        longest = max(image.shape[:2])
        scale = min(max(1.0, min(2.0, _SIDES_PX[0] / longest)), _SIDES_PX[1] / longest)
        seen = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        pixels = seen[..., ::-1].astype(np.float32) - np.array(_MEAN_BGR, np.float32)
        with torch.inference_mode():
            scores, shifts = self._network(torch.from_numpy(pixels.transpose(2, 0, 1))[None])
        anchors = _anchors(seen.shape[0], seen.shape[1])
        chosen = scores >= min_score
        anchors, shifts = anchors[chosen], shifts[chosen]
        middle = anchors[:, :2] + 0.1 * shifts[:, :2] * anchors[:, 2:]
        half = anchors[:, 2:] * torch.exp(0.2 * shifts[:, 2:]) / 2
        boxes = torch.cat([middle - half, middle + half], dim=1).numpy()
        found = rescale(Faces(boxes, scores[chosen].numpy()), scale)
        return nms_faces(sort_by_score(found), _OVERLAP)


def _anchors(height: int, width: int) -> Tensor:
    """``(P, 4)`` centre and size in pixels."""
    rows = [
        ((x + 0.5) * step, (y + 0.5) * step, size, size)
        for step, sizes in _ANCHORS_PX.items()
        for y, x, size in product(range(-(-height // step)), range(-(-width // step)), sizes)
    ]
    return torch.tensor(rows, dtype=torch.float32)


class _Network(nn.Module):
    """BGR less its mean ``(1, 3, H, W)`` in; scores ``(P,)`` and shifts of anchors ``(P, 4)`` out.

    Names of members are those of the file.
    """

    def __init__(self) -> None:
        super().__init__()
        first = [_depthwise(8, 16), _depthwise(16, 32, 2), _depthwise(32, 32)]
        first += [_depthwise(32, 64, 2), _depthwise(64, 64)]
        second = [_depthwise(64, 128, 2), *(_depthwise(128, 128) for _ in range(5))]
        third = [_depthwise(128, 256, 2), _depthwise(256, 256)]
        self.body = nn.ModuleDict(
            {
                "stage1": nn.Sequential(_conv(3, 8, stride=2), *first),
                "stage2": nn.Sequential(*second),
                "stage3": nn.Sequential(*third),
            }
        )
        self.fpn = nn.ModuleDict(
            {f"output{i + 1}": _conv(64 << i, 64, size=1) for i in range(3)}
            | {f"merge{i + 1}": _conv(64, 64) for i in range(2)}
        )
        for i in range(3):
            self.add_module(f"ssh{i + 1}", _Context())
        for name, n in (("ClassHead", 4), ("BboxHead", 8), ("LandmarkHead", 20)):
            heads = (nn.ModuleDict({"conv1x1": nn.Conv2d(64, n, 1)}) for _ in range(3))
            self.add_module(name, nn.ModuleList(heads))

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        levels = []
        for i in range(3):
            pixels = self.body[f"stage{i + 1}"](pixels)
            levels.append(self.fpn[f"output{i + 1}"](pixels))
        for i in (1, 0):
            coarse = functional.interpolate(levels[i + 1], size=levels[i].shape[2:])
            levels[i] = self.fpn[f"merge{i + 1}"](levels[i] + coarse)
        levels = [self.get_submodule(f"ssh{i + 1}")(level) for i, level in enumerate(levels)]
        scores = self._read("ClassHead", levels, 2).softmax(dim=1)[:, 1]
        return scores, self._read("BboxHead", levels, 4)

    def _read(self, head: str, levels: list[Tensor], n: int) -> Tensor:
        found = [
            self.get_submodule(f"{head}.{i}.conv1x1")(level).permute(0, 2, 3, 1).reshape(-1, n)
            for i, level in enumerate(levels)
        ]
        return torch.cat(found)


class _Context(nn.Module):
    """Convolutions of three sizes side by side; names of members are those of the file."""

    def __init__(self) -> None:
        super().__init__()
        self.conv3X3 = _conv(64, 32, is_last=True)
        self.conv5X5_1 = _conv(64, 16)
        self.conv5X5_2 = _conv(16, 16, is_last=True)
        self.conv7X7_2 = _conv(16, 16)
        self.conv7x7_3 = _conv(16, 16, is_last=True)

    def forward(self, level: Tensor) -> Tensor:
        half = self.conv5X5_1(level)
        parts = (self.conv3X3(level), self.conv5X5_2(half), self.conv7x7_3(self.conv7X7_2(half)))
        return functional.relu(torch.cat(parts, dim=1))


def _conv(
    n_in: int, n_out: int, *, size: int = 3, stride: int = 1, is_last: bool = False
) -> nn.Sequential:
    conv = nn.Conv2d(n_in, n_out, size, stride, size // 2, bias=False)
    return nn.Sequential(
        conv, nn.BatchNorm2d(n_out), nn.Identity() if is_last else nn.LeakyReLU(0.1)
    )


def _depthwise(n_in: int, n_out: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(n_in, n_in, 3, stride, 1, groups=n_in, bias=False),
        nn.BatchNorm2d(n_in),
        nn.LeakyReLU(0.1),
        nn.Conv2d(n_in, n_out, 1, bias=False),
        nn.BatchNorm2d(n_out),
        nn.LeakyReLU(0.1),
    )
