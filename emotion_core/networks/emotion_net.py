"""Our own emotion networks, built by name and filled from safetensors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from safetensors import SafetensorError, safe_open
from torch import nn

from emotion_core.actions import ACTIONS, POSE
from emotion_core.errors import UnknownModelError, WeightsMismatchError, WeightsUnavailableError
from emotion_core.networks.backbones import make_features

if TYPE_CHECKING:
    from pathlib import Path


_POSE_SCALE_DEG = 30.0
"""So that the pose's head learns numbers of about 1, as the other heads do."""


class EmotionNet(nn.Module):
    """A backbone with a linear head for the emotions and, optionally, further ones.

    Args:
        features: Maps ``(N, 1 or 3, S, S)`` to ``(N, width, H, W)``.
        width: Channels of ``features``.
        n_labels: Logits, one per emotion.
        has_va: Whether to add outputs for valence and arousal.
        has_actions: Whether to add outputs for action features and the pose of the head.
    """

    def __init__(
        self,
        features: nn.Module,
        width: int,
        n_labels: int,
        *,
        has_va: bool,
        has_actions: bool = False,
    ) -> None:
        super().__init__()
        self.features = features
        self.head = nn.Sequential(nn.Dropout(0.2), nn.Linear(width, n_labels))
        self.va_head = nn.Linear(width, 2) if has_va else None
        self.action_head = nn.Linear(width, len(ACTIONS)) if has_actions else None
        self.pose_head = nn.Linear(width, len(POSE)) if has_actions else None

    @property
    def output_names(self) -> tuple[str, ...]:
        """What ``forward`` returns: logits, va, actions, pose, without the heads it lacks."""
        heads = {"va": self.va_head, "actions": self.action_head, "pose": self.pose_head}
        return ("logits", *(name for name, head in heads.items() if head is not None))

    def forward(self, faces: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Maps faces from ``alignment.to_input`` to predictions.

        Returns:
            ``(N, n_labels)`` logits; with ``has_va`` ``(N, 2)`` valence and arousal in [-1, 1];
            with ``has_actions`` ``(N, 51)`` action features in [0, 1] and ``(N, 3)`` the pose in
            degrees.
        """
        pooled = self.features(faces).mean((2, 3))  # (N, C)
        outputs = [self.head(pooled)]
        if self.va_head is not None:
            outputs.append(torch.tanh(self.va_head(pooled)))
        if self.action_head is not None and self.pose_head is not None:
            outputs.append(torch.sigmoid(self.action_head(pooled)))
            outputs.append(_POSE_SCALE_DEG * self.pose_head(pooled))
        return tuple(outputs)


def make_network(
    architecture: str,
    n_labels: int,
    *,
    has_va: bool = False,
    has_actions: bool = False,
    imagenet: bool = False,
) -> EmotionNet:
    """Builds a network with fresh weights.

    Args:
        architecture: A name in ``ARCHITECTURES``.
        n_labels: Logits, one per emotion.
        has_va: Whether to add outputs for valence and arousal.
        has_actions: Whether to add outputs for action features and the pose of the head.
        imagenet: Whether the layers below the heads start from torchvision's ImageNet weights,
            which are downloaded if needed.

    Raises:
        UnknownModelError: There is no such architecture.
        WeightsUnavailableError: The ImageNet weights are not available.
    """
    features, width = make_features(architecture, imagenet=imagenet)
    return EmotionNet(features, width, n_labels, has_va=has_va, has_actions=has_actions)


def load_network(path: Path) -> EmotionNet:
    """Builds a network by its weight file's metadata, ready to predict on the CPU.

    Args:
        path: A safetensors file whose metadata names ``architecture`` and ``labels``.

    Raises:
        WeightsUnavailableError: The file is missing.
        WeightsMismatchError: It is no such file, or its tensors do not fit its architecture.
    """
    if not path.is_file():
        raise WeightsUnavailableError(f"There is no weight file {path.name}.")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            state = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        network = make_network(
            metadata["architecture"],
            len(metadata["labels"].split(",")),
            has_va=metadata.get("has_va") == "True",
            has_actions=metadata.get("has_actions") == "True",
        )
        network.load_state_dict(state)
    except (SafetensorError, KeyError, RuntimeError, UnknownModelError) as error:
        raise WeightsMismatchError(f"{path.name} is no Emoscope weight file: {error}") from error
    return network.eval()
