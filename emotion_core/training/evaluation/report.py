"""Results of an evaluation as a table to read and as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from emotion_core.training.evaluation.bootstrap import to_words
from emotion_core.training.evaluation.worst import find_worst
from emotion_core.types import VaSource

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from emotion_core.training.evaluation.bootstrap import Range
    from emotion_core.training.evaluation.evaluate import EmotionReport, MissedPhotos
    from emotion_core.training.evaluation.groups import GroupMetrics
    from emotion_core.training.evaluation.metrics import Metrics
    from emotion_core.training.evaluation.paired import PairedReport
    from emotion_core.training.evaluation.worst import WrongReading

_WIDTH = 26

_NAMED = 5
"""Maximum number of photos named in the table; the JSON has all."""


def emotion_report_json(report: EmotionReport, paired: PairedReport | None = None) -> str:
    """All results as a JSON object; missing numbers are null, never NaN.

    At the top are the fields of ``metrics.Metrics``, and ``dataset``, ``candidates`` (classes
    between which ``accuracy`` decides), ``framing``, ``model``, ``model_sha256``, ``temperature``,
    ``ece_raw``, ``valence_arousal_source``, ``size`` and ``speed``; for photos also ``photo_ms``,
    ``missed_files`` (no face found) and ``unreadable_files``. ``intervals_95`` has ``[low, high]``
    of some metrics, and their origin (``bootstrap.Intervals``). ``groups``, if asked for, has the
    metrics of each group of people (``groups.GroupMetrics``); ``paired``, with a second model, both
    side by side (``paired.PairedReport``); ``worst``, for photos, the worst errors
    (``worst.WrongReading``).
    """
    card = report.card
    content: dict[str, Any] = {
        "dataset": report.faces.name,
        "model": card.name,
        **asdict(report.metrics),
        "intervals_95": asdict(report.intervals),
        "ece_raw": report.ece_raw,
        "candidates": list(report.faces.classes),
        "framing": report.framing,
        "valence_arousal_source": card.va_source,
        "temperature": card.temperature,
        "model_file": card.weights.filename,
        "model_sha256": card.weights.sha256,
        "size": asdict(report.size),
        "speed": asdict(report.speed) if report.speed else None,
    }
    if report.groups:
        content["groups"] = [asdict(group) for group in report.groups]
    if paired is not None:
        content["paired"] = asdict(paired)
    if report.missed is not None:
        content["worst"] = [asdict(one) for one in find_worst(report.faces, report.readings)]
        content["photo_ms"] = report.photo_ms
        content["missed_files"] = list(report.missed.no_face)
        content["unreadable_files"] = [
            {"file": file, "reason": reason} for file, reason in report.missed.unreadable
        ]
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def emotion_report_table(report: EmotionReport) -> str:
    """All results as text, each with its number of faces or photos."""
    unit = "faces" if report.missed is None else "photos"
    lines = [f"{report.faces.name}, {len(report.faces)} {unit}, {report.card.name}", report.framing]
    if report.missed is not None:
        lines += _missed_lines(report.missed, len(report.faces))
    lines += ["", *_class_lines(report, unit), "", *_recall_lines(report.metrics, unit)]
    lines += ["", *_confusion_lines(report.metrics), "", *_va_lines(report, unit), ""]
    lines += [*_group_lines(report.groups, unit), ""] if report.groups else []
    lines += [report.intervals.words, ""] if report.intervals.words else []
    return "\n".join([*lines, *_cost_lines(report)]) + "\n"


def paired_report_table(paired: PairedReport) -> str:
    """Two models side by side as text."""
    first, second = paired.names
    width = max(_WIDTH, *(len(f"  {one.name}") + 1 for one in paired.differences))
    lines = [
        "",
        f"{second} against {first}, on the same faces",
        f"{'':{width}}{'first':>8}{'second':>8}  difference",
    ]
    for one in paired.differences:
        name = "  " + one.name.replace("_", " ").replace("ccc", "CCC").replace("f1", "F1")
        span = " (95%: {:+.3f} to {:+.3f})".format(*one.interval) if one.interval else ""
        figures = f"{one.first:>8.3f}{one.second:>8.3f}  {one.difference:+.3f}{span}"
        lines.append(f"{name:{width}}{figures}")
    lines += [
        f"both right {paired.both_right}, only {first} {paired.only_first}, only {second} "
        f"{paired.only_second}, both wrong {paired.both_wrong}; McNemar's test: p = "
        f"{paired.mcnemar_p:.2g}",
        f"agreement of their words with each other: kappa {_number(paired.kappa)}",
    ]
    return "\n".join(lines) + "\n"


def worst_table(worst: Sequence[WrongReading]) -> str:
    """The worst errors as text; empty if there are none."""
    if not worst:
        return ""
    lines = ["", "furthest from their labels"]
    lines += [
        f"  {one.file}: {one.label}, read as {one.read} {one.probability:.2f}" for one in worst
    ]
    return "\n".join(lines) + "\n"


def _missed_lines(missed: MissedPhotos, n: int) -> Iterator[str]:
    yield (
        f"{len(missed.no_face)} of {n} photos without a face found, {len(missed.unreadable)} "
        "unreadable: both count as wrong."
    )
    for file, reason in missed.unreadable[:_NAMED]:
        yield f"  {file}: {reason}"
    if len(missed.unreadable) > _NAMED:
        yield f"  and {len(missed.unreadable) - _NAMED} more; --json names all."


def _class_lines(report: EmotionReport, unit: str) -> Iterator[str]:
    metrics, n_classes = report.metrics, len(report.faces.classes)
    found = sum(b.n for b in metrics.calibration)
    interval = report.intervals
    n = f"{metrics.n} {unit}"
    yield _line(f"accuracy, {n_classes} classes", metrics.accuracy, n, interval.accuracy)
    n_true = len(metrics.per_class_recall)
    yield _line(f"macro-F1, {n_true} classes", metrics.macro_f1, n, interval.macro_f1)
    yield _line(f"mean recall, {n_true} classes", metrics.mean_recall, n, interval.mean_recall)
    yield _line("accuracy, 9 classes", metrics.accuracy_nine, f"{metrics.n_nine} {unit}")
    yield _line(
        "calibration error (ECE)",
        metrics.ece,
        f"{found} {unit}, 9 classes, temperature {report.card.temperature:g}",
    )
    yield _line("  with temperature 1", report.ece_raw, f"{found} {unit}")
    note = f"confidence minus accuracy, {found} {unit}, 9 classes"
    yield _line("overconfidence", metrics.overconfidence, note, interval.overconfidence)
    yield _line("cross-entropy", metrics.cross_entropy, "against the labels")


def _recall_lines(metrics: Metrics, unit: str) -> Iterator[str]:
    yield "recall by class"
    for label, recall in metrics.per_class_recall.items():
        row = metrics.confusion[metrics.labels.index(label)]
        missed = metrics.missed_per_class.get(label, 0)
        note = f", {missed} missed" if missed else ""
        yield _line(f"  {label}", recall, f"{sum(row) + missed} {unit}{note}")


def _confusion_lines(metrics: Metrics) -> Iterator[str]:
    """Counts, without classes that occur neither in the ground truth nor in the predictions."""
    used = [
        i
        for i, label in enumerate(metrics.labels)
        if label in metrics.per_class_recall or any(row[i] for row in metrics.confusion)
    ]
    has_missed = bool(metrics.missed_per_class)
    head = [*(metrics.labels[i][:9] for i in used), *(["missed"] if has_missed else [])]
    yield "confusion (rows: truth, columns: prediction)"
    yield " " * 12 + "".join(f"{word:>10}" for word in head)
    for i in used:
        label = metrics.labels[i]
        cells = [metrics.confusion[i][j] for j in used]
        if has_missed:
            cells.append(metrics.missed_per_class.get(label, 0))
        yield f"  {label:10}" + "".join(f"{cell:>10}" for cell in cells)


def _va_lines(report: EmotionReport, unit: str) -> Iterator[str]:
    metrics = report.metrics
    source = (
        "from the network's own outputs"
        if report.card.va_source is VaSource.HEAD
        else "as the expectation of published coordinates of the emotions"
    )
    yield f"valence and arousal, {source}"
    if not (metrics.n_valence or metrics.n_arousal):
        yield "  no ratings to compare with"
        return
    for name in ("valence", "arousal"):
        values = [
            f"{word} {_number(getattr(metrics, f'{name}_{key}'))}"
            for word, key in (("CCC", "ccc"), ("Pearson r", "r"), ("RMSE", "rmse"))
        ]
        interval = getattr(report.intervals, f"{name}_ccc")
        tail = f"; CCC {to_words(interval)}" if interval else ""
        n = getattr(metrics, f"n_{name}")
        yield f"  {name:{_WIDTH - 2}}{'  '.join(values)}  ({n} {unit}{tail})"


def _group_lines(groups: Sequence[GroupMetrics], unit: str) -> Iterator[str]:
    column = ""
    for group in groups:
        if group.column != column:
            column = group.column
            yield f"by {column}"
        metrics, interval = group.metrics, group.intervals
        yield f"  {group.value}, {metrics.n} {unit}"
        for name, value, span in (
            ("accuracy", metrics.accuracy, interval.accuracy),
            (
                f"mean recall, {len(metrics.per_class_recall)} classes",
                metrics.mean_recall,
                interval.mean_recall,
            ),
            ("calibration error (ECE)", metrics.ece, None),
            ("valence RMSE", metrics.valence_rmse, interval.valence_rmse),
            ("arousal RMSE", metrics.arousal_rmse, interval.arousal_rmse),
        ):
            if value is not None:
                tail = f"  ({to_words(span)})" if span else ""
                yield f"    {name:{_WIDTH}}{_number(value)}{tail}"


def _cost_lines(report: EmotionReport) -> Iterator[str]:
    size, speed = report.size, report.speed
    adds = f"{size.multiply_adds / 1e6:.1f} million" if size.multiply_adds else "not known"
    yield f"{'parameters':{_WIDTH}}{size.parameters / 1e6:.3f} million"
    yield f"{'multiply-adds a face':{_WIDTH}}{adds}"
    yield f"{'file':{_WIDTH}}{size.file_bytes / 1e6:.2f} MB"
    if speed is not None:
        threads = f"{speed.threads} thread{'s' if speed.threads > 1 else ''}"
        yield (
            f"{'milliseconds a face':{_WIDTH}}{speed.one_ms:.2f} alone, {speed.batch_ms:.2f} in "
            f"batches of 32 ({speed.processor}, {threads})"
        )
    if report.photo_ms is not None:
        yield f"{'milliseconds a photo':{_WIDTH}}{report.photo_ms:.1f} (detection and reading)"


def _line(name: str, value: float | None, note: str, interval: Range | None = None) -> str:
    tail = f"; {to_words(interval)}" if interval else ""
    return f"{name:{_WIDTH}}{_number(value)}  ({note}{tail})"


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.4f}"
