"""Measures face detectors on held-out images, as the product runs them."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from tqdm import tqdm

from emotion_core.detection.boxes import iou_matrix, largest
from emotion_core.training.datasets.image_sources import batch_images
from emotion_core.training.detector.load import load_detector
from emotion_core.training.detector.metrics import (
    MATCH,
    DetectionMatches,
    GroundTruth,
    at_threshold,
    average_precision,
    match_detections,
    pool,
    recall_at_false_alarms,
)
from emotion_core.training.detector.report import (
    FALSE_ALARMS,
    LARGE,
    SIZES,
    MarkedMetrics,
    PortraitMetrics,
    SceneMetrics,
)
from emotion_core.training.detector.samples import DetectionSample, SampleKind
from emotion_core.training.detector.wider import SETTINGS
from emotion_core.training.evaluation.profile import limited_cores
from emotion_core.types import DEFAULT_MIN_FACE_PX, DEFAULT_MIN_SCORE, AnalyzeOptions

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from emotion_core.detection.detector import FaceDetector
    from emotion_core.training.detector.wider import WiderTruth
    from emotion_core.types import Faces, FloatArray, Image

MIN_AP_SCORE = 0.02
"""Minimum score for average precision; below it there is no precision to gain."""

_CURVE_POINTS = 200

SIZES_WH = ((320, 240), (640, 480), (1280, 960), (4000, 3000))
_WARM_UPS, _MAX_RUNS, _LIMIT_S = 2, 30, 6.0


@dataclass(frozen=True, slots=True)
class EvalSettings:
    """How detectors are run.

    Attributes:
        threshold: Minimum score, as in the product.
        min_face_px: Smaller faces are left out.
        exposure: Factor on the brightness of all images; 1 leaves them as they are.
    """

    threshold: float = DEFAULT_MIN_SCORE
    min_face_px: float = DEFAULT_MIN_FACE_PX
    exposure: float = 1.0

    @property
    def words(self) -> str:
        """A description for people."""
        words = f"threshold {self.threshold:g}, faces from {self.min_face_px:g} px"
        return words if self.exposure == 1 else f"{words}, {self.exposure:g} times as bright"


def measure_ap(detector: FaceDetector, samples: Sequence[DetectionSample]) -> float:
    """Average precision of faces from 16 px; 0 without any."""
    return average_precision(match_large(detector, samples)) or 0.0


def match_large(detector: FaceDetector, samples: Sequence[DetectionSample]) -> DetectionMatches:
    """Matches all detections of faces from 16 px in images marked by hand."""
    found = _find_all(detector, samples, EvalSettings(threshold=MIN_AP_SCORE))
    return pool([match_detections(faces, _to_truth(p), SIZES[LARGE]) for p, faces in found])


def measure_marked(
    detector: FaceDetector,
    samples: Sequence[DetectionSample],
    settings: EvalSettings,
    wider_truths: Mapping[str, WiderTruth] | None = None,
) -> MarkedMetrics:
    """Measures a detector on images marked by hand.

    A detector runs twice, for all scores and with the product's threshold, since its search may
    depend on what it finds.

    Args:
        detector: The detector.
        samples: Marked by hand.
        settings: How the product runs it.
        wider_truths: Ground truth of WIDER FACE by image.
    """
    by_size: dict[str, list[DetectionMatches]] = {name: [] for name in SIZES}
    by_difficulty: dict[str, list[DetectionMatches]] = {name: [] for name in SETTINGS}
    as_product: list[DetectionMatches] = []
    for chosen, images in _iter_images(samples, settings.exposure):
        every = detector.detect(images, AnalyzeOptions(MIN_AP_SCORE, settings.min_face_px))
        confident = detector.detect(
            images, AnalyzeOptions(settings.threshold, settings.min_face_px)
        )
        for sample, found, best in zip(chosen, every, confident, strict=True):
            truth = _to_truth(sample)
            for name, sizes in SIZES.items():
                by_size[name].append(match_detections(found, truth, sizes))
            as_product.append(match_detections(best, truth, SIZES[LARGE]))
            for name, matches in _match_settings(found, sample, wider_truths or {}):
                by_difficulty[name].append(matches)
    pooled = {name: pool(matches) for name, matches in by_size.items()}
    precision, recall = at_threshold(pool(as_product), settings.threshold)
    alarms = FALSE_ALARMS * len(samples)
    return MarkedMetrics(
        pictures=len(samples),
        faces={name: matches.n_faces for name, matches in pooled.items()},
        average_precision={name: average_precision(matches) for name, matches in pooled.items()},
        precision=precision,
        recall=recall,
        recall_at_false_alarms=recall_at_false_alarms(pooled[LARGE], alarms),
        settings={name: average_precision(pool(j)) for name, j in by_difficulty.items() if j},
        curve=_to_curve(pooled[LARGE]),
    )


def measure_portraits(
    detector: FaceDetector, samples: Sequence[DetectionSample], settings: EvalSettings
) -> PortraitMetrics:
    """Measures a detector on portraits that a teacher has marked."""
    wrong, total, n_found = 0, 0, 0
    errors: list[float] = []
    for sample, found in _find_all(detector, samples, settings):
        total += len(found)
        overlaps = iou_matrix(found.boxes, np.vstack([sample.boxes, sample.ignored]))
        wrong += int((overlaps.max(axis=1, initial=0) < MATCH).sum())
        main = largest(sample.boxes)
        shared = iou_matrix(sample.boxes[main : main + 1], found.boxes)[0]
        if shared.max(initial=0) < MATCH:
            continue
        n_found += 1
        if found.landmarks is not None:
            marks = found.landmarks[int(shared.argmax())]
            errors.append(landmark_error(marks, sample.landmarks[main].reshape(5, 2)))
    return PortraitMetrics(
        pictures=len(samples),
        recall=n_found / len(samples) if samples else None,
        precision=1 - wrong / total if total else None,
        landmark_error_mean=float(np.mean(errors)) if errors else None,
        landmark_error_median=float(np.median(errors)) if errors else None,
    )


def landmark_error(marks: FloatArray, truth: FloatArray) -> float:
    """Mean distance of landmarks ``(5, 2)``, as a share of the true distance of the eyes."""
    eyes = max(1.0, float(np.linalg.norm(truth[0] - truth[1])))
    return float(np.linalg.norm(marks - truth, axis=1).mean()) / eyes


def measure_scenes(
    detector: FaceDetector, samples: Sequence[DetectionSample], settings: EvalSettings
) -> SceneMetrics:
    """Measures a detector on images without faces."""
    false = [len(found) for _, found in _find_all(detector, samples, settings)]
    return SceneMetrics(len(samples), int(np.count_nonzero(false)), sum(false))


def measure_detector_speed(
    names: Sequence[str], photo: Image, *, limit_s: float = _LIMIT_S
) -> dict[str, dict[str, float]]:
    """Measures the time of detectors in turn, from pixels to faces, on one core.

    Args:
        names: See ``load_detector``.
        photo: RGB; it is resized to each size.
        limit_s: Per detector and size, but at least three runs.

    Returns:
        Median milliseconds by detector and size, e.g. ``"640x480"``.

    Raises:
        EmotionError: A detector cannot be loaded.
    """
    with limited_cores(1):
        detectors = {name: load_detector(name, "cpu").detector for name in names}
        times: dict[str, dict[str, float]] = {name: {} for name in names}
        for size_wh in SIZES_WH:
            image = np.asarray(cv2.resize(photo, size_wh, interpolation=cv2.INTER_AREA), np.uint8)
            runs: dict[str, list[float]] = {name: [] for name in names}
            end_s = time.perf_counter() + limit_s * len(names)
            while len(runs[names[0]]) < _MAX_RUNS + _WARM_UPS and (
                time.perf_counter() < end_s or len(runs[names[0]]) <= _WARM_UPS
            ):
                for name, detector in detectors.items():
                    start_s = time.perf_counter()
                    detector.detect([image])
                    runs[name].append((time.perf_counter() - start_s) * 1e3)
            for name, values in runs.items():
                median_ms = statistics.median(values[_WARM_UPS:])
                times[name][f"{size_wh[0]}x{size_wh[1]}"] = round(median_ms, 2)
    return times


def expose(image: Image, factor: float) -> Image:
    """Multiplies all values of an image and clips them to 0-255."""
    if factor == 1:
        return image
    table = np.clip(np.rint(np.arange(256) * factor), 0, 255).astype(np.uint8)
    return np.asarray(table[image])


def _find_all(
    detector: FaceDetector, samples: Sequence[DetectionSample], settings: EvalSettings
) -> Iterator[tuple[DetectionSample, Faces]]:
    """Runs a detector on all images, in batches."""
    for chosen, images in _iter_images(samples, settings.exposure):
        found = detector.detect(images, AnalyzeOptions(settings.threshold, settings.min_face_px))
        yield from zip(chosen, found, strict=True)


def _iter_images(
    samples: Sequence[DetectionSample], exposure: float
) -> Iterator[tuple[list[DetectionSample], list[Image]]]:
    """Reads images in batches that fit in memory."""
    bar: Any = tqdm(samples, unit="image", disable=None, leave=False)
    for batch in batch_images((sample, expose(sample.file.read(), exposure)) for sample in bar):
        yield [sample for sample, _ in batch], [image for _, image in batch]


def _to_truth(sample: DetectionSample) -> GroundTruth:
    """Uncertain faces of a portrait are neutral, as are those that WIDER FACE calls invalid."""
    return GroundTruth(sample.boxes, np.ones(len(sample.boxes), bool), sample.ignored)


def _match_settings(
    found: Faces, sample: DetectionSample, wider_truths: Mapping[str, WiderTruth]
) -> Iterator[tuple[str, DetectionMatches]]:
    truth = wider_truths.get(sample.file.name)
    if truth is not None and sample.kind is SampleKind.BOXES:
        none = np.zeros((0, 4), np.float32)
        for name, is_target in truth.targets.items():
            yield name, match_detections(found, GroundTruth(truth.boxes, is_target, none))


def _to_curve(matches: DetectionMatches) -> list[list[float]]:
    """Points of the precision-recall curve at right detections, evenly spread over the recall."""
    right, hits = np.cumsum(matches.right), np.flatnonzero(matches.right)
    n = min(len(hits), _CURVE_POINTS)
    points = hits[np.linspace(0, len(hits) - 1, n).astype(int)]
    return [
        [
            round(float(right[i] / max(matches.n_faces, 1)), 4),
            round(float(right[i] / (i + 1)), 4),
            round(float(matches.scores[i]), 4),
        ]
        for i in points
    ]
