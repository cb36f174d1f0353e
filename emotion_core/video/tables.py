"""Tables of a video: one row per frame and face, one row per person."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from emotion_core.labels import to_label_set
from emotion_core.types import Analysis, Faces, Predictions, VaSource
from emotion_core.video.highlights import MIN_FACE_PX, MIN_SCORE

if TYPE_CHECKING:
    from collections.abc import Collection

    import numpy.typing as npt

    from emotion_core.labels import LabelSet

_MAX_PERIODS, _MIN_HOLD_S = 2.0, 1.0
_NO_TRACK = -1
_PLANE = ("valence", "arousal")


class FrameTableBuilder:
    """Collects analysed frames in about 100 bytes per face, whatever the length of the video."""

    def __init__(self) -> None:
        self._labels: LabelSet | None = None
        self._model = ""
        self._va_source = ""
        self._packed = bytearray()

    def add(self, frame_index: int, time_s: float, analysis: Analysis) -> None:
        """Adds an analysed frame; one without a face becomes a row without a track.

        Args:
            frame_index: Index of the frame in the video.
            time_s: Seconds after the start of the video.
            analysis: Faces have track ids; the network is the same for all frames.

        Raises:
            ValueError: Faces have no track ids, or the network has changed.
        """
        faces, predictions = analysis.faces, analysis.predictions
        if self._labels is None:
            self._labels, self._model = predictions.labels, analysis.model
        if predictions.labels != self._labels:
            raise ValueError("All frames of a video must be analysed by one network.")
        if len(faces) and faces.track_ids is None:
            raise ValueError("Faces of a video need track ids.")
        rows = np.zeros(max(1, len(faces)), _row_type(len(predictions.labels)))
        rows["frame"], rows["time_s"], rows["track"] = frame_index, time_s, _NO_TRACK
        if len(faces):
            self._va_source = str(predictions.va_source)
            rows["track"], rows["box"], rows["score"] = faces.track_ids, faces.boxes, faces.scores
            rows["p"] = predictions.probabilities
            rows["valence"], rows["arousal"] = predictions.valence, predictions.arousal
        self._packed += rows.tobytes()

    def table(self, end_s: float | None = None) -> pd.DataFrame:
        """All frames so far, in the order in which they were added.

        Args:
            end_s: End of the last frame of the video, analysed or not; ``None`` if unknown.

        Returns:
            Columns frame, time_s (to the microsecond), track, x1, y1, x2, y2 (pixels), score,
            emotion, confidence, one ``p_<label>`` per label of the network, valence, arousal,
            va_source, model. For a frame without a face only frame, time_s and model are filled.
            ``attrs`` has ``end_s`` if that is known.
        """
        labels = self._labels or ()
        rows = np.frombuffer(bytes(self._packed), _row_type(len(labels)))
        has_face = rows["track"] != _NO_TRACK
        tracks = pd.array(rows["track"].astype(np.int64), dtype="Int64")
        tracks[~has_face] = pd.NA
        columns: dict[str, object] = {
            "frame": rows["frame"],
            "time_s": rows["time_s"].round(6),
            "track": tracks,
        }
        boxes = np.where(has_face[:, None], rows["box"].round(1), np.nan)
        columns.update({name: boxes[:, i] for i, name in enumerate(("x1", "y1", "x2", "y2"))})
        columns["score"] = np.where(has_face, rows["score"], np.nan)
        probabilities = np.where(has_face[:, None], rows["p"], np.nan)
        emotions, sources = np.full((2, len(rows)), None, object)
        if labels:
            words = np.array([str(label) for label in labels], object)
            emotions[has_face] = words[probabilities[has_face].argmax(axis=1)]
        sources[has_face] = self._va_source
        columns["emotion"] = pd.Series(emotions, dtype="str")
        columns["confidence"] = np.where(has_face, rows["p"].max(axis=1, initial=0), np.nan)
        columns.update({f"p_{label}": probabilities[:, i] for i, label in enumerate(labels)})
        columns |= {name: np.where(has_face, rows[name], np.nan) for name in _PLANE}
        columns["va_source"] = pd.Series(sources, dtype="str")
        columns["model"] = pd.Series(np.full(len(rows), self._model, object), dtype="str")
        table = pd.DataFrame(columns)
        table.attrs = {} if end_s is None else {"end_s": end_s}
        return table


def people_table(
    frames: pd.DataFrame,
    analysis_period_s: float | None = None,
    *,
    smoothed: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """One row per person, of a whole video or a part of it.

    A frame counts for the time to the next analysed frame, at most ``max_hold_s``. Means and
    (population) standard deviations are weighted with that time and computed from raw predictions:
    smoothed ones lag, which would bias the means of a short video towards its beginning.

    Args:
        frames: As ``FrameTableBuilder.table`` makes it, including frames without a face.
        analysis_period_s: Usual time between analysed frames; by default their median.
        smoothed: The same rows smoothed, for emotions and times; by default ``frames``.

    Returns:
        Columns track, first_s, last_s, seen_s (duration of visibility), frames, dominant_emotion
        (with the largest share), one ``share_<label>`` per label (fraction of ``seen_s`` in which
        it is the most probable; they sum to 1), mean_valence, sd_valence, mean_arousal, sd_arousal,
        changes (of the most probable emotion from one frame with the person to the next), and
        positive_s, negative_s, intense_s: the times of maximum and minimum valence and of the
        largest distance from the origin of the plane, among faces clear enough for an image (see
        ``highlights``) if there are any. Sorted by track.
    """
    labels = [column.removeprefix("p_") for column in frames.columns if column.startswith("p_")]
    raw = {f"raw_{name}": frames[name].to_numpy() for name in _PLANE}
    shown = frames if smoothed is None else smoothed
    seen = shown.assign(weight=seen_seconds(frames, analysis_period_s), **raw)
    seen = seen[seen["track"].notna()].sort_values("time_s", kind="stable")
    columns = ["track", "first_s", "last_s", "seen_s", "frames", "dominant_emotion"]
    columns += [f"share_{label}" for label in labels]
    columns += ["mean_valence", "sd_valence", "mean_arousal", "sd_arousal", "changes"]
    columns += ["positive_s", "negative_s", "intense_s"]
    rows = [_person_row(rows, labels) for _, rows in seen.groupby("track")]
    return pd.DataFrame(rows, columns=columns).astype(
        {"track": "int64", "frames": "int64", "changes": "int64", "dominant_emotion": "str"}
    )


def to_analysis(rows: pd.DataFrame, size_wh: tuple[int, int]) -> Analysis:
    """Converts one frame's rows of a table back to an analysis.

    Args:
        rows: As ``FrameTableBuilder.table`` makes them; one without a track stands for no face.
        size_wh: Of the frame, in pixels.
    """
    seen = rows[rows["track"].notna()].sort_values("x1")
    columns = [name for name in rows.columns if name.startswith("p_")]
    probabilities = seen[columns].to_numpy(np.float32)
    total = np.maximum(probabilities.sum(axis=1, keepdims=True), 1e-6)
    faces = Faces(
        seen[["x1", "y1", "x2", "y2"]].to_numpy(np.float32),
        seen["score"].to_numpy(np.float32),
        track_ids=seen["track"].to_numpy(np.int64),
    )
    predictions = Predictions(
        to_label_set([name.removeprefix("p_") for name in columns]),
        probabilities / total,
        seen["valence"].to_numpy(np.float32),
        seen["arousal"].to_numpy(np.float32),
        VaSource(seen["va_source"].iloc[0]) if len(seen) else VaSource.HEAD,
    )
    return Analysis(size_wh, faces, predictions, str(rows["model"].iloc[0]), 0.0)


def select_time(frames: pd.DataFrame, start_s: float, end_s: float) -> pd.DataFrame:
    """The frames between two times, both included, in either order."""
    low, high = sorted((start_s, end_s))
    return frames[frames["time_s"].between(low, high)]


def select_people(frames: pd.DataFrame, tracks: Collection[int]) -> pd.DataFrame:
    """The rows of some people only; frames without any of them stay, as ones without a face."""
    chosen = frames["track"].isin(list(tracks))
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


def _row_type(n_labels: int) -> np.dtype[np.void]:
    return np.dtype(
        [
            ("frame", np.int64),
            ("time_s", np.float64),
            ("track", np.int32),
            ("box", np.float32, 4),
            ("score", np.float32),
            ("p", np.float32, n_labels),
            ("valence", np.float32),
            ("arousal", np.float32),
        ]
    )


def _person_row(rows: pd.DataFrame, labels: list[str]) -> dict[str, object]:
    """The numbers of one person from their rows, sorted by time."""
    weight = rows["weight"].to_numpy(float)
    if not weight.sum():  # a single frame of unknown duration
        weight = np.ones(len(rows))
    times, emotions = rows["time_s"].to_numpy(float), rows["emotion"].to_numpy(object)
    shares = [float(weight[emotions == label].sum() / weight.sum()) for label in labels]
    row: dict[str, object] = {"track": int(rows["track"].iloc[0]), "first_s": times[0]}
    row.update(last_s=times[-1], seen_s=float(rows["weight"].sum()), frames=len(rows))
    row["dominant_emotion"] = labels[int(np.argmax(shares))]
    row.update({f"share_{label}": share for label, share in zip(labels, shares, strict=True)})
    for name in _PLANE:
        values = rows[f"raw_{name}"].to_numpy(float)
        mean = float(np.average(values, weights=weight))
        row[f"mean_{name}"] = mean
        row[f"sd_{name}"] = float(np.sqrt(np.average((values - mean) ** 2, weights=weight)))
    row["changes"] = int((emotions[1:] != emotions[:-1]).sum())
    sides = np.minimum(rows["x2"] - rows["x1"], rows["y2"] - rows["y1"])
    clear = ((rows["score"] >= MIN_SCORE) & (sides >= MIN_FACE_PX)).to_numpy(bool)
    if clear.any():
        rows = rows[clear]
    times, valence, arousal = (rows[name].to_numpy(float) for name in ("time_s", *_PLANE))
    row["positive_s"] = times[valence.argmax()]
    row["negative_s"] = times[valence.argmin()]
    row["intense_s"] = times[np.hypot(valence, arousal).argmax()]
    return row
