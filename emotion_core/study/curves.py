"""Curves of participants on a common clock, and their mean with a band from drawing participants.

Frames of one video are alike and no independent samples: a band or an interval comes from drawing
whole participants anew, with replacement, as many as there are, and takes the middle 95% of the
means. With fewer than about ten participants such a band is somewhat too narrow. A step of the
clock at which a participant is not seen is missing for that participant and is not filled; each
mean stands beside the number of participants it is of.

Source: B. Efron and R. Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13 (percentile
method); whole people: A. Davison and D. Hinkley, "Bootstrap Methods and their Application", 1997,
section 3.8.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from emotion_core.study.readings import measures_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from emotion_core.study.settings import StudySettings

    _Values = npt.NDArray[np.float64]


_COLUMNS_AT_ONCE = 1024
"""So many steps are drawn together: with 2,000 draws, 16 MB an array."""


def to_clock(readings: pd.DataFrame, clock_hz: float, min_cover: float) -> pd.DataFrame:
    """Resamples a participant's readings to means over equal steps of time.

    A reading lasts for its ``weight_s``; a mean over a step is weighted with how long each reading
    lasts in it.

    Args:
        readings: As ``participant_readings`` makes them.
        clock_hz: Steps a second.
        min_cover: Minimum share of a step in which there are readings; else its values are missing.

    Returns:
        One row per step up to the end of the readings: time_s (the middle of the step), cover (the
        share of it with readings) and the measures.
    """
    measures = measures_of(readings)
    starts = readings["clock_s"].to_numpy(float)
    ends = starts + readings["weight_s"].to_numpy(float)
    ends[:-1] = np.minimum(ends[:-1], starts[1:])
    n_steps = int(np.ceil(round(ends.max() * clock_hz, 6))) if len(ends) else 0
    edges = np.arange(n_steps + 1) / clock_hz
    counted = readings["is_counted"].to_numpy(bool)
    seen_s = _integrals(np.ones(int(counted.sum())), starts[counted], ends[counted], edges)
    cover = (seen_s * clock_hz).round(6)
    columns = {"time_s": (edges[:-1] + 0.5 / clock_hz).round(6), "cover": cover}
    enough = cover >= min_cover - 1e-9
    for name in measures:
        values = readings[name].to_numpy(float)[counted]
        sums = _integrals(values, starts[counted], ends[counted], edges)
        columns[name] = np.where(enough, sums / np.where(enough, seen_s, 1.0), np.nan)
    return pd.DataFrame(columns)


def group_curve(
    curves: Sequence[pd.DataFrame], measure: str, n_people: int, settings: StudySettings
) -> pd.DataFrame:
    """The mean curve of one measure in one group of participants.

    Args:
        curves: Of each participant with readings, as ``to_clock`` makes them.
        measure: A column of theirs.
        n_people: Participants in the group, with and without readings.
        settings: Of the study.

    Returns:
        Columns measure, time_s, participants (in the group), n (of these with a value), mean, low
        and high: the ends of the 95% band, missing for fewer than two.
    """
    longest = max(curves, key=len, default=None)
    times_s = np.zeros(0) if longest is None else longest["time_s"].to_numpy(float)
    values = np.full((len(curves), len(times_s)), np.nan)
    for row, curve in zip(values, curves, strict=True):
        row[: len(curve)] = curve[measure].to_numpy(float)
    columns = {"measure": measure, "time_s": times_s, "participants": n_people}
    return pd.DataFrame({**columns, **mean_with_interval(values, settings)})


def mean_with_interval(values: _Values, settings: StudySettings) -> dict[str, _Values]:
    """Means over participants with 95% intervals from drawing participants anew.

    Args:
        values: ``(participants, K)``, NaN where missing.
        settings: Of the study, for draws and seed.

    Returns:
        Arrays ``(K,)``: n, mean, low and high; the last two are NaN for fewer than two values.
    """
    values = values[~np.isnan(values).all(axis=1)]
    known = ~np.isnan(values)
    filled = np.where(known, values, 0.0)
    n = known.sum(axis=0)
    mean = _quotient(filled.sum(axis=0), n)
    low, high = np.full((2, values.shape[1]), np.nan)
    if len(values) > 1:
        times = _drawn(len(values), settings.draws, settings.seed)
        enough = np.flatnonzero(n > 1)
        for start in range(0, len(enough), _COLUMNS_AT_ONCE):
            part = enough[start : start + _COLUMNS_AT_ONCE]
            # (columns, draws)
            sums = np.ascontiguousarray(filled[:, part].T) @ times
            counts = np.ascontiguousarray(known[:, part].T.astype(float)) @ times
            drawn = _quotient(sums, counts)
            low[part], high[part] = _middle(drawn)
    return {"n": n, "mean": mean, "low": low, "high": high}


@lru_cache(maxsize=16)
def _drawn(people: int, draws: int, seed: int) -> _Values:
    """``(people, draws)`` how often each participant is in each draw."""
    generator = np.random.default_rng(seed)
    times = generator.multinomial(people, np.full(people, 1 / people), size=draws)
    drawn = np.ascontiguousarray(times.T.astype(float))
    drawn.flags.writeable = False
    return drawn


def _middle(drawn: _Values) -> _Values:
    """``(2, K)`` ends of the middle 95% of each row ``(K, draws)`` without its missing values."""
    ordered = np.sort(drawn, axis=1)  # NaN are last
    last = (~np.isnan(drawn)).sum(axis=1) - 1
    places = np.array([[0.025], [0.975]]) * last
    below = np.floor(places).astype(np.int64)
    rows = np.arange(len(drawn))
    low = ordered[rows, below]
    high = ordered[rows, np.minimum(below + 1, last)]
    between: _Values = low + (high - low) * (places - below)
    return between


def _integrals(values: _Values, starts: _Values, ends: _Values, edges: _Values) -> _Values:
    """Integrals over each step between edges of values that last from starts to ends, else 0."""
    if not len(values):
        return np.zeros(len(edges) - 1)
    knots = np.column_stack([starts, ends]).ravel()
    sums = np.cumsum(values * (ends - starts))
    at_knots = np.column_stack([np.concatenate([[0.0], sums[:-1]]), sums]).ravel()
    return np.diff(np.interp(edges, knots, at_knots))


def _quotient(above: npt.NDArray[np.generic], below: npt.NDArray[np.generic]) -> _Values:
    result = np.full(np.broadcast_shapes(above.shape, below.shape), np.nan)
    np.divide(above, below, out=result, where=below != 0)
    return result
