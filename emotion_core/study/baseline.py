"""Changes from a neutral baseline, beside the readings, which stay as they are.

The change of valence and arousal is the difference from their mean in the baseline. The change of a
probability is the difference of log-odds, log(p / (1 - p)), from their mean in the baseline, since
a step from 0.01 to 0.02 is not the same as one from 0.50 to 0.51. Probabilities are cut to
``[0.001, 0.999]`` for it: what lies beyond is not told apart by a network.

Source of log-odds as the scale for differences of probabilities: A. Agresti, "Categorical Data
Analysis", 3rd edition, 2013, section 5.1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import logit

from emotion_core.study.edits import NeutralSpan
from emotion_core.study.readings import CHANGE, PLANE, measures_of, weighted_mean

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt
    import pandas as pd

    from emotion_core.study.assignment import StudyVideo
    from emotion_core.study.edits import Edits
    from emotion_core.study.settings import Baseline

_LEAST_P = 0.001


@dataclass(frozen=True, slots=True)
class NeutralPart:
    """Which readings are the baseline of a video.

    Attributes:
        source: File of the video with them; ``None`` if the participant has no neutral clip.
        from_s: Where they begin, in seconds after the start of that video.
        to_s: Where they end; infinite for the end of the video.
    """

    source: str | None
    from_s: float = 0.0
    to_s: float = np.inf


def neutral_parts(
    videos: Sequence[StudyVideo], baseline: Baseline | None, edits: Edits
) -> dict[str, NeutralPart]:
    """Which readings are the baseline of each video, by file; empty if the study has none at all.

    Args:
        videos: All videos of the study.
        baseline: The baseline of the study; ``None`` if only videos with a ``NeutralSpan`` have
            one. In a neutral clip such a span takes the place of the baseline's own.
        edits: The edits of the study.
    """
    spans = {video.file: _own_span(edits, video.file) for video in videos}
    if baseline is None and not any(spans.values()):
        return {}
    parts = {}
    for video in videos:
        source: str | None = video.file
        if spans[video.file] is None and baseline is not None:
            source = _source(video, videos, baseline)
        span = baseline if source is None else spans[source] or baseline
        if source is None or span is None:
            parts[video.file] = NeutralPart(None)
        else:
            to_s = np.inf if span.to_s is None else span.to_s
            parts[video.file] = NeutralPart(source, span.from_s, to_s)
    return parts


def baseline_row(
    edited: pd.DataFrame | None, measures: Sequence[str], part: NeutralPart
) -> dict[str, float]:
    """The baseline of a video.

    Args:
        edited: Table of ``edit_frames`` of the part's source; ``None`` if it was not analysed.
        measures: Of the study, without changes.
        part: Which readings are the baseline.

    Returns:
        ``baseline_<measure>`` on the scale on which differences are taken, and baseline_frames,
        the number of readings; missing and 0 if there are none.
    """
    row: dict[str, float] = {f"baseline_{name}": np.nan for name in measures}
    row["baseline_frames"] = 0
    if edited is None:
        return row
    is_inside = edited["time_s"].between(part.from_s, part.to_s, inclusive="left")
    rows = edited[edited["is_reading"] & is_inside]
    weights = rows["weight_s"].clip(upper=part.to_s - rows["time_s"]).to_numpy(np.float64)
    for name, values in zip(measures, _to_scale(rows, measures).T, strict=True):
        row[f"baseline_{name}"] = weighted_mean(values, weights)
    row["baseline_frames"] = len(rows)
    return row


def with_changes(edited: pd.DataFrame, baseline: Mapping[str, float]) -> pd.DataFrame:
    """Adds the columns ``change_<measure>``; missing where a reading or the baseline is.

    Args:
        edited: As ``edit_frames`` makes it.
        baseline: Of the video, as ``baseline_row`` gives it.
    """
    measures = measures_of(edited)
    own = np.array([baseline[f"baseline_{name}"] for name in measures])
    values = _to_scale(edited, measures) - own
    changes = {f"{CHANGE}{name}": values[:, i] for i, name in enumerate(measures)}
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


def _to_scale(frames: pd.DataFrame, measures: Sequence[str]) -> npt.NDArray[np.float64]:
    """``(rows, measures)`` values on the scale on which differences are taken."""
    values = frames[list(measures)].to_numpy(np.float64, copy=True)
    is_share = np.array([name not in PLANE for name in measures])
    shares = values[:, is_share]
    values[:, is_share] = logit(np.clip(shares, _LEAST_P, 1 - _LEAST_P))
    return values
