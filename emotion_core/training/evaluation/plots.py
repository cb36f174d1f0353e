"""Results of an evaluation as charts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import altair as alt
import numpy as np
import pandas as pd

from emotion_core.imaging.palette import EMOTION_COLOURS, GREY, INK
from emotion_core.reporting.chart_base import SIGNED
from emotion_core.training.datasets.face_set import LABELS, NO_CLASS
from emotion_core.training.evaluation.bootstrap import to_words
from emotion_core.training.evaluation.calibration import BINS
from emotion_core.types import VaSource

if TYPE_CHECKING:
    from altair.typing import ChartType

    from emotion_core.training.evaluation.evaluate import EmotionReport
    from emotion_core.training.evaluation.metrics import Metrics

_BAR, _GAP = "#325757", "#AD2A25"
_SIDE_PX = 340
_CELL_PX = 52
_MAX_POINTS = 3000
_FEW = 10  # faces in a bin; of fewer, the accuracy says little
_MISSED, _NO_CLASS = "missed", "no class"
_SHARE_AXIS = [0, 0.2, 0.4, 0.6, 0.8, 1]
_UNIT = alt.Scale(domain=[0, 1], nice=False, padding=0)


def confusion_chart(metrics: Metrics) -> ChartType:
    """Predictions by true class: shares of each row, with the counts."""
    table = _confusion_table(metrics)
    truths = [label for label in metrics.labels if label in set(table["truth"])]
    readings = [word for word in (*metrics.labels, _MISSED) if word in set(table["predicted"])]
    base = alt.Chart(table).encode(
        x=alt.X(
            "predicted:N",
            title="Prediction",
            sort=readings,
            axis=alt.Axis(labelAngle=-40),
        ),
        y=alt.Y("truth:N", title="Truth", sort=truths),
        tooltip=[
            alt.Tooltip("truth:N", title="Truth"),
            alt.Tooltip("predicted:N", title="Prediction"),
            alt.Tooltip("faces:Q", title="Faces"),
            alt.Tooltip("share:Q", title="Share of the row", format=".1%"),
        ],
    )
    scale = alt.Scale(domain=[0, 1], range=["#FFFFFF", _BAR], interpolate="rgb")
    cells = base.mark_rect(stroke="#E3E6E3").encode(
        color=alt.Color("share:Q", scale=scale, legend=None)
    )
    pale = alt.when("datum.share > 0.5").then(alt.value("#FFFFFF"))
    ink = pale.when("datum.faces == 0").then(alt.value("#B4BBB6")).otherwise(alt.value(INK))
    shares = base.mark_text(fontSize=13, dy=-6).encode(
        text=alt.Text("share:Q", format=".0%"), color=ink
    )
    counts = base.mark_text(fontSize=10, dy=9, opacity=0.75).encode(
        text=alt.Text("faces:Q", format=","), color=ink
    )
    return alt.layer(cells, shares, counts).properties(
        title=alt.TitleParams("Confusion", subtitle="Share of the faces of each row, and number"),
        width=alt.Step(_CELL_PX),
        height=alt.Step(_CELL_PX * 0.8),
    )


def _confusion_table(metrics: Metrics) -> pd.DataFrame:
    """One row per cell, without classes that have no face and predictions that never occur."""
    counts = pd.DataFrame(metrics.confusion, metrics.labels, metrics.labels)
    counts[_MISSED] = [metrics.missed_per_class.get(label, 0) for label in metrics.labels]
    counts = counts.loc[list(metrics.per_class_recall)]
    candidates = [c for c in counts.columns if counts[c].any() or c in counts.index]
    shares = counts.div(counts.sum(axis=1), axis=0)
    return pd.DataFrame(
        [
            {"truth": t, "predicted": p, "faces": int(counts[p][t]), "share": shares[p][t]}
            for t in counts.index
            for p in candidates
        ]
    )


def recall_chart(metrics: Metrics) -> ChartType:
    """Share of the faces of each class that was recognised."""
    totals = {
        label: sum(row) + metrics.missed_per_class.get(label, 0)
        for label, row in zip(metrics.labels, metrics.confusion, strict=True)
    }
    rows = [
        {"emotion": label, "recall": recall, "faces": totals[label]}
        for label, recall in metrics.per_class_recall.items()
    ]
    table = pd.DataFrame(rows)
    table["text"] = [f"{row['recall']:.0%} of {row['faces']:,}" for row in rows]
    base = alt.Chart(table).encode(
        y=alt.Y("emotion:N", title=None, sort=list(metrics.per_class_recall)),
        x=alt.X(
            "recall:Q",
            title="Recall",
            scale=alt.Scale(domain=[0, 1]),
            axis=alt.Axis(format=".0%", values=_SHARE_AXIS),
        ),
        tooltip=[
            alt.Tooltip("emotion:N", title="Emotion"),
            alt.Tooltip("recall:Q", title="Recall", format=".1%"),
            alt.Tooltip("faces:Q", title="Faces"),
        ],
    )
    bars = base.mark_bar(cornerRadiusEnd=3).encode(
        color=_emotion_colour(set(table["emotion"]), legend=False)
    )
    words = base.mark_text(align="left", dx=6, fontSize=12, color=INK).encode(
        text="text:N", x=alt.X("recall:Q")
    )
    return alt.layer(bars, words).properties(
        title=alt.TitleParams("Recall by class", subtitle=f"{metrics.n:,} faces"),
        width=_SIDE_PX,
        height=alt.Step(_CELL_PX * 0.8),
    )


def calibration_chart(report: EmotionReport) -> ChartType:
    """Accuracy against confidence in equal bins, above a histogram of the confidence."""
    metrics = report.metrics
    table = pd.DataFrame(
        {
            "low": [b.low for b in metrics.calibration],
            "high": [b.high for b in metrics.calibration],
            "faces": [b.n for b in metrics.calibration],
            "confidence": [b.confidence for b in metrics.calibration],
            "accuracy": [b.accuracy for b in metrics.calibration],
        }
    ).astype(float)
    total = table["faces"].sum()
    table["share"] = table["faces"] / max(total, 1)
    tooltip = [
        alt.Tooltip("confidence:Q", title="Mean confidence", format=".1%"),
        alt.Tooltip("accuracy:Q", title="Accuracy", format=".1%"),
        alt.Tooltip("faces:Q", title="Faces", format=","),
    ]
    kept = alt.Chart(table[table["faces"] > 0])
    rough = alt.when(f"datum.faces < {_FEW}")
    bins = kept.mark_bar(color=_BAR, stroke="white", strokeWidth=1).encode(
        x=_share_x("low", None),
        x2="high:Q",
        y=_share_y("accuracy", "Accuracy"),
        y2=alt.datum(0),
        opacity=rough.then(alt.value(0.3)).otherwise(alt.value(0.85)),
        tooltip=tooltip,
    )
    gaps = kept.mark_rule(color=_GAP, strokeWidth=2.5).encode(
        x="confidence:Q", y="accuracy:Q", y2="confidence:Q", tooltip=tooltip
    )
    ends = kept.mark_point(color=_GAP, filled=True, size=36).encode(
        x="confidence:Q", y="confidence:Q", tooltip=tooltip
    )
    ece = "none" if metrics.ece is None else f"{metrics.ece:.4f}"
    upper = alt.layer(bins, _diagonal([0, 1]), gaps, ends).properties(
        width=_SIDE_PX,
        height=_SIDE_PX,
        title=alt.TitleParams(
            "Calibration",
            subtitle=[
                f"Expected calibration error {ece}, {total:,.0f} faces, {BINS} bins",
                f"Red: from the bin's mean confidence to its accuracy; pale: below {_FEW} faces",
            ],
        ),
    )
    lower = (
        kept.mark_bar(color=GREY, stroke="white", strokeWidth=1)
        .encode(
            x=_share_x("low", "Confidence (probability of the best of nine classes)"),
            x2="high:Q",
            y=_share_y("share", "Share of faces"),
            y2=alt.datum(0),
            tooltip=tooltip,
        )
        .properties(width=_SIDE_PX, height=90)
    )
    return alt.vconcat(upper, lower, spacing=8)


def va_chart(report: EmotionReport, column: int) -> ChartType:
    """Rated against predicted valence (column 0) or arousal (1), a point per face."""
    word, metrics = ("valence", "arousal")[column], report.metrics
    rated = np.flatnonzero(~np.isnan(report.faces.va[:, column]) & report.readings.found)
    shown = rated[np.linspace(0, len(rated) - 1, min(len(rated), _MAX_POINTS)).astype(int)]
    names = [*(label.value for label in LABELS), _NO_CLASS]
    table = pd.DataFrame(
        {
            "truth": report.faces.va[shown, column].astype(float),
            "predicted": report.readings.va[shown, column].astype(float),
            "emotion": [names[i if i != NO_CLASS else -1] for i in report.faces.majority[shown]],
            "file": [report.faces.files[i] for i in shown],
        }
    )
    points = (
        alt.Chart(table)
        .mark_circle(size=34, opacity=0.6, stroke=INK, strokeWidth=0.3)
        .encode(
            x=_signed(alt.X("truth:Q", title=f"Rated {word}")),
            y=_signed(alt.Y("predicted:Q", title=f"Predicted {word}")),
            color=_emotion_colour(set(table["emotion"]), legend=column == 0),
            tooltip=["file:N", "emotion:N", "truth:Q", alt.Tooltip("predicted:Q", format="+.2f")],
        )
    )
    interval = getattr(report.intervals, f"{word}_ccc")
    values = [
        f"{name} {value:.3f}" + (f" ({to_words(interval)})" if name == "CCC" and interval else "")
        for name, key in (("CCC", "ccc"), ("r", "r"), ("RMSE", "rmse"))
        if (value := getattr(metrics, f"{word}_{key}")) is not None
    ]
    drawn = f", {len(shown):,} drawn" if len(shown) < len(rated) else ""
    how = (
        "own outputs" if report.card.va_source is VaSource.HEAD else "expectation over the emotions"
    )
    return alt.layer(_diagonal([-1, 1]), points).properties(
        width=_SIDE_PX,
        height=_SIDE_PX,
        title=alt.TitleParams(
            word.capitalize(),
            subtitle=[", ".join(values), f"{len(rated):,} faces{drawn}; predicted by {how}"],
        ),
    )


def _diagonal(ends: list[float]) -> ChartType:
    line: alt.Chart = (
        alt.Chart(pd.DataFrame({"x": ends, "y": ends}))
        .mark_line(color=GREY, strokeDash=[4, 4], strokeWidth=1.5)
        .encode(x="x:Q", y="y:Q")
    )
    return line


def _share_x(field: str, title: str | None) -> alt.X:
    axis = alt.Axis(format=".0%", values=_SHARE_AXIS, labels=title is not None)
    return alt.X(f"{field}:Q", title=title, scale=_UNIT, axis=axis)


def _share_y(field: str, title: str) -> alt.Y:
    axis = alt.Axis(format=".0%", values=_SHARE_AXIS)
    return alt.Y(f"{field}:Q", title=title, scale=_UNIT, axis=axis)


def _signed(encoding: alt.X | alt.Y) -> alt.X | alt.Y:
    axis = alt.Axis(values=[-1, -0.5, 0, 0.5, 1], labelExpr=SIGNED)
    changed: alt.X | alt.Y = encoding.scale(domain=[-1, 1], nice=False).axis(axis)
    return changed


def _emotion_colour(present: set[str], *, legend: bool) -> alt.Color:
    colours = {**{e.value: colour for e, colour in EMOTION_COLOURS.items()}, _NO_CLASS: "#FFFFFF"}
    shown = [word for word in colours if word in present]
    return alt.Color(
        "emotion:N",
        title="Emotion (truth)",
        scale=alt.Scale(domain=shown, range=[colours[word] for word in shown]),
        legend=alt.Legend(orient="bottom", columns=5) if legend else None,
    )
