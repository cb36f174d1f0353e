"""Altair charts of the faces in photos, and charts as HTML and PNG files."""

from __future__ import annotations

import json
from html import escape
from typing import TYPE_CHECKING, Any

import altair as alt
import pandas as pd
import vl_convert

from emotion_core.imaging.palette import GREY, INK, WORDS
from emotion_core.labels import ALL_EMOTIONS
from emotion_core.reporting.chart_base import (
    confidence_words,
    emotion_colour,
    emotion_shape,
    plane_axis,
    plane_chart,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from altair.typing import ChartType

BRUSH = "brush"
"""Name of the selection in the valence-arousal chart: a rectangle as the ranges of both axes."""

_PLANE_PX = 460
_COMPOUNDS: dict[type, str] = {
    alt.LayerChart: "layer",
    alt.HConcatChart: "hconcat",
    alt.VConcatChart: "vconcat",
    alt.ConcatChart: "concat",
}


def valence_arousal_chart(faces: pd.DataFrame, *, edge: str = INK) -> ChartType:
    """Every face in the valence-arousal plane.

    Colour and shape encode the emotion, size the confidence. Dragging selects a rectangle
    (parameter ``BRUSH``).

    Args:
        faces: As ``photos.tables.faces_table`` makes it; may be empty.
        edge: Colour of the edges of the points.
    """
    points = (
        alt.Chart(faces)
        .transform_calculate(words=confidence_words("confidence"))
        .mark_point(filled=True, opacity=0.85, stroke=edge, strokeWidth=0.6)
        .encode(
            x=plane_axis("valence"),
            y=plane_axis("arousal"),
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
                alt.Tooltip("words:N", title="Confidence"),
                alt.Tooltip("valence:Q", title="Valence", format="+.2f"),
                alt.Tooltip("arousal:Q", title="Arousal", format="+.2f"),
            ],
        )
        .add_params(alt.selection_interval(name=BRUSH, encodings=["x", "y"]))
    )
    chart: ChartType = plane_chart([points], _PLANE_PX)
    return chart


def distribution_chart(faces: pd.DataFrame) -> ChartType:
    """Number of faces per emotion, from a ``photos.tables.faces_table``."""
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

    A single face gets a bar per emotion, several faces get a stacked bar each.

    Args:
        faces: Rows of one photo from ``photos.tables.faces_table``.
    """
    columns = [c for c in faces.columns if c.startswith("p_")]
    long = faces.melt(["face"], columns, "label", "probability")
    long["emotion"] = long["label"].str.removeprefix("p_")
    long["rank"] = long["emotion"].map({e: i for i, e in enumerate(ALL_EMOTIONS)})
    tooltip = [
        alt.Tooltip("face:O", title="Face"),
        alt.Tooltip("emotion:N", title="Emotion"),
        alt.Tooltip("words:N", title="Probability"),
    ]
    share = alt.X(
        "probability:Q",
        title=None,
        scale=alt.Scale(domain=[0, 1]),
        axis=alt.Axis(format="%", values=[0, 0.5, 1]),
    )
    is_stacked = len(faces) > 1
    face_rows = alt.Y("face:O", title="Face", axis=alt.Axis(labelOverlap=False))
    rows = face_rows if is_stacked else _emotion_rows()
    # pages show stacked bars in narrow columns
    colour = emotion_colour(columns=2) if is_stacked else emotion_colour(legend=False)
    bars: alt.Chart = (
        alt.Chart(long)
        .transform_calculate(words=confidence_words("probability"))
        .mark_bar(stroke=GREY, strokeWidth=0.8)
        .encode(x=share, y=rows, color=colour, tooltip=tooltip)
        .properties(height=alt.Step(22 if is_stacked else 20))
    )
    return bars.encode(order="rank:O") if is_stacked else bars


def select_faces(faces: pd.DataFrame, ranges: Mapping[str, Sequence[float]]) -> pd.DataFrame:
    """The faces inside a rectangle of the valence-arousal plane.

    Args:
        faces: As ``photos.tables.faces_table`` makes it.
        ranges: ``{"valence": [low, high], "arousal": [low, high]}``, either may be missing.
    """
    for axis in ("valence", "arousal"):
        if axis in ranges:
            low, high = sorted(ranges[axis])
            faces = faces[faces[axis].between(low, high)]
    return faces


def to_html(chart: ChartType, *, title: str) -> str:
    """A self-contained page with the chart, which opens without a network."""
    html = alt.utils.spec_to_html(
        standalone_spec(chart),
        mode="vega-lite",
        vega_version=alt.VEGA_VERSION,
        vegaembed_version=alt.VEGAEMBED_VERSION,
        vegalite_version=alt.VEGALITE_VERSION,
        embed_options={"actions": {"editor": False}},
        json_kwds={"cls": ScriptJson},
        template="inline",
    )
    head = f"<head><title>{escape(title)}</title>"
    return html.replace("<html>", '<html lang="en">', 1).replace("<head>", head, 1)


class ScriptJson(json.JSONEncoder):
    """JSON for a script element, which no file name in it can end."""

    def encode(self, o: Any) -> str:
        """Writes a value as JSON without any ``<``."""
        return super().encode(o).replace("<", "\\u003c")


def to_png(chart: ChartType) -> bytes:
    """The chart as a PNG image on white, at twice the size on the screen."""
    png: bytes = vl_convert.vegalite_to_png(standalone_spec(chart), vegalite_release(), scale=2)
    return png


def vegalite_release() -> str:
    """The release of Vega-Lite that Altair targets, as ``vl_convert`` names it."""
    return ".".join(alt.SCHEMA_VERSION.removeprefix("v").split(".")[:2])


def standalone_spec(chart: ChartType) -> dict[str, Any]:
    """The Vega-Lite specification of a chart with any number of rows, on white.

    Tables are added last, since Altair would check each of their rows and reject the 5001st.
    """
    tables: dict[str, pd.DataFrame] = {}
    bare: ChartType = _without_tables(chart, tables).configure_text(color=WORDS)
    spec: dict[str, Any] = bare.properties(background="white").to_dict(validate=False)
    rows = {name: alt.to_values(table)["values"] for name, table in tables.items()}
    return {**spec, "datasets": {**spec.get("datasets", {}), **rows}}


def _without_tables(chart: ChartType, tables: dict[str, pd.DataFrame]) -> ChartType:
    """A copy that only names its tables; each is added to ``tables`` once."""
    copy = chart.copy(deep=False)
    if isinstance(copy.data, pd.DataFrame):
        known = [name for name, table in tables.items() if table is copy.data]
        (name,) = known or [f"table {len(tables)}"]
        tables[name], copy.data = copy.data, alt.NamedData(name)
    for kind, parts in _COMPOUNDS.items():
        if isinstance(copy, kind):
            copy[parts] = [_without_tables(part, tables) for part in copy[parts]]
    return copy


def _emotion_rows() -> alt.Y:
    return alt.Y(
        "emotion:N", title=None, sort=list(ALL_EMOTIONS), axis=alt.Axis(labelOverlap=False)
    )
