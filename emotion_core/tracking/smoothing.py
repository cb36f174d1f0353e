"""Exponential smoothing of predictions over time: of a stream as it comes, of a table both ways.

Times may be uneven. In a stream each new prediction has the weight 1 - exp(-dt / tau), where dt is
the time since the person was last seen and tau the time constant, so that smoothed predictions lag
by about tau. In a table, of which the future is known, each is the mean of all with the weights
exp(-abs(dt) / tau), the kernel of the same recursion forwards and backwards: it has zero phase, so
that an expression peaks when it did. Source: F. Gustafsson, "Determining the Initial States in
Forward-Backward Filtering", IEEE Transactions on Signal Processing 44, 1996; here the weights are
divided by their sum, so that the ends need no initial states.

The readings of unusable faces are smoothed among themselves: they never change those that count.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

if TYPE_CHECKING:
    from emotion_core.types import Analysis

FORGET = 3.0
"""A gap of more time constants resets a person; what was before would count 5%."""

_PREFIX = "p_"


class Smoother:
    """Smooths the predictions of one stream. Not thread-safe.

    Args:
        time_constant_s: 0 for no smoothing.

    Raises:
        ValueError: The time constant is negative or not finite.
    """

    def __init__(self, time_constant_s: float) -> None:
        _check(time_constant_s)
        self._tau_s = time_constant_s
        self._states: dict[tuple[int, bool], tuple[float, npt.NDArray[np.float64]]] = {}

    def update(self, analysis: Analysis, time_s: float) -> Analysis:
        """Smooths the predictions of the next frame; boxes stay as they are.

        Args:
            analysis: Faces with track ids.
            time_s: Of the frame; not before the previous one.

        Raises:
            ValueError: There are faces without track ids.
        """
        if self._tau_s == 0 or not len(analysis):
            return analysis
        tracks = analysis.faces.track_ids
        if tracks is None:
            raise ValueError("Faces need track ids to be smoothed.")
        max_gap_s = FORGET * self._tau_s
        self._states = {k: s for k, s in self._states.items() if time_s - s[0] <= max_gap_s}
        raw = analysis.predictions
        rows = np.column_stack([raw.probabilities, raw.valence, raw.arousal]).astype(np.float64)
        keys = zip(tracks.tolist(), analysis.is_usable.tolist(), strict=True)
        for row, key in zip(rows, keys, strict=True):
            if key in self._states:
                before_s, before = self._states[key]
                row[:] = before + _weight(time_s - before_s, self._tau_s) * (row - before)
            self._states[key] = (time_s, row)
        values = rows.astype(np.float32)
        smooth = replace(
            raw, probabilities=values[:, :-2], valence=values[:, -2], arousal=values[:, -1]
        )
        return replace(analysis, predictions=smooth)


def smooth_frames(
    frames: pd.DataFrame, time_constant_s: float, *, is_causal: bool = False
) -> pd.DataFrame:
    """Smooths a table of frames.

    Args:
        frames: Columns track (missing if a frame has no face), time_s, emotion, confidence,
            ``p_<label>`` and valence and arousal, and if not all faces count, is_usable; for each
            track in order of time.
        time_constant_s: 0 for no smoothing.
        is_causal: Whether to smooth as ``Smoother`` smooths a stream, to the last bit.

    Returns:
        A table of the same form; emotion and confidence follow the smoothed probabilities.

    Raises:
        ValueError: The time constant is negative or not finite.
    """
    _check(time_constant_s)
    has_face = frames["track"].notna().to_numpy()
    result = frames.copy()
    if time_constant_s == 0 or not has_face.any():
        return result
    labels = [column for column in frames.columns if column.startswith(_PREFIX)]
    tracks = 2 * frames["track"].to_numpy(np.int64, na_value=0)
    if "is_usable" in frames:
        tracks += frames["is_usable"].to_numpy(bool)
    by_track = np.flatnonzero(has_face)[np.argsort(tracks[has_face], kind="stable")]
    times_s = frames["time_s"].to_numpy(np.float64)
    weights = _weights(tracks[by_track], times_s[by_track], time_constant_s)
    counts = None if is_causal else _sum_both_ways([1.0] * len(weights), weights)
    for name in [*labels, "valence", "arousal"]:
        values = frames[name].to_numpy(np.float64, copy=True)
        ordered = values[by_track].tolist()
        if counts is None:
            values[by_track] = _follow(ordered, weights)
        else:
            values[by_track] = _sum_both_ways(ordered, weights) / counts
        # As in the stream, values are float32, whatever holds them.
        column = pd.Series(values.astype(np.float32), frames.index)
        result[name] = column.astype(frames[name].dtype)
    probabilities = result[labels].to_numpy()[has_face]
    emotions = result["emotion"].to_numpy(object, copy=True)
    words = np.array([label.removeprefix(_PREFIX) for label in labels], object)
    emotions[has_face] = words[probabilities.argmax(axis=1)]
    result["emotion"] = pd.Series(emotions, frames.index).astype(frames["emotion"].dtype)
    result.loc[has_face, "confidence"] = probabilities.max(axis=1)
    return result


def _check(time_constant_s: float) -> None:
    if not 0 <= time_constant_s < math.inf:
        raise ValueError(f"A time constant must be finite and not negative, not {time_constant_s}.")


def _weight(gap_s: float, tau_s: float) -> float:
    """Weight of a new prediction."""
    return -math.expm1(-gap_s / tau_s)


def _weights(
    tracks: npt.NDArray[np.int64], times_s: npt.NDArray[np.float64], tau_s: float
) -> list[float]:
    """Weights of rows sorted by track and time; 1 where a person starts or was reset."""
    gaps = np.diff(times_s)
    continues = ((tracks[1:] == tracks[:-1]) & (gaps <= FORGET * tau_s)).tolist()
    later = zip(gaps.tolist(), continues, strict=True)
    return [1.0, *(_weight(gap, tau_s) if on else 1.0 for gap, on in later)]


def _follow(values: list[float], weights: list[float]) -> list[float]:
    """The causal recursion, with the same arithmetic as the stream.

    Plain floats in a loop are faster than arrays here, as each value needs the previous one.
    """
    result = []
    state = 0.0
    for value, weight in zip(values, weights, strict=True):
        state = value if weight == 1.0 else state + weight * (value - state)
        result.append(state)
    return result


def _sum_both_ways(values: list[float], weights: list[float]) -> npt.NDArray[np.float64]:
    """Sums of all values of an unbroken stretch, weighted less the farther away in time."""
    decays = [1.0 - weight for weight in weights]  # since the value before
    before = _accumulate(values, decays)
    after = _accumulate(values[::-1], [0.0, *decays[:0:-1]])[::-1]
    return np.asarray(np.array(before) + after - np.array(values), np.float64)


def _accumulate(values: list[float], decays: list[float]) -> list[float]:
    result = []
    state = 0.0
    for value, decay in zip(values, decays, strict=True):
        state = value + decay * state
        result.append(state)
    return result
