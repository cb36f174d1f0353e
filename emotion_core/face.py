"""One face of an analysis as plain Python values, its words, and the columns of tables."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from emotion_core.actions import ACTION_COLUMNS
from emotion_core.quality import QUALITY_COLUMNS, join_flags

if TYPE_CHECKING:
    from collections.abc import Iterable

    from emotion_core.labels import Emotion
    from emotion_core.quality import FaceFlag
    from emotion_core.types import FloatArray


@dataclass(frozen=True, eq=False, slots=True)
class Face:
    """One face of an ``Analysis``, as plain Python values.

    Attributes:
        box: x1, y1, x2, y2 in pixels of the image.
        score: Confidence of the detector, 0-1.
        emotion: The most probable emotion.
        confidence: Its probability, 0-1.
        probabilities: Of all emotions that the network knows; they sum to 1.
        valence: Unpleasant to pleasant, [-1, 1].
        arousal: Calm to excited, [-1, 1].
        landmarks: ``(5, 2)`` pixels, see ``Faces``; ``None`` if unknown.
        track_id: Identity within one video or stream; ``None`` outside of one.
        yaw_deg: Angle of the head, positive to the right of the image; ``None`` if unknown.
        pitch_deg: Positive upwards; ``None`` if unknown.
        roll_deg: Positive clockwise; ``None`` if unknown.
        sharpness: Share of fine detail, 0-1, see ``FaceQuality``; ``None`` if not measured.
        brightness: Mean luma, 0-1; ``None`` if not measured.
        quality: How far the reading may be trusted, 0-1; ``None`` if not measured.
        flags: What makes the face hard to read.
        is_usable: Whether it is seen well enough for its reading to count.
        actions: Action features by their names in ``actions.ACTIONS``, 0-1; empty if they were not
            asked for.
    """

    box: tuple[float, float, float, float]
    score: float
    emotion: Emotion
    confidence: float
    probabilities: dict[Emotion, float]
    valence: float
    arousal: float
    landmarks: FloatArray | None = None
    track_id: int | None = None
    yaw_deg: float | None = None
    pitch_deg: float | None = None
    roll_deg: float | None = None
    sharpness: float | None = None
    brightness: float | None = None
    quality: float | None = None
    flags: tuple[FaceFlag, ...] = ()
    is_usable: bool = True
    actions: dict[str, float] = field(default_factory=dict)

    @property
    def quality_cells(self) -> dict[str, object]:
        """The ``QUALITY_COLUMNS`` of a table; flags are words, ``None`` if not measured."""
        flags = None if self.quality is None else join_flags(self.flags)
        return {name: getattr(self, name) for name in QUALITY_COLUMNS} | {"flags": flags}


_SURE = 0.955


def format_confidence(share: float) -> str:
    """A probability in percent; above 95 it says no more, since no reading of a face is surer."""
    return ">95%" if share >= _SURE else f"{share:.0%}"


def format_signed(value: float, decimals: int = 2) -> str:
    """A number for people: ``+0.40``, ``0.00``, with a real minus; a dash if it is missing."""
    if math.isnan(value):
        return "\u2013"
    words = f"{value:+.{decimals}f}".replace("-", "\u2212")
    return words if float(words[1:]) else words[1:]


def format_va(valence: float, arousal: float) -> str:
    """Valence and arousal for people: ``valence +0.40, arousal +0.10``."""
    return f"valence {format_signed(valence)}, arousal {format_signed(arousal)}"


def face_columns(labels: Iterable[Emotion], *, actions: bool = False) -> list[str]:
    """Columns of a table with one row per face.

    Args:
        labels: Of the model.
        actions: Whether the table has action features.

    Returns:
        face (from 1, left to right), x1, y1, x2, y2 (pixels), score, emotion, confidence, one
        ``p_<label>`` per label, valence, arousal, va_source, model, ``QUALITY_COLUMNS`` and, if
        asked for, ``ACTION_COLUMNS``.
    """
    columns = ["face", "x1", "y1", "x2", "y2", "score", "emotion", "confidence"]
    columns += [f"p_{label}" for label in labels]
    columns += ["valence", "arousal", "va_source", "model", *QUALITY_COLUMNS]
    return [*columns, *ACTION_COLUMNS] if actions else columns
