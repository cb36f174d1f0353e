"""The teacher's labels, computed once and stored as they come."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import cv2
import numpy as np
from tqdm import tqdm

from emotion_core.errors import DatasetError
from emotion_core.models.runtime import usable_cores
from emotion_core.training.detector.pseudo_labeller import join_labels, mark
from emotion_core.training.detector.samples import SampleKind

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from emotion_core.training.detector.pseudo_labeller import PseudoLabeller
    from emotion_core.training.detector.samples import DetectionSample
    from emotion_core.types import FloatArray

_LOG = logging.getLogger(__name__)

_RECIPE = 1
"""Version of ``mark``; labels of other versions are not used."""

_Labels = dict[tuple[str, int], "FloatArray | None"]


def pseudo_label(
    samples: Sequence[DetectionSample], teacher: PseudoLabeller, folder: Path
) -> list[DetectionSample]:
    """Lets a teacher mark portraits, and completes the labels of training images.

    Held-out images keep the labels made by hand, and scenes have no face.

    Args:
        samples: Any.
        teacher: Runs on images that it has not labelled before.
        folder: Of its labels: JSON lines, a file per source, kind and teacher.

    Returns:
        In the same order, without unreadable images and portraits in which no face is certain.

    Raises:
        DatasetError: The folder cannot be read or written.
    """
    labels: dict[Path, _Labels] = {}
    by_path: dict[Path, list[DetectionSample]] = {}
    for sample in filter(_needs_teacher, samples):
        by_path.setdefault(_path_of(sample, teacher, folder), []).append(sample)
    for path, group in by_path.items():
        labels[path] = _complete(group, teacher, path)
    labelled, unreadable, unsure = [], 0, 0
    for sample in samples:
        joined: DetectionSample | None = sample
        if _needs_teacher(sample):
            found = labels[_path_of(sample, teacher, folder)][_key(sample)]
            joined = None if found is None else join_labels(sample, found)
            unreadable += found is None
            unsure += found is not None and joined is None
        if joined is not None:
            labelled.append(joined)
    if unreadable or unsure:
        text = "Left out: %d images that cannot be read, %d portraits without a sure face."
        _LOG.warning(text, unreadable, unsure)
    return labelled


def _needs_teacher(sample: DetectionSample) -> bool:
    by_hand = sample.kind is SampleKind.BOXES and not sample.held_out
    return sample.kind is SampleKind.PORTRAITS or by_hand


def _key(sample: DetectionSample) -> tuple[str, int]:
    return sample.file.name, sample.file.n_bytes


def _path_of(sample: DetectionSample, teacher: PseudoLabeller, folder: Path) -> Path:
    source = sample.file.source
    text = f"{source.name} {sample.kind} {teacher.sha256} {_RECIPE}"
    digest = hashlib.sha256(text.encode()).hexdigest()[:12]
    return folder / f"{sample.kind}-{source.stem}-{digest}.jsonl"


def _complete(samples: Sequence[DetectionSample], teacher: PseudoLabeller, path: Path) -> _Labels:
    """Reads a file of labels, and adds what is missing."""
    try:
        labels = _read(path)
        missing = [p for p in samples if _key(p) not in labels]
        if missing:
            _LOG.info("Asking %s about %d images; kept in %s.", teacher.name, len(missing), path)
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("a", encoding="utf-8") as file:
                for sample, found in _iter_marked(missing, teacher):
                    labels[_key(sample)] = found
                    file.write(_to_line(sample, found))
                    file.flush()
    except OSError as error:
        text = f"Labels cannot be kept in {path} ({error.strerror or error}); choose --labels."
        raise DatasetError(text) from error
    return labels


def _iter_marked(
    samples: Sequence[DetectionSample], teacher: PseudoLabeller
) -> Iterator[tuple[DetectionSample, FloatArray | None]]:
    """Runs the teacher on all cores, in order; ``None`` for images that cannot be read."""

    def work(sample: DetectionSample) -> FloatArray | None:
        try:
            return mark(teacher, sample.file.read(), sample.kind)
        except DatasetError as error:
            _LOG.warning("%s", error)
            return None

    pool = ThreadPoolExecutor(usable_cores(), thread_name_prefix="teacher")
    try:
        with (
            _one_opencv_thread(),
            tqdm(
                zip(samples, pool.map(work, samples), strict=True),
                total=len(samples),
                unit="image",
                disable=None,
                leave=False,
            ) as bar,
        ):
            yield from bar
    finally:
        pool.shutdown(cancel_futures=True)


@contextlib.contextmanager
def _one_opencv_thread() -> Iterator[None]:
    """Limits OpenCV to one thread, as several images are processed at once."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)


def _to_line(sample: DetectionSample, found: FloatArray | None) -> str:
    faces = None
    if found is not None:
        faces = [[round(float(v), 2) for v in f[:14]] + [round(float(f[14]), 4)] for f in found]
    name, n_bytes = _key(sample)
    return json.dumps({"image": name, "bytes": n_bytes, "faces": faces}) + "\n"


def _read(path: Path) -> _Labels:
    """Reads the labels of a file; an incomplete last line, left by an interruption, is removed."""
    labels: _Labels = {}
    if not path.is_file():
        return labels
    text = path.read_bytes()
    end = text.rfind(b"\n") + 1
    if end < len(text):
        with path.open("r+b") as file:
            file.truncate(end)
    for i, line in enumerate(text[:end].splitlines(), 1):
        try:
            fields = json.loads(line)
            faces = fields["faces"]
            found = None if faces is None else np.asarray(faces, np.float32).reshape(-1, 15)
            labels[fields["image"], int(fields["bytes"])] = found
        except (ValueError, KeyError, TypeError) as error:
            raise DatasetError(f"Line {i} of {path} is no label; remove the file.") from error
    return labels
