"""Events of a study: read from a CSV, put beside frames, and windows around them averaged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from emotion_core.errors import EmotionError
from emotion_core.study.assignment import KEYS, read_csv_text
from emotion_core.study.readings import measures_of, participant_readings, weighted_mean

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy.typing as npt

    from emotion_core.study.assignment import StudyVideo

_TARGETS = ("file", *KEYS)
_COLUMNS = ("time_s", "label", *_TARGETS)


def no_events() -> pd.DataFrame:
    """A table of events without any."""
    return pd.DataFrame(columns=list(_COLUMNS)).astype({"time_s": "float64"})


def read_events(path: Path, data: bytes | None = None) -> pd.DataFrame:
    """Reads the events of a study from a CSV file.

    Args:
        path: Columns time (or time_s; seconds after the start of the video) and label; and any of
            file, participant, stimulus and condition, which say of which videos: an empty or
            missing cell stands for all.
        data: Content of the file; ``None`` to read it.

    Returns:
        Columns time_s, label, file, participant, stimulus and condition, sorted by time.

    Raises:
        EmotionError: The file cannot be read, lacks a column or a label, or a time is no number
            from 0.
    """
    rows = read_csv_text(path, ("label",), data).rename(columns={"time": "time_s"})
    if (rows.columns == "time_s").sum() > 1:
        raise EmotionError(f"{path} has the columns time and time_s; leave one out.")
    if "time_s" not in rows:
        raise EmotionError(f"{path} has no column time; events need time and label.")
    times = pd.to_numeric(rows["time_s"].str.replace(",", "."), errors="coerce")
    wrong = rows.index[~((times >= 0) & np.isfinite(times))]
    if len(wrong):
        raise EmotionError(
            f'{path}, line {wrong[0]}: the time "{rows["time_s"][wrong[0]]}" is no number of '
            "seconds from 0."
        )
    if len(nameless := rows.index[rows["label"] == ""]):
        raise EmotionError(f"{path}, line {nameless[0]}: the event has no label.")
    table = rows.assign(time_s=times).reindex(columns=list(_COLUMNS), fill_value="")
    return _in_order(table)


def events_of(events: pd.DataFrame, video: StudyVideo) -> pd.DataFrame:
    """The events of one video: columns time_s and label."""
    if events.empty:
        return no_events()[["time_s", "label"]]
    return events_that_fit(events, video)[["time_s", "label"]].reset_index(drop=True)


def events_that_fit(events: pd.DataFrame, video: StudyVideo) -> pd.DataFrame:
    """The rows of the events of one video, those of several videos, too."""
    return events[_fits(events, video)]


def unused_events(events: pd.DataFrame, videos: Sequence[StudyVideo]) -> list[str]:
    """What is said of events that are of no video of the study, one phrase each."""
    fits = np.zeros(len(events), bool)
    for video in videos:
        fits |= _fits(events, video)
    return [
        f"{row['label']} at {row['time_s']:g} s ("
        + ", ".join(f"{name} {row[name]}" for name in _TARGETS if row[name])
        + ")"
        for row in events[~fits].to_dict("records")
    ]


def with_new_event(events: pd.DataFrame, file: str, time_s: float, label: str) -> pd.DataFrame:
    """Adds an event of one video, unless it is there; the order is that of time."""
    row = {**dict.fromkeys(_COLUMNS, ""), "time_s": round(time_s, 3), "label": label, "file": file}
    if (events[list(row)] == row).all(axis=1).any():
        return events
    return _in_order(pd.concat([events, pd.DataFrame([row])]))


def with_labels(events: pd.DataFrame, shown: pd.DataFrame, labels: pd.Series[Any]) -> pd.DataFrame:
    """Renames events, and leaves out those that are no longer there.

    Args:
        events: All events.
        shown: The rows of them that could be changed.
        labels: Their labels by the rows' index; one that is empty stays as it was.
    """
    words = labels.fillna("").astype(str).str.strip()
    words = (
        words[words != ""].reindex(labels.index.intersection(shown.index)).fillna(shown["label"])
    )
    gone = shown.index.difference(labels.index)
    renamed = events["label"].where(~events.index.isin(words.index), words.reindex(events.index))
    return events.assign(label=renamed).drop(index=gone).reset_index(drop=True)


def _in_order(events: pd.DataFrame) -> pd.DataFrame:
    return events.sort_values("time_s", kind="stable", ignore_index=True)


def with_event(edited: pd.DataFrame, events: pd.DataFrame) -> pd.DataFrame:
    """Adds the column event: the label of the latest event at or before each frame.

    Args:
        edited: Table of frames.
        events: As ``events_of`` gives them, sorted by time.
    """
    labels = np.array([None, *events["label"]], object)
    times_s = events["time_s"].to_numpy(float)
    place = np.searchsorted(times_s, edited["time_s"].to_numpy(float), side="right")
    result = edited.assign(event=pd.Series(labels[place], edited.index, dtype="str"))
    result.attrs = dict(edited.attrs)
    return result


def event_windows(
    edited: pd.DataFrame, events: pd.DataFrame, window_s: tuple[float, float]
) -> pd.DataFrame:
    """Averages the participant's readings in a window around each event.

    Args:
        edited: As ``edit_frames`` makes it.
        events: As ``events_of`` gives them.
        window_s: Start and end of the window in seconds after the event.

    Returns:
        One row per event: event, time_s (since the start of the video), from_s and to_s (of the
        window, the same), frames (analysed in it), frames_counted, and ``mean_<measure>``, missing
        if no reading counts. What lies outside the part of the video that counts is left out.
    """
    readings = participant_readings(edited)
    start_s = float((edited["time_s"] - edited["clock_s"]).iloc[0]) if len(edited) else 0.0
    clock_s = readings["clock_s"].to_numpy(float)
    rows = []
    for time_s, label in zip(events["time_s"], events["label"], strict=True):
        low, high = time_s + window_s[0], time_s + window_s[1]
        inside = readings[(clock_s >= low - start_s) & (clock_s < high - start_s)]
        left_s = high - start_s - inside["clock_s"]
        weights = np.minimum(inside["weight_s"], left_s).to_numpy(float)
        row = {"event": label, "time_s": time_s, "from_s": low, "to_s": high}
        row.update(frames=len(inside), frames_counted=int(inside["is_counted"].sum()))
        row.update(
            {
                f"mean_{name}": weighted_mean(inside[name].to_numpy(float), weights)
                for name in measures_of(edited)
            }
        )
        rows.append(row)
    return pd.DataFrame(rows)


def _fits(events: pd.DataFrame, video: StudyVideo) -> npt.NDArray[np.bool_]:
    """Which events are of a video."""
    fits = np.ones(len(events), bool)
    for name in _TARGETS:
        cells = events[name].to_numpy(object)
        fits &= (cells == "") | (cells == getattr(video, name))
    return fits
