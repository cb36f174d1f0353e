"""The participant's readings of one video: one row for each frame of the part that counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt
    import pandas as pd

PLANE = ("valence", "arousal")
CHANGE = "change_"
"""Start of the names of columns with changes from the baseline."""


def measures_of(frames: pd.DataFrame) -> list[str]:
    """The columns that are averaged: valence, arousal, probabilities, and changes of all these."""
    raw = [*PLANE, *(name for name in frames.columns if name.startswith("p_"))]
    return [*raw, *(f"{CHANGE}{name}" for name in raw if f"{CHANGE}{name}" in frames)]


def participant_readings(edited: pd.DataFrame) -> pd.DataFrame:
    """One row per analysed frame of the part that counts.

    Args:
        edited: As ``edit_frames`` makes it, with or without changes from a baseline.

    Returns:
        Columns clock_s, weight_s, is_seen (the participant is found), is_counted (and usable), and
        the measures, which are missing where the reading does not count. In order of time.
    """
    inside = edited[edited["is_in_span"]]
    order = inside.sort_values(
        ["frame", "is_counted", "is_participant"], ascending=[True, False, False], kind="stable"
    )
    rows = order.drop_duplicates("frame")
    measures = measures_of(edited)
    values = rows[measures].astype("float64").where(rows["is_counted"])
    kept = rows[["clock_s", "weight_s", "is_counted"]].assign(is_seen=rows["is_participant"])
    return kept.join(values).reset_index(drop=True)


def weighted_mean(values: npt.NDArray[np.float64], weights: npt.NDArray[np.float64]) -> float:
    """Mean of the values that are not missing; NaN if there are none."""
    known = ~np.isnan(values)
    if not known.any():
        return float("nan")
    total = weights[known].sum()
    if total == 0:  # a single frame of unknown duration
        return float(values[known].mean())
    return float((values[known] * weights[known]).sum() / total)
