"""Square images of faces, in memory or read from files on demand."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import cv2
import numpy as np

from emotion_core.errors import DatasetError, ImageDecodeError
from emotion_core.imaging.codec import decode_image
from emotion_core.models.runtime import usable_cores
from emotion_core.training.datasets.face_set import LABELS, FaceSet

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import numpy.typing as npt

    from emotion_core.training.datasets.face_set import Channels, ImageSource, Indices
    from emotion_core.types import FloatArray, Image

_T = TypeVar("_T")
_Pixels = TypeVar("_Pixels", "Image", "Image | str")

_BATCH, _BATCH_PIXELS = 16, 25_000_000


class ArrayImages:
    """Images in memory.

    Args:
        faces: ``(N, S, S)`` grey or ``(N, S, S, 3)`` RGB, 0-255.
    """

    def __init__(self, faces: npt.NDArray[np.uint8]) -> None:
        is_square = faces.ndim in (3, 4) and faces.shape[1] == faces.shape[2]
        if not is_square or faces.shape[3:] not in ((), (3,)):
            raise ValueError(f"Faces must be (N, S, S) or (N, S, S, 3), not {faces.shape}.")
        self._faces = faces

    def __len__(self) -> int:
        return len(self._faces)

    def load(self, indices: Indices, size_px: int, channels: Channels) -> Image:
        """See ``ImageSource``."""
        chosen = self._faces[indices]
        if chosen.shape[1] != size_px:
            shape = (len(chosen), size_px, size_px, *chosen.shape[3:])
            resized = np.empty(shape, np.uint8)
            for row, face in zip(resized, chosen, strict=True):
                row[...] = _resize(face, size_px)
            chosen = resized
        return _to_channels(chosen, channels)


class FileImages:
    """Images in files, read on demand by several threads.

    Images are turned upright by their EXIF orientation, and cropped to the largest central square.

    Args:
        paths: One file per face.
        boxes: ``(N, 4)`` x1, y1, x2, y2 in pixels, the part of each image to use, clipped to the
            image; NaN for all of it. ``None``: all images are used whole.
    """

    def __init__(self, paths: Iterable[Path | str], boxes: FloatArray | None = None) -> None:
        self._paths = tuple(os.fspath(path) for path in paths)  # a string takes a third of a Path
        if boxes is not None and boxes.shape != (len(self._paths), 4):
            raise ValueError(f"Boxes must be (N, 4) with N = {len(self._paths)}.")
        self._boxes = boxes

    def __len__(self) -> int:
        return len(self._paths)

    def load(self, indices: Indices, size_px: int, channels: Channels) -> Image:
        """See ``ImageSource``."""
        faces = np.empty((len(indices), size_px, size_px, 3), np.uint8)

        def read(row: int) -> None:
            faces[row] = _resize(self._read(int(indices[row])), size_px)

        # A pool for each call: no threads lie idle, and a forked process has none that hang.
        with ThreadPoolExecutor(usable_cores()) as pool:
            for _ in pool.map(read, range(len(indices))):
                pass
        return _to_channels(faces, channels)

    def _read(self, index: int) -> Image:
        path = Path(self._paths[index])
        try:
            image = decode_image(path.read_bytes()).pixels
        except ImageDecodeError as error:
            raise DatasetError(f"{path} cannot be used: {error}") from error
        except OSError as error:
            raise DatasetError(f"{path} cannot be read ({error.strerror or error}).") from error
        if self._boxes is not None and np.isfinite(self._boxes[index]).all():
            image = _cut(image, self._boxes[index])
            if not image.size:
                raise DatasetError(f"The box of the face in {path} lies outside of the image.")
        return _centre_square(image)


class _JoinedImages:
    """Images of several sets, one after another."""

    def __init__(self, parts: Sequence[ImageSource]) -> None:
        self._parts = tuple(parts)
        self._ends = np.cumsum([len(part) for part in parts])

    def __len__(self) -> int:
        return int(self._ends[-1])

    def load(self, indices: Indices, size_px: int, channels: Channels) -> Image:
        """See ``ImageSource``."""
        faces = np.empty((len(indices), size_px, size_px, channels), np.uint8)
        owners = np.searchsorted(self._ends, indices, side="right")
        for owner in np.unique(owners):
            part = self._parts[owner]
            rows = np.flatnonzero(owners == owner)
            within = indices[rows] - (self._ends[owner] - len(part))
            faces[rows] = part.load(within, size_px, channels)
        return faces


class _ImageSubset:
    """Some of the images of a set, in an order of their own."""

    def __init__(self, images: ImageSource, indices: Indices) -> None:
        self._images = images
        self._indices = indices

    def __len__(self) -> int:
        return len(self._indices)

    def load(self, indices: Indices, size_px: int, channels: Channels) -> Image:
        """See ``ImageSource``."""
        return self._images.load(self._indices[indices], size_px, channels)


def join_faces(sets: Sequence[FaceSet]) -> FaceSet:
    """Concatenates face sets; a set that is given twice counts twice.

    Args:
        sets: At least one.

    Returns:
        Faces in the order of ``sets``; ``classes`` is the union of theirs.
    """
    if not sets:
        raise ValueError("There is no face set to join.")
    names = list(dict.fromkeys(faces.name for faces in sets))
    actions = [faces.actions for faces in sets if faces.actions is not None]
    classes = {label for faces in sets for label in faces.classes}
    return FaceSet(
        name=" + ".join(names),
        images=_JoinedImages([faces.images for faces in sets]),
        targets=np.concatenate([faces.targets for faces in sets]),
        majority=np.concatenate([faces.majority for faces in sets]),
        va=np.concatenate([faces.va for faces in sets]),
        classes=tuple(label for label in LABELS if label in classes),
        files=[file for faces in sets for file in faces.files],
        actions=np.concatenate(actions) if len(actions) == len(sets) else None,
    )


def take_faces(faces: FaceSet, indices: Indices | npt.NDArray[np.bool_]) -> FaceSet:
    """Takes the faces at some indices, in that order, or of a mask ``(N,)``; no image is copied."""
    chosen = np.arange(len(faces))[indices]
    return replace(
        faces,
        images=_ImageSubset(faces.images, chosen),
        targets=faces.targets[chosen],
        majority=faces.majority[chosen],
        va=faces.va[chosen],
        files=[faces.files[i] for i in chosen],
        actions=None if faces.actions is None else faces.actions[chosen],
    )


def iter_photos_of(folder: Path, names: Iterable[str]) -> Iterator[list[tuple[str, Image | str]]]:
    """Decodes photos of a folder on demand, in the batches of ``batch_images``.

    Yields:
        Name and RGB ``(H, W, 3)`` of each photo, or in place of the image why it cannot be used.
    """

    def decode(name: str) -> Image | str:
        try:
            return decode_image((folder / name).read_bytes()).pixels
        except ImageDecodeError as error:
            return str(error)
        except OSError as error:
            return f"The file cannot be read ({error.strerror or error})."

    return batch_images((name, decode(name)) for name in names)


def batch_images(
    items: Iterable[tuple[_T, _Pixels]],
) -> Iterator[list[tuple[_T, _Pixels]]]:
    """Groups images into batches of at most 16 and at most 25 million pixels, which bounds memory.

    A single larger image makes a batch of its own.
    """
    batch: list[tuple[_T, _Pixels]] = []
    held = 0
    for item, image in items:
        size = 0 if isinstance(image, str) else image.size // 3
        if batch and (len(batch) == _BATCH or held + size > _BATCH_PIXELS):
            yield batch
            batch, held = [], 0
        batch.append((item, image))
        held += size
    if batch:
        yield batch


def _resize(image: Image, size_px: int) -> Image:
    """Resizes a square; areas are averaged where it shrinks, splines go between pixels."""
    if image.shape[0] == size_px:
        return image
    method = cv2.INTER_AREA if size_px < image.shape[0] else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(image, (size_px, size_px), interpolation=method), np.uint8)


def _to_channels(faces: npt.NDArray[np.uint8], channels: Channels) -> Image:
    """Converts ``(N, S, S)`` or ``(N, S, S, 3)`` to ``(N, S, S, channels)``."""
    n, size_px = faces.shape[:2]
    if faces.ndim == 3:
        return np.repeat(faces[..., None], channels, axis=3)
    if channels == 3 or not n:
        return faces[..., :channels]
    tall = cv2.cvtColor(faces.reshape(n * size_px, size_px, 3), cv2.COLOR_RGB2GRAY)
    return np.asarray(tall, np.uint8).reshape(n, size_px, size_px, 1)


def _cut(image: Image, box: FloatArray) -> Image:
    height, width = image.shape[:2]
    x1, y1, x2, y2 = np.clip(np.rint(box), 0, [width, height, width, height]).astype(int)
    return image[y1:y2, x1:x2]


def _centre_square(image: Image) -> Image:
    height, width = image.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return image[top : top + side, left : left + side]
