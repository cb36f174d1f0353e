"""Pictures for the face detector: read from archives, labelled by hand or by a teacher, cached.

``python -m emotion_core.training.detector_data --teacher yunet.onnx --boxes masks.zip --portraits
portraits.zip --scenes non_faces.zip --cache faces`` makes the cache that training and evaluation
read.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import io
import logging
import zipfile
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import cv2
import numpy as np

from emotion_core.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from emotion_core.types import FloatArray, Image

_LOG = logging.getLogger(__name__)

BOXES, PORTRAITS, SCENES = "boxes", "portraits", "scenes"
"""Where a picture comes from: annotated boxes, one teacher-labelled person, no face at all."""

_PICTURES = (".jpg", ".jpeg", ".png")
_TRUSTED, _DOUBTFUL, _SMALLEST_PX = 0.7, 0.3, 14


@dataclass(frozen=True, eq=False, slots=True)
class LabelledPicture:
    """One picture and what is known of its faces.

    Attributes:
        image: RGB ``(H, W, 3)``, 0-255.
        kind: ``BOXES``, ``PORTRAITS`` or ``SCENES``.
        held_out: Kept apart for evaluation.
        boxes: ``(N, 4)`` x1, y1, x2, y2 in pixels.
        landmarks: ``(N, 10)`` x, y in pixels; NaN where they are not known.
        ignored: ``(M, 4)`` boxes that may or may not be faces: neither rewarded nor punished.
    """

    image: Image
    kind: str
    held_out: bool
    boxes: FloatArray = field(default_factory=lambda: np.zeros((0, 4), np.float32))
    landmarks: FloatArray = field(default_factory=lambda: np.zeros((0, 10), np.float32))
    ignored: FloatArray = field(default_factory=lambda: np.zeros((0, 4), np.float32))


class Teacher:
    """A published YuNet that labels what has no annotation. Holds state: one per thread."""

    def __init__(self, path: Path, threshold: float = _DOUBTFUL) -> None:
        self._net = cv2.FaceDetectorYN.create(str(path), "", (320, 320), threshold, 0.3, 2000)

    def __call__(self, image: Image, *, scale: float = 1.0, pad: float = 0.0) -> FloatArray:
        """Find faces.

        Args:
            image: RGB ``(H, W, 3)``, 0-255.
            scale: The picture is enlarged by this first.
            pad: Width of a border that repeats the edge, as a fraction of the longer side.

        Returns:
            ``(N, 15)`` x1, y1, x2, y2 cut at the edge of the image, ten landmark coordinates,
            score, best first.
        """
        border = round(pad * max(image.shape[:2]))
        bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
        bgr = cv2.copyMakeBorder(bgr, border, border, border, border, cv2.BORDER_REPLICATE)
        if scale != 1.0:
            bgr = cv2.resize(bgr, None, fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR)
        self._net.setInputSize((bgr.shape[1], bgr.shape[0]))
        found = self._net.detect(bgr)[1]
        if found is None:
            return np.zeros((0, 15), np.float32)
        faces = np.asarray(found, np.float32)
        faces[:, 2:4] += faces[:, :2]
        faces[:, :14] = faces[:, :14] / scale - border
        height, width = image.shape[:2]
        faces[:, :4] = np.clip(faces[:, :4], 0, [width, height, width, height])
        return faces[np.argsort(-faces[:, 14])]


def overlaps(a: FloatArray, b: FloatArray) -> FloatArray:
    """Intersection over union of each box of ``a (N, 4)`` with each of ``b (M, 4)``: ``(N, M)``."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    both = np.clip(high - low, 0, None).prod(axis=2)
    area_a = (a[:, 2:] - a[:, :2]).prod(axis=1)
    area_b = (b[:, 2:] - b[:, :2]).prod(axis=1)
    union = area_a[:, None] + area_b[None] - both
    return np.asarray(both / np.maximum(union, 1e-6), np.float32)


def is_held_out(key: str) -> bool:
    """Whether a person or a file belongs to the fifth that is never trained on."""
    return int(hashlib.sha256(key.encode()).hexdigest(), 16) % 5 == 0


def iter_archive(path: Path) -> Iterator[tuple[str, Image]]:
    """Read the pictures of an archive.

    Args:
        path: A zip file.

    Yields:
        File name without folders, and RGB ``(H, W, 3)``.
    """
    with zipfile.ZipFile(path) as archive:
        for name in sorted(archive.namelist()):
            if name.lower().endswith(_PICTURES):
                coded = np.frombuffer(archive.read(name), np.uint8)
                image = cv2.imdecode(coded, cv2.IMREAD_COLOR_RGB)
                if image is not None:
                    yield PurePosixPath(name).name, np.asarray(image, np.uint8)


def read_table(path: Path, name: str) -> list[dict[str, str]]:
    """Read a CSV file out of an archive; no rows where there is no such file."""
    with zipfile.ZipFile(path) as archive:
        for entry in archive.namelist():
            if PurePosixPath(entry).name == name:
                text = archive.read(entry).decode("utf-8-sig")
                return list(csv.DictReader(io.StringIO(text)))
    return []


def iter_annotated(path: Path, teacher: Teacher) -> Iterator[LabelledPicture]:
    """Read pictures with a ``boxes.csv``; the teacher adds landmarks and what was left out.

    Raises:
        DatasetError: There is no ``boxes.csv`` with columns image, x1, y1, x2, y2.
    """
    boxes: dict[str, list[list[float]]] = {}
    try:
        for row in read_table(path, "boxes.csv"):
            sides = [float(row[side]) for side in ("x1", "y1", "x2", "y2")]
            boxes.setdefault(row["image"], []).append(sides)
    except (KeyError, ValueError) as error:
        raise DatasetError(f"{path}: boxes.csv needs image, x1, y1, x2, y2: {error}.") from error
    if not boxes:
        raise DatasetError(f"{path} holds no boxes.csv.")
    for name, image in iter_archive(path):
        truth = np.asarray(boxes.get(name, []), np.float32).reshape(-1, 4)
        yield _merge(image, truth, teacher(image, scale=2.0), held_out=is_held_out(name))


def _merge(
    image: Image, truth: FloatArray, found: FloatArray, *, held_out: bool
) -> LabelledPicture:
    """Join annotation and teacher: landmarks where both agree, doubt where only one speaks."""
    landmarks = np.full((len(truth), 10), np.nan, np.float32)
    shared = overlaps(truth, found[:, :4])  # (N, M)
    for i, row in enumerate(shared):
        if row.size and row.max() >= 0.45 and found[row.argmax(), 14] >= 0.5:
            landmarks[i] = found[row.argmax(), 4:14]
    alone = shared.max(axis=0, initial=0) < 0.3
    sides = (found[:, 2:4] - found[:, :2]).min(axis=1, initial=1e9)
    sure = alone & (found[:, 14] >= _TRUSTED + 0.1) & (sides >= _SMALLEST_PX)
    sure &= not held_out  # what is measured against is the annotation alone
    return LabelledPicture(
        image,
        BOXES,
        held_out,
        np.vstack([truth, found[sure, :4]]),
        np.vstack([landmarks, found[sure, 4:14]]),
        found[alone & ~sure, :4],
    )


def iter_portraits(path: Path, teacher: Teacher) -> Iterator[LabelledPicture]:
    """Read portraits, held out by person where ``labels.csv`` names one.

    Those in which the teacher is not sure of a face are left out.
    """
    people = {row["image"]: row.get("person", "") for row in read_table(path, "labels.csv")}
    for name, image in iter_archive(path):
        found = label_portrait(image, teacher)
        sure = found[:, 14] >= _TRUSTED
        if sure.any():
            yield LabelledPicture(
                image,
                PORTRAITS,
                is_held_out(people.get(name) or name),
                found[sure, :4],
                found[sure, 4:14],
                found[~sure, :4],
            )


def label_portrait(image: Image, teacher: Teacher) -> FloatArray:
    """Find the faces of a tight portrait: a border is added, wider where nothing sure was found.

    Returns:
        ``(N, 15)`` as the teacher gives them.
    """
    found = np.zeros((0, 15), np.float32)
    for pad in (0.15, 0.4):
        found = teacher(image, pad=pad)
        if (found[:, 14] >= _TRUSTED).any():
            break
    return found


def iter_scenes(path: Path) -> Iterator[LabelledPicture]:
    """Read pictures without faces, at most 640 pixels long."""
    for name, image in iter_archive(path):
        scale = min(1.0, 640 / max(image.shape[:2]))
        size_wh = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
        small = cv2.resize(image, size_wh, interpolation=cv2.INTER_AREA)
        yield LabelledPicture(np.asarray(small, np.uint8), SCENES, is_held_out(name))


def save_cache(pictures: Sequence[LabelledPicture], folder: Path) -> None:
    """Write pictures as two files that ``load_cache`` maps into memory."""
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "pixels.npy", np.concatenate([p.image.reshape(-1) for p in pictures]))
    rows: list[FloatArray] = []
    for i, picture in enumerate(pictures):
        for boxes, marks, ignored in (
            (picture.boxes, picture.landmarks, 0),
            (picture.ignored, np.full((len(picture.ignored), 10), np.nan, np.float32), 1),
        ):
            head = np.tile(np.array([i, ignored], np.float32), (len(boxes), 1))
            rows.append(np.hstack([head, boxes, marks]))
    np.savez(
        folder / "labels.npz",
        sizes=np.array([p.image.shape[:2] for p in pictures], np.int64),
        kinds=np.array([p.kind for p in pictures]),
        held_out=np.array([p.held_out for p in pictures]),
        faces=np.vstack(rows),
    )


def load_cache(folder: Path) -> list[LabelledPicture]:
    """Read what ``save_cache`` wrote; pixels stay on disk until they are looked at.

    Raises:
        DatasetError: There is no cache in the folder.
    """
    if not (folder / "labels.npz").is_file():
        raise DatasetError(f"{folder} holds no cache; make one with detector_data.")
    pixels = np.load(folder / "pixels.npy", mmap_mode="r")
    with np.load(folder / "labels.npz") as labels:
        sizes, kinds, held_out, faces = (
            labels[name] for name in ("sizes", "kinds", "held_out", "faces")
        )
    starts = np.concatenate([[0], np.cumsum(sizes.prod(axis=1) * 3)])
    picture_of = faces[:, 0].astype(np.int64)
    first = np.searchsorted(picture_of, np.arange(len(sizes) + 1))
    pictures = []
    for i, (height, width) in enumerate(sizes):
        mine = faces[first[i] : first[i + 1]]
        known, doubt = mine[mine[:, 1] == 0], mine[mine[:, 1] == 1]
        image = pixels[starts[i] : starts[i + 1]].reshape(height, width, 3)
        pictures.append(
            LabelledPicture(
                image,
                str(kinds[i]),
                bool(held_out[i]),
                known[:, 2:6],
                known[:, 6:16],
                doubt[:, 2:6],
            )
        )
    return pictures


def main(arguments: Sequence[str] | None = None) -> None:
    """Make a cache from archives."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--teacher", type=Path, required=True, help="YuNet ONNX file")
    parser.add_argument("--boxes", type=Path, action="append", default=[])
    parser.add_argument("--portraits", type=Path, action="append", default=[])
    parser.add_argument("--scenes", type=Path, action="append", default=[])
    parser.add_argument("--cache", type=Path, required=True)
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO)
    cv2.setNumThreads(1)
    teacher = Teacher(options.teacher)
    pictures = [p for path in options.boxes for p in iter_annotated(path, teacher)]
    pictures += [p for path in options.portraits for p in iter_portraits(path, teacher)]
    pictures += [p for path in options.scenes for p in iter_scenes(path)]
    save_cache(pictures, options.cache)
    _LOG.info("%d pictures, %d held out", len(pictures), sum(p.held_out for p in pictures))


if __name__ == "__main__":
    main()
