"""The history of a run: one row of metrics per epoch, the best one, and early stopping."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from emotion_core.training.engine.run_dir import Row

if TYPE_CHECKING:
    from collections.abc import Sequence

    from emotion_core.training.evaluation.metrics import Metrics

_LABEL_METRICS = ("accuracy", "macro_f1", "accuracy_nine", "ece", "cross_entropy")
_VA_METRICS = ("valence_ccc", "arousal_ccc", "valence_r", "arousal_r")


@dataclass(frozen=True, slots=True)
class EmotionEpochReport:
    """Results of one epoch.

    Attributes:
        epoch: Counted from 1.
        loss: Mean training loss of this process's faces.
        learning_rate: At the last step.
        time_s: Duration of training and validation.
        metrics: Of the averaged weights on the held-out faces; ``None`` except in the first
            process.
    """

    epoch: int
    loss: float
    learning_rate: float
    time_s: float
    metrics: Metrics | None


def to_row(report: EmotionEpochReport, metrics: Metrics) -> Row:
    """The row of ``logs/metrics.csv``."""
    row: Row = {
        "epoch": report.epoch,
        "loss": report.loss,
        "learning_rate": report.learning_rate,
        "time_s": round(report.time_s, 1),
    }
    row.update({name: getattr(metrics, name) for name in _LABEL_METRICS + _VA_METRICS})
    row.update({f"recall_{word}": value for word, value in metrics.per_class_recall.items()})
    return row


def best_epoch(history: Sequence[Row]) -> int:
    """The first epoch, counted from 1, with the best validation; 0 if none is done.

    The accuracy decides, then the cross-entropy; without any label the mean concordance of valence
    and arousal does.
    """
    return int(max(history, key=_score)["epoch"] or 0) if history else 0


def is_exhausted(history: Sequence[Row], patience: int) -> bool:
    """Whether ``patience`` epochs have passed since the best one; never if it is 0."""
    if not patience or not history:
        return False
    return int(history[-1]["epoch"] or 0) - best_epoch(history) >= patience


def _score(row: Row) -> tuple[float, float]:
    accuracy = row.get("accuracy")
    if accuracy is None:
        found = [row.get(name) for name in ("valence_ccc", "arousal_ccc")]
        known = [value for value in found if value is not None]
        accuracy = sum(known) / len(known) if known else float("-inf")
    cross_entropy = row.get("cross_entropy")
    return accuracy, -cross_entropy if cross_entropy is not None else 0.0


def progress_line(report: EmotionEpochReport, epochs: int) -> str:
    """One epoch in one line, for the log."""
    parts = [f"epoch {report.epoch}/{epochs}", f"loss {report.loss:.4f}"]
    if report.metrics:
        for name, word in (
            ("accuracy", "validation accuracy"),
            ("macro_f1", "macro-F1"),
            ("cross_entropy", "cross-entropy"),
            ("valence_ccc", "valence CCC"),
            ("arousal_ccc", "arousal CCC"),
        ):
            value = getattr(report.metrics, name)
            if value is not None:
                parts.append(f"{word} {value:.4f}")
    return "  ".join([*parts, f"{report.time_s:.0f} s"])
