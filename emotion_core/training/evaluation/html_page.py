"""Results of an evaluation as one page of charts; single charts as image files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import altair as alt

from emotion_core.errors import EmotionError
from emotion_core.files.save import write_errors
from emotion_core.imaging.palette import WORDS
from emotion_core.reporting.photo_charts import to_html
from emotion_core.training.evaluation.bootstrap import to_words
from emotion_core.training.evaluation.plots import (
    calibration_chart,
    confusion_chart,
    recall_chart,
    va_chart,
)

if TYPE_CHECKING:
    from pathlib import Path

    from altair.typing import ChartType

    from emotion_core.training.evaluation.evaluate import EmotionReport

PLOT_SUFFIXES = (".svg", ".png")
"""Files that ``save_plot`` writes."""


def evaluation_page(report: EmotionReport) -> str:
    """An HTML page of all charts that works offline."""
    return to_html(evaluation_charts(report), title=_title(report))


def evaluation_charts(report: EmotionReport) -> ChartType:
    """All charts of a report, with the title and the lines of their page."""
    metrics = report.metrics
    rows: list[ChartType] = []
    if metrics.n:
        rows.append(alt.hconcat(confusion_chart(metrics), recall_chart(metrics), spacing=50))
    second = [calibration_chart(report)] if metrics.n_nine else []
    rated = [column for column, n in enumerate((metrics.n_valence, metrics.n_arousal)) if n]
    second += [va_chart(report, column) for column in rated]
    if second:
        rows.append(alt.hconcat(*second, spacing=50))
    charts = alt.vconcat(*rows, spacing=40).resolve_scale(color="independent")
    return with_head(charts, _title(report), head_lines(report))


def head_lines(report: EmotionReport) -> list[str]:
    """The lines between the title and the charts."""
    words = [report.intervals.words] if report.intervals.words else []
    return [_summary(report), *words, report.framing]


def with_head(charts: ChartType, title: str, subtitle: list[str]) -> ChartType:
    """Charts below a title and lines, as on a page."""
    head = alt.TitleParams(
        title,
        subtitle=subtitle,
        fontSize=20,
        subtitleFontSize=13,
        anchor="start",
        offset=24,
    )
    page: ChartType = charts.configure_view(strokeWidth=0)
    page = page.configure_axis(labelFontSize=12, titleFontSize=12, titlePadding=8)
    page = page.configure_axisLeft(minExtent=64)
    page = page.configure_title(fontSize=15, anchor="start", subtitleColor=WORDS)
    return page.properties(title=head, padding=24)


def save_plot(chart: ChartType, path: Path) -> None:
    """Writes a chart as SVG or PNG, on white.

    Raises:
        EmotionError: The ending is another, or the file cannot be written.
    """
    if path.suffix not in PLOT_SUFFIXES:
        raise EmotionError(f"{path} must end in {' or '.join(PLOT_SUFFIXES)}.")
    with write_errors(path):
        chart.configure(background="white", padding=16).save(
            str(path), format=path.suffix[1:], scale_factor=2 if path.suffix == ".png" else 1
        )


def _title(report: EmotionReport) -> str:
    return f"{report.card.name} on {report.faces.name}"


def _summary(report: EmotionReport) -> str:
    metrics = report.metrics
    values = [
        f"{name} {value:.4f}{f' ({to_words(interval)})' if interval else ''}"
        for name, value, interval in (
            ("accuracy", metrics.accuracy, report.intervals.accuracy),
            ("macro-F1", metrics.macro_f1, report.intervals.macro_f1),
            ("mean recall", metrics.mean_recall, report.intervals.mean_recall),
            ("overconfidence", metrics.overconfidence, report.intervals.overconfidence),
        )
        if value is not None
    ]
    unit = "faces" if report.missed is None else "photos"
    missed = f", {metrics.missed:,} missed" if metrics.missed else ""
    return ", ".join([*values, f"{metrics.n:,} {unit}{missed}"])
