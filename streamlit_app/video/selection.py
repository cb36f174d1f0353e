"""What a visitor selects in the charts of a result, and the tables behind them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from emotion_core.video.tables import people_table, smooth_result, with_moments

if TYPE_CHECKING:
    import pandas as pd

    from emotion_core.video.types import VideoResult


@dataclass(slots=True)
class TimelineSelection:
    """A frame and a span of time that are selected in the charts of a result.

    The counters are part of widgets' keys: counting up replaces a widget by an empty one.

    Attributes:
        frame: Chart in which a frame was selected, and its time in seconds; ``None`` for none.
        brushes: Counts the spans selected in the timeline.
        inputs: Counts the spans selected by values.
        clears: Counts how often the selection was cleared.
    """

    frame: tuple[str, float] | None = None
    brushes: int = 0
    inputs: int = 0
    clears: int = 0
    _clicks: dict[str, float | None] = field(default_factory=dict)
    _brushed: list[float] | None = None

    def clear(self) -> None:
        """Clears the selection."""
        self.clears += 1
        self.frame = self._brushed = None
        self._clicks.clear()

    def click(self, chart: str, key: str, time_s: float | None) -> None:
        """Selects a frame; a chart reports its last click again with each other change.

        Args:
            chart: Name of the chart.
            key: Key of the widget.
            time_s: Time of the selected frame; ``None`` for none.
        """
        if self._clicks.get(key) != time_s:
            self.frame = None if time_s is None else (chart, time_s)
        self._clicks[key] = time_s

    def brush(self, span_s: list[float] | None) -> None:
        """Selects a span in the timeline, which reports it again with each click."""
        if span_s and span_s != self._brushed:
            self.brushes += 1
        self._brushed = span_s

    def replace_brush(self) -> None:
        """Drops the span in the timeline, since one was selected by values."""
        self.inputs += 1
        self._brushed = None


@dataclass(slots=True)
class ResultSmoother:
    """Smooths a result, and keeps the tables for the next run of the page."""

    _key: tuple[int, float, bool] | None = None
    _tables: tuple[pd.DataFrame, pd.DataFrame] | None = None

    def smooth(
        self, result: VideoResult, time_constant_s: float, *, all_faces: bool = False
    ) -> tuple[pd.DataFrame, VideoResult]:
        """The smoothed frame table, and the result with matching people and settings.

        Key moments stay those of the analysis, whose images there are. With ``all_faces`` unusable
        faces count, too.
        """
        key = (id(result.frames), time_constant_s, all_faces)
        settings = replace(result.settings, smoothing_s=time_constant_s, all_faces=all_faces)
        result = replace(result, settings=settings)
        if self._tables is None or key != self._key:
            frames = smooth_result(result)
            people = people_table(result.frames, smoothed=frames)
            self._tables = frames, with_moments(people, result.highlights)
            self._key = key
        frames, people = self._tables
        return frames, replace(result, people=people)
