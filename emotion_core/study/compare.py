"""Simple comparisons of stimuli and conditions, to explore with; they replace no planned analysis.

Participants are the cases, one value each. Participants who have both are compared with themselves
(paired); otherwise two groups of people are compared (unpaired, Welch). The effect size is the
difference in standard deviations: of the differences if paired (d_z), else of both groups pooled
(d). Its interval inverts the noncentral t distribution, which holds for normal values; unpaired it
assumes equal spread.

Source: J. Cohen, "Statistical Power Analysis for the Behavioral Sciences", 2nd edition, 1988,
chapter 2; G. Cumming and S. Finch, "A Primer on the Understanding, Use, and Calculation of
Confidence Intervals that are Based on Central and Noncentral Distributions", Educational and
Psychological Measurement 61, 2001. False discovery rate: Y. Benjamini and Y. Hochberg, Journal of
the Royal Statistical Society B 57, 1995.
"""

from __future__ import annotations

import math
from functools import lru_cache, partial
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import optimize, special, stats

from emotion_core.study.kept import KeptParts

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    _Values = npt.NDArray[np.float64]

_TWO = 2
_TINY = 1e-6
"""Spread below which values differ by their rounding only."""

_POINTS, _WIDE = 4000, 10.0
_COLUMNS = [
    *("contrast", "within", "a", "b", "measure", "kind", "n_a", "n_b", "mean_a", "mean_b"),
    *("difference", "low", "high", "t", "df", "p", "p_fdr"),
    *("effect", "effect_size", "effect_low", "effect_high"),
]


def compare_groups(participants: pd.DataFrame, kept: KeptParts | None = None) -> pd.DataFrame:
    """Compares each two stimuli within a condition, and each two conditions within a stimulus.

    Args:
        participants: One row per participant, stimulus and condition.
        kept: Comparisons that were made before.

    Returns:
        Columns contrast (``stimulus`` or ``condition``), within (what the two share), a, b,
        measure, kind (``paired`` or ``unpaired``), n_a, n_b (participants), mean_a, mean_b,
        difference (a minus b) with its 95% interval low and high, t, df, p, p_fdr (corrected for
        the number of rows of this table), effect (``d_z`` or ``d``), effect_size and its 95%
        interval effect_low and effect_high. Without two values a side, or if these do not differ
        at all, there are only counts and means.
    """
    measures = [name for name in participants.columns if name.startswith("mean_")]
    kept = KeptParts() if kept is None else kept
    rows = []
    for pair, a, b in _iter_pairs(participants):
        people = (tuple(a.index), tuple(b.index))
        for measure in measures:
            key = (*people, a[measure].to_numpy().tobytes(), b[measure].to_numpy().tobytes())
            compare = partial(_compare, a[measure], b[measure])
            found = kept.get(("compared", *pair.values(), measure), key, compare)
            rows.append({**pair, "measure": measure, **found})
    table = pd.DataFrame(rows, columns=_COLUMNS)
    known = table["p"].notna().to_numpy(bool)
    corrected = np.full(len(table), np.nan)
    if known.any():
        corrected[known] = stats.false_discovery_control(table.loc[known, "p"].to_numpy(float))
    return table.assign(p_fdr=corrected)


def _iter_pairs(
    participants: pd.DataFrame,
) -> Iterator[tuple[dict[str, str], pd.DataFrame, pd.DataFrame]]:
    """Pairs of groups, indexed by participant."""
    for contrast, within in (("stimulus", "condition"), ("condition", "stimulus")):
        for shared, rows in participants.groupby(within, sort=False):
            groups = {
                str(level): group.set_index("participant")
                for level, group in rows.groupby(contrast, sort=False)
            }
            for (a, group_a), (b, group_b) in combinations(groups.items(), 2):
                pair = {"contrast": contrast, "within": str(shared), "a": a, "b": b}
                yield pair, group_a, group_b


def _compare(a: pd.Series[Any], b: pd.Series[Any]) -> dict[str, object]:
    a, b = a.dropna(), b.dropna()
    both = a.index.intersection(b.index)
    if len(both) >= _TWO:
        return _paired(a[both].to_numpy(np.float64), b[both].to_numpy(np.float64))
    return _unpaired(a.drop(both).to_numpy(np.float64), b.drop(both).to_numpy(np.float64))


def _paired(a: _Values, b: _Values) -> dict[str, object]:
    row = {"kind": "paired", "effect": "d_z", **_means(a, b)}
    difference, n = a - b, len(a)
    spread = float(difference.std(ddof=1))
    if spread < _TINY:
        return row
    test = stats.ttest_rel(a, b)
    interval = test.confidence_interval()
    row |= {"low": interval.low, "high": interval.high, "t": test.statistic, "df": n - 1}
    return row | {"p": test.pvalue} | _effect(difference.mean() / spread, math.sqrt(n), n - 1)


def _unpaired(a: _Values, b: _Values) -> dict[str, object]:
    row = {"kind": "unpaired", "effect": "d", **_means(a, b)}
    if min(len(a), len(b)) < _TWO:
        return row
    df = len(a) + len(b) - 2
    pooled = math.sqrt(((len(a) - 1) * a.var(ddof=1) + (len(b) - 1) * b.var(ddof=1)) / df)
    if pooled < _TINY:
        return row
    test = stats.ttest_ind(a, b, equal_var=False)
    interval = test.confidence_interval()
    row |= {"low": interval.low, "high": interval.high, "t": test.statistic, "df": test.df}
    scale = math.sqrt(len(a) * len(b) / (len(a) + len(b)))
    return row | {"p": test.pvalue} | _effect((a.mean() - b.mean()) / pooled, scale, df)


def _means(a: _Values, b: _Values) -> dict[str, object]:
    mean_a = float(a.mean()) if len(a) else math.nan
    mean_b = float(b.mean()) if len(b) else math.nan
    counts = {"n_a": len(a), "n_b": len(b), "mean_a": mean_a, "mean_b": mean_b}
    return {**counts, "difference": mean_a - mean_b}


def _effect(size: float, scale: float, df: int) -> dict[str, object]:
    """An effect size and its 95% interval; the t statistic is ``size * scale``."""
    low, high = (_centre(size * scale, df, q) / scale for q in (0.975, 0.025))
    return {"effect_size": float(size), "effect_low": low, "effect_high": high}


def _centre(t: float, df: int, quantile: float) -> float:
    """The noncentrality with which ``t`` is at a quantile of the distribution.

    The distribution is the mean, over the spread that a sample may have, of normal ones:
    ``scipy.stats.nct`` gives NaN in its tails, and ``scipy.special.nctdtrinc``, which agrees within
    0.2% for ``t`` from -50 to 100, does not end for a ``t`` of a million, as of values that hardly
    differ.
    """
    means = t * _spreads(df)

    def above(centre: float) -> float:
        return float(special.ndtr(means - centre).mean()) - quantile

    return float(optimize.brentq(above, means.min() - _WIDE, means.max() + _WIDE))


@lru_cache(maxsize=64)
def _spreads(df: int) -> _Values:
    """Spreads that a sample may have, at equal steps of their distribution."""
    places = (np.arange(_POINTS) + 0.5) / _POINTS
    return np.asarray(np.sqrt(stats.chi2.ppf(places, df) / df))
