"""The loss of the face detector: which cells are responsible for a face, and how well they fit."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from emotion_core.networks.face_net import STRIDES, decode_boxes, decode_landmarks

_LEVEL_RANGES = {8: (0.0, 44.0), 16: (26.0, 104.0), 32: (64.0, math.inf)}
"""Range of face sizes (square root of the area, pixels) for each stride."""

_RADIUS_STRIDES = 1.5
_BACKGROUND = 1.0
_TOP = 10
_NEVER = 1e6


class Targets(NamedTuple):
    """Labels of a batch, padded to the maximum number of faces per image.

    Attributes:
        boxes: ``(B, G, 4)`` xyxy pixels.
        landmarks: ``(B, G, 10)`` pixels, NaN where not known.
        is_face: ``(B, G)`` bool; false in the padding.
        ignored: ``(B, M, 4)`` xyxy pixels; empty boxes in the padding.
    """

    boxes: Tensor
    landmarks: Tensor
    is_face: Tensor
    ignored: Tensor

    def to(self, device: str) -> Targets:
        """The same on another device."""
        return Targets(*(part.to(device, non_blocking=True) for part in self))


class Losses(NamedTuple):
    """The weighted sum that is minimised, and its parts."""

    total: Tensor
    score: Tensor
    box: Tensor
    landmarks: Tensor


def pair_overlap(a: Tensor, b: Tensor) -> Tensor:
    """Intersection over union of boxes ``(..., 4)`` that broadcast against each other."""
    low, high = torch.maximum(a[..., :2], b[..., :2]), torch.minimum(a[..., 2:], b[..., 2:])
    both = (high - low).clamp(min=0).prod(dim=-1)
    area_a, area_b = (a[..., 2:] - a[..., :2]).prod(dim=-1), (b[..., 2:] - b[..., :2]).prod(dim=-1)
    return both / (area_a + area_b - both).clamp(min=1e-6)


def efficient_overlap_loss(a: Tensor, b: Tensor) -> Tensor:
    """EIoU loss of boxes ``(N, 4)`` paired row by row: ``(N,)``.

    Source: Y.-F. Zhang et al., "Focal and Efficient IOU Loss for Accurate Bounding Box Regression",
    Neurocomputing 506, 2022.
    """
    hull = torch.maximum(a[:, 2:], b[:, 2:]) - torch.minimum(a[:, :2], b[:, :2])
    squared = hull.square().clamp(min=1e-6)  # (N, 2)
    shift = (a[:, :2] + a[:, 2:] - b[:, :2] - b[:, 2:]).square().sum(dim=1) / 4
    sides = (a[:, 2:] - a[:, :2] - b[:, 2:] + b[:, :2]).square()
    return 1 - pair_overlap(a, b) + shift / squared.sum(dim=1) + (sides / squared).sum(dim=1)


@torch.no_grad()
def assign(raw: Tensor, boxes: Tensor, centres: Tensor, targets: Targets) -> Tensor:
    """Chooses the cells that are responsible for each face.

    Candidates lie within 1.5 strides of the face's centre on a grid meant for faces of that size.
    Of these a face takes as many as its ten best overlaps add up to, cheapest first.

    Args:
        raw: ``(B, P, 15)`` outputs.
        boxes: ``(B, P, 4)`` decoded.
        centres: ``(P, 3)``.
        targets: Labels.

    Returns:
        ``(B, P)`` index of the face, -1 for background.

    Source: Z. Ge et al., "YOLOX: Exceeding YOLO Series in 2021", section "SimOTA", simplified.
    """
    truth = targets.boxes[:, :, None]  # (B, G, 1, 4)
    overlap = pair_overlap(truth, boxes[:, None])  # (B, G, P)
    centre = (truth[..., :2] + truth[..., 2:]) / 2
    size = (truth[..., 2:] - truth[..., :2]).prod(dim=-1).sqrt()  # (B, G, 1)
    stride = centres[:, 2]
    ranges = torch.tensor([_LEVEL_RANGES[s] for s in STRIDES], device=stride.device)
    low, high = ranges[(stride / STRIDES[0]).log2().long()].unbind(dim=1)  # (P,) each
    near = (centres[:, :2] - centre).abs().amax(dim=-1) < _RADIUS_STRIDES * stride
    may = near & (size >= low) & (size < high) & targets.is_face[..., None]
    chance = functional.logsigmoid(raw[:, None, :, 0].float())
    cost = -chance - 3 * overlap.clamp(min=1e-4).log() + _NEVER * (~may)
    best = (overlap * may).topk(_TOP, dim=2).values.sum(dim=2)
    count = best.int().clamp(min=1)  # (B, G)
    cheap, index = cost.topk(_TOP, dim=2, largest=False)
    rank = torch.arange(_TOP, device=cost.device)
    taken = (rank < count[..., None]) & (cheap < _NEVER / 2)
    chosen = torch.full_like(cost, math.inf).scatter(2, index, cheap.masked_fill(~taken, math.inf))
    minimum, face = chosen.min(dim=1)  # (B, P)
    return torch.where(minimum.isfinite(), face, -1)


def detector_loss(raw: Tensor, centres: Tensor, targets: Targets, landmark_weight: float) -> Losses:
    """The loss of a batch.

    The target of a score is the overlap of the cell's own box with its face (0 for background), so
    that scores rank boxes by how well they fit.

    Args:
        raw: ``(B, P, 15)`` outputs, float32.
        centres: ``(P, 3)`` from ``grid_centres``.
        targets: Labels.
        landmark_weight: Of the landmarks' part; the two others have 2 each.

    Returns:
        Scalars.

    Source: H. Zhang et al., "VarifocalNet: An IoU-aware Dense Object Detector", CVPR 2021: the loss
    of the background fades with its score, that of the faces does not.
    """
    boxes = decode_boxes(raw, centres)
    face = assign(raw, boxes, centres, targets)
    image, cell = (face >= 0).nonzero(as_tuple=True)
    index = face[image, cell]
    count = max(1, len(index))
    truth = targets.boxes[image, index]
    predicted = boxes[image, cell]
    target = torch.zeros_like(raw[..., 0])
    target[image, cell] = pair_overlap(predicted.detach(), truth).clamp(min=0.05)
    weight = _score_weight(face, centres, targets)
    logits = raw[..., 0]
    focus = torch.where(face >= 0, 1.0, _BACKGROUND * logits.detach().sigmoid().square())
    entropy = functional.binary_cross_entropy_with_logits(logits, target, reduction="none")
    score = (entropy * focus * weight).sum() / count
    box = efficient_overlap_loss(predicted, truth).sum() / count
    known = targets.landmarks[image, index]
    marks = decode_landmarks(raw, centres)[image, cell]
    size = (truth[:, 2:] - truth[:, :2]).prod(dim=1, keepdim=True).clamp(min=1).sqrt()
    error = torch.where(known.isfinite(), (marks - known.nan_to_num()) / size, 0.0).abs()
    landmarks = error.sum() / (10 * count)
    return Losses(2 * score + 2 * box + landmark_weight * landmarks, score, box, landmarks)


def _score_weight(face: Tensor, centres: Tensor, targets: Targets) -> Tensor:
    """One, or zero for background inside a box that is ignored: ``(B, P)``."""
    low, high = targets.ignored[:, None, :, :2], targets.ignored[:, None, :, 2:]
    point = centres[None, :, None, :2]
    inside = ((point >= low) & (point < high)).all(dim=-1).any(dim=-1)  # (B, P)
    nearest = (point - (low + high) / 2).abs().amax(dim=-1) < centres[None, :, None, 2] * 0.75
    nearest = (nearest & (high > low).all(dim=-1)).any(dim=-1)
    return (~((inside | nearest) & (face < 0))).float()
