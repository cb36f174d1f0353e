"""Appearance of faces and frames as a few mean colours, without a network."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from scipy.spatial.distance import cdist

if TYPE_CHECKING:
    from emotion_core.types import FloatArray, Image

ColorDescriptor = npt.NDArray[np.float64]
"""Flattened mean colours of cells, each channel 0-1; one row per face."""

_CELLS = (6, 4)  # rows, columns: hair, face and clothes; left and right
_SAMPLES = 4  # per cell and axis: enough for a stable mean, more would take longer
_BESIDE, _ABOVE, _BELOW = 0.25, 0.4, 0.8  # of the box: hair above, collar and clothes below

HEAD = slice(4 * _CELLS[1] * 3)
"""Upper four rows of a descriptor: head and what is beside it. What is below may be another tile of
a video call, or a caption."""

DIFFERENT = 0.19
"""Mean difference of the descriptors of two people; measured in a street scene (median; 80% lie
between 0.13 and 0.29), at any time difference."""

DIFFERENT_SPREAD = 0.05
"""Standard deviation of the same."""

SAME, SAME_CHANGE = 0.02, 0.05
"""Mean difference of one person's descriptors: the first, plus the second times the square root of
the seconds between. Measured there: medians 0.023 after 0.04 s, 0.055 after 0.3 s, 0.079 after
1 s."""

_FRAME_CELLS = (9, 16)  # rows, columns
_CUT_CORRELATION = 0.6
"""Measured: two frames of one scene correlate by 0.965 or more at 25 frames a second, and by 0.70
or more at 2.5, in a crowded street; across cuts by 0.55 or less."""


def color_descriptors(image: Image, boxes: FloatArray) -> ColorDescriptor:
    """Mean colours around faces: hair, face, collar.

    Args:
        image: RGB ``(H, W, 3)``, 0-255.
        boxes: ``(N, 4)`` x1, y1, x2, y2; outside the image its edge is repeated.

    Returns:
        ``(N, L)``.
    """
    corners = boxes.astype(np.float64)
    width, height = (corners[:, 2:] - corners[:, :2]).T
    above, below = corners[:, 1] - _ABOVE * height, corners[:, 3] + _BELOW * height
    left, right = corners[:, 0] - _BESIDE * width, corners[:, 2] + _BESIDE * width
    rows = np.linspace(above, below, _CELLS[0] * _SAMPLES, axis=1)
    columns = np.linspace(left, right, _CELLS[1] * _SAMPLES, axis=1)
    return _cells(image, rows, columns)


def frame_signature(image: Image) -> ColorDescriptor:
    """Mean colours of a whole frame, normalised for brightness and contrast.

    Returns:
        Mean 0, length 1; zero for a frame of a single colour.
    """
    n_rows, n_columns = (n * _SAMPLES for n in _FRAME_CELLS)
    rows = (np.arange(n_rows) + 0.5) * image.shape[0] / n_rows
    columns = (np.arange(n_columns) + 0.5) * image.shape[1] / n_columns
    (cells,) = _cells(image, rows[None], columns[None])
    cells = cells - cells.mean()
    return np.asarray(cells / max(float(np.linalg.norm(cells)), 1e-9), np.float64)


def is_shot_boundary(before: ColorDescriptor, after: ColorDescriptor) -> bool:
    """Whether two signatures are too different for one scene; two of a single colour are not."""
    if max(float(before @ before), float(after @ after)) < 0.5:  # lengths are 0 or 1
        return False
    return float(before @ after) < _CUT_CORRELATION


def descriptor_distances(known: ColorDescriptor, seen: ColorDescriptor) -> ColorDescriptor:
    """Mean differences of the colours of people and faces.

    Args:
        known: ``(T, L)`` descriptors of people; NaN where they are unknown.
        seen: ``(N, L)`` descriptors of faces; NaN likewise.

    Returns:
        ``(T, N)``, 0-1; NaN where a descriptor is unknown.
    """
    return np.asarray(cdist(known, seen, "cityblock") / known.shape[1], np.float64)


def appearance_cost(apart: ColorDescriptor, gaps_s: npt.NDArray[np.float64]) -> ColorDescriptor:
    """Evidence from appearance against each pair being the same person.

    Args:
        apart: ``(T, N)`` from ``descriptor_distances``.
        gaps_s: Seconds between the two, broadcast to the same shape.

    Returns:
        ``(T, N)`` logarithm of the likelihood ratio, other person to same person, which models
        differences of one person's descriptors as exponential and those of two people as normal.
    """
    scale = SAME + SAME_CHANGE * np.sqrt(gaps_s)
    same = apart / scale + np.log(scale)
    other = (np.minimum(apart, DIFFERENT) - DIFFERENT) ** 2 / (2 * DIFFERENT_SPREAD**2)
    other += np.log(DIFFERENT_SPREAD * np.sqrt(2 * np.pi))
    return np.asarray(same - other, np.float64)


def _cells(image: Image, rows: ColorDescriptor, columns: ColorDescriptor) -> ColorDescriptor:
    """Samples an image on N grids and averages each into cells, ``(N, L)``."""
    height, width = image.shape[:2]
    y = np.clip(rows, 0, height - 1).astype(np.intp)
    x = np.clip(columns, 0, width - 1).astype(np.intp)
    n, cells = len(y), (y.shape[1] // _SAMPLES, x.shape[1] // _SAMPLES)
    samples = image[y[:, :, None], x[:, None, :]]  # (N, rows, columns, 3)
    blocks = samples.reshape(n, cells[0], _SAMPLES, cells[1], _SAMPLES, 3)
    sums = blocks.sum(axis=4, dtype=np.uint16).sum(axis=2, dtype=np.uint16)
    flat = sums.reshape(n, cells[0] * cells[1] * 3)
    return np.asarray(flat / (255.0 * _SAMPLES**2), np.float64)
