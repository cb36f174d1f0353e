"""Faces that redaction leaves bare, as a second detector sees them.

A face that the second detector is sure of leaks if less than half of its box is blurred in a photo
or a frame of a clip. "Blurred for nothing" are boxes in which neither it, at a low score, nor the
analysis, at the score from which on faces are reported, sees a face; in clips, where the blur stays
for a while, those in which the second detector sees none. Of clips nothing is drawn or written.
"""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import replace
from itertools import repeat
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import torch

from benchmarks.harness import (
    describe_machine,
    iter_image_files,
    make_parser,
    print_table,
    write_json,
)
from benchmarks.retinaface import RetinaFace
from emotion_core.detection.boxes import iou_matrix, sides
from emotion_core.detection.paired import PairedDetector
from emotion_core.detection.turned import TurnedFaceDetector
from emotion_core.imaging.annotate import blur_in_place
from emotion_core.imaging.codec import decode_image
from emotion_core.local_analyzer import LocalAnalyzer, load_analyzer, make_detector
from emotion_core.models.download import WEIGHTS_DIR
from emotion_core.models.registry import CARDS
from emotion_core.tracking.redaction import widen_for_redaction
from emotion_core.types import DEFAULT_MIN_SCORE, AnalyzeOptions
from emotion_core.video.io.reader import VideoReader
from emotion_core.video.pipeline import find_blur_boxes
from emotion_core.video.types import VideoSettings

if TYPE_CHECKING:
    from emotion_core.types import Faces, FloatArray, Image

OWN_PATH = WEIGHTS_DIR / CARDS["emoscope-face-s"].weights.filename
_SURE_SCORE, _LOW_SCORE = 0.8, 0.3
_MIN_PX = 20
_SAME_FACE_IOU = 0.2
_EVERY = 5  # frames of a clip


class Leaks:
    """Counts over the images of one source."""

    def __init__(self) -> None:
        self.n_images = self.n_faces = self.n_bare = self.n_boxes = self.n_for_nothing = 0
        self.blurred = 0.0
        self.cpu_s = 0.0

    def add(self, image: Image, hidden: FloatArray, reported: FloatArray, second: Faces) -> None:
        """Compares what is blurred in an image with what the second detector sees.

        Args:
            image: RGB ``(H, W, 3)``, 0-255.
            hidden: ``(N, 4)`` what is blurred, before its margin.
            reported: ``(M, 4)`` faces found at the usual score.
            second: What the second detector sees, at a low score.
        """
        is_hidden = cover(image.shape, hidden)
        is_large = (sides(second) >= _MIN_PX).all(axis=1)
        is_sure = (second.scores >= _SURE_SCORE) & is_large
        limit = np.array(image.shape[1::-1] * 2)
        for box in np.clip(second.boxes[is_sure], 0, limit).astype(int).tolist():
            part = is_hidden[box[1] : box[3], box[0] : box[2]]
            self.n_bare += bool(part.mean() < 0.5) if part.size else 0
        known = np.vstack([second.boxes, reported])
        is_known = iou_matrix(hidden, known).max(axis=1, initial=0) >= _SAME_FACE_IOU
        self.n_images += 1
        self.n_faces += int(is_sure.sum())
        self.n_boxes += len(hidden)
        self.n_for_nothing += int((~is_known).sum())
        self.blurred += float(is_hidden.mean())

    def row(self, source: str, detectors: str) -> dict[str, Any]:
        """The figures of a source."""
        return {
            "source": source,
            "detectors": detectors,
            "images": self.n_images,
            "faces": self.n_faces,
            "bare": self.n_bare,
            "boxes": self.n_boxes,
            "for_nothing": self.n_for_nothing,
            "blurred_area": self.blurred / max(1, self.n_images),
            "cpu_s": self.cpu_s / max(1, self.n_images),
        }


def main() -> None:
    """Measures, prints and writes the figures."""
    parser = make_parser(__doc__ or "")
    parser.add_argument("second", type=Path, help="weights of RetinaFace mobilenet0.25 (.pth)")
    parser.add_argument("yunet", type=Path, help="a YuNet's ONNX file")
    parser.add_argument("--photos", type=Path, nargs="+", default=[], help="folders, ZIP archives")
    parser.add_argument("--clips", type=Path, nargs="+", default=[], help="videos")
    parser.add_argument(
        "--turned-by",
        type=int,
        choices=(0, 90, 180, 270),
        default=0,
        help="degrees clockwise by which the clips are turned; the second detector undoes it",
    )
    parser.add_argument("--limit", type=int, default=100, help="photos of each, chosen at random")
    chosen = parser.parse_args()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    second, analyzers = RetinaFace(chosen.second), load_analyzers(chosen.yunet)
    limit = min(chosen.limit, 20) if chosen.quick else chosen.limit
    rows = [row for path in chosen.photos for row in measure_photos(analyzers, second, path, limit)]
    quarters = chosen.turned_by // 90
    for path in chosen.clips:
        rows += measure_clip(analyzers, second, path, quarters)
    print_table(
        f"faces from {_MIN_PX} px on",
        [*("source", "detectors", "images", "faces", "bare", "boxes", "for nothing"),
         *("blurred area", "CPU s an image")],
        [list(row.values()) for row in rows],
    )  # fmt: skip
    write_json(chosen.json, {"machine": describe_machine(), "leaks": rows})


def load_analyzers(yunet: Path) -> dict[str, LocalAnalyzer]:
    """The project's detector alone, YuNet alone, and YuNet with the project's beside it."""
    own, other = (
        make_detector(CARDS[name], path, "cpu")
        for name, path in (("emoscope-face-s", OWN_PATH), ("yunet", yunet))
    )
    analyzer = load_analyzer("emoscope-fer-s", "emoscope-face-s", device="cpu")
    pairs = {"own": (own, None), "yunet": (other, None), "both": (other, own)}
    return {
        name: LocalAnalyzer(
            PairedDetector(TurnedFaceDetector(first), repeat(helper).__next__),
            analyzer.classifier,
            analyzer.info,
        )
        for name, (first, helper) in pairs.items()
    }


def measure_photos(
    analyzers: dict[str, LocalAnalyzer], second: RetinaFace, source: Path, limit: int
) -> list[dict[str, Any]]:
    """Leaks in photos, each as a whole."""
    leaks = {name: Leaks() for name in analyzers}
    options = widen_for_redaction(AnalyzeOptions(), blur=True)
    for data in iter_image_files(source, limit):
        image = decode_image(data).pixels
        seen = second.find(image, _LOW_SCORE)
        for name, analyzer in analyzers.items():
            start = time.process_time()
            (analysis,) = analyzer.analyze([image], options)
            leaks[name].cpu_s += time.process_time() - start
            faces = analysis.faces
            is_own = ~faces.is_hidden_only if faces.is_hidden_only is not None else True
            reported = faces.boxes[(faces.scores >= DEFAULT_MIN_SCORE) & is_own]
            leaks[name].add(image, faces.boxes, reported, seen)
    return [counts.row(source.name, name) for name, counts in leaks.items()]


def measure_clip(
    analyzers: dict[str, LocalAnalyzer], second: RetinaFace, source: Path, quarters: int
) -> list[dict[str, Any]]:
    """Leaks in every few frames of a clip that is turned clockwise by some quarters."""
    with (
        VideoReader(source) as reader,
        closing(reader.frames(lambda index, _: index % _EVERY == 0)) as frames,
    ):
        seen = {f.index: (f.image, find_upright(second, f.image, quarters)) for f in frames}
    rows = []
    for name, analyzer in analyzers.items():
        leaks, start = Leaks(), time.process_time()
        hidden = find_blur_boxes(source, analyzer, VideoSettings(blur=True))
        leaks.cpu_s = (time.process_time() - start) * len(seen) / max(1, len(hidden))
        for index, (image, faces) in seen.items():
            leaks.add(image, hidden[index], np.zeros((0, 4), np.float32), faces)
        rows.append(leaks.row(source.name, name))
    return rows


def find_upright(second: RetinaFace, image: Image, quarters: int) -> Faces:
    """The faces of an image that is turned clockwise by some quarters, found when turned back."""
    faces = second.find(np.ascontiguousarray(np.rot90(image, quarters)), _LOW_SCORE)
    boxes, width = faces.boxes, image.shape[1 - quarters % 2]
    for _ in range(quarters):
        x1, y1, x2, y2 = boxes.T
        height = image.shape[0] + image.shape[1] - width
        boxes, width = np.stack([height - y2, x1, height - y1, x2], axis=1), height
    return replace(faces, boxes=boxes)


def cover(shape: tuple[int, ...], boxes: FloatArray) -> Any:
    """``(H, W)`` which pixels a redaction of boxes changes, by trying it on noise."""
    noise = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    blurred = noise.copy()
    blur_in_place(blurred, boxes)
    return (blurred != noise).any(axis=2)


if __name__ == "__main__":
    main()
