"""Measures face detectors side by side on held-out pictures.

``python -m emotion_core.training.detector_evaluate --cache C --network N.onnx --teacher Y.onnx``
"""

from __future__ import annotations

import argparse
import json
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import onnxruntime

from emotion_core.training import detector_data as data
from emotion_core.training.detector_data import Teacher, overlaps
from emotion_core.training.detector_metrics import MATCH, Match, average_precision, match_faces

if TYPE_CHECKING:
    from collections.abc import Sequence

    from emotion_core.training.detector_data import LabelledPicture
    from emotion_core.types import FloatArray, Image

_LOG = logging.getLogger(__name__)

Detect = Callable[["Image"], "FloatArray"]
"""RGB image to ``(N, 15)``: xyxy box, ten landmark coordinates, score; in pixels, best first."""

_LEAST_SCORE = 0.02
_SHARED_UNION, _SHARED_SMALLER, _MOST = 0.45, 0.7, 1000
_LARGEST_SCALE = 2.0


class OnnxDetector:
    """A shipped network: scales the longer side to each of some lengths, suppresses overlaps."""

    def __init__(
        self,
        path: Path,
        lengths: Sequence[int],
        *,
        threads: int = 2,
        least_score: float = _LEAST_SCORE,
    ) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self._session = onnxruntime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )
        self._lengths, self._least_score = lengths, least_score

    def __call__(self, image: Image) -> FloatArray:
        """Find faces; see ``Detect``."""
        longest = max(image.shape[:2])
        scales = {min(_LARGEST_SCALE, length / longest) for length in self._lengths}
        faces = np.vstack([self._candidates(image, scale) for scale in scales])
        faces = faces[np.argsort(-faces[:, 14], kind="stable")][:_MOST]
        height, width = image.shape[:2]
        faces[:, :4] = np.clip(faces[:, :4], 0, [width, height, width, height])
        return faces[suppress(faces)]

    def _candidates(self, image: Image, scale: float) -> FloatArray:
        batch = letterbox(image, scale)
        scores, boxes, marks = (out[0] for out in self._session.run(None, {"images": batch}))
        likely = scores >= self._least_score
        faces = np.hstack([boxes[likely], marks[likely], scores[likely, None]])
        faces[:, :14] /= scale
        return np.asarray(faces, np.float32)


def letterbox(image: Image, scale: float) -> FloatArray:
    """Scale an image and pad it with black to multiples of 32: ``(1, 3, H, W)`` float32, 0-255."""
    height, width = image.shape[:2]
    size_wh = (max(1, round(width * scale)), max(1, round(height * scale)))
    if size_wh != (width, height):
        how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        image = np.asarray(cv2.resize(image, size_wh, interpolation=how), np.uint8)
    bottom, right = -size_wh[1] % 32, -size_wh[0] % 32
    if bottom or right:
        border = cv2.copyMakeBorder(image, 0, bottom, 0, right, cv2.BORDER_CONSTANT)
        image = np.asarray(border, np.uint8)
    return np.asarray(cv2.dnn.blobFromImage(image), np.float32)


def suppress(faces: FloatArray) -> list[int]:
    """Indices of the faces ``(N, 15)``, best first, that no better one overlaps.

    Two boxes overlap if they share 0.45 of their union, or 0.7 of the smaller one: parts of a face
    that fills the picture look like faces themselves.
    """
    area = (faces[:, 2:4] - faces[:, :2]).prod(axis=1)
    left = np.arange(len(faces))
    kept: list[int] = []
    while len(left):
        best, left = int(left[0]), left[1:]
        kept.append(best)
        low = np.maximum(faces[best, :2], faces[left, :2])
        both = np.clip(np.minimum(faces[best, 2:4], faces[left, 2:4]) - low, 0, None).prod(axis=1)
        union = area[best] + area[left] - both
        smaller = np.minimum(area[best], area[left])
        left = left[(both <= _SHARED_UNION * union) & (both <= _SHARED_SMALLER * smaller)]
    return kept


def measure_boxes(
    detect: Detect, pictures: Sequence[LabelledPicture], witness: Detect, threshold: float
) -> dict[str, float]:
    """AP, precision and recall on annotated pictures.

    Annotations there are incomplete: ``precision`` counts every unannotated find as wrong,
    ``precision seen`` leaves out those that the witness (another detector at 0.5) sees too.
    """
    every: list[Match] = []
    large: list[Match] = []
    seen: list[Match] = []
    totals = np.zeros(2, int)
    none = np.zeros((0, 4), np.float32)
    for picture in pictures:
        truth = picture.boxes
        found = detect(picture.image)
        others = witness(picture.image)
        totals += len(truth), int(((truth[:, 2:] - truth[:, :2]).min(axis=1) >= 16).sum())
        every += match_faces(found, truth, none, 0)
        large += match_faces(found, truth, none, 16)
        seen += match_faces(found, truth, others[others[:, 14] >= 0.5, :4], 16)
    sure = [m for m in large if m.counts and m.score >= threshold]
    backed = [m for m in seen if m.counts and m.score >= threshold]
    return {
        "faces": int(totals[0]),
        "faces >= 16 px": int(totals[1]),
        "AP": average_precision(every, int(totals[0])),
        "AP >= 16 px": average_precision(large, int(totals[1])),
        "recall >= 16 px": sum(m.right for m in sure) / max(1, int(totals[1])),
        "precision >= 16 px": sum(m.right for m in sure) / max(1, len(sure)),
        "precision seen >= 16 px": sum(m.right for m in backed) / max(1, len(backed)),
    }


def measure_portraits(
    detect: Detect, pictures: Sequence[LabelledPicture], threshold: float
) -> dict[str, float]:
    """Found faces, false ones and landmark errors against the teacher's labels of portraits."""
    wrong, total = 0, 0
    errors: list[float] = []
    for picture in pictures:
        found = detect(picture.image)
        found = found[found[:, 14] >= threshold]
        area = (picture.boxes[:, 2:] - picture.boxes[:, :2]).prod(axis=1)
        largest = int(area.argmax())
        shared = overlaps(picture.boxes[largest : largest + 1], found[:, :4])[0]
        known = overlaps(found[:, :4], np.vstack([picture.boxes, picture.ignored]))
        wrong += int((known.max(axis=1, initial=0) < MATCH).sum())
        total += len(found)
        if shared.max(initial=0) >= MATCH:
            marks = found[shared.argmax(), 4:14].reshape(5, 2)
            truth = picture.landmarks[largest].reshape(5, 2)
            eyes = max(1.0, float(np.linalg.norm(truth[0] - truth[1])))
            errors.append(float(np.linalg.norm(marks - truth, axis=1).mean()) / eyes)
    return {
        "pictures": len(pictures),
        "recall": len(errors) / max(1, len(pictures)),
        "precision": 1 - wrong / max(1, total),
        "landmark error": float(np.mean(errors)) if errors else float("nan"),
        "landmark error, median": float(np.median(errors)) if errors else float("nan"),
    }


def measure_scenes(
    detect: Detect, pictures: Sequence[LabelledPicture], threshold: float
) -> dict[str, float]:
    """Pictures without faces in which one is found."""
    false = [int((detect(p.image)[:, 14] >= threshold).sum()) for p in pictures]
    return {
        "pictures": len(pictures),
        "pictures with a false face": int(np.count_nonzero(false)),
        "false faces": sum(false),
    }


def measure_speed(network: Path, teacher: Path, frame: Image) -> dict[str, float]:
    """Median milliseconds for one frame, pixels to boxes, both in turn, with 1 and 2 threads."""
    result = {}
    lengths = (max(frame.shape[:2]),)
    for threads in (1, 2):
        cv2.setNumThreads(threads)
        detectors: dict[str, Detect] = {
            "network": OnnxDetector(network, lengths, threads=threads, least_score=0.5),
            "teacher": Teacher(teacher, 0.5),
        }
        times: dict[str, list[float]] = {name: [] for name in detectors}
        for _ in range(80):
            for name, detect in detectors.items():
                start = time.perf_counter()
                detect(frame)
                times[name].append((time.perf_counter() - start) * 1e3)
        for name, values in times.items():
            result[f"{name}, {threads} threads, ms"] = float(np.median(values[10:]))
    return result


def measure(
    detect: Detect, pictures: Sequence[LabelledPicture], witness: Detect, threshold: float
) -> dict[str, dict[str, float]]:
    """All figures of one detector but its speed."""
    held_out = [p for p in pictures if p.held_out]
    by_kind = {
        k: [p for p in held_out if p.kind == k] for k in (data.BOXES, data.PORTRAITS, data.SCENES)
    }
    return {
        data.BOXES: measure_boxes(detect, by_kind[data.BOXES], witness, threshold),
        data.PORTRAITS: measure_portraits(detect, by_kind[data.PORTRAITS], threshold),
        data.SCENES: measure_scenes(detect, by_kind[data.SCENES], threshold),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", type=Path, required=True, help="folder made by detector_data")
    parser.add_argument("--network", type=Path, required=True)
    parser.add_argument("--teacher", type=Path, required=True)
    parser.add_argument("--threshold", type=float, default=0.5)
    parser.add_argument("--teacher-threshold", type=float, default=0.5)
    parser.add_argument("--lengths", default="640", help="of the longer side; passes: 640+256,640")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    pictures = data.load_cache(options.cache)
    teacher = Teacher(options.teacher, _LEAST_SCORE)
    frame = cv2.resize(next(p.image for p in pictures if p.held_out), (640, 480))
    speed = measure_speed(options.network, options.teacher, np.asarray(frame, np.uint8))
    report: dict[str, object] = {"speed of 640 x 480": speed}

    def twice(image: Image) -> FloatArray:
        return teacher(image, scale=2.0)

    entries: dict[str, tuple[Detect, float]] = {
        "teacher": (teacher, options.teacher_threshold),
        "teacher, picture twice as large": (twice, options.teacher_threshold),
    }
    for passes in options.lengths.split(","):
        detector = OnnxDetector(options.network, [int(length) for length in passes.split("+")])
        entries[f"network, {passes}"] = detector, options.threshold
    for name, (detect, threshold) in entries.items():
        report[name] = measure(detect, pictures, twice, threshold)
    text = json.dumps(report, indent=2)
    _LOG.info("%s", text)
    if options.json:
        options.json.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
