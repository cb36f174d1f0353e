"""Faces cut out of labelled photos into a folder that the reader ``csv`` takes."""

from __future__ import annotations

import csv
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import cv2

from emotion_core.errors import DatasetError
from emotion_core.photos.tables import numbered
from emotion_core.training.datasets.framing import crop_largest
from emotion_core.training.datasets.photo_labels import find_label_file, to_photo_label
from emotion_core.training.datasets.tables import (
    LABELS_FILE,
    iter_table_images,
    to_half,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from emotion_core.detection.detector import FaceDetector
    from emotion_core.labels import Emotion
    from emotion_core.models.card import Preprocessing
    from emotion_core.training.datasets.framing import Crop
    from emotion_core.training.datasets.photo_labels import PhotoLabel
    from emotion_core.types import Image

MISSED_FILE = "missed.csv"


@dataclass(slots=True)
class CropCount:
    """How many photos became crops.

    Attributes:
        cut: Crops by sub-folder; the key is empty where there are no halves.
        no_face: Photos in which no face was found.
        unreadable: Photos that could not be decoded.
    """

    cut: dict[str, int] = field(default_factory=dict)
    no_face: int = 0
    unreadable: int = 0


def read_labelled_photos(root: Path, *, skip: Collection[Emotion] = ()) -> list[PhotoLabel]:
    """Reads the labels of a folder or its CSV file, except those of the emotions in ``skip``.

    Raises:
        DatasetError: The file is missing, a line is invalid, or no photo is left.
    """
    path = find_label_file(root)
    labels = [to_photo_label(image, row) for image, row in iter_table_images(path)]
    kept = [label for label in labels if label.emotion not in skip]
    if not kept:
        raise DatasetError(f"{path} lists no photo to crop.")
    return kept


def write_crops(
    folder: Path,
    photos: Sequence[PhotoLabel],
    out: Path,
    detector: FaceDetector,
    preprocessing: Preprocessing,
    halves: str | None = None,
) -> Iterator[CropCount]:
    """Cuts the largest face out of each photo into ``out``, or into its folders ``a`` and ``b``.

    Crops are PNG files with the paths of their photos, and ``labels.csv`` has the photos' lines.
    ``out/missed.csv`` lists photos without a crop, and the reason. Lines are written at once, so
    that the tables are complete even after an interruption.

    Args:
        folder: Holds the photos.
        photos: From ``read_labelled_photos``; at least one.
        out: Must be empty or not exist.
        detector: Finds the faces.
        preprocessing: Size and position of the faces in the crops.
        halves: Column by whose value photos go to half a or b, see ``to_half``.

    Returns:
        An iterator that does the work and yields the same count after each photo.

    Raises:
        DatasetError: ``out`` is not empty or cannot be written, or the column is missing.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise DatasetError(f"{out} is not an empty folder; choose another for the crops.")
    folders = [to_half(photo.row, halves) if halves else "" for photo in photos]
    crops = crop_largest(folder, [photo.image for photo in photos], detector, preprocessing)
    return _write(zip(photos, folders, crops, strict=True), folders, out, list(photos[0].row.cells))


def _write(
    crops: Iterable[tuple[PhotoLabel, str, Crop]],
    folders: Sequence[str],
    out: Path,
    columns: Sequence[str],
) -> Iterator[CropCount]:
    count = CropCount(dict.fromkeys(sorted(set(folders)), 0))
    taken: set[str] = set()
    try:
        with ExitStack() as files:
            tables = {
                half: _start_table(out / half / LABELS_FILE, columns, files) for half in count.cut
            }
            missed = _start_table(out / MISSED_FILE, ["image", "reason"], files)
            for photo, half, crop in crops:
                name = _name_crop(photo.image, taken)
                if crop.pixels is not None:
                    _write_png(out / half / name, crop.pixels)
                    tables[half].writerow({**photo.row.cells, "image": name})
                    count.cut[half] += 1
                else:
                    missed.writerow({"image": photo.image, "reason": crop.reason})
                    count.no_face += crop.is_readable
                    count.unreadable += not crop.is_readable
                yield count
    except OSError as error:
        raise DatasetError(f"{out} cannot be written ({error.strerror or error}).") from error


def _name_crop(image: str, taken: set[str]) -> str:
    """Names a crop after its photo; names are unique even if case is ignored."""
    path = PurePosixPath(image.replace("\\", "/")).with_suffix("")
    name = next(n for n in numbered(str(path), ".png") if n.lower() not in taken)
    taken.add(name.lower())
    return name


def _start_table(path: Path, columns: Sequence[str], files: ExitStack) -> csv.DictWriter[str]:
    path.parent.mkdir(parents=True, exist_ok=True)
    file = files.enter_context(path.open("w", encoding="utf-8", newline=""))
    writer = csv.DictWriter(file, columns, lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    return writer


def _write_png(path: Path, pixels: Image) -> None:
    _, data = cv2.imencode(".png", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data.tobytes())
