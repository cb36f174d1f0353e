"""Analysed pictures of a video to tables: one row a picture and face, one row a person."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from emotion_core.labels import to_label_set
from emotion_core.types import Analysis, Faces, Predictions, VaSource
from emotion_core.video.highlights import LEAST_FACE_PX, LEAST_SCORE

if TYPE_CHECKING:
    from collections.abc import Collection

    import numpy.typing as npt

    from emotion_core.labels import LabelSet

_MOST_PERIODS, _LEAST_S = 2.0, 1.0
_NO_TRACK = -1
_PLANE = ("valence", "arousal")


class FrameTableBuilder:
    """Collects analysed pictures in about 100 bytes a face, whatever the length of the video."""

    def __init__(self) -> None:
        self._labels: LabelSet | None = None
        self._model = ""
        self._va_source = ""
        self._packed = bytearray()

    def add(self, frame_index: int, time_s: float, analysis: Analysis) -> None:
        """Take in one analysed picture; without a face it becomes a row that says so.

        Args:
            frame_index: Index of the picture in the video.
            time_s: Seconds after the first picture.
            analysis: Faces carry track ids; the network is the same for all pictures.

        Raises:
            ValueError: Faces have no track ids, or the network has changed.
        """
        faces, read = analysis.faces, analysis.predictions
        if self._labels is None:
            self._labels, self._model = read.labels, analysis.model
        if read.labels != self._labels:
            raise ValueError("All pictures of a video must be read by one network.")
        if len(faces) and faces.track_ids is None:
            raise ValueError("Faces of a video need track ids.")
        rows = np.zeros(max(1, len(faces)), _row_type(len(read.labels)))
        rows["frame"], rows["time_s"], rows["track"] = frame_index, time_s, _NO_TRACK
        if len(faces):
            self._va_source = str(read.va_source)
            rows["track"], rows["box"], rows["score"] = faces.track_ids, faces.boxes, faces.scores
            rows["p"], rows["valence"] = read.probabilities, read.valence
            rows["arousal"] = read.arousal
        self._packed += rows.tobytes()

    def table(self, end_s: float | None = None) -> pd.DataFrame:
        """All pictures so far, in the order in which they were given.

        Args:
            end_s: When the last picture of the video, analysed or not, is over, if that is known.

        Returns:
            Columns frame, time_s (to the microsecond), track, x1, y1, x2, y2 (pixels), score,
            emotion, confidence, one ``p_<label>`` per label of the network, valence, arousal,
            va_source, model. Of a picture without a face only frame, time_s and model are filled.
            Its ``attrs`` have ``end_s`` where that is given.
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
        columns.update(_most_probable(probabilities, has_face, labels))
        columns.update({f"p_{label}": probabilities[:, i] for i, label in enumerate(labels)})
        columns |= {n: np.where(has_face, rows[n], np.nan) for n in ("valence", "arousal")}
        sources = np.full(len(rows), None, object)
        sources[has_face] = self._va_source
        columns["va_source"] = _words(sources)
        columns["model"] = _words(np.full(len(rows), self._model, object))
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

    A picture counts for the time to the next analysed picture, at most ``max_hold_s``.
    Means and (population) standard deviations are weighted with that time, and of the readings as
    they are: smoothed ones lag, which would draw the means of a short video to its beginning.

    Args:
        frames: As ``FrameTableBuilder.table`` makes it, with the pictures in which nobody is seen.
        analysis_period_s: Usual time between analysed pictures; by default their median.
        smoothed: The same rows smoothed, of which emotions and moments are told; or ``frames``.

    Returns:
        Columns track, first_s, last_s, seen_s (for which the person is seen), frames (pictures),
        dominant_emotion (with the largest share), one ``share_<label>`` per label (of the time
        seen, in which it is the most probable; they sum to 1), mean_valence, sd_valence,
        mean_arousal, sd_arousal, changes (of the most probable emotion from one picture with the
        person to the next), and positive_s, negative_s, intense_s: the times of highest and lowest
        valence and of the largest distance from the origin of the plane, where faces are clear
        enough for a picture (see ``moments``) if they ever are. In order of tracks.
    """
    labels = [column.removeprefix("p_") for column in frames.columns if column.startswith("p_")]
    raw = {f"raw_{name}": frames[name].to_numpy() for name in _PLANE}
    course = frames if smoothed is None else smoothed
    seen = course.assign(weight=seen_seconds(frames, analysis_period_s), **raw)
    seen = seen[seen["track"].notna()].sort_values("time_s", kind="stable")
    rows = [_person_row(rows, labels) for _, rows in seen.groupby("track")]
    return pd.DataFrame(rows, columns=_people_columns(labels)).astype(
        {"track": "int64", "frames": "int64", "changes": "int64", "dominant_emotion": "str"}
    )


def to_analysis(rows: pd.DataFrame, size_wh: tuple[int, int]) -> Analysis:
    """One picture's rows of a table of frames, as they were analysed.

    Args:
        rows: As ``FrameTableBuilder.table`` makes them; one without a track stands for no face.
        size_wh: Of the picture, in pixels.
    """
    seen = rows[rows["track"].notna()].sort_values("x1")
    columns = [name for name in rows.columns if name.startswith("p_")]

    def floats(names: list[str]) -> Any:
        return seen[names].to_numpy(np.float32)

    probabilities = floats(columns)
    total = np.maximum(probabilities.sum(axis=1, keepdims=True), 1e-6)
    faces = Faces(
        floats(["x1", "y1", "x2", "y2"]),
        floats(["score"])[:, 0],
        track_ids=seen["track"].to_numpy(np.int64),
    )
    read = Predictions(
        to_label_set([name.removeprefix("p_") for name in columns]),
        probabilities / total,
        floats(["valence"])[:, 0],
        floats(["arousal"])[:, 0],
        VaSource(seen["va_source"].iloc[0]) if len(seen) else VaSource.HEAD,
    )
    return Analysis(size_wh, faces, read, str(rows["model"].iloc[0]), 0.0)


def select_time(frames: pd.DataFrame, start_s: float, end_s: float) -> pd.DataFrame:
    """The pictures from one time to another, both included, in either order."""
    low, high = sorted((start_s, end_s))
    return frames[frames["time_s"].between(low, high)]


def select_people(frames: pd.DataFrame, tracks: Collection[int]) -> pd.DataFrame:
    """The rows of some people only; pictures without any of them stay, as ones without a face."""
    wanted = frames["track"].isin(list(tracks))
    others = frames[~wanted & ~frames["frame"].isin(frames.loc[wanted, "frame"])]
    blank = others.drop_duplicates("frame").copy()
    kept = ("frame", "time_s", "model")
    emptied = blank.reindex(columns=[c for c in blank.columns if c in kept])
    chosen = pd.concat([frames[wanted], emptied]) if len(emptied) else frames[wanted]
    return chosen.sort_values(["frame", "track"], kind="stable", ignore_index=True)


def longest_seen(people: pd.DataFrame, n: int = 6) -> list[int]:
    """Tracks of the people seen longest, in order of tracks.

    Args:
        people: As ``people_table`` makes it.
        n: So many at most.
    """
    first = people.sort_values("seen_s", ascending=False, kind="stable").head(n)
    return sorted(int(track) for track in first["track"])


def analysis_period(frames: pd.DataFrame) -> float:
    """Median time in seconds from one analysed picture to the next; 0 for fewer than two."""
    times = frames.drop_duplicates("frame")["time_s"].sort_values().to_numpy(float)
    return float(np.median(np.diff(times))) if len(times) > 1 else 0.0


def max_hold_s(analysis_period_s: float) -> float:
    """For how many seconds a picture stands at most where the next analysed one comes late.

    What lies longer ago is not known: there a person counts as not seen, and lines are broken.
    Webcams and some videos have no steady rate, so it is a second at least.

    Args:
        analysis_period_s: Usual time between analysed pictures.
    """
    return max(_MOST_PERIODS * analysis_period_s, _LEAST_S)


def seen_seconds(
    frames: pd.DataFrame, analysis_period_s: float | None = None
) -> npt.NDArray[np.float64]:
    """For how many seconds each row stands: to the next analysed picture, within limits.

    Args:
        frames: As ``FrameTableBuilder.table`` makes it; ``attrs["end_s"]`` is the end of the video,
            where that is known.
        analysis_period_s: Usual time between analysed pictures; by default their median. It is
            also what the last picture counts for, but not beyond the end of the video.
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
            *(("frame", np.int64), ("time_s", np.float64), ("track", np.int32)),
            *(("box", np.float32, 4), ("score", np.float32), ("p", np.float32, n_labels)),
            *(("valence", np.float32), ("arousal", np.float32)),
        ]
    )


def _most_probable(
    probabilities: npt.NDArray[np.floating], has_face: npt.NDArray[np.bool_], labels: LabelSet
) -> dict[str, object]:
    """Columns emotion and confidence of ``(N, C)`` probabilities, empty where there is no face."""
    words = np.full(len(has_face), None, object)
    confidence = np.full(len(has_face), np.nan, np.float32)
    if labels:
        of_faces = probabilities[has_face]
        words[has_face] = np.array([str(label) for label in labels], object)[of_faces.argmax(1)]
        confidence[has_face] = of_faces.max(axis=1)
    return {"emotion": _words(words), "confidence": confidence}


def _words(values: npt.NDArray[np.object_]) -> pd.Series[str]:
    return pd.Series(values, dtype="str")


def _people_columns(labels: list[str]) -> list[str]:
    columns = ["track", "first_s", "last_s", "seen_s", "frames", "dominant_emotion"]
    columns += [f"share_{label}" for label in labels]
    columns += ["mean_valence", "sd_valence", "mean_arousal", "sd_arousal", "changes"]
    return [*columns, "positive_s", "negative_s", "intense_s"]


def _person_row(rows: pd.DataFrame, labels: list[str]) -> dict[str, object]:
    """The numbers of one person from their rows, in order of time."""
    weight = rows["weight"].to_numpy(float)
    if not weight.sum():  # a single picture: there is no period to tell for how long it stands
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
    clear = _is_clear(rows)
    times = times[clear]
    valence, arousal = (rows[name].to_numpy(float)[clear] for name in _PLANE)
    row["positive_s"] = times[valence.argmax()]
    row["negative_s"] = times[valence.argmin()]
    row["intense_s"] = times[np.hypot(valence, arousal).argmax()]
    return row


def _is_clear(rows: pd.DataFrame) -> npt.NDArray[np.bool_]:
    """Which faces are large and sure enough for a moment; all of them where none is."""
    sides = np.minimum(rows["x2"] - rows["x1"], rows["y2"] - rows["y1"])
    clear = ((rows["score"] >= LEAST_SCORE) & (sides >= LEAST_FACE_PX)).to_numpy(bool)
    return clear if clear.any() else np.ones(len(rows), bool)
