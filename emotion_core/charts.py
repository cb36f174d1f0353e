"""Tables to Altair charts. Colours are fixed per emotion, whichever emotions are present."""

from __future__ import annotations

import io
import json
from html import escape
from typing import TYPE_CHECKING, Any, Literal

import altair as alt
import numpy as np
import pandas as pd

from emotion_core.labels import ALL_EMOTIONS
from emotion_core.palette import EMOTION_COLOURS, GREY, GREY_WORDS, INK

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from altair.typing import ChartType

BRUSH = "brush"
"""Name of the selection in the valence-arousal chart: a rectangle given by both axes' ranges."""

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
_PLANE_PX = 460
SIGNED = "datum.value == 0 ? '0' : format(datum.value, '+.1~f')"
_COMPOUNDS: dict[type, str] = {
    alt.LayerChart: "layer",
    alt.HConcatChart: "hconcat",
    alt.VConcatChart: "vconcat",
    alt.ConcatChart: "concat",
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


def valence_arousal_chart(faces: pd.DataFrame, *, edge: str = INK) -> ChartType:
    """Every face in the valence-arousal plane.

    Both axes run from -1 to 1 through zero, with the unit circle; colour and shape tell the
    emotion, size the confidence. A rectangle drawn with the mouse selects (parameter ``BRUSH``).

    Args:
        faces: As ``report.faces_table`` makes it; may be empty.
        edge: Colour of the edges of the points.
    """
    points = (
        alt.Chart(faces)
        .mark_point(filled=True, opacity=0.85, stroke=edge, strokeWidth=0.6)
        .encode(
            x=plane_axis("valence", "Valence (unpleasant to pleasant)"),
            y=plane_axis("arousal", "Arousal (calm to excited)"),
            color=emotion_colour(),
            shape=emotion_shape(),
            size=alt.Size(
                "confidence:Q",
                title="Confidence",
                scale=alt.Scale(domain=[0, 1], range=[30, 320]),
                legend=None,
            ),
            tooltip=[
                alt.Tooltip("source:N", title="Photo"),
                alt.Tooltip("face:Q", title="Face"),
                alt.Tooltip("emotion:N", title="Emotion"),
                alt.Tooltip("confidence:Q", title="Confidence", format=".0%"),
                alt.Tooltip("valence:Q", title="Valence", format="+.2f"),
                alt.Tooltip("arousal:Q", title="Arousal", format="+.2f"),
            ],
        )
        .add_params(alt.selection_interval(name=BRUSH, encodings=["x", "y"]))
    )
    square = alt.param(name="height", expr="width")  # also where a page stretches the width
    chart = alt.layer(*plane_layers(), points).add_params(square)
    return chart.properties(
        width=_PLANE_PX,
        height=_PLANE_PX,
        autosize=alt.AutoSizeParams(type="fit-x", contains="padding"),
    )


def distribution_chart(faces: pd.DataFrame) -> ChartType:
    """How many faces show each emotion.

    Args:
        faces: As ``report.faces_table`` makes it.
    """
    counts = faces.groupby("emotion", as_index=False).size().rename(columns={"size": "faces"})
    chart: alt.Chart = (
        alt.Chart(counts)
        .mark_bar(cornerRadiusEnd=3, stroke=GREY, strokeWidth=0.8)
        .encode(
            x=alt.X("faces:Q", title="Faces", axis=alt.Axis(tickMinStep=1, format="d")),
            y=_emotion_rows(),
            color=emotion_colour(legend=False),
            tooltip=[
                alt.Tooltip("emotion:N", title="Emotion"),
                alt.Tooltip("faces:Q", title="Faces"),
            ],
        )
        .properties(height=alt.Step(26))
    )
    return chart


def probabilities_chart(faces: pd.DataFrame) -> ChartType:
    """The probabilities of each face of one photo.

    A single face has a bar per emotion; of several, each is one row of bars laid end to end.

    Args:
        faces: Rows of one photo from ``report.faces_table``.
    """
    columns = [c for c in faces.columns if c.startswith("p_")]
    long = faces.melt(["face"], columns, "label", "probability")
    long["emotion"] = long["label"].str.removeprefix("p_")
    long["rank"] = long["emotion"].map({e: i for i, e in enumerate(ALL_EMOTIONS)})
    tooltip = [
        alt.Tooltip("face:O", title="Face"),
        alt.Tooltip("emotion:N", title="Emotion"),
        alt.Tooltip("probability:Q", title="Probability", format=".1%"),
    ]
    share = alt.X(
        "probability:Q",
        title=None,
        scale=alt.Scale(domain=[0, 1]),
        axis=alt.Axis(format="%", values=[0, 0.5, 1]),
    )
    bars = alt.Chart(long).mark_bar(stroke=GREY, strokeWidth=0.8)
    if len(faces) > 1:
        rows: alt.Chart = bars.encode(
            x=share,
            y=alt.Y("face:O", title="Face", axis=alt.Axis(labelOverlap=False)),
            color=emotion_colour(columns=2),  # it stands in narrow columns
            order="rank:O",
            tooltip=tooltip,
        ).properties(height=alt.Step(22))
        return rows
    single: alt.Chart = bars.encode(
        x=share,
        y=_emotion_rows(),
        color=emotion_colour(legend=False),
        tooltip=tooltip,
    ).properties(height=alt.Step(20))
    return single


def select_faces(faces: pd.DataFrame, ranges: Mapping[str, Sequence[float]]) -> pd.DataFrame:
    """The faces inside a brushed rectangle; all of them where nothing is brushed.

    Args:
        faces: As ``report.faces_table`` makes it.
        ranges: ``{"valence": [low, high], "arousal": [low, high]}``, either may be missing.
    """
    chosen = np.ones(len(faces), bool)
    for axis in ("valence", "arousal"):
        if axis in ranges:
            low, high = sorted(ranges[axis])
            chosen &= faces[axis].between(low, high).to_numpy()
    return faces[chosen]


def to_html(chart: ChartType, *, title: str) -> str:
    """A page with the chart and all that draws it; it opens without a network."""
    options = {"actions": {"editor": False}}
    html: str = _with_values(chart).to_html(
        inline=True, embed_options=options, json_kwds={"cls": ScriptJson}
    )
    head = f"<head><title>{escape(title)}</title>"
    return html.replace("<html>", '<html lang="en">', 1).replace("<head>", head, 1)


class ScriptJson(json.JSONEncoder):
    """JSON that may stand in a script element: a file name cannot end it."""

    def encode(self, o: Any) -> str:
        """Write a value as JSON without any ``<``."""
        return super().encode(o).replace("<", "\\u003c")


def to_png(chart: ChartType) -> bytes:
    """The chart as a PNG picture on white, twice as large as on the screen."""
    buffer = io.BytesIO()
    _with_values(chart).configure(background="white").save(buffer, format="png", scale_factor=2)
    return buffer.getvalue()


def plane_layers() -> list[ChartType]:
    """What lies behind points in the valence-arousal plane: unit circle, zero lines and words."""
    return [_circle(), _zero_lines(), _quadrant_words()]


def plane_axis(field: Literal["valence", "arousal"], title: str) -> Any:
    """An axis of the plane, from -1 to 1: of x for valence, of y for arousal."""
    encoding = alt.X if field == "valence" else alt.Y
    scale = alt.Scale(domain=[-1, 1], nice=False)
    return encoding(
        f"{field}:Q",
        title=title,
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


def _with_values(chart: ChartType) -> ChartType:
    """A copy that holds its tables as plain values, which Altair takes of any length."""
    copy = chart.copy(deep=False)
    if isinstance(copy.data, pd.DataFrame):
        copy.data = alt.InlineData(values=alt.to_values(copy.data)["values"])
    for kind, name in _COMPOUNDS.items():
        if isinstance(copy, kind):
            copy[name] = [_with_values(part) for part in copy[name]]
    return copy


def _emotion_rows() -> alt.Y:
    return alt.Y(
        "emotion:N", title=None, sort=list(ALL_EMOTIONS), axis=alt.Axis(labelOverlap=False)
    )


def _circle() -> ChartType:
    angle = np.linspace(0, 2 * np.pi, 97)
    points = pd.DataFrame({"valence": np.cos(angle), "arousal": np.sin(angle), "order": angle})
    circle: alt.Chart = (
        alt.Chart(points)
        .mark_line(color=GREY, strokeWidth=1, strokeDash=[3, 3], opacity=0.7)
        .encode(
            x=plane_axis("valence", "Valence (unpleasant to pleasant)"),
            y=plane_axis("arousal", "Arousal (calm to excited)"),
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
            .mark_text(align=align, fontSize=12, fontStyle="italic", color=GREY_WORDS)
            .encode(x="valence:Q", y="arousal:Q", text="word:N")
        )
        return chart

    return alt.layer(words("left"), words("right"))
