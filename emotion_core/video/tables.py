"""Tables of a video: who is a person, one row per person, and parts of the table of frames."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from emotion_core.quality import is_usable_row, usable_faces
from emotion_core.tracking.smoothing import smooth_frames
from emotion_core.tracking.tracklets import link_tracklets
from emotion_core.types import DEFAULT_MIN_SEEN_S
from emotion_core.video.highlights import is_clear
from emotion_core.video.types import HighlightKind

if TYPE_CHECKING:
    from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence

    import numpy.typing as npt

    from emotion_core.tracking.tracklets import Tracklet
    from emotion_core.video.types import Highlight, VideoResult

_MAX_PERIODS, _MIN_HOLD_S = 2.0, 1.0
_MIN_SIGHTINGS = 2
_PLANE = ("valence", "arousal")

MOMENT_COLUMNS = {kind: f"{kind}_s" for kind in HighlightKind}
"""Columns of ``people_table`` with the time of each kind of highlight."""


def link_people(
    frames: pd.DataFrame, tracklets: Sequence[Tracklet], min_seen_s: float = DEFAULT_MIN_SEEN_S
) -> pd.DataFrame:
    """Gives the rows of each person of a whole video the same track, see ``tracklets``.

    Args:
        frames: As ``FrameTableBuilder.table`` makes it.
        tracklets: Of all its tracks.
        min_seen_s: See ``mark_brief``.

    Returns:
        The table with new tracks: people are numbered from 1, and then brief tracks, both in order
        of appearance. See ``mark_brief`` for the column is_brief.
    """
    roots = link_tracklets(tracklets, min_frames=min_sightings(frames, min_seen_s))
    linked = mark_brief(frames.assign(track=frames["track"].map(roots).astype("Int64")), min_seen_s)
    seen = linked[linked["track"].notna()].drop_duplicates("track")
    order = seen.sort_values("is_brief", kind="stable")["track"]
    numbers = {track: number for number, track in enumerate(order, 1)}
    return linked.assign(track=linked["track"].map(numbers).astype("Int64"))


def mark_brief(frames: pd.DataFrame, min_seen_s: float = DEFAULT_MIN_SEEN_S) -> pd.DataFrame:
    """Adds the column is_brief: whether a track was seen too briefly to count as a person.

    Args:
        frames: As ``FrameTableBuilder.table`` makes it.
        min_seen_s: Minimum time, see ``min_sightings``.
    """
    counts = frames["track"].map(frames["track"].value_counts())
    is_brief = counts.lt(min_sightings(frames, min_seen_s)).fillna(value=False)
    return frames.assign(is_brief=is_brief.astype(bool))


def min_sightings(frames: pd.DataFrame, min_seen_s: float) -> int:
    """Minimum number of analysed frames with a person.

    At least two, so that no single false alarm is a person, but no more than half the frames of a
    very short video; one for a single frame.

    Args:
        frames: Table of frames, for the rate of analysis.
        min_seen_s: Minimum time in seconds.
    """
    period = analysis_period(frames)
    wanted = np.ceil(min_seen_s / period - 1e-6) if period else _MIN_SIGHTINGS
    most = max(1, frames["frame"].nunique() // 2)
    return int(min(max(_MIN_SIGHTINGS, wanted), most))


def counted_frames(frames: pd.DataFrame, *, all_faces: bool) -> pd.DataFrame:
    """A table of which means, charts and drawings count usable faces only, or all."""
    return frames.drop(columns="is_usable", errors="ignore") if all_faces else frames


def without_unusable(frames: pd.DataFrame) -> pd.DataFrame:
    """The rows of usable faces; frames without any of them stay, as ones without a face."""
    is_left_out = frames["track"].notna() & ~is_usable_row(frames)
    return _keep_faces(frames, ~is_left_out.to_numpy()) if is_left_out.any() else frames


def people_readings(frames: pd.DataFrame) -> pd.DataFrame:
    """The rows with a face of a person: no brief tracks, no frames without a face."""
    people = without_brief(frames)
    return people[people["track"].notna()]


def describe_mostly(person: Mapping[Hashable, Any]) -> str:
    """What a row of ``people_table`` shows most of the time, in words."""
    word = person["dominant_emotion"]
    if not isinstance(word, str):
        return "too hard to read"
    return f"mostly {word} ({person[f'share_{word}']:.0%})"


def without_brief(frames: pd.DataFrame) -> pd.DataFrame:
    """The rows of people; frames with brief tracks only stay, as ones without a face."""
    if "is_brief" not in frames or not frames["is_brief"].any():
        return frames
    return select_people(frames, frames.loc[~frames["is_brief"], "track"].dropna().unique())


def smooth_result(result: VideoResult, time_constant_s: float | None = None) -> pd.DataFrame:
    """Smooths the frames of a video in both directions, those of a webcam as they came.

    If all faces count by its settings, the table has no column is_usable.

    Args:
        result: The result.
        time_constant_s: By default that of its settings.
    """
    tau_s = result.settings.smoothing_s if time_constant_s is None else time_constant_s
    frames = counted_frames(result.frames, all_faces=result.settings.all_faces)
    return smooth_frames(frames, tau_s, is_causal=result.started_at is not None)


def moments(people: pd.DataFrame, max_people: int) -> dict[int, dict[HighlightKind, float]]:
    """Times in seconds of each kind of highlight of the people seen longest, by track."""
    chosen = people.set_index("track").loc[longest_seen(people, max_people)]
    times = chosen[list(MOMENT_COLUMNS.values())].itertuples()
    return {int(row[0]): dict(zip(MOMENT_COLUMNS, row[1:], strict=True)) for row in times}


def with_moments(people: pd.DataFrame, highlights: Iterable[Highlight]) -> pd.DataFrame:
    """A table of people with the times of highlights, where there are any."""
    result = people.set_index("track")
    for highlight in highlights:
        if highlight.track in result.index:
            result.loc[highlight.track, MOMENT_COLUMNS[highlight.kind]] = highlight.time_s
    return result.reset_index()


def people_table(
    frames: pd.DataFrame,
    analysis_period_s: float | None = None,
    *,
    smoothed: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """One row per person, of a whole video or a part of it; brief tracks are left out.

    A frame counts for the time to the next analysed frame, at most ``max_hold_s``. Means and
    (population) standard deviations are weighted with that time and computed from raw predictions:
    smoothed ones vary less, and those of a webcam lag.

    Args:
        frames: As ``FrameTableBuilder.table`` makes it, including frames without a face.
        analysis_period_s: Usual time between analysed frames; by default their median.
        smoothed: The same rows smoothed, for emotions and times; by default ``frames``. Its column
            is_usable tells which rows count in everything but times and numbers of frames; without
            it all do.

    Returns:
        Columns track, first_s, last_s, seen_s (duration of visibility), frames, dominant_emotion
        (with the largest share), one ``share_<label>`` per label (fraction of ``seen_s`` in which
        it is the most probable; they sum to 1), mean_valence, sd_valence, mean_arousal, sd_arousal,
        changes (of the most probable emotion from one frame with the person to the next), and
        positive_s, negative_s, intense_s: the times of maximum and minimum valence and of the
        largest distance from the origin of the plane, among faces clear enough for an image (see
        ``highlights``) if there are any; and n_unusable, the number of frames that these leave out.
        Values for which no frame counts are missing. Sorted by track.
    """
    labels = [column.removeprefix("p_") for column in frames.columns if column.startswith("p_")]
    raw = {f"raw_{name}": frames[name].to_numpy() for name in _PLANE}
    shown = frames if smoothed is None else smoothed
    seen = shown.assign(weight=seen_seconds(frames, analysis_period_s), **raw)
    seen = without_brief(seen)
    seen = seen[seen["track"].notna()].sort_values("time_s", kind="stable")
    columns = ["track", "first_s", "last_s", "seen_s", "frames", "dominant_emotion"]
    columns += [f"share_{label}" for label in labels]
    columns += ["mean_valence", "sd_valence", "mean_arousal", "sd_arousal", "changes"]
    columns += [*MOMENT_COLUMNS.values(), "n_unusable"]
    rows = [_person_row(rows, labels) for _, rows in seen.groupby("track")]
    counts = dict.fromkeys(("track", "frames", "changes", "n_unusable"), "int64")
    return pd.DataFrame(rows, columns=columns).astype({**counts, "dominant_emotion": "str"})


def select_time(frames: pd.DataFrame, start_s: float, end_s: float) -> pd.DataFrame:
    """The frames between two times, both included, in either order."""
    low, high = sorted((start_s, end_s))
    return frames[frames["time_s"].between(low, high)]


def select_people(frames: pd.DataFrame, tracks: Collection[int]) -> pd.DataFrame:
    """The rows of some people only; frames without any of them stay, as ones without a face."""
    return _keep_faces(frames, frames["track"].isin(list(tracks)).to_numpy())


def _keep_faces(frames: pd.DataFrame, chosen: npt.NDArray[np.bool_]) -> pd.DataFrame:
    """Some rows only; frames without any of them stay, as ones without a face."""
    others = frames[~chosen & ~frames["frame"].isin(frames.loc[chosen, "frame"])]
    kept = [name for name in frames.columns if name in ("frame", "time_s", "model")]
    blank = others.drop_duplicates("frame")[kept]
    selected = pd.concat([frames[chosen], blank]) if len(blank) else frames[chosen]
    return selected.sort_values(["frame", "track"], kind="stable", ignore_index=True)


def longest_seen(people: pd.DataFrame, n: int = 6) -> list[int]:
    """Tracks of the ``n`` people of ``people_table`` seen longest, sorted by track."""
    first = people.sort_values("seen_s", ascending=False, kind="stable").head(n)
    return sorted(int(track) for track in first["track"])


def analysis_period(frames: pd.DataFrame) -> float:
    """Median time in seconds from one analysed frame to the next; 0 for fewer than two."""
    times = frames.drop_duplicates("frame")["time_s"].sort_values().to_numpy(float)
    return float(np.median(np.diff(times))) if len(times) > 1 else 0.0


def max_hold_s(analysis_period_s: float) -> float:
    """Maximum seconds for which a frame counts if the next analysed one is late.

    After that a person counts as not seen, and lines are broken. Webcams and some videos have no
    steady rate, so it is at least a second.

    Args:
        analysis_period_s: Usual time between analysed frames.
    """
    return max(_MAX_PERIODS * analysis_period_s, _MIN_HOLD_S)


def seen_seconds(
    frames: pd.DataFrame, analysis_period_s: float | None = None
) -> npt.NDArray[np.float64]:
    """Seconds for which each row counts: until the next analysed frame, within limits.

    Args:
        frames: As ``FrameTableBuilder.table`` makes it; ``attrs["end_s"]`` is the end of the video
            if that is known.
        analysis_period_s: Usual time between analysed frames; by default their median. The last
            frame counts for this time, but not beyond the end of the video.
    """
    period = analysis_period(frames) if analysis_period_s is None else analysis_period_s
    index, first, back = np.unique(
        frames["frame"].to_numpy(), return_index=True, return_inverse=True
    )
    if not len(index):
        return np.zeros(0)
    times = frames["time_s"].to_numpy(float)[first]
    last = min(period, max(0.0, frames.attrs.get("end_s", np.inf) - times[-1]))
    lasting = np.append(np.minimum(np.diff(times), max_hold_s(period)), last)
    return np.asarray(lasting[back], np.float64)


def _person_row(rows: pd.DataFrame, labels: list[str]) -> dict[str, object]:
    """The numbers of one person from their rows, sorted by time."""
    times = rows["time_s"].to_numpy(float)
    row: dict[str, object] = {"track": int(rows["track"].iloc[0]), "first_s": times[0]}
    row.update(last_s=times[-1], seen_s=float(rows["weight"].sum()), frames=len(rows))
    counted = usable_faces(rows)
    row.update(changes=0, n_unusable=len(rows) - len(counted))
    return row | _reading_row(counted, labels) if len(counted) else row


def _reading_row(rows: pd.DataFrame, labels: list[str]) -> dict[str, object]:
    """The numbers that sum up the readings of one person, from the rows that count."""
    row: dict[str, object] = {}
    weight = rows["weight"].to_numpy(float)
    if not weight.sum():  # a single frame of unknown duration
        weight = np.ones(len(rows))
    emotions = rows["emotion"].to_numpy(object)
    shares = [float(weight[emotions == label].sum() / weight.sum()) for label in labels]
    row["dominant_emotion"] = labels[int(np.argmax(shares))]
    row.update({f"share_{label}": share for label, share in zip(labels, shares, strict=True)})
    for name in _PLANE:
        values = rows[f"raw_{name}"].to_numpy(float)
        mean = float(np.average(values, weights=weight))
        row[f"mean_{name}"] = mean
        row[f"sd_{name}"] = float(np.sqrt(np.average((values - mean) ** 2, weights=weight)))
    row["changes"] = int((emotions[1:] != emotions[:-1]).sum())
    clear = is_clear(rows)
    if clear.any():
        rows = rows[clear]
    times, valence, arousal = (rows[name].to_numpy(float) for name in ("time_s", *_PLANE))
    row["positive_s"] = times[valence.argmax()]
    row["negative_s"] = times[valence.argmin()]
    row["intense_s"] = times[np.hypot(valence, arousal).argmax()]
    return row
