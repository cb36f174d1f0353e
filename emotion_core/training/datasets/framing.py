"""Where faces lie in the images of a data set, and crops in which they lie likewise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np
from tqdm import tqdm

from emotion_core.detection.boxes import largest
from emotion_core.errors import DatasetError
from emotion_core.recognition.alignment import crop_faces
from emotion_core.training.datasets.image_sources import iter_photos_of
from emotion_core.types import AnalyzeOptions

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from emotion_core.detection.detector import FaceDetector
    from emotion_core.models.card import FivePoints, Preprocessing
    from emotion_core.training.datasets.face_set import FaceSet
    from emotion_core.types import Faces, FloatArray, Image

MAX_IMAGES = 2000
"""Maximum number of images on which a template is measured."""

_SIDE_PX, _BORDER_PX, _MIN_SCORE = 80, 40, 0.8
"""``FaceDetector`` doubles small images, so that its network sees faces of 160 px. Of larger ones
YuNet's landmarks lie further apart: by 0.02 to 0.04 of the side in FER+ images at 320 px."""

_MIN_FACES = 20  # the median of fewer is no measurement
_BATCH = 16


@dataclass(frozen=True, slots=True)
class Template:
    """Where the five landmarks lie in the images of a data set.

    Attributes:
        points: As fractions of the side.
        n_found: Faces whose medians they are.
        n_looked_at: Images that were searched for faces.
    """

    points: FivePoints
    n_found: int
    n_looked_at: int


@dataclass(frozen=True, eq=False, slots=True)
class Crop:
    """The result for one photo.

    Attributes:
        image: Name of the photo, as it was given.
        pixels: ``(S, S, 3)`` RGB of its largest face; ``None`` if there is none.
        reason: Why there is none, for people; else empty.
        is_readable: Whether the photo could be decoded.
    """

    image: str
    pixels: Image | None
    reason: str = ""
    is_readable: bool = True


def measure_template(
    faces: FaceSet, detector: FaceDetector, *, limit: int = MAX_IMAGES
) -> Template:
    """Measures where eyes, nose tip and mouth corners lie in the images of a data set.

    Takes medians over random images, each scaled to 80 px with a replicated border of 40 px, and
    over the largest faces with a score of at least 0.8.

    Args:
        faces: The data set.
        detector: Must return landmarks.
        limit: Maximum number of images; always the same ones.

    Raises:
        DatasetError: Faces are found in too few images, or an image cannot be read.
    """
    n = min(limit, len(faces))
    chosen = np.random.default_rng(0).choice(len(faces), n, replace=False).astype(np.int64)
    found: list[FloatArray] = []
    with tqdm(total=n, unit="image", disable=None, leave=False) as bar:
        for start in range(0, n, _BATCH):
            part = chosen[start : start + _BATCH]
            images = [_with_border(p) for p in faces.images.load(part, _SIDE_PX, 3)]
            for detected in detector.detect(images, AnalyzeOptions(_MIN_SCORE)):
                best = find_largest(detected)
                if best is not None and best.landmarks is not None:
                    found.append((best.landmarks[0] - _BORDER_PX) / _SIDE_PX)
            bar.update(len(part))
    if len(found) < _MIN_FACES:
        raise DatasetError(
            f"The detector finds a face in {len(found)} of {n} images of {faces.name}, which is "
            f"too few to measure how faces lie in them (at least {_MIN_FACES}); are they faces?"
        )
    medians = np.median(np.stack(found), axis=0)  # (5, 2)
    points = [(round(float(x), 3), round(float(y), 3)) for x, y in medians]
    return Template((points[0], points[1], points[2], points[3], points[4]), len(found), n)


def crop_largest(
    folder: Path,
    images: Iterable[str],
    detector: FaceDetector,
    preprocessing: Preprocessing,
) -> Iterator[Crop]:
    """Cuts the largest face out of each photo, as the product does for a network.

    Photos are read on demand, so that memory does not grow with their number.

    Args:
        folder: Holds the photos.
        images: Names of the photos inside it.
        detector: Finds the faces.
        preprocessing: Size and position of the faces in the crops.

    Yields:
        One ``Crop`` per photo, in order.
    """
    for batch in iter_photos_of(folder, images):
        photos = [photo for _, photo in batch if not isinstance(photo, str)]
        found = iter(detector.detect(photos) if photos else ())
        for image, photo in batch:
            if isinstance(photo, str):
                yield Crop(image, None, photo, is_readable=False)
                continue
            face = find_largest(next(found))
            if face is None:
                yield Crop(image, None, "no face found")
            else:
                yield Crop(image, crop_faces(photo, face, preprocessing)[0])


def find_largest(faces: Faces) -> Faces | None:
    """The face whose box has the largest area, alone; ``None`` if there is no face."""
    if not len(faces):
        return None
    return faces[np.array([largest(faces.boxes)], np.int64)]


def _with_border(image: Image) -> Image:
    border = (_BORDER_PX,) * 4
    return np.asarray(cv2.copyMakeBorder(image, *border, cv2.BORDER_REPLICATE), np.uint8)
