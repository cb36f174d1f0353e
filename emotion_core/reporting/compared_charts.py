"""Charts of two models' readings of the same faces: bars in pairs, and dots joined in the plane."""

from __future__ import annotations

from typing import TYPE_CHECKING

import altair as alt
import pandas as pd

from emotion_core.imaging.palette import GREY, INK
from emotion_core.labels import ALL_EMOTIONS
from emotion_core.reporting.chart_base import (
    confidence_words,
    emotion_colour,
    face_tooltip,
    plane_axis,
    plane_chart,
    with_words,
)
from emotion_core.reporting.photo_charts import PICK

if TYPE_CHECKING:
    from collections.abc import Mapping

    from altair.typing import ChartType

_BAR_PX = 9
_PLANE_PX = 340


def paired_bars_chart(
    first: Mapping[str, float], second: Mapping[str, float], *, edge: str = INK
) -> ChartType:
    """Probabilities of each emotion by two models: filled bars, and below each an outlined one.

    Args:
        first: Probability by emotion; an emotion that the model does not know is missing.
        second: The same of the other model.
        edge: Colour of outlines.
    """
    words = [str(e) for e in ALL_EMOTIONS if e in first or e in second]
    rows = [
        {"emotion": word, "model": i, "share": shares[word]}
        for word in words
        for i, shares in enumerate((first, second), 1)
        if word in shares
    ]
    table = pd.DataFrame(rows, columns=["emotion", "model", "share"])
    base = alt.Chart(table).transform_calculate(words=confidence_words("share"))
    base = base.encode(
        y=alt.Y("emotion:N", title=None, sort=words, axis=alt.Axis(labelOverlap=False)),
        yOffset=alt.YOffset("model:N", scale=alt.Scale(paddingInner=0.1)),
        x=alt.X(
            "share:Q",
            title="Probability",
            scale=alt.Scale(domain=[0, 1]),
            axis=alt.Axis(format=".0%", tickCount=5),
        ),
        tooltip=[
            alt.Tooltip("model:N", title="Model"),
            alt.Tooltip("emotion:N", title="Emotion"),
            alt.Tooltip("words:N", title="Probability"),
        ],
    )
    filled = (
        base.transform_filter("datum.model == 1")
        .mark_bar()
        .encode(color=emotion_colour(legend=False))
    )
    outlined = (
        base.transform_filter("datum.model == 2 && datum.share > 0.003")
        .mark_bar(fillOpacity=0.15, strokeWidth=1.5)
        .encode(color=emotion_colour(legend=False), stroke=alt.value(edge))
    )
    chart: ChartType = alt.layer(filled, outlined).properties(height=alt.Step(_BAR_PX))
    return chart


def joined_dots_chart(faces: pd.DataFrame, chosen: str, *, edge: str = INK) -> ChartType:
    """Every face in the valence-arousal plane twice, a hollow dot joined to a filled one.

    A click on a dot selects the face's ``id`` (parameter ``PICK``).

    Args:
        faces: A table with ``COMPARED_COLUMNS`` and a column ``id``.
        chosen: Id of the face to point out.
        edge: Colour of the edges of dots.
    """
    columns = ["id", "source", "face", "model", "emotion", "confidence", "valence", "arousal"]
    rows = [
        faces[["id", "source", "face"]].assign(
            model=i, **{name: faces[f"{name}_{i}"] for name in columns[4:]}
        )
        for i in (1, 2)
    ]
    long = pd.concat(rows)[columns].assign(is_chosen=lambda table: table["id"] == chosen)
    base = with_words(alt.Chart(long))
    strength = alt.when("datum.is_chosen").then(alt.value(1.0)).otherwise(alt.value(0.55))
    dots = base.encode(
        x=plane_axis("valence"),
        y=plane_axis("arousal"),
        color=emotion_colour(legend=False),
        opacity=strength,
        size=alt.when("datum.is_chosen").then(alt.value(200)).otherwise(alt.value(60)),
        tooltip=face_tooltip(alt.Tooltip("model:N", title="Model")),
    )
    lines = base.mark_line(strokeWidth=1.5).encode(
        x=plane_axis("valence"),
        y=plane_axis("arousal"),
        detail="id:N",
        order="model:Q",
        color=alt.when("datum.is_chosen").then(alt.value(edge)).otherwise(alt.value(GREY)),
        opacity=strength,
    )
    hollow = dots.transform_filter("datum.model == 1").mark_point(filled=False, strokeWidth=2)
    filled = (
        dots.transform_filter("datum.model == 2")
        .mark_point(filled=True, stroke=edge, strokeWidth=0.6)
        .add_params(alt.selection_point(name=PICK, fields=["id"]))
    )
    chart: ChartType = plane_chart([lines, hollow, filled], _PLANE_PX)
    return chart
