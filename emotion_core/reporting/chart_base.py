"""Parts that charts share: the valence-arousal plane, and the colour and shape of each emotion."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import altair as alt
import numpy as np
import pandas as pd

from emotion_core.imaging.palette import DARK_EMOTION_COLOURS, EMOTION_COLOURS, GREY
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
SIGNED = "datum.value == 0 ? '0' : format(datum.value, '+.2~f')"
"""Vega expression for axis labels that puts a sign before every number but zero."""

FIT_WIDTH = alt.AutoSizeParams(type="fit-x", contains="padding")
"""Sizing of a chart that takes the width that a page gives it, axes included."""

_PLANE_TITLES = {
    "valence": "Valence (unpleasant to pleasant)",
    "arousal": "Arousal (low to high)",
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
    """The background of the valence-arousal plane: unit circle, zero lines and words."""
    angle = np.linspace(0, 2 * np.pi, 97)
    points = pd.DataFrame({"valence": np.cos(angle), "arousal": np.sin(angle), "order": angle})
    circle = (
        alt.Chart(points)
        .mark_line(color=GREY, strokeWidth=1, strokeDash=[3, 3], opacity=0.7)
        .encode(x=plane_axis("valence"), y=plane_axis("arousal"), order="order:Q")
    )
    rule = alt.Chart(pd.DataFrame({"zero": [0]})).mark_rule(color=GREY, strokeWidth=1, opacity=0.9)
    zero_lines = alt.layer(rule.encode(x="zero:Q"), rule.encode(y="zero:Q"))
    sides: tuple[Literal["left", "right"], ...] = ("left", "right")
    words = [
        alt.Chart(_QUADRANTS[_QUADRANTS["align"] == side])
        .mark_text(align=side, fontSize=12, fontStyle="italic")
        .encode(x="valence:Q", y="arousal:Q", text="word:N")
        for side in sides
    ]
    return [circle, zero_lines, alt.layer(*words)]


def plane_chart(layers: Sequence[ChartType], side_px: int) -> Any:
    """Layers in the valence-arousal plane, which stays square when a page stretches its width."""
    square = alt.param(name="height", expr="width")
    return (
        alt.layer(*plane_layers(), *layers)
        .add_params(square)
        .properties(width=side_px, height=side_px, autosize=FIT_WIDTH)
    )


def confidence_words(field: str) -> str:
    """A Vega expression of a probability in words, as ``face.format_confidence`` has them."""
    return f"datum.{field} >= 0.955 ? '>95%' : format(datum.{field}, '.0%')"


def with_words(rows: alt.Chart) -> alt.Chart:
    """Adds the confidence in words to rows, for ``reading_tooltip``."""
    worded: alt.Chart = rows.transform_calculate(words=confidence_words("confidence"))
    return worded


def face_tooltip(*more: alt.Tooltip) -> list[alt.Tooltip]:
    """A tooltip with the prediction for one face of a photo, from ``with_words`` of its row.

    Args:
        more: What stands first.
    """
    place = alt.Tooltip("source:N", title="Photo"), alt.Tooltip("face:Q", title="Face")
    return [*more, *place, *_prediction("Confidence")]


def reading_tooltip() -> list[alt.Tooltip]:
    """A tooltip with the prediction for one face at one time, from ``with_words`` of its row."""
    place = alt.Tooltip("person:N", title="Person"), alt.Tooltip("clock:N", title="Time")
    return [*place, *_prediction("Probability")]


def _prediction(confidence: str) -> list[alt.Tooltip]:
    return [
        alt.Tooltip("emotion:N", title="Emotion"),
        alt.Tooltip("words:N", title=confidence),
        alt.Tooltip("valence:Q", title="Valence", format="+.2f"),
        alt.Tooltip("arousal:Q", title="Arousal", format="+.2f"),
    ]


def plane_axis(field: Literal["valence", "arousal"]) -> Any:
    """An axis of the plane from -1 to 1: the x axis for valence, the y axis for arousal."""
    encoding = alt.X if field == "valence" else alt.Y
    return encoding(
        f"{field}:Q",
        title=_PLANE_TITLES[field],
        scale=alt.Scale(domain=[-1, 1], nice=False),
        axis=alt.Axis(values=[-1, -0.5, 0, 0.5, 1], grid=False, labelExpr=SIGNED),
    )


def emotion_range(*, is_dark: bool = False) -> dict[str, list[str]]:
    """The part ``range`` of a Vega configuration that gives emotions their colours."""
    colours = DARK_EMOTION_COLOURS if is_dark else EMOTION_COLOURS
    return {"category": [colours[emotion] for emotion in ALL_EMOTIONS]}


def emotion_shape(**options: Any) -> alt.Shape:
    """Encodes the column ``emotion`` as shapes, always the same one per emotion.

    Args:
        options: Of Altair's ``Shape``, such as ``legend=None``.
    """
    return alt.Shape(
        "emotion:N",
        title="Emotion",
        scale=alt.Scale(domain=list(ALL_EMOTIONS), range=list(EMOTION_SHAPES)),
        **options,
    )


def emotion_colour(*, legend: bool = True) -> alt.Color:
    """Encodes the column ``emotion`` as colours, the same one per emotion in all charts of a theme.

    The colours are those of Vega's range ``category``. The pages of the app set it by their theme;
    other pages and files set it to ``emotion_range``.

    Args:
        legend: Whether there is a legend below the chart.
    """
    return alt.Color(
        "emotion:N",
        title="Emotion",
        scale=alt.Scale(domain=list(ALL_EMOTIONS), range="category"),
        legend=alt.Legend(orient="bottom", columns=3, symbolStrokeWidth=0.6) if legend else None,
    )


def inline_data(spec: dict[str, Any], name: str) -> dict[str, Any]:
    """Inlines the data of a specification that never change; those of a name come with updates."""
    fixed = {key: rows for key, rows in spec.pop("datasets").items() if key != name}

    def put(part: Any) -> Any:
        if isinstance(part, list):
            return [put(item) for item in part]
        if not isinstance(part, dict):
            return part
        if part.get("name") in fixed:
            return {"values": fixed[part["name"]]}
        return {key: put(value) for key, value in part.items()}

    return {key: put(value) for key, value in spec.items()}
