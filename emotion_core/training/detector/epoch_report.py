"""Results of each epoch of a detector's training, and the best one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from emotion_core.training.engine.run_dir import Row


@dataclass(frozen=True, slots=True)
class DetectorEpochReport:
    """Results of one epoch.

    Attributes:
        epoch: Counted from 1.
        step: Total number of steps done.
        losses: Means: ``total`` and its parts ``score``, ``box``, ``landmarks``.
        learning_rate: At the last step.
        time_s: Duration of training and validation.
        ap: Average precision of the averaged weights; ``None`` if it was not measured.
    """

    epoch: int
    step: int
    losses: dict[str, float]
    learning_rate: float
    time_s: float
    ap: float | None

    def to_row(self) -> Row:
        """The row of ``logs/metrics.csv``."""
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
