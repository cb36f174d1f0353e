"""What is measured of face detectors, as a table to read and as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

from emotion_core.training.detector.metrics import EVERY_SIZE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from emotion_core.training.detector.evaluate import EvalSettings
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
"""By the shorter side of the marked face, in pixels of the image."""

WORDS = {
    "all": "all faces",
    "from_16_px": ">= 16 px",
    "under_16_px": "< 16 px",
    "16_to_32_px": "16-32 px",
    "32_to_96_px": "32-96 px",
    "from_96_px": ">= 96 px",
}
"""The names of ``SIZES`` for people."""

LARGE = "from_16_px"
FALSE_ALARMS = 0.1
_NAME, _COLUMN = 34, 22


@dataclass(frozen=True, slots=True)
class MarkedMetrics:
    """Results on images whose faces are marked by hand.

    Attributes:
        pictures: Number of images.
        faces: Marked ones, by the names of ``SIZES``.
        average_precision: At an overlap of 0.5, by the names of ``SIZES``; ``None`` without a face.
        precision: At the product's threshold, of faces from 16 px. Unmarked faces count as false.
        recall: The same.
        recall_at_false_alarms: Of faces from 16 px, at 0.1 false alarms per image.
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
class PortraitMetrics:
    """Results on portraits, against the teacher's labels, at the product's threshold.

    Attributes:
        pictures: Number of images.
        recall: Share of portraits whose largest face is found.
        precision: Share of detections that the teacher also finds, even if uncertain.
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
class SceneMetrics:
    """Results on images without faces, at the product's threshold.

    Attributes:
        pictures: Number of images.
        with_false_face: Images in which a face is found.
        false_faces: Total number found.
    """

    pictures: int
    with_false_face: int
    false_faces: int


@dataclass(frozen=True, slots=True)
class DetectorReport:
    """All results of one detector; what was not measured is ``None`` or empty.

    Attributes:
        name: In the registry, or of the file.
        sha256: Of its file.
        marked: By data: ``"boxes"``, ``"wider"``.
        portraits: On portraits.
        scenes: On images without faces.
        milliseconds: Per image on one core, by size.
    """

    name: str
    sha256: str
    marked: dict[str, MarkedMetrics] = field(default_factory=dict)
    portraits: PortraitMetrics | None = None
    scenes: SceneMetrics | None = None
    milliseconds: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DetectorComparison:
    """The results of one run.

    Attributes:
        data: Description for people.
        teacher: Name of the teacher that marked the portraits, or empty.
        asked: How the detectors were run.
        detectors: At least one.
    """

    data: str
    teacher: str
    asked: EvalSettings
    detectors: list[DetectorReport]


def detector_report_json(report: DetectorComparison) -> str:
    """All results as JSON, keyed by attribute; missing numbers are null, never NaN."""
    return json.dumps(asdict(report), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def detector_report_table(report: DetectorComparison) -> str:
    """All results as text, with a column for each detector."""
    first = report.detectors[0]
    lines = [
        report.data,
        report.asked.words,
        "",
        _line("", [d.name[-_COLUMN + 2 :] for d in report.detectors]),
    ]
    for data in first.marked:
        lines += ["", *_marked_lines(data, [d.marked[data] for d in report.detectors])]
    portraits = [d.portraits for d in report.detectors if d.portraits]
    if portraits:
        lines += ["", *_portrait_lines(portraits, report.teacher)]
    scenes = [d.scenes for d in report.detectors if d.scenes]
    if scenes:
        lines += ["", f"scenes without faces: {scenes[0].pictures}"]
        lines.append(_line("  with a false face", [str(s.with_false_face) for s in scenes]))
        lines.append(_line("  false faces", [str(s.false_faces) for s in scenes]))
    if first.milliseconds:
        lines += ["", "milliseconds an image, one core"]
        for size in first.milliseconds:
            times = [f"{d.milliseconds[size]:.1f}" for d in report.detectors]
            lines.append(_line(f"  {size}", times))
    return "\n".join(lines) + "\n"


def _marked_lines(data: str, metrics: Sequence[MarkedMetrics]) -> Iterator[str]:
    first = metrics[0]
    yield f"{data}: {first.pictures} images, {first.faces['all']} faces"
    for name in SIZES:
        values = [_number(f.average_precision[name]) for f in metrics]
        yield _line(f"  AP {WORDS[name]} ({first.faces[name]})", values)
    rows: list[tuple[str, Callable[[MarkedMetrics], float | None]]] = [
        ("precision, >= 16 px", lambda f: f.precision),
        ("recall, >= 16 px", lambda f: f.recall),
        (f"recall at {FALSE_ALARMS:g} false an image", lambda f: f.recall_at_false_alarms),
    ]
    for word, get in rows:
        yield _line(f"  {word}", [_number(get(f)) for f in metrics])
    for name in first.settings:
        yield _line(f"  AP {name}", [_number(f.settings[name]) for f in metrics])


def _portrait_lines(metrics: Sequence[PortraitMetrics], teacher: str) -> Iterator[str]:
    yield f"portraits: {metrics[0].pictures}, against {teacher}"
    rows: list[tuple[str, Callable[[PortraitMetrics], float | None]]] = [
        ("recall", lambda f: f.recall),
        ("precision", lambda f: f.precision),
        ("landmark error / eyes, mean", lambda f: f.landmark_error_mean),
        ("landmark error / eyes, median", lambda f: f.landmark_error_median),
    ]
    for word, get in rows:
        yield _line(f"  {word}", [_number(get(f)) for f in metrics])


def _line(name: str, values: Sequence[str]) -> str:
    return (f"{name:{_NAME}}" + "".join(f"{value:>{_COLUMN}}" for value in values)).rstrip()


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.4f}"
