"""What each epoch of a detector's training gave, and which was best."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from emotion_core.training.engine.run_dir import Row


@dataclass(frozen=True, slots=True)
class DetectorEpochReport:
    """What some steps gave.

    Attributes:
        epoch: Counted from 1.
        step: Steps done in all.
        losses: Means: ``total`` and its parts ``score``, ``box``, ``landmarks``.
        learning_rate: At the last step.
        time_s: How long training and validation took.
        ap: Average precision of the averaged weights; ``None`` where it was not measured.
    """

    epoch: int
    step: int
    losses: dict[str, float]
    learning_rate: float
    time_s: float
    ap: float | None

    def to_row(self) -> Row:
        """What is kept of it."""
        return {
            "epoch": self.epoch,
            "step": self.step,
            **{f"loss_{name}": value for name, value in self.losses.items()},
            "learning_rate": self.learning_rate,
            "average_precision": self.ap,
            "time_s": round(self.time_s, 1),
        }


def best_row(history: Sequence[Row]) -> Row | None:
    """The epoch with the highest average precision, the first of equals; ``None`` if none has."""
    rated = [row for row in history if row.get("average_precision") is not None]
    return max(rated, key=lambda row: row["average_precision"] or 0, default=None)


def epoch_line(report: DetectorEpochReport, progress: float) -> str:
    """One epoch in one line, for the log; ``progress`` says how much of the run is done, 0-1."""
    losses = "  ".join(f"{name} {value:.4f}" for name, value in report.losses.items())
    parts = [f"epoch {report.epoch}", f"step {report.step}", f"{progress:.1%}", losses]
    if report.ap is not None:
        parts.append(f"AP {report.ap:.4f}")
    return "  ".join([*parts, f"{report.time_s:.0f} s"])
