"""WIDER FACE in its official layout.

Source: S. Yang et al., "WIDER FACE: A Face Detection Benchmark", CVPR 2016; the layout is given by
the readme of its ``wider_face_split.zip``, the settings by its ``eval_tools``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from emotion_core.errors import DatasetError
from emotion_core.training.detector.image_archive import ImageFile
from emotion_core.training.detector.samples import DetectionSample, SampleKind, is_held_out

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    import numpy.typing as npt

    from emotion_core.types import FloatArray

SETTINGS = ("easy", "medium", "hard")
_LANDMARKS = "retinaface_gt_v1.1/train/label.txt"
_INVALID = 7  # x1 y1 w h blur expression illumination invalid occlusion pose
_COLUMNS = 10


@dataclass(frozen=True, eq=False, slots=True)
class WiderTruth:
    """Ground truth of the official evaluation for an image.

    Attributes:
        boxes: ``(N, 4)`` x1, y1, x2, y2 of all faces.
        targets: ``(N,)`` for each setting, whether it includes a face; others are neutral.
    """

    boxes: FloatArray
    targets: Mapping[str, npt.NDArray[np.bool_]]


def read_wider(root: Path) -> list[DetectionSample]:
    """Reads the training and validation images, as far as they exist.

    Boxes that the list calls invalid, or that have no area, are ignored. The validation images are
    held out; if they are missing, a fifth of the others is. Landmarks of the training faces come
    from RetinaFace's ``retinaface_gt_v1.1/train/label.txt``, if it exists.

    Args:
        root: Holds ``WIDER_train``, ``WIDER_val`` and ``wider_face_split``.

    Raises:
        DatasetError: Lists or images are missing, or a list is laid out differently.
    """
    parts = {name: (root / f"WIDER_{name}" / "images").is_dir() for name in ("train", "val")}
    if not any(parts.values()):
        raise DatasetError(
            f"{root} holds neither WIDER_train/images nor WIDER_val/images; unpack WIDER FACE's "
            "ZIP files there."
        )
    samples = list(_read_part(root, "val")) if parts["val"] else []
    if parts["train"]:
        landmarks = _read_landmarks(root / _LANDMARKS)
        for sample in _read_part(root, "train"):
            held_out = not parts["val"] and is_held_out(sample.file.name)
            marks = _match_landmarks(sample, landmarks.get(sample.file.name, {}))
            samples.append(replace(sample, held_out=held_out, landmarks=marks))
    return samples


def _read_part(root: Path, part: str) -> Iterator[DetectionSample]:
    table = root / "wider_face_split" / f"wider_face_{part}_bbx_gt.txt"
    folder = root / f"WIDER_{part}" / "images"
    lines = iter(_read_lines(table))
    for name in filter(None, map(str.strip, lines)):
        faces = _read_faces(lines, f"{name} in {table}")
        boxes = np.hstack([faces[:, :2], faces[:, :2] + faces[:, 2:4]])
        valid = (faces[:, 2:4] > 0).all(axis=1) & (faces[:, _INVALID] == 0)
        path = folder / name
        if not path.is_file():
            raise DatasetError(f"{table} names {name}, which is not in {folder}.")
        yield DetectionSample(
            ImageFile(folder, name, path.stat().st_size),
            SampleKind.BOXES,
            part == "val",
            boxes[valid],
            np.full((int(valid.sum()), 10), np.nan, np.float32),
            boxes[~valid & (faces[:, 2:4] > 0).all(axis=1)],
        )


def _read_faces(lines: Iterator[str], location: str) -> FloatArray:
    """The faces of one image, ``(N, 10)`` as listed; a count of 0 has one line of zeros."""
    try:
        count = int(next(lines))
        rows = [[float(word) for word in next(lines).split()] for _ in range(max(1, count))]
        faces = np.asarray(rows, np.float32)[:count]
    except (ValueError, StopIteration) as error:
        text = f"{location}: a count and a line of numbers per face must follow."
        raise DatasetError(text) from error
    if faces.ndim != 2 or faces.shape[1] != _COLUMNS:
        raise DatasetError(f"{location}: a face must have {_COLUMNS} numbers.")
    return faces


_Landmarks = dict[tuple[int, ...], list[float]]


def _read_landmarks(path: Path) -> dict[str, _Landmarks]:
    """RetinaFace's landmarks by image and box (x, y, w, h); empty if there is no file.

    Lines: ``# name``, then per face x y w h, five times x y and a flag, and a quality; -1 stands
    for unknown. Source: J. Deng et al., "RetinaFace", CVPR 2020, and its annotations.
    """
    found: dict[str, _Landmarks] = {}
    if not path.is_file():
        return found
    faces: _Landmarks = {}
    for i, line in enumerate(_read_lines(path), 1):
        if line.startswith("#"):
            faces = found.setdefault(line[1:].strip(), {})
            continue
        try:
            numbers = [float(word) for word in line.split()]
        except ValueError as error:
            raise DatasetError(f"Line {i} of {path} holds something else than numbers.") from error
        points = [v for k in range(4, 19, 3) for v in numbers[k : k + 2]]
        if len(points) == 10 and min(points) >= 0:
            faces[tuple(int(v) for v in numbers[:4])] = points
    return found


def _read_lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise DatasetError(f"{path} cannot be read ({error.strerror or error}).") from error
    except UnicodeDecodeError as error:
        raise DatasetError(f"{path} is not text in UTF-8 ({error}).") from error


def _match_landmarks(sample: DetectionSample, known: _Landmarks) -> FloatArray:
    marks = sample.landmarks.copy()
    for i, (x1, y1, x2, y2) in enumerate(sample.boxes.astype(int).tolist()):
        marks[i] = known.get((x1, y1, x2 - x1, y2 - y1), np.nan)
    return marks


def find_settings(root: Path) -> Path | None:
    """The folder of the official evaluation's ground truth; ``None`` if it is missing."""
    for location in ("wider_face_split", "eval_tools/ground_truth"):
        if all((root / location / f"wider_{name}_val.mat").is_file() for name in SETTINGS):
            return root / location
    return None


def read_settings(folder: Path) -> dict[str, WiderTruth]:
    """Reads which faces count as easy, medium and hard.

    Args:
        folder: Holds ``wider_easy_val.mat`` and the other two.

    Returns:
        By image, as the lists name it: ``event/file.jpg``.

    Raises:
        DatasetError: A file is not the official one.
    """
    from scipy.io import loadmat

    truths: dict[str, WiderTruth] = {}
    for setting in SETTINGS:
        path = folder / f"wider_{setting}_val.mat"
        try:
            for name, boxes, targets in _iter_setting(loadmat(str(path))):
                before = truths[name].targets if name in truths else {}
                truths[name] = WiderTruth(boxes, {**before, setting: targets})
        except (OSError, ValueError, KeyError, IndexError, TypeError) as error:
            raise DatasetError(f"{path} is not WIDER FACE's ground truth ({error}).") from error
    return truths


def _iter_setting(
    table: Mapping[str, Any],
) -> Iterator[tuple[str, FloatArray, npt.NDArray[np.bool_]]]:
    """Image, boxes and which of them count; the cells are nested arrays of objects."""
    events = zip(
        table["event_list"], table["file_list"], table["face_bbx_list"], table["gt_list"],
        strict=True,
    )  # fmt: skip
    for (event,), (files,), (boxes,), (counted,) in events:
        for (file,), (faces,), (indices,) in zip(files, boxes, counted, strict=True):
            corners = np.asarray(faces, np.float32).reshape(-1, 4)
            corners = np.hstack([corners[:, :2], corners[:, :2] + corners[:, 2:]])
            targets = np.zeros(len(corners), bool)
            targets[np.asarray(indices, np.int64).ravel() - 1] = True  # they count from 1
            yield f"{event[0]}/{file[0]}.jpg", corners, targets
