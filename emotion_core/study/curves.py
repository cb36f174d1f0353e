"""Curves of participants on a common clock, and their mean with a band from drawing participants.

Frames of one video are alike and no independent samples: a band or an interval comes from drawing
whole participants anew, with replacement, as many as there are, and takes the middle 95 % of the
means. With fewer than about ten participants such a band is somewhat too narrow. A step of the
clock at which a participant is not seen is missing for that participant and is not filled; each
mean stands beside the number of participants it is of.

Source: B. Efron and R. Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13 (percentile
method); whole people: A. Davison and D. Hinkley, "Bootstrap Methods and their Application", 1997,
section 3.8.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from emotion_core.study.readings import measures_of

if TYPE_CHECKING:
    from collections.abc import Mapping

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


def group_curves(
    curves: pd.DataFrame, members: Mapping[tuple[str, str], list[str]], settings: StudySettings
) -> pd.DataFrame:
    """The mean curve of each stimulus and condition.

    Args:
        curves: Of all participants: participant, stimulus, condition, time_s and measures.
        members: The participants of each stimulus and condition, with and without readings.
        settings: Of the study.

    Returns:
        Columns stimulus, condition, measure, time_s, participants (in the group), n (of these with
        a value), mean, low and high: the ends of the 95 % band, missing for fewer than two.
    """
    parts = []
    for (stimulus, condition), people in members.items():
        is_here = (curves["stimulus"] == stimulus) & (curves["condition"] == condition)
        rows = curves[is_here]
        for measure in measures_of(curves):
            wide = rows.pivot(index="participant", columns="time_s", values=measure)
            part = pd.DataFrame(mean_with_interval(wide.to_numpy(float), settings))
            part["time_s"] = wide.columns.to_numpy(float)
            keys = {"stimulus": stimulus, "condition": condition, "measure": measure}
            parts.append(part.assign(**keys, participants=len(people)))
    names = ["stimulus", "condition", "measure", "time_s", "participants", "n", "mean"]
    return pd.concat(parts, ignore_index=True)[[*names, "low", "high"]]


def mean_with_interval(values: _Values, settings: StudySettings) -> dict[str, _Values]:
    """Means over participants with 95 % intervals from drawing participants anew.

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
    people = len(values)
    low, high = np.full((2, values.shape[1]), np.nan)
    if people > 1:
        generator = np.random.default_rng(settings.seed)
        times = generator.multinomial(people, np.full(people, 1 / people), size=settings.draws)
        enough = np.flatnonzero(n > 1)
        for start in range(0, len(enough), _COLUMNS_AT_ONCE):
            part = enough[start : start + _COLUMNS_AT_ONCE]
            drawn = _quotient(times @ filled[:, part], times @ known[:, part].astype(np.int64))
            # the one for missing values is a loop over columns
            percentile = np.nanpercentile if np.isnan(drawn).any() else np.percentile
            low[part], high[part] = percentile(drawn, (2.5, 97.5), axis=0)
    return {"n": n, "mean": mean, "low": low, "high": high}


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
