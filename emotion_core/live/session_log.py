"""The log of a session: its table, its highlights, and the last minute for live charts."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from emotion_core.live.overlay import redact
from emotion_core.video.frame_table import FrameTableBuilder
from emotion_core.video.highlights import HighlightTracker
from emotion_core.video.types import VideoFrame

if TYPE_CHECKING:
    from emotion_core.labels import LabelSet
    from emotion_core.live.types import LiveResult
    from emotion_core.types import FloatArray
    from emotion_core.video.types import Highlight

MAX_LOG_S = 4 * 3600.0
"""Maximum length of the table; later frames are shown, but not logged."""

MAX_LOG_ROWS = 500_000
"""Maximum number of faces in the table, about 50 MB; four hours of two people."""

HISTORY_S = 60.0
"""Length of the history for live charts."""

_MAX_HISTORY = 3600  # results; a minute at 60 a second


class SessionLog:
    """Collects the results of one stream. Thread-safe; memory is bounded.

    Attributes:
        is_full: Whether the session has become too long for its table.
        length_s: Seconds from the first frame to the last one in the table.
    """

    def __init__(self) -> None:
        self.is_full = False
        self.length_s = 0.0
        self._lock = threading.Lock()
        self._table = FrameTableBuilder()
        self._highlights = HighlightTracker()
        self._labels: LabelSet = ()
        self._history: deque[tuple[float, FloatArray]] = deque(maxlen=_MAX_HISTORY)
        self._rows = 0

    def add(self, result: LiveResult, *, blur: bool) -> None:
        """Adds a result.

        Args:
            result: Later than the previous one.
            blur: Whether images of highlights are blurred.
        """
        with self._lock:
            frame, time_s = result.frame, result.frame.time_s
            self._labels = result.smoothed.predictions.labels
            self._history.append((time_s, _to_rows(result)))
            while self._history[0][0] < time_s - HISTORY_S:
                self._history.popleft()
            self.is_full |= time_s > MAX_LOG_S or self._rows >= MAX_LOG_ROWS
            if self.is_full:
                return
            self._table.add(frame.index, time_s, result.analysis)
            self._rows += max(1, len(result.analysis))
            self.length_s = time_s
            shown = redact(result) if blur else frame.image
            video_frame = VideoFrame(frame.index, time_s, frame.index, frame.image)
            self._highlights.add(video_frame, result.smoothed, shown)

    def table(self) -> pd.DataFrame:
        """The whole session, raw, as ``FrameTableBuilder.table`` makes it."""
        with self._lock:
            return self._table.table()

    def highlights(self) -> tuple[Highlight, ...]:
        """The highlights so far."""
        with self._lock:
            return self._highlights.highlights()

    def history(self) -> pd.DataFrame:
        """The smoothed results of the last ``HISTORY_S``, for live charts.

        Returns:
            One row per face: time_s, age_s (before the newest), track, emotion, confidence, one
            ``p_<label>`` per label of the network, valence, arousal.
        """
        with self._lock:
            times = [time_s for time_s, _ in self._history]
            parts = [rows for _, rows in self._history]
            labels = self._labels
        rows = np.concatenate([np.zeros((0, 3 + len(labels)), np.float32), *parts])
        time_s = np.repeat(np.array(times, np.float64), [len(part) for part in parts])
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


def _to_rows(result: LiveResult) -> FloatArray:
    """Rows of track, valence, arousal, probabilities: one object per result, not a dozen."""
    predictions, tracks = result.smoothed.predictions, result.smoothed.faces.track_ids
    ids = np.zeros(0) if tracks is None else tracks
    columns = (ids, predictions.valence, predictions.arousal, predictions.probabilities)
    return np.column_stack(columns).astype(np.float32)
