"""Multi-scale runs in torch, with resizing and thresholding on the device.

Only pixels travel there, as bytes and once for all scales, and only candidates come back: on a GPU
copying the other outputs and the resized images would take longer than the network does.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

from emotion_core.detection.candidates import no_candidates, sort_and_cap, to_image_coords
from emotion_core.detection.multiscale import BATCH_PIXELS, STRIDE_PX, batches_by_shape, scale_for

if TYPE_CHECKING:
    from collections.abc import Sequence

    from emotion_core.detection.candidates import Candidates
    from emotion_core.types import Device, Image

_BATCH_PIXELS: dict[Device, int] = {"cpu": BATCH_PIXELS, "cuda": 8_000_000}


class TorchMultiScaleRunner:
    """See ``MultiScaleRunner``. In half precision and channels-last on a GPU.

    Args:
        module: ``(B, 3, H, W)`` RGB, 0-255, to scores, boxes and landmarks as ``MultiScaleRunner``
            describes them. Switched to evaluation mode and moved; on a GPU a copy of it.
        device: Where it runs.
    """

    def __init__(self, module: nn.Module, device: Device) -> None:
        self._device = device
        self._dtype = torch.float16 if device == "cuda" else torch.float32
        module = module.eval()
        if device == "cuda":
            module = fold_normalisation(module).to(self._dtype)
            module = module.to(memory_format=torch.channels_last)
        self._module = module.to(device)

    def run(
        self, images: Sequence[Image], sizes_px: Sequence[int | None], min_score: float
    ) -> Candidates:
        """See ``MultiScaleRunner.run``."""
        shapes = [image.shape[:2] for image in images]
        tables = []
        for _, members in batches_by_shape(shapes, _BATCH_PIXELS[self._device]):
            found = self._run_same_size([images[i] for i in members], sizes_px, min_score)
            tables.append(to_image_coords(found, members))
        return sort_and_cap(*tables)

    @torch.inference_mode()
    def _run_same_size(
        self, images: Sequence[Image], sizes_px: Sequence[int | None], min_score: float
    ) -> Candidates:
        """All passes over images of one size."""
        scales = [scale_for(images[0].shape, size_px) for size_px in sizes_px]
        if not any(scales):
            return no_candidates()
        pixels = self._upload(images)
        rows = torch.cat([self._run_at(pixels, scale) for scale in scales if scale], dim=1)
        chosen = (rows[..., 0] >= min_score).nonzero()  # (M, 2) image, anchor; in that order
        picked = torch.cat([chosen[:, :1].float(), rows[chosen[:, 0], chosen[:, 1]]], dim=1)
        return np.asarray(picked.cpu().numpy(), np.float32)

    def _upload(self, images: Sequence[Image]) -> Tensor:
        """Images of one size on the device, ``(B, 3, H, W)``, channels last in memory."""
        stack = torch.empty(
            (len(images), *images[0].shape), dtype=torch.uint8, pin_memory=self._device == "cuda"
        )
        for row, image in zip(stack.numpy(), images, strict=True):
            row[...] = image
        return stack.to(self._device, non_blocking=True).permute(0, 3, 1, 2).to(self._dtype)

    def _run_at(self, pixels: Tensor, scale: float) -> Tensor:
        """One pass: ``(B, P, 15)`` score, box, landmarks, in pixels of the images."""
        height, width = pixels.shape[2:]
        if scale != 1:
            size_hw = (max(1, round(height * scale)), max(1, round(width * scale)))
            pixels = functional.interpolate(pixels, size_hw, mode="bilinear", antialias=True)
            height, width = size_hw
        padding = (0, -width % STRIDE_PX, 0, -height % STRIDE_PX)
        scores, boxes, points = self._module(functional.pad(pixels, padding))
        return torch.cat([scores[..., None], boxes / scale, points / scale], dim=2).float()


def fold_normalisation(module: nn.Module) -> nn.Module:
    """Copies a module in evaluation mode with batch norms folded into convolutions."""
    module = copy.deepcopy(module)
    for sequence in [m for m in module.modules() if isinstance(m, nn.Sequential)]:
        for i in range(len(sequence) - 1):
            layer, norm = sequence[i], sequence[i + 1]
            if isinstance(layer, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                sequence[i], sequence[i + 1] = fuse_conv_bn_eval(layer, norm), nn.Identity()
    return module
