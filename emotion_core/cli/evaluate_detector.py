"""``python -m emotion_core evaluate-detector``: quality of face detectors, side by side."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from emotion_core.cli.arguments import check_report_path, float_in_range, write_report
from emotion_core.cli.train_detector import add_sources, to_sources, to_teacher
from emotion_core.errors import DatasetError, EmotionError
from emotion_core.models.runtime import DEVICES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from emotion_core.training.detector.evaluate import EvalSettings
    from emotion_core.training.detector.load import LoadedDetector
    from emotion_core.training.detector.readers import Sources
    from emotion_core.training.detector.report import DetectorComparison, DetectorReport
    from emotion_core.training.detector.samples import DetectionSample
    from emotion_core.training.detector.wider import WiderTruth


def add_evaluate_detector(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of ``evaluate-detector``; sets ``run``."""
    parser.description = (
        "Measure face detectors as the product runs them, on the images that training holds out. "
        "Prints a table; --json also writes all metrics, and a page of charts beside them."
    )
    add_sources(parser)
    parser.add_argument(
        "--detector",
        action="append",
        default=[],
        metavar="D",
        help="a name from `models list`, a .safetensors, .onnx (also a YuNet's) or .pt; may be "
        "given again (default: all that are here)",
    )
    parser.add_argument(
        "--all", action="store_true", help="measure all images, not only those held out"
    )
    parser.add_argument(
        "--min-face",
        type=float,
        metavar="PX",
        help="leave out smaller faces (default: as in the product)",
    )
    parser.add_argument(
        "--exposure",
        # At 255 all but black is white.
        type=float_in_range(lambda value: 0 < value <= 255, "above 0 and at most 255"),
        default=1.0,
        metavar="F",
        help="multiply the brightness of all images, clipped: 0.1 is dark, 3 overexposed "
        "(default 1); the teacher sees them unchanged",
    )
    parser.add_argument("--no-speed", action="store_true", help="do not measure the time per image")
    parser.add_argument("--device", choices=DEVICES, default="auto")
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="metrics; charts go to FILE's .html"
    )
    parser.set_defaults(run=run_evaluate_detector)


def run_evaluate_detector(chosen: argparse.Namespace) -> int:
    """Measures, prints and writes the figures; returns 0.

    Raises:
        EmotionError: Something that was requested is missing or impossible.
    """
    from emotion_core.training.detector.html_page import detector_page
    from emotion_core.training.detector.report import detector_report_json, detector_report_table

    check_report_path(chosen.json)
    report = _measure(chosen)
    sys.stdout.write(detector_report_table(report))
    if chosen.json is not None:
        write_report(chosen.json, detector_report_json(report), detector_page(report))
    return 0


def _measure(chosen: argparse.Namespace) -> DetectorComparison:
    from emotion_core.models.runtime import pick_device
    from emotion_core.training.detector.evaluate import EvalSettings, measure_detector_speed
    from emotion_core.training.detector.load import load_detector
    from emotion_core.training.detector.report import DetectorComparison

    sources = to_sources(chosen)
    settings = EvalSettings(exposure=chosen.exposure)
    if chosen.min_face is not None:
        settings = replace(settings, min_face_px=chosen.min_face)
    names = chosen.detector or _all_here()
    loaded = [load_detector(name, pick_device(chosen.device)) for name in names]
    groups, teacher = _read(chosen, sources)
    wider_truths = _read_wider_truths(sources)
    reports = [_measure_one(one, groups, settings, wider_truths) for one in loaded]
    if not chosen.no_speed:
        example = next(group[0] for group in groups.values() if group).file.read()
        times = measure_detector_speed(names, example)
        for name, report in zip(names, reports, strict=True):
            report.milliseconds.update(times[name])
    counts = ", ".join(f"{len(group)} of {name}" for name, group in groups.items() if group)
    part = "all" if chosen.all else "held out"
    return DetectorComparison(f"{counts} ({part})", teacher, settings, reports)


def _all_here() -> list[str]:
    """Detectors of the registry whose files are on this machine."""
    from emotion_core.models.card import Task
    from emotion_core.models.download import is_available
    from emotion_core.models.registry import cards_for

    return [card.name for card in cards_for(Task.DETECTION) if is_available(card)]


def _read(
    chosen: argparse.Namespace, sources: Sources
) -> tuple[dict[str, list[DetectionSample]], str]:
    """The images to measure on, by kind, and the name of the portraits' teacher."""
    from emotion_core.training.detector.pseudo_labeller import load_pseudo_labeller
    from emotion_core.training.detector.pseudo_labels import pseudo_label

    groups = {
        name: [p for p in part if chosen.all or p.held_out] for name, part in sources.read().items()
    }
    if not any(groups.values()):
        raise DatasetError("None of these images is held out; --all measures all of them.")
    name = to_teacher(chosen)
    if groups["portraits"] and name is None:
        raise EmotionError("Portraits need a teacher that marks the faces: --teacher yunet.")
    teacher = load_pseudo_labeller(name) if groups["portraits"] and name else None
    if teacher:
        groups["portraits"] = pseudo_label(groups["portraits"], teacher, chosen.labels)
    return groups, teacher.name if teacher else ""


def _read_wider_truths(sources: Sources) -> Mapping[str, WiderTruth]:
    """WIDER's easy, medium and hard faces, if their ground truth exists."""
    from emotion_core.training.detector.wider import find_settings, read_settings

    folder = find_settings(sources.wider) if sources.wider else None
    return read_settings(folder) if folder else {}


def _measure_one(
    loaded: LoadedDetector,
    groups: Mapping[str, Sequence[DetectionSample]],
    settings: EvalSettings,
    wider_truths: Mapping[str, WiderTruth],
) -> DetectorReport:
    from emotion_core.training.detector.evaluate import (
        measure_marked,
        measure_portraits,
        measure_scenes,
    )
    from emotion_core.training.detector.report import DetectorReport

    detector = loaded.detector
    sys.stderr.write(f"Measuring {loaded.card.name}.\n")
    marked = {
        name: measure_marked(
            detector, groups[name], settings, wider_truths if name == "wider" else None
        )
        for name in ("boxes", "wider")
        if groups[name]
    }
    portraits, scenes = groups["portraits"], groups["scenes"]
    return DetectorReport(
        name=loaded.card.name,
        sha256=loaded.sha256,
        marked=marked,
        portraits=measure_portraits(detector, portraits, settings) if portraits else None,
        scenes=measure_scenes(detector, scenes, settings) if scenes else None,
    )
