"""Changes of valence and arousal from a neutral face that a visitor showed on purpose."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from emotion_core.quality import usable_faces

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

NEUTRAL_S = 3.0
"""Length of a neutral span in seconds."""

_PLANE = ("valence", "arousal")


def neutral_means(frames: pd.DataFrame, from_s: float) -> dict[int, tuple[float, float]]:
    """Mean valence and arousal of each track in the ``NEUTRAL_S`` after a time.

    Args:
        frames: A table with time_s, track, valence and arousal, as of a ``SessionLog``.
        from_s: Start of the neutral span in seconds after the first frame.

    Returns:
        By track; tracks without a usable face in the span are left out.
    """
    inside = frames[frames["time_s"].between(from_s, from_s + NEUTRAL_S, inclusive="left")]
    counted = usable_faces(inside).dropna(subset=["track"])
    means = counted.groupby("track")[list(_PLANE)].mean()
    return {int(track): (float(v), float(a)) for track, v, a in means.itertuples()}


def add_changes(frames: pd.DataFrame, neutral: Mapping[int, tuple[float, float]]) -> pd.DataFrame:
    """The table with columns change_valence and change_arousal: readings minus neutral means.

    Args:
        frames: A table with track, valence and arousal.
        neutral: As ``neutral_means`` gives it; changes of other tracks are missing.
    """
    nothing = (math.nan, math.nan)
    tracks = frames["track"].fillna(-1).astype("int64")
    means = np.array([neutral.get(track, nothing) for track in tracks]).reshape(-1, 2)
    changes = {f"change_{name}": frames[name] - means[:, i] for i, name in enumerate(_PLANE)}
    changed = frames.assign(**changes)
    changed.attrs = dict(frames.attrs)
    return changed
