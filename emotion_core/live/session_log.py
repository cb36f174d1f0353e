"""What a session leaves behind: its table, its strongest moments, and the last minute."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from emotion_core.live.overlay import cover_faces
from emotion_core.video.highlights import HighlightTracker
from emotion_core.video.tables import FrameTableBuilder
from emotion_core.video.types import VideoFrame

if TYPE_CHECKING:
    from emotion_core.labels import LabelSet
    from emotion_core.live.frame_analyzer import LiveFrame
    from emotion_core.live.types import LiveResult
    from emotion_core.types import FloatArray
    from emotion_core.video.types import Highlight

MOST_LOG_S = 4 * 3600.0
"""Length of the table of a session; what comes later is shown, but not written down."""

MOST_LOG_ROWS = 500_000
"""Faces in the table of a session, about 50 MB; four hours of two people."""

HISTORY_S = 60.0
"""Length of the history for live charts."""

_MOST_HISTORY = 3600  # readings; a minute at 60 a second


class SessionLog:
    """Collects the readings of one stream. Thread-safe; memory is bounded."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._log = FrameTableBuilder()
        self._moments = HighlightTracker()
        self._labels: LabelSet = ()
        self._history: deque[tuple[float, FloatArray]] = deque(maxlen=_MOST_HISTORY)
        self._rows = 0
        self._is_full = False
        self._length_s = 0.0

    def add(self, frame: LiveFrame, reading: LiveResult, *, blur: bool) -> None:
        """Take in a reading.

        Args:
            frame: What was read.
            reading: Later than the one before.
            blur: Whether pictures of moments are blurred.
        """
        with self._lock:
            self._labels = reading.smoothed.predictions.labels
            self._history.append((reading.time_s, _packed(reading)))
            while self._history[0][0] < reading.time_s - HISTORY_S:
                self._history.popleft()
            self._is_full |= reading.time_s > MOST_LOG_S or self._rows >= MOST_LOG_ROWS
            if self._is_full:
                return
            self._log.add(reading.index, reading.time_s, reading.analysis)
            self._rows += max(1, len(reading.analysis))
            self._length_s = reading.time_s
            image = frame.image
            shown = cover_faces(image, reading, reading.frame_s) if blur else image
            picture = VideoFrame(reading.index, reading.time_s, reading.index, image)
            self._moments.add(picture, reading.smoothed, shown)

    @property
    def is_full(self) -> bool:
        """Whether the session has become too long for its table."""
        return self._is_full

    @property
    def length_s(self) -> float:
        """Seconds from the first frame to the last one in the table."""
        return self._length_s

    def table(self) -> pd.DataFrame:
        """The whole session, raw, as ``FrameTableBuilder.table`` makes it."""
        with self._lock:
            return self._log.table()

    def moments(self) -> tuple[Highlight, ...]:
        """The strongest moments so far."""
        with self._lock:
            return self._moments.moments()

    def history(self) -> pd.DataFrame:
        """The readings of the last ``HISTORY_S``, smoothed, for live charts.

        Returns:
            One row per face: time_s, age_s (before the newest), track, emotion, confidence, one
            ``p_<label>`` per label of the network, valence, arousal.
        """
        with self._lock:
            times = [time_s for time_s, _ in self._history]
            kept = [rows for _, rows in self._history]
            labels = self._labels
        return _history_table(times, kept, labels)


def _packed(reading: LiveResult) -> FloatArray:
    """Rows of track, valence, arousal, probabilities; one object a reading, not a dozen."""
    read, tracks = reading.smoothed.predictions, reading.smoothed.faces.track_ids
    ids = np.zeros(0) if tracks is None else tracks
    columns = (ids, read.valence, read.arousal, read.probabilities)
    return np.column_stack(columns).astype(np.float32)


def _history_table(times: list[float], kept: list[FloatArray], labels: LabelSet) -> pd.DataFrame:
    rows = np.concatenate(kept) if kept else np.zeros((0, 3 + len(labels)), np.float32)
    time_s = np.repeat(np.array(times, np.float64), [len(one) for one in kept])
    probabilities = rows[:, 3:]
    words = np.array([str(label) for label in labels], object)
    tops = words[probabilities.argmax(axis=1)] if len(rows) else []
    table: dict[str, object] = {"time_s": time_s}
    table["age_s"] = times[-1] - time_s if times else time_s
    table["track"] = rows[:, 0].astype(np.int64)
    table["emotion"] = pd.Series(tops, dtype="str")
    table["confidence"] = probabilities.max(axis=1, initial=0)
    table.update({f"p_{label}": probabilities[:, i] for i, label in enumerate(labels)})
    table["valence"], table["arousal"] = rows[:, 1], rows[:, 2]
    return pd.DataFrame(table)
