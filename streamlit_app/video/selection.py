"""What a visitor selects in the charts of a result, and the tables behind them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from emotion_core.reporting.cursor_charts import cursor_charts
from emotion_core.reporting.findings import describe_course
from emotion_core.video.tables import people_table, select_people, smooth_result, with_moments

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from emotion_core.reporting.cursor_charts import CursorCharts
    from emotion_core.video.types import VideoResult


@dataclass(slots=True)
class TimelineSelection:
    """What is selected in the charts of a result.

    Attributes:
        clears: Counts the results; part of widgets' keys, so that they begin anew.
        seek: Counts the times that were entered by values, and the last of them in seconds.
        span_s: Start and end of the selected span in seconds; ``None`` for all of the video.
        spans: Counts the spans that were selected elsewhere than in the slider.
        is_followed: Whether the viewer tells where its cursor comes to rest.
        cursor_s: Where that was, in seconds.
    """

    clears: int = 0
    seek: tuple[int, float] | None = None
    span_s: tuple[float, float] | None = None
    spans: int = 0
    is_followed: bool = False
    cursor_s: float = 0.0

    @property
    def sought_s(self) -> float | None:
        """The time that was entered last, in seconds; ``None`` for none."""
        return self.seek[1] if self.seek else None

    @property
    def slider_key(self) -> str:
        """Key of the slider for the span: a new one where the span was selected elsewhere."""
        return f"span {self.clears} {self.spans}"

    def clear(self) -> None:
        """Clears the selection."""
        self.clears += 1
        self.seek = None
        self.cursor_s = 0.0
        self.select_span(None)

    def select_span(self, span_s: tuple[float, float] | None) -> None:
        """Selects a span of time, or all of the video, and begins the slider anew with it."""
        self.span_s = span_s
        self.spans += 1

    def go_to(self, time_s: float | None) -> None:
        """Moves the cursor to a time."""
        if time_s is not None:
            self.seek = ((self.seek or (0, 0.0))[0] + 1, time_s)


@dataclass(slots=True)
class ResultSmoother:
    """Smooths a result, describes people, makes charts, and keeps all for the page's next run."""

    _key: tuple[int, float, bool] | None = None
    _tables: tuple[pd.DataFrame, pd.DataFrame] | None = None
    _charts: tuple[list[int], CursorCharts] | None = None
    _courses: dict[int, str] = field(default_factory=dict)

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
            self._key, self._charts, self._courses = key, None, {}
        frames, people = self._tables
        return frames, replace(result, people=people)

    def course(self, frames: pd.DataFrame, track: int) -> str:
        """What ``describe_course`` says of a person.

        Args:
            frames: What ``smooth`` gave.
            track: The person.
        """
        if track not in self._courses:
            self._courses[track] = describe_course(frames, track)
        return self._courses[track]

    def charts(
        self, frames: pd.DataFrame, tracks: list[int], marks_s: Sequence[float] = ()
    ) -> CursorCharts:
        """The ``cursor_charts`` of some people.

        Args:
            frames: What ``smooth`` gave.
            tracks: The people.
            marks_s: Times that were marked; always the same ones for a result.
        """
        if self._charts is None or self._charts[0] != tracks:
            self._charts = tracks, cursor_charts(select_people(frames, tracks), marks_s)
        return self._charts[1]
