"""Our own emotion networks, built by name and filled from safetensors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from safetensors import SafetensorError, safe_open
from torch import nn

from emotion_core.errors import UnknownModelError, WeightsMismatchError, WeightsUnavailableError
from emotion_core.networks.backbones import make_features

if TYPE_CHECKING:
    from pathlib import Path


class EmotionNet(nn.Module):
    """A backbone with a linear head for the emotions and, optionally, one for valence and arousal.

    Args:
        features: Maps ``(N, 1 or 3, S, S)`` to ``(N, width, H, W)``.
        width: Channels of ``features``.
        n_labels: Logits, one per emotion.
        has_va: Whether to add outputs for valence and arousal.
    """

    def __init__(self, features: nn.Module, width: int, n_labels: int, *, has_va: bool) -> None:
        super().__init__()
        self.features = features
        self.head = nn.Sequential(nn.Dropout(0.2), nn.Linear(width, n_labels))
        self.va_head = nn.Linear(width, 2) if has_va else None

    def forward(self, faces: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Maps faces from ``alignment.to_input`` to predictions.

        Returns:
            ``(N, n_labels)`` logits and, with ``has_va``, ``(N, 2)`` valence and arousal in [-1,
            1].
        """
        pooled = self.features(faces).mean((2, 3))  # (N, C)
        logits: torch.Tensor = self.head(pooled)
        if self.va_head is None:
            return (logits,)
        return logits, torch.tanh(self.va_head(pooled))


def make_network(
    architecture: str, n_labels: int, *, has_va: bool = False, imagenet: bool = False
) -> EmotionNet:
    """Builds a network with fresh weights.

    Args:
        architecture: A name in ``ARCHITECTURES``.
        n_labels: Logits, one per emotion.
        has_va: Whether to add outputs for valence and arousal.
        imagenet: Whether the layers below the heads start from torchvision's ImageNet weights,
            which are downloaded if needed.

    Raises:
        UnknownModelError: There is no such architecture.
        WeightsUnavailableError: The ImageNet weights are not available.
    """
    features, width = make_features(architecture, imagenet=imagenet)
    return EmotionNet(features, width, n_labels, has_va=has_va)


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
        )
        network.load_state_dict(state)
    except (SafetensorError, KeyError, RuntimeError, UnknownModelError) as error:
        raise WeightsMismatchError(f"{path.name} is no Emoscope weight file: {error}") from error
    return network.eval()
