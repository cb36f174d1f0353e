"""Faces cut out of labelled photos into a folder that the reader ``csv`` takes."""

from __future__ import annotations

import csv
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import cv2

from emotion_core.errors import DatasetError, EmotionError
from emotion_core.photos.tables import numbered
from emotion_core.training.datasets.framing import crop_largest
from emotion_core.training.datasets.label_file import find_label_file
from emotion_core.training.datasets.tables import (
    LABELS_FILE,
    iter_table_images,
    read_columns,
    to_half,
    to_label,
    to_rating,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from emotion_core.detection.detector import FaceDetector
    from emotion_core.labels import Emotion
    from emotion_core.models.card import Preprocessing
    from emotion_core.training.datasets.framing import Crop
    from emotion_core.types import Image

MISSED_FILE = "missed.csv"


@dataclass(frozen=True, slots=True)
class LabelledPhoto:
    """A photo, and the line that labels it.

    Attributes:
        image: Path inside the folder.
        half: Sub-folder for its crop; empty for none.
        cells: The whole line by column.
    """

    image: str
    half: str
    cells: dict[str, str]


@dataclass(slots=True)
class CropCount:
    """How many photos became crops.

    Attributes:
        cut: Crops written, by sub-folder; the key is empty where there are no halves.
        no_face: Photos in which no face was found.
        unreadable: Photos that could not be decoded.
    """

    cut: dict[str, int] = field(default_factory=dict)
    no_face: int = 0
    unreadable: int = 0


def read_labelled_photos(
    root: Path, *, halves: str | None = None, skip: Collection[Emotion] = ()
) -> list[LabelledPhoto]:
    """Read which photos there are, from ``labels.csv``.

    Args:
        root: The folder or its CSV file, with a column ``image``.
        halves: Column by whose value photos go to half a (CRC-32 of its UTF-8 bytes is even) or b,
            so that a value, e.g. a person, is never in both.
        skip: Photos of these emotions are left out.

    Raises:
        DatasetError: The file or a column is missing, or a line is not as it must be.
    """
    path = find_label_file(root)
    photos = []
    for image, row in iter_table_images(path, [halves.lower()] if halves else []):
        emotion = to_label(row)
        for column in ("valence", "arousal"):
            to_rating(row, column)  # wrong ones are told now, not by who reads the crops
        if emotion not in skip:
            photos.append(
                LabelledPhoto(image, to_half(row, halves) if halves else "", dict(row.cells))
            )
    if not photos:
        raise DatasetError(f"{path} lists no photo to crop.")
    return photos


def write_crops(
    root: Path,
    photos: Sequence[LabelledPhoto],
    out: Path,
    detector: FaceDetector,
    preprocessing: Preprocessing,
) -> Iterator[CropCount]:
    """Cut the largest face out of each photo into ``out``, or its folders ``a`` and ``b``.

    Crops keep their photo's path, as PNG, and ``labels.csv`` beside them the photo's line. Photos
    without a crop are listed in ``out/missed.csv`` with the reason. Lines are written as they come,
    so that what there is after an interruption is whole.

    Args:
        root: The folder of the photos, or its CSV file.
        photos: From ``read_labelled_photos``.
        out: Must not exist, or be empty.
        detector: The product's.
        preprocessing: Size and place of the faces in the crops.

    Returns:
        Does the work: gives the same count after each photo.

    Raises:
        DatasetError: ``out`` holds files, or cannot be written.
    """
    path = find_label_file(root)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise DatasetError(f"{out} is not an empty folder; choose another for the crops.")
    images = [photo.image for photo in photos]
    crops = crop_largest(path.parent, images, detector, preprocessing)
    return _write(photos, crops, out, read_columns(path))


def _write(
    photos: Sequence[LabelledPhoto], crops: Iterator[Crop], out: Path, columns: Sequence[str]
) -> Iterator[CropCount]:
    names = _name_crops(photos)
    count = CropCount(dict.fromkeys(sorted({photo.half for photo in photos}), 0))
    try:
        with ExitStack() as files:
            tables = {
                half: _start_table(out / half / LABELS_FILE, columns, files) for half in count.cut
            }
            missed = _start_table(out / MISSED_FILE, ["image", "reason"], files)
            for photo, name, crop in zip(photos, names, crops, strict=True):
                if crop.pixels is None:
                    missed.writerow({"image": photo.image, "reason": crop.reason})
                else:
                    _write_png(out / photo.half / name, crop.pixels)
                    tables[photo.half].writerow({**photo.cells, "image": name})
                _add(count, photo, crop)
                yield count
    except EmotionError:
        raise
    except OSError as error:
        raise DatasetError(f"{out} cannot be written ({error.strerror or error}).") from error


def _add(count: CropCount, photo: LabelledPhoto, crop: Crop) -> None:
    if crop.pixels is not None:
        count.cut[photo.half] += 1
    elif crop.is_readable:
        count.no_face += 1
    else:
        count.unreadable += 1


def _name_crops(photos: Sequence[LabelledPhoto]) -> list[str]:
    """Names of the crops, no two the same even where capitals don't count."""
    taken: set[str] = set()
    names = []
    for photo in photos:
        path = PurePosixPath(photo.image.replace("\\", "/")).with_suffix("")
        names.append(next(n for n in numbered(str(path), ".png") if n.lower() not in taken))
        taken.add(names[-1].lower())
    return names


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
