"""The photos and frames that labels are about, and which of the faces in them is meant."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from emotion_core.detection.boxes import iou_matrix, largest
from emotion_core.errors import ImageDecodeError, VideoDecodeError
from emotion_core.imaging.codec import decode_image
from emotion_core.training.datasets.image_sources import batch_images
from emotion_core.video.io.reader import frame_at

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from emotion_core.training.datasets.photo_labels import PhotoLabel
    from emotion_core.types import Faces, Image

_SAME_FACE = 0.3
"""Minimum intersection over union of a labelled box and a face for them to be the same: boxes that
were drawn by hand or by another detector differ more than faces beside each other overlap."""

Rows = tuple[int, ...]


def iter_labelled_images(
    folder: Path, labels: Sequence[PhotoLabel]
) -> Iterator[list[tuple[Rows, Image | str]]]:
    """Decodes the photos and frames of labels on demand, each once, in bounded batches.

    Args:
        folder: Holds the photos and videos.
        labels: Of faces in them.

    Yields:
        The rows of ``labels`` about an image, and its pixels, RGB ``(H, W, 3)``, or in their place
        why it cannot be used.
    """
    rows: dict[tuple[str, float | None], list[int]] = {}
    for i, label in enumerate(labels):
        rows.setdefault((label.image, label.time_s), []).append(i)
    images = ((tuple(which), _decode(folder / name, at)) for (name, at), which in rows.items())
    return batch_images(images)


def find_labelled_face(faces: Faces, label: PhotoLabel) -> int | None:
    """Index of the face that a label is about; without a box the largest. ``None``: it is not here.

    Args:
        faces: Found in the label's image.
        label: The label.
    """
    if not len(faces):
        return None
    if label.box is None:
        return largest(faces.boxes)
    overlap = iou_matrix(np.array([label.box], np.float32), faces.boxes)[0]
    best = int(overlap.argmax())
    return best if overlap[best] >= _SAME_FACE else None


def _decode(path: Path, time_s: float | None) -> Image | str:
    try:
        if time_s is not None:
            return frame_at(path, time_s).image
        return decode_image(path.read_bytes()).pixels
    except (ImageDecodeError, VideoDecodeError) as error:
        return str(error)
    except OSError as error:
        return f"The file cannot be read ({error.strerror or error})."
