"""Checks of the arrays that the types carry; they run for every frame."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt


def check(condition: bool, message: str) -> None:
    """Raises a ``ValueError`` with the message if the condition does not hold."""
    if not condition:
        raise ValueError(message)


def check_floats(
    array: npt.NDArray[np.float32], shape: tuple[int, ...], name: str, *, may_miss: bool = False
) -> None:
    """Raises a ``ValueError`` if an array has another shape or type, or infinite values.

    With ``may_miss`` NaN, for what is unknown, is allowed.
    """
    if array.dtype != np.float32:  # messages are formatted when needed
        raise ValueError(f"{name} must be float32, not {array.dtype}.")
    if array.shape != shape:
        raise ValueError(f"{name} must have shape {shape}, not {array.shape}.")
    if not (~np.isinf(array) if may_miss else np.isfinite(array)).all():
        raise ValueError(f"{name} must be finite.")


def check_shares(array: npt.NDArray[np.float32], name: str) -> None:
    """Raises a ``ValueError`` if values are not between 0 and 1."""
    if not ((array >= 0) & (array <= 1)).all():
        raise ValueError(f"{name} must lie in [0, 1].")
