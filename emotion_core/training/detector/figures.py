"""What is measured of a face detector."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

from emotion_core.training.detector.metrics import EVERY_SIZE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from emotion_core.training.detector.metrics import SizeRange

SIZES: Mapping[str, SizeRange] = MappingProxyType(
    {
        "all": EVERY_SIZE,
        "from_16_px": (16, float("inf")),
        "under_16_px": (0, 16),
        "16_to_32_px": (16, 32),
        "32_to_96_px": (32, 96),
        "from_96_px": (96, float("inf")),
    }
)
"""By the shorter side of the marked face, in pixels of the picture."""

LARGE = "from_16_px"
FALSE_ALARMS = 0.1


@dataclass(frozen=True, slots=True)
class MarkedFigures:
    """What was measured on pictures whose faces are marked by hand.

    Attributes:
        pictures: How many.
        faces: Marked ones, by the names of ``SIZES``.
        average_precision: At an overlap of 0.5, by the names of ``SIZES``; ``None`` without a face.
        precision: At the product's threshold, of faces from 16 px. Faces that nobody marked count
            as false.
        recall: The same.
        recall_at_false_alarms: Of faces from 16 px, at 0.1 false alarms a picture.
        settings: Average precision of WIDER's easy, medium and hard faces, matched as the others
            are, not by the official script; empty without their ground truth.
        curve: ``[recall, precision, score]`` of faces from 16 px, by rising recall.
    """

    pictures: int
    faces: dict[str, int]
    average_precision: dict[str, float | None]
    precision: float | None
    recall: float | None
    recall_at_false_alarms: float | None
    settings: dict[str, float | None] = field(default_factory=dict)
    curve: list[list[float]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class PortraitFigures:
    """What was measured on portraits, against the teacher's labels, at the product's threshold.

    Attributes:
        pictures: How many.
        recall: Share whose largest face is found.
        precision: Share of what is found that the teacher sees, too, be it in doubt.
        landmark_error_mean: Mean distance from the teacher's mean landmarks, as a share of the
            distance of the eyes; ``None`` without landmarks.
        landmark_error_median: The same.
    """

    pictures: int
    recall: float | None
    precision: float | None
    landmark_error_mean: float | None
    landmark_error_median: float | None


@dataclass(frozen=True, slots=True)
class SceneFigures:
    """What was measured on pictures without faces, at the product's threshold.

    Attributes:
        pictures: How many.
        with_false_face: Pictures in which one is found.
        false_faces: Found in all.
    """

    pictures: int
    with_false_face: int
    false_faces: int
