"""Changes from a neutral baseline, beside the readings, which stay as they are.

The change of valence and arousal is the difference from their mean in the baseline. The change of a
probability is the difference of log-odds, log(p / (1 - p)), from their mean in the baseline, since
a step from 0.01 to 0.02 is not the same as one from 0.50 to 0.51. Probabilities are cut to
``[0.001, 0.999]`` for it: what lies beyond is not told apart by a network.

Source of log-odds as the scale for differences of probabilities: A. Agresti, "Categorical Data
Analysis", 3rd edition, 2013, section 5.1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy.special import logit

from emotion_core.study.edits import NeutralSpan
from emotion_core.study.readings import CHANGE, PLANE, measures_of, weighted_mean

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from emotion_core.study.assignment import StudyVideo
    from emotion_core.study.edits import Edits
    from emotion_core.study.settings import Baseline

_LEAST_P = 0.001


def baselines(
    videos: Sequence[StudyVideo],
    edited: Mapping[str, pd.DataFrame],
    baseline: Baseline | None,
    edits: Edits,
) -> dict[str, dict[str, float]]:
    """The baseline of each video.

    Args:
        videos: All videos of the study.
        edited: Tables of ``edit_frames`` by file, of the videos that were analysed.
        baseline: The baseline of the study; ``None`` if only videos with a ``NeutralSpan`` have
            one. In a neutral clip such a span takes the place of the baseline's own.
        edits: The edits of the study.

    Returns:
        By file: ``baseline_<measure>`` on the scale on which differences are taken, and
        baseline_frames, the number of readings; missing and 0 if there are none. Empty if the study
        has no baseline at all.
    """
    spans = {video.file: _own_span(edits, video.file) for video in videos}
    if baseline is None and not any(spans.values()):
        return {}
    measures = next((measures_of(table) for table in edited.values()), list(PLANE))
    rows = {}
    for video in videos:
        source: str | None = video.file
        if spans[video.file] is None and baseline is not None:
            source = _source(video, videos, baseline)
        span = baseline if source is None else spans[source] or baseline
        frames = None if source is None or span is None else edited.get(source)
        from_s, to_s = (0.0, None) if span is None else (span.from_s, span.to_s)
        rows[video.file] = _baseline_row(frames, measures, from_s, np.inf if to_s is None else to_s)
    return rows


def with_changes(edited: pd.DataFrame, baseline: Mapping[str, float]) -> pd.DataFrame:
    """Adds the columns ``change_<measure>``; missing where a reading or the baseline is.

    Args:
        edited: As ``edit_frames`` makes it.
        baseline: Of the video, as ``baselines`` gives it.
    """
    changes = {
        f"{CHANGE}{name}": _to_scale(edited, name) - baseline[f"baseline_{name}"]
        for name in measures_of(edited)
    }
    result = edited.assign(**changes)
    result.attrs = dict(edited.attrs)
    return result


def _own_span(edits: Edits, file: str) -> NeutralSpan | None:
    spans = [edit for edit in edits.of(file) if isinstance(edit, NeutralSpan)]
    return spans[-1] if spans else None


def _source(video: StudyVideo, videos: Sequence[StudyVideo], baseline: Baseline) -> str | None:
    """The video with the baseline: this one, or the neutral clip of its participant."""
    if baseline.stimulus is None:
        return video.file
    clips = [
        other
        for other in videos
        if (other.participant, other.stimulus) == (video.participant, baseline.stimulus)
    ]
    same = [clip for clip in clips if clip.condition == video.condition]
    if same or len(clips) == 1:
        return (same or clips)[0].file
    return None


def _baseline_row(
    frames: pd.DataFrame | None, measures: list[str], from_s: float, to_s: float
) -> dict[str, float]:
    row: dict[str, float] = {f"baseline_{name}": np.nan for name in measures}
    row["baseline_frames"] = 0
    if frames is None:
        return row
    is_inside = frames["time_s"].between(from_s, to_s, inclusive="left")
    rows = frames[frames["is_reading"] & is_inside]
    weights = rows["weight_s"].clip(upper=to_s - rows["time_s"]).to_numpy(np.float64)
    for name in measures:
        row[f"baseline_{name}"] = weighted_mean(_to_scale(rows, name).to_numpy(np.float64), weights)
    row["baseline_frames"] = len(rows)
    return row


def _to_scale(frames: pd.DataFrame, name: str) -> pd.Series[Any]:
    """Values on the scale on which differences are taken."""
    values = frames[name].astype("float64")
    if name in PLANE:
        return values
    return pd.Series(logit(values.clip(_LEAST_P, 1 - _LEAST_P)), values.index)
