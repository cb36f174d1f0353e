"""What charts share: the valence-arousal plane, and the colour and shape of each emotion."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import altair as alt
import numpy as np
import pandas as pd

from emotion_core.imaging.palette import EMOTION_COLOURS, GREY
from emotion_core.labels import ALL_EMOTIONS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from altair.typing import ChartType

EMOTION_SHAPES = (
    "circle",
    "square",
    "triangle-down",
    "diamond",
    "triangle-up",
    "cross",
    "triangle-left",
    "triangle-right",
    "M0,-1L0.95,-0.31L0.59,0.81L-0.59,0.81L-0.95,-0.31Z",  # a pentagon
)
SIGNED = "datum.value == 0 ? '0' : format(datum.value, '+.1~f')"
"""Vega expression of axis labels: a sign before all but zero."""

FIT_WIDTH = alt.AutoSizeParams(type="fit-x", contains="padding")
"""Of a chart that takes the width that a page gives it, axes included."""

_PLANE_TITLES = {
    "valence": "Valence (unpleasant to pleasant)",
    "arousal": "Arousal (calm to excited)",
}
_QUADRANTS = pd.DataFrame(
    {
        "valence": [-0.97, 0.97, -0.97, 0.97],
        "arousal": [0.94, 0.94, -0.94, -0.94],
        "align": ["left", "right", "left", "right"],
        "word": ["tense", "excited", "gloomy", "calm"],
    }
)
"""One word per quadrant. Source: the affect words that J. Russell places there, "A Circumplex
Model of Affect", Journal of Personality and Social Psychology 39, 1980, figure 2."""


def plane_layers() -> list[ChartType]:
    """What lies behind points in the valence-arousal plane: unit circle, zero lines and words."""
    return [_circle(), _zero_lines(), _quadrant_words()]


def plane_chart(layers: Sequence[ChartType], side_px: int) -> Any:
    """Layers in the valence-arousal plane: a square, also where a page stretches the width."""
    square = alt.param(name="height", expr="width")
    return (
        alt.layer(*plane_layers(), *layers)
        .add_params(square)
        .properties(width=side_px, height=side_px, autosize=FIT_WIDTH)
    )


def plane_axis(field: Literal["valence", "arousal"]) -> Any:
    """An axis of the plane, from -1 to 1: of x for valence, of y for arousal."""
    encoding = alt.X if field == "valence" else alt.Y
    scale = alt.Scale(domain=[-1, 1], nice=False)
    return encoding(
        f"{field}:Q",
        title=_PLANE_TITLES[field],
        scale=scale,
        axis=alt.Axis(values=[-1, -0.5, 0, 0.5, 1], grid=False, labelExpr=SIGNED),
    )


def emotion_shape() -> alt.Shape:
    """The fixed shape of each emotion, by the column ``emotion``."""
    return alt.Shape(
        "emotion:N",
        title="Emotion",
        scale=alt.Scale(domain=list(ALL_EMOTIONS), range=list(EMOTION_SHAPES)),
    )


def emotion_colour(*, legend: bool = True, columns: int = 3) -> alt.Color:
    """The fixed colour of each emotion, by the column ``emotion``.

    Args:
        legend: Whether to say below the chart which is which.
        columns: Of the legend.
    """
    return alt.Color(
        "emotion:N",
        title="Emotion",
        scale=alt.Scale(
            domain=list(ALL_EMOTIONS), range=[EMOTION_COLOURS[e] for e in ALL_EMOTIONS]
        ),
        legend=alt.Legend(orient="bottom", columns=columns, symbolStrokeWidth=0.6)
        if legend
        else None,
    )


def _circle() -> ChartType:
    angle = np.linspace(0, 2 * np.pi, 97)
    points = pd.DataFrame({"valence": np.cos(angle), "arousal": np.sin(angle), "order": angle})
    circle: alt.Chart = (
        alt.Chart(points)
        .mark_line(color=GREY, strokeWidth=1, strokeDash=[3, 3], opacity=0.7)
        .encode(
            x=plane_axis("valence"),
            y=plane_axis("arousal"),
            order="order:Q",
        )
    )
    return circle


def _zero_lines() -> ChartType:
    zero = pd.DataFrame({"zero": [0]})
    rule = alt.Chart(zero).mark_rule(color=GREY, strokeWidth=1, opacity=0.9)
    return alt.layer(rule.encode(x="zero:Q"), rule.encode(y="zero:Q"))


def _quadrant_words() -> ChartType:
    def words(align: Literal["left", "right"]) -> ChartType:
        chart: alt.Chart = (
            alt.Chart(_QUADRANTS[_QUADRANTS["align"] == align])
            .mark_text(align=align, fontSize=12, fontStyle="italic")
            .encode(x="valence:Q", y="arousal:Q", text="word:N")
        )
        return chart

    return alt.layer(words("left"), words("right"))
