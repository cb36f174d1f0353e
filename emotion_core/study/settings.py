"""Settings of a study: the common clock, the baseline, and windows around events."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal, Self

from emotion_core.errors import EmotionError

if TYPE_CHECKING:
    from collections.abc import Mapping

TableFormat = Literal["parquet", "xlsx", "json", "sav"]
TABLE_FORMATS: tuple[TableFormat, ...] = ("parquet", "xlsx", "json", "sav")
"""What tables are written as besides CSV."""


@dataclass(frozen=True, slots=True)
class Baseline:
    """The neutral readings from which changes are counted.

    Attributes:
        stimulus: The neutral clip of each participant; ``None`` to take the span in each video.
        from_s: Where the span begins, in seconds after the start of the video.
        to_s: Where it ends; ``None`` for the end of the clip.

    Raises:
        EmotionError: The span ends before it begins, or there is neither a clip nor an end.
    """

    stimulus: str | None = None
    from_s: float = 0.0
    to_s: float | None = None

    def __post_init__(self) -> None:
        check_span(self.from_s, self.to_s, "baseline")
        if self.stimulus is None and self.to_s is None:
            raise EmotionError("A baseline needs a neutral clip, or a span with an end.")


@dataclass(frozen=True, slots=True)
class StudySettings:
    """How the tables of a study are made from the videos' readings.

    Attributes:
        clock_hz: Values a second of the common clock to which curves are resampled.
        min_cover: Minimum share of a step of the clock that must be seen for it to count, 0-1.
        smoothing_s: Time constant for shares and switches, see ``people_table``; means, curves and
            peaks are never smoothed.
        baseline: From which changes are counted; ``None`` for no changes.
        window_s: Windows around events, in seconds before (negative) and after them.
        all_faces: Whether readings of faces that are hard to read count, too.
        draws: How often the participants are drawn anew for intervals.
        seed: Of the generator of random numbers.

    Raises:
        EmotionError: A value is out of its range.
    """

    clock_hz: float = 2.0
    min_cover: float = 0.5
    smoothing_s: float = 0.3
    baseline: Baseline | None = None
    window_s: tuple[float, float] = (-1.0, 3.0)
    all_faces: bool = False
    draws: int = 2000
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.clock_hz <= 1000:
            raise EmotionError(
                f"The common clock must be above 0, up to 1000, not {self.clock_hz}."
            )
        if not 0 < self.min_cover <= 1:
            raise EmotionError(f"The minimum cover must be above 0, up to 1, not {self.min_cover}.")
        if not 0 <= self.smoothing_s <= 60:
            raise EmotionError(f"Smoothing must be from 0 to 60 seconds, not {self.smoothing_s}.")
        if not self.window_s[0] < self.window_s[1]:
            raise EmotionError("The window around events must end after it begins.")
        if not 1 <= self.draws <= 1_000_000:
            raise EmotionError(f"Draws must be from 1 to 1,000,000, not {self.draws}.")

    def to_fields(self) -> dict[str, Any]:
        """The settings as JSON values."""
        return asdict(self)

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> Self:
        """Reads what ``to_fields`` wrote.

        Raises:
            EmotionError: A value is unknown or out of its range.
        """
        values = dict(fields)
        try:
            if values.get("baseline") is not None:
                values["baseline"] = Baseline(**values["baseline"])
            if "window_s" in values:
                start_s, end_s = values["window_s"]
                values["window_s"] = (float(start_s), float(end_s))
            return cls(**values)
        except (TypeError, ValueError) as error:
            if isinstance(error, EmotionError):
                raise
            raise EmotionError(f"The settings of the study cannot be read ({error}).") from error


def check_span(from_s: float, to_s: float | None, what: str) -> None:
    """Raises an ``EmotionError`` unless a span of time begins in the video and ends later."""
    if not from_s >= 0 or (to_s is not None and not to_s > from_s):
        raise EmotionError(f"The span of the {what} must begin at 0 or later and end after that.")
