"""The data of the face detector: folders or ZIP files of images, and WIDER FACE."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import numpy as np

from emotion_core.errors import DatasetError
from emotion_core.training.datasets.tables import (
    BOX,
    LABELS_FILE,
    iter_rows,
    to_face,
    to_inner_path,
)
from emotion_core.training.detector.image_archive import ImageArchive
from emotion_core.training.detector.samples import DetectionSample, SampleKind, is_held_out
from emotion_core.training.detector.wider import read_wider

if TYPE_CHECKING:
    from pathlib import Path

    from emotion_core.training.detector.image_archive import ImageFile

BOXES_FILE = "boxes.csv"


def read_box_samples(path: Path) -> list[DetectionSample]:
    """Reads images whose faces are marked in ``boxes.csv``, one face per line.

    Columns: image, a path relative to the table; x1, y1, x2, y2 in pixels of the upright image, all
    empty in the one line of an image without faces; optionally landmarks lx1, ly1 to lx5, ly5.
    Images that the table does not list are left out.

    Args:
        path: Folder or ZIP file.

    Returns:
        In the order of the table; a fifth is held out by a hash of the names.

    Raises:
        DatasetError: There is no such table, or it lists no existing image.
    """
    folder = ImageArchive(path)
    table = folder.find_table(BOXES_FILE)
    if table is None:
        raise DatasetError(
            f"{path} holds no {BOXES_FILE}; it must mark the faces in the columns image, x1, y1, "
            "x2, y2."
        )
    faces: dict[str, list[list[float]]] = {}
    for row in iter_rows(table, ["image", *BOX]):
        rows = faces.setdefault(to_inner_path(row.cells["image"], row.location), [])
        if any(row.cells[side] for side in BOX):
            box, points = to_face(row)
            rows.append([*box, *(points or [np.nan] * 10)])
    if not faces:
        raise DatasetError(f"{table} names no image.")
    return [_to_sample(folder, table, name, rows) for name, rows in faces.items()]


def read_portraits(path: Path) -> list[DetectionSample]:
    """Reads portraits, whose faces a teacher will mark.

    Args:
        path: Folder or ZIP file. With a ``labels.csv`` that has the columns image and person,
            either all images of a person are held out or none.

    Raises:
        DatasetError: There is no image.
    """
    folder = ImageArchive(path)
    table = folder.find_table(LABELS_FILE)
    people: dict[str, str] = {}
    if table is not None:
        for row in iter_rows(table, ["image"]):
            name = _beside(table, row.cells["image"])
            people[name] = row.cells.get("person", "")
    return [
        DetectionSample(
            file, SampleKind.PORTRAITS, is_held_out(people.get(file.name) or _key(file))
        )
        for file in _all_images(folder)
    ]


def read_scenes(path: Path) -> list[DetectionSample]:
    """Reads images without faces from a folder or ZIP file.

    Raises:
        DatasetError: There is no image.
    """
    return [
        DetectionSample(file, SampleKind.SCENES, is_held_out(_key(file)))
        for file in _all_images(ImageArchive(path))
    ]


def _all_images(folder: ImageArchive) -> list[ImageFile]:
    if not folder.images:
        raise DatasetError(f"{folder.path} holds no image.")
    return folder.images


def _key(file: ImageFile) -> str:
    return PurePosixPath(file.name).name


def _beside(table: ImageFile, image: str) -> str:
    """Path of an image inside the source, from that relative to the table."""
    return str(PurePosixPath(table.name).parent / image.replace("\\", "/"))


def _to_sample(
    folder: ImageArchive, table: ImageFile, image: str, rows: list[list[float]]
) -> DetectionSample:
    file = folder.find(_beside(table, image))
    if file is None:
        raise DatasetError(f"{table} names the image {image}, which is not there.")
    faces = np.asarray(rows, np.float32).reshape(-1, 14)
    held_out = is_held_out(PurePosixPath(image).name)
    return DetectionSample(file, SampleKind.BOXES, held_out, faces[:, :4], faces[:, 4:])


@dataclass(frozen=True, slots=True)
class Sources:
    """The data of a detector as a user names it.

    Attributes:
        boxes: Folders and ZIP files of images with ``boxes.csv``.
        portraits: The same, with images for a teacher to mark.
        scenes: The same, with images without faces.
        wider: WIDER FACE's folder; ``None`` if it is not used.
    """

    boxes: tuple[Path, ...] = ()
    portraits: tuple[Path, ...] = ()
    scenes: tuple[Path, ...] = ()
    wider: Path | None = None

    def read(self) -> dict[str, list[DetectionSample]]:
        """Reads all sources.

        Returns:
            Images by attribute; empty lists for sources that are not named.

        Raises:
            DatasetError: None is named, or one is not laid out as its reader expects.
        """
        images = {
            "boxes": [p for path in self.boxes for p in read_box_samples(path)],
            "wider": read_wider(self.wider) if self.wider else [],
            "portraits": [p for path in self.portraits for p in read_portraits(path)],
            "scenes": [p for path in self.scenes for p in read_scenes(path)],
        }
        if not any(images.values()):
            raise DatasetError("Name data: --boxes, --portraits, --scenes, --wider, or several.")
        return images


def choose_validation(held_out: list[DetectionSample], limit: int) -> list[DetectionSample]:
    """At most ``limit`` held-out images, evenly spread: marked by hand, or else portraits."""
    kinds = (SampleKind.BOXES, SampleKind.PORTRAITS)
    found = next((m for kind in kinds if (m := [p for p in held_out if p.kind is kind])), [])
    n = min(limit, len(found))
    return [found[i * len(found) // n] for i in range(n)]
