"""What is at work in an analyzer, here or on a server; no network library is needed to say it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from emotion_core.models.card import ModelCard
    from emotion_core.types import Device


@dataclass(frozen=True, slots=True)
class AnalyzerInfo:
    """What is at work, for the person who reads the results.

    Attributes:
        emotion: Card of the emotion network.
        detector: Card of the face detector.
        device: Where the emotion network runs.
        origins: One sentence per weight file: where it came from.
        notices: One sentence per wish that could not be met, e.g. a network out of reach.
    """

    emotion: ModelCard
    detector: ModelCard
    device: Device
    origins: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()
