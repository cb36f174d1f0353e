"""The table of a video's frames, one row per frame and face, and analyses made of it again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from emotion_core.actions import ACTION_COLUMNS
from emotion_core.labels import to_label_set
from emotion_core.quality import (
    FACE_FLAGS,
    MEASURE_COLUMNS,
    FaceQuality,
    join_flags,
    split_flags,
)
from emotion_core.types import Analysis, Faces, Predictions, VaSource

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    from emotion_core.labels import LabelSet
    from emotion_core.types import FloatArray

_NO_TRACK = -1
_PLANE = ("valence", "arousal")
_BITS = (1 << np.arange(len(FACE_FLAGS))).astype(np.uint8)
_FLAG_WORDS = np.array(
    [
        join_flags(f for f, bit in zip(FACE_FLAGS, _BITS, strict=True) if code & bit)
        for code in range(256)
    ],
    object,
)
"""The text of each combination of flags."""


class FrameTableBuilder:
    """Collects analysed frames, whatever the length of the video.

    Takes about 150 bytes per face, 200 more with action features.
    """

    def __init__(self) -> None:
        self._labels: LabelSet | None = None
        self._model = ""
        self._n_actions = 0
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
            self._n_actions = 0 if predictions.actions is None else len(ACTION_COLUMNS)
        if predictions.labels != self._labels:
            raise ValueError("All frames of a video must be analysed by one network.")
        if len(faces) and faces.track_ids is None:
            raise ValueError("Faces of a video need track ids.")
        rows = np.zeros(max(1, len(faces)), self._row_type)
        rows["frame"], rows["time_s"], rows["track"] = frame_index, time_s, _NO_TRACK
        rows["landmarks"] = np.nan
        if len(faces):
            self._va_source = str(predictions.va_source)
            rows["track"], rows["box"], rows["score"] = faces.track_ids, faces.boxes, faces.scores
            if faces.landmarks is not None:
                rows["landmarks"] = faces.landmarks
            rows["p"] = predictions.probabilities
            rows["valence"], rows["arousal"] = predictions.valence, predictions.arousal
            if predictions.actions is not None:
                rows["actions"] = predictions.actions
            _put_quality(rows, analysis.quality)
        self._packed += rows.tobytes()

    @property
    def _row_type(self) -> np.dtype[np.void]:
        return _row_type(len(self._labels or ()), self._n_actions)

    def landmarks(self) -> FloatArray:
        """``(N, 5, 2)`` landmarks of each row of the table, see ``Faces``; NaN if unknown."""
        rows = np.frombuffer(bytes(self._packed), self._row_type)
        return np.array(rows["landmarks"], np.float32)

    def table(self, end_s: float | None = None) -> pd.DataFrame:
        """All frames so far, in the order in which they were added.

        Args:
            end_s: End of the last frame of the video, analysed or not; ``None`` if unknown.

        Returns:
            Columns frame, time_s (to the microsecond), track, x1, y1, x2, y2 (pixels), score,
            emotion, confidence, one ``p_<label>`` per label of the network, valence, arousal,
            va_source, model, ``QUALITY_COLUMNS`` and, if the analyses have them,
            ``ACTION_COLUMNS``. For a frame without a face only frame,
            time_s, model and is_usable (False) are filled.
            ``attrs`` has ``end_s`` if that is known.
        """
        labels = self._labels or ()
        rows = np.frombuffer(bytes(self._packed), self._row_type)
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
        columns |= _quality_columns(rows, has_face)
        actions = np.where(has_face[:, None], rows["actions"], np.nan)  # (N, 51) or (N, 0)
        columns |= dict(zip(ACTION_COLUMNS, actions.T, strict=False))
        table = pd.DataFrame(columns)
        table.attrs = {} if end_s is None else {"end_s": end_s}
        return table


def iter_analyses(
    frames: pd.DataFrame, size_wh: tuple[int, int]
) -> Iterator[tuple[int, float, Analysis]]:
    """Converts a table back to analyses, without brief tracks.

    Args:
        frames: As ``FrameTableBuilder.table`` makes it, raw or smoothed, in order of time.
        size_wh: Of the frames, in pixels.

    Yields:
        For each frame its index, its time in seconds and its analysis.
    """
    if frames.empty:
        return
    names = [name for name in frames.columns if name.startswith("p_")]
    labels = to_label_set([name.removeprefix("p_") for name in names])
    sources = frames["va_source"].dropna()
    source = VaSource(sources.iloc[0]) if len(sources) else VaSource.HEAD
    model = str(frames["model"].iloc[0])
    index, starts = np.unique(frames["frame"].to_numpy(), return_index=True)
    times_s = frames["time_s"].to_numpy(float)[starts]
    seen = frames["track"].notna()
    if "is_brief" in frames:
        seen &= ~frames["is_brief"]
    rows = frames[seen].sort_values(["frame", "x1"], kind="stable")
    bounds = np.searchsorted(rows["frame"].to_numpy(), [*index, index[-1] + 1]).tolist()
    tracks, boxes = rows["track"].to_numpy(np.int64), rows[["x1", "y1", "x2", "y2"]]
    columns = (boxes, rows["score"], rows["valence"], rows["arousal"], rows[names])
    numbers = [column.to_numpy(np.float32) for column in columns]
    quality = _read_quality(rows)
    numbers[-1] = numbers[-1] / np.maximum(numbers[-1].sum(axis=1, keepdims=True), 1e-6)
    for i, (frame, time_s) in enumerate(zip(index.tolist(), times_s.tolist(), strict=True)):
        part = slice(bounds[i], bounds[i + 1])
        box, score, valence, arousal, probabilities = (column[part] for column in numbers)
        faces = Faces(box, score, None, tracks[part])
        predictions = Predictions(labels, probabilities, valence, arousal, source)
        measured = None if quality is None else quality[part]
        yield frame, time_s, Analysis(size_wh, faces, predictions, model, 0.0, measured)


def _row_type(n_labels: int, n_actions: int) -> np.dtype[np.void]:
    return np.dtype(
        [
            ("frame", np.int64),
            ("time_s", np.float64),
            ("track", np.int32),
            ("box", np.float32, 4),
            ("landmarks", np.float32, (5, 2)),
            ("score", np.float32),
            ("p", np.float32, n_labels),
            ("valence", np.float32),
            ("arousal", np.float32),
            *((name, np.float32) for name in MEASURE_COLUMNS),
            ("flags", np.uint8),
            ("is_usable", np.bool_),
            ("actions", np.float32, (n_actions,)),
        ]
    )


def _put_quality(rows: npt.NDArray[np.void], quality: FaceQuality | None) -> None:
    if quality is None:
        for name in MEASURE_COLUMNS:
            rows[name] = np.nan
        rows["is_usable"] = True
        return
    for name, values in quality.measures.items():
        rows[name] = values
    rows["flags"] = quality.flags @ _BITS
    rows["is_usable"] = quality.is_usable


def _quality_columns(
    rows: npt.NDArray[np.void], has_face: npt.NDArray[np.bool_]
) -> dict[str, object]:
    columns: dict[str, object] = {
        name: np.where(has_face, rows[name], np.nan) for name in MEASURE_COLUMNS
    }
    is_known = has_face & np.isfinite(rows["quality"])
    flags = np.full(len(rows), None, object)
    flags[is_known] = _FLAG_WORDS[rows["flags"][is_known]]
    columns["flags"] = pd.Series(flags, dtype="str")
    return columns | {"is_usable": rows["is_usable"]}


def _read_quality(rows: pd.DataFrame) -> FaceQuality | None:
    """The quality in rows of faces; ``None`` if it is unknown or does not matter."""
    if "is_usable" not in rows or rows["quality"].isna().any():
        return None
    numbers = rows[list(MEASURE_COLUMNS)].to_numpy(np.float32)
    flags = [split_flags(text) for text in rows["flags"].fillna("")]
    marked = np.array(flags, np.bool_).reshape(len(rows), len(FACE_FLAGS))
    sharpness, brightness, quality = numbers[:, 3:].T
    return FaceQuality(numbers[:, :3], sharpness, brightness, quality, marked)
