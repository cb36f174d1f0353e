"""What a face and a picture look like at a glance: a few mean colours, no network."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from emotion_core.types import FloatArray, Image

ColorDescriptor = npt.NDArray[np.float64]
"""Mean colours of cells, flat, each channel 0-1; of several places one row each."""

_CELLS = (6, 4)  # rows, columns: hair, face and clothes; left and right
_SAMPLES = 4  # per cell and axis: their mean is steady enough, more cost more
_BESIDE, _ABOVE, _BELOW = 0.25, 0.4, 0.8  # of the box: hair above, collar and clothes below

DIFFERENT = 0.19
"""Mean difference of the looks of two people; measured in a street scene (median; 80 % lie between
0.13 and 0.29), whatever the time between."""

DIFFERENT_SPREAD = 0.05
"""Standard deviation of the same."""

SAME, SAME_CHANGE = 0.02, 0.05
"""Mean difference of one person's looks: the first, plus the second times the square root of the
seconds between. Measured there: medians 0.023 after 0.04 s, 0.055 after 0.3 s, 0.079 after 1 s."""

MOST_ALIKE, LEAST_ALIKE = -3.0, 3.0
"""Bounds on what looks may say, so that neither twins nor a flash of light decide alone."""

_GLANCE = (9, 16)  # cells of a whole picture
_CUT_CORRELATION = 0.6
"""Measured: two pictures of one scene correlate by 0.965 or more at 25 pictures a second, and by
0.70 or more at 2.5, in a crowded street; across cuts by 0.55 or less."""


def color_descriptors(image: Image, boxes: FloatArray) -> ColorDescriptor:
    """Mean colours around faces: hair, face, collar.

    Args:
        image: RGB ``(H, W, 3)``, 0-255.
        boxes: ``(N, 4)`` x1, y1, x2, y2; what lies outside the image repeats its edge.

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
    """Mean colours of a whole picture, without its brightness and contrast.

    Returns:
        Mean 0, length 1; zero for a picture of one colour.
    """
    height, width = image.shape[:2]
    rows = (np.arange(_GLANCE[0] * _SAMPLES) + 0.5) * height / (_GLANCE[0] * _SAMPLES)
    columns = (np.arange(_GLANCE[1] * _SAMPLES) + 0.5) * width / (_GLANCE[1] * _SAMPLES)
    (cells,) = _cells(image, rows[None], columns[None])
    cells = cells - cells.mean()
    return np.asarray(cells / max(float(np.linalg.norm(cells)), 1e-9), np.float64)


def is_shot_boundary(before: ColorDescriptor, after: ColorDescriptor) -> bool:
    """Whether two glances are too different for one scene; two of one colour are not."""
    if max(float(before @ before), float(after @ after)) < 0.5:  # lengths are 0 or 1
        return False
    return float(before @ after) < _CUT_CORRELATION


def appearance_cost(
    known: ColorDescriptor, gaps_s: npt.NDArray[np.float64], seen: ColorDescriptor
) -> ColorDescriptor:
    """How much looks speak against each pair being one person.

    Args:
        known: ``(T, L)`` looks of people.
        gaps_s: ``(T,)`` seconds since.
        seen: ``(N, L)`` looks of faces.

    Returns:
        ``(T, N)`` logarithm of the likelihood ratio, other person to same person: differences of
        one person's looks taken as exponential, those of two people's as normal.
    """
    apart = np.abs(known[:, None] - seen).mean(axis=2)
    scale = (SAME + SAME_CHANGE * np.sqrt(gaps_s))[:, None]
    same = apart / scale + np.log(scale)
    other = (np.minimum(apart, DIFFERENT) - DIFFERENT) ** 2 / (2 * DIFFERENT_SPREAD**2)
    other += np.log(DIFFERENT_SPREAD * np.sqrt(2 * np.pi))
    return np.asarray(np.clip(same - other, MOST_ALIKE, LEAST_ALIKE), np.float64)


def _cells(image: Image, rows: ColorDescriptor, columns: ColorDescriptor) -> ColorDescriptor:
    """Sample an image on N grids and average each into cells, ``(N, L)``."""
    height, width = image.shape[:2]
    y = np.clip(rows, 0, height - 1).astype(np.intp)
    x = np.clip(columns, 0, width - 1).astype(np.intp)
    n, cells = len(y), (y.shape[1] // _SAMPLES, x.shape[1] // _SAMPLES)
    samples = image[y[:, :, None], x[:, None, :]]  # (N, rows, columns, 3)
    blocks = samples.reshape(n, cells[0], _SAMPLES, cells[1], _SAMPLES, 3)
    sums = blocks.sum(axis=4, dtype=np.uint16).sum(axis=2, dtype=np.uint16)
    flat = sums.reshape(n, cells[0] * cells[1] * 3)
    return np.asarray(flat / (255.0 * _SAMPLES**2), np.float64)
