"""Altair charts of the faces in photos, and charts as HTML and PNG files."""

from __future__ import annotations

import json
from functools import cache
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
    emotion_range,
    emotion_shape,
    face_tooltip,
    inline_data,
    plane_axis,
    plane_chart,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from altair.typing import ChartType

BRUSH = "brush"
"""Name of the selection in the valence-arousal chart: a rectangle as the ranges of both axes."""

PICK = "pick"
"""Name of the other selection in ``faces_plane_spec``: the ``id`` of the clicked point."""

FACES = "faces"
"""Name of the data set in ``faces_plane_spec``."""

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
    points = _make_points(alt.Chart(faces), edge).encode(
        color=emotion_colour(), shape=emotion_shape()
    )
    chart: ChartType = plane_chart([points], _PLANE_PX)
    return chart


@cache
def faces_plane_spec(edge: str = INK) -> dict[str, Any]:
    """The same for a page, without a table; to be copied before a change.

    The page adds the data set ``FACES``, a ``faces_table`` with three more columns: ``id``, which
    a click selects (parameter ``PICK``), ``image``, addresses of images for the tooltips, and
    ``is_shown``, without which a point is pale. There is no legend.
    """
    is_shown = alt.when("datum.is_shown").then(alt.value(0.9)).otherwise(alt.value(0.12))
    base = alt.Chart(alt.NamedData(FACES))
    points = _make_points(base, edge, alt.Tooltip("image:N")).encode(
        color=emotion_colour(legend=False), shape=emotion_shape(legend=None), opacity=is_shown
    )
    points = points.add_params(alt.selection_point(name=PICK, fields=["id"]))
    return inline_data(plane_chart([points], _PLANE_PX).to_dict(), FACES)


def _make_points(base: alt.Chart, edge: str, *more: alt.Tooltip) -> alt.Chart:
    points: alt.Chart = (
        base.transform_calculate(words=confidence_words("confidence"))
        .mark_point(filled=True, opacity=0.85, stroke=edge, strokeWidth=0.6)
        .encode(
            x=plane_axis("valence"),
            y=plane_axis("arousal"),
            size=alt.Size(
                "confidence:Q",
                title="Confidence",
                scale=alt.Scale(domain=[0, 1], range=[30, 320]),
                legend=None,
            ),
            tooltip=face_tooltip(*more),
        )
        .add_params(alt.selection_interval(name=BRUSH, encodings=["x", "y"]))
    )
    return points


def count_emotions(faces: pd.DataFrame) -> dict[str, int]:
    """Number of faces per emotion that the model knows, zeros included.

    Args:
        faces: As ``photos.tables.faces_table`` makes it.
    """
    counts = faces["emotion"].value_counts()
    return {str(e): int(counts.get(str(e), 0)) for e in ALL_EMOTIONS if f"p_{e}" in faces}


def distribution_chart(faces: pd.DataFrame) -> ChartType:
    """Number of faces per emotion, from a ``photos.tables.faces_table``; zeros are shown."""
    counts = pd.DataFrame(count_emotions(faces).items(), columns=["emotion", "faces"])
    base = alt.Chart(counts).encode(
        x=alt.X("faces:Q", title="Faces", axis=alt.Axis(tickMinStep=1, format="d")),
        y=_emotion_rows(),
        tooltip=[alt.Tooltip("emotion:N", title="Emotion"), alt.Tooltip("faces:Q", title="Faces")],
    )
    bars = base.mark_bar(cornerRadiusEnd=3, stroke=GREY, strokeWidth=0.8)
    numbers = base.mark_text(align="left", dx=4, fontSize=12).encode(text="faces:Q")
    chart: ChartType = alt.layer(
        bars.encode(color=emotion_colour(legend=False)), numbers
    ).properties(height=alt.Step(26))
    return chart


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
    bare = bare.configure_range(**emotion_range())
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
