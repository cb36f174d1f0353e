"""The files of an adapted network: weights, graph and description."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emotion_core.adaptation.network import write_network
from emotion_core.adaptation.report import adaptation_card, adaptation_notes
from emotion_core.errors import EmotionError
from emotion_core.files.save import save_file

if TYPE_CHECKING:
    from pathlib import Path

    from emotion_core.adaptation.adapt import Adaptation
    from emotion_core.adaptation.network import BaseNetwork


def write_adapted(base: BaseNetwork, adaptation: Adaptation, path: Path) -> None:
    """Writes ``NAME.safetensors``, ``NAME.onnx`` and the description ``NAME.md``.

    Args:
        base: The network that was adapted.
        adaptation: What was adapted; not refused.
        path: The safetensors file.

    Raises:
        EmotionError: Adapting is refused, or a file cannot be written.
    """
    if adaptation.refusal:
        raise EmotionError(adaptation.refusal)
    notes = adaptation_notes(adaptation, base.card)
    write_network(base, adaptation.head, path, notes)
    card = adaptation_card(path, adaptation, notes)
    save_file(path.with_suffix(".md"), card.encode())
