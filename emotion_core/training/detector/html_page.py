"""Results of detectors as one page of charts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import altair as alt
import pandas as pd

from emotion_core.reporting.photo_charts import to_html
from emotion_core.training.detector.report import LARGE, SIZES, WORDS
from emotion_core.training.evaluation.html_page import with_head

if TYPE_CHECKING:
    from altair.typing import ChartType

    from emotion_core.training.detector.report import DetectorComparison, DetectorReport

_COLOURS = ("#325757", "#AD2A25", "#E3A934", "#80A4EE", "#8547C8", "#8A938C")
_SIDE_PX = 380
_TITLE = "Face detectors"


def detector_page(report: DetectorComparison) -> str:
    """An HTML page of all charts that works offline."""
    rows = [
        alt.hconcat(
            precision_recall_chart(report.detectors, data),
            size_chart(report.detectors, data),
            spacing=50,
        )
        for data in report.detectors[0].marked
    ]
    if report.detectors[0].milliseconds:
        rows.append(alt.hconcat(speed_chart(report.detectors)))
    subtitle = [report.data, report.asked.words.capitalize()]
    return to_html(with_head(alt.vconcat(*rows, spacing=40), _TITLE, subtitle), title=_TITLE)


def precision_recall_chart(detectors: list[DetectorReport], data: str) -> ChartType:
    """Precision against recall of faces from 16 px, a line for each detector."""
    table = pd.DataFrame(
        [
            {"detector": d.name, "recall": point[0], "precision": point[1], "score": point[2]}
            for d in detectors
            for point in d.marked[data].curve
        ],
        columns=["detector", "recall", "precision", "score"],
    )
    metrics = detectors[0].marked[data]
    chart: ChartType = (
        alt.Chart(table)
        .mark_line(strokeWidth=2)
        .encode(
            x=_share(alt.X("recall:Q", title="Recall")),
            y=_share(alt.Y("precision:Q", title="Precision")),
            color=_colour(detectors),
            order="recall:Q",
            tooltip=[
                alt.Tooltip("detector:N", title="Detector"),
                alt.Tooltip("recall:Q", title="Recall", format=".1%"),
                alt.Tooltip("precision:Q", title="Precision", format=".1%"),
                alt.Tooltip("score:Q", title="Score", format=".2f"),
            ],
        )
        .properties(
            width=_SIDE_PX,
            height=_SIDE_PX,
            title=alt.TitleParams(
                f"Precision and recall, {data}",
                subtitle=f"{metrics.faces[LARGE]:,} faces {WORDS[LARGE]}, "
                f"{metrics.pictures:,} images",
            ),
        )
    )
    return chart


def size_chart(detectors: list[DetectorReport], data: str) -> ChartType:
    """Average precision by the size of the face, a bar for each detector."""
    faces = detectors[0].marked[data].faces
    names = {name: f"{WORDS[name]} ({faces[name]:,})" for name in SIZES}
    table = pd.DataFrame(
        [
            {"detector": d.name, "faces": names[name], "ap": value}
            for d in detectors
            for name, value in d.marked[data].average_precision.items()
            if value is not None
        ],
        columns=["detector", "faces", "ap"],
    )
    title = alt.TitleParams(
        f"Average precision by size, {data}",
        subtitle="Shorter side of the marked face, and number of faces",
    )
    tooltip = [
        alt.Tooltip("faces:N", title="Faces"),
        alt.Tooltip("ap:Q", title="Average precision", format=".3f"),
    ]
    x = _share(alt.X("ap:Q", title="Average precision at an overlap of 0.5"))
    y = alt.Y("faces:N", title=None, sort=list(names.values()))
    bars = _bars(detectors, table, tooltip).encode(x, y)
    return bars.properties(width=_SIDE_PX, height=_SIDE_PX, title=title)


def speed_chart(detectors: list[DetectorReport]) -> ChartType:
    """Milliseconds by the size of the image."""
    table = pd.DataFrame(
        [
            {"detector": d.name, "size": size, "ms": value}
            for d in detectors
            for size, value in d.milliseconds.items()
        ]
    )
    title = alt.TitleParams("Time", subtitle="Pixels to faces, one core")
    tooltip = [
        alt.Tooltip("size:N", title="Size"),
        alt.Tooltip("ms:Q", title="Milliseconds", format=".1f"),
    ]
    x = alt.X("ms:Q", title="Milliseconds per image")
    y = alt.Y("size:N", title=None, sort=list(detectors[0].milliseconds))
    bars = _bars(detectors, table, tooltip).encode(x, y)
    return bars.properties(width=_SIDE_PX, height=200, title=title)


def _bars(
    detectors: list[DetectorReport], table: pd.DataFrame, tooltip: list[alt.Tooltip]
) -> ChartType:
    chart: ChartType = alt.Chart(table).mark_bar(cornerRadiusEnd=3)
    return chart.encode(
        yOffset=alt.YOffset("detector:N", sort=[d.name for d in detectors]),
        color=_colour(detectors),
        tooltip=[alt.Tooltip("detector:N", title="Detector"), *tooltip],
    )


def _share(encoding: alt.X | alt.Y) -> alt.X | alt.Y:
    axis = alt.Axis(format=".0%", values=[0, 0.2, 0.4, 0.6, 0.8, 1])
    changed: alt.X | alt.Y = encoding.scale(domain=[0, 1], nice=False).axis(axis)
    return changed


def _colour(detectors: list[DetectorReport]) -> alt.Color:
    names = [d.name for d in detectors]
    colours = [_COLOURS[i % len(_COLOURS)] for i in range(len(names))]
    scale = alt.Scale(domain=names, range=colours)
    return alt.Color(
        "detector:N", title="Detector", scale=scale, legend=alt.Legend(orient="bottom")
    )
