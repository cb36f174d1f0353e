"""The widgets that filter and sort the faces on the Photos page."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import streamlit as st

from emotion_core.face import format_va
from emotion_core.reporting.photo_charts import BRUSH, FACES, PICK, faces_plane_spec
from streamlit_app.photos.faces import ORDERS, SheetFilter
from streamlit_app.photos.sheet import chosen_emotions, select_face
from streamlit_app.widgets import chart_config, edge_colour, plural

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

_VERSION, _PLANE, _INPUTS = "filter version", "plane version", "inputs version"
"""Keys of counters in the keys of widgets; counting up clears what is chosen in them."""

_LAST_PICK = "last pick"
_POINT_COLUMNS = ("id", "source", "face", "emotion", "confidence", "valence", "arousal")
_QUALITIES = {"All": "", "Good": "good", "To read with care": "poor"}
_FULL = (-1.0, 1.0)

ORDER = "face order"
"""Key of the chosen order."""


def clear_filters() -> None:
    """Shows all faces again."""
    for counter in (_VERSION, _PLANE, _INPUTS):
        _count_up(counter)


def counts_key() -> str:
    """Key of the emotion counts."""
    return f"emotions {_version(_VERSION)}"


def current_filter() -> SheetFilter:
    """What the widgets chose, before they are drawn in this run."""
    chosen = st.session_state.get
    low, high = chosen(_key("confidence"), (0, 100))
    return SheetFilter(
        emotions=chosen_emotions(counts_key()),
        ranges=_chosen_ranges(),
        confidence=(low / 100, high / 100),
        quality=_QUALITIES[chosen(_key("quality")) or "All"],
        photo=chosen(_key("photo")) or "",
    )


def show_plane(faces: pd.DataFrame, images: Mapping[str, str], filters: SheetFilter) -> None:
    """The valence-arousal plane, in which a rectangle can be dragged."""
    is_shown = faces.index.isin(replace(filters, ranges={}).choose(faces).index)
    addresses = [images[face] for face in faces["id"]]
    table = faces[list(_POINT_COLUMNS)].assign(image=addresses, is_shown=is_shown)
    spec = faces_plane_spec(edge_colour())
    config = {**spec.get("config", {}), **chart_config()}
    st.vega_lite_chart(
        # a new table with the same specification leaves the rectangle as it is
        spec={
            **spec,
            "config": config,
            "datasets": {FACES: table.to_dict("records")},
            "usermeta": {"embedOptions": {"renderer": "canvas"}},  # SVG marks would need names
        },
        width="stretch",
        on_select=_take_from_plane,
        selection_mode=[BRUSH, PICK],
        key=_plane_key(),
        alt=f"{plural(len(faces), 'face')} in the valence-arousal plane; mean "
        + format_va(faces["valence"].mean(), faces["arousal"].mean()),
    )


def show_filters(faces: pd.DataFrame, filters: SheetFilter) -> None:
    """Widgets for the order and the filters other than emotion and rectangle, in one row."""
    names = list(dict.fromkeys(faces["source"]))
    st.selectbox("Sort by", list(ORDERS), key=ORDER, persist_state="session", width=190)
    if len(names) > 1:
        every = "All photos"
        st.selectbox("Photo", names, index=None, placeholder=every, key=_key("photo"), width=190)
    st.segmented_control("Quality", list(_QUALITIES), default="All", key=_key("quality"))
    with st.popover("More filters", icon=":material/tune:"):
        st.slider("Confidence", 0, 100, (0, 100), 5, "%d%%", key=_key("confidence"))
        for axis in ("valence", "arousal"):
            st.slider(
                axis.capitalize(),
                *_FULL,
                _FULL,
                0.05,
                "%+.2f",
                key=_axis_key(axis),
                on_change=partial(_count_up, _PLANE),
            )
    is_clear = filters == SheetFilter()
    icon = ":material/filter_alt_off:"
    st.button("Clear filters", on_click=clear_filters, icon=icon, disabled=is_clear)


def _chosen_ranges() -> dict[str, Sequence[float]]:
    """The rectangle chosen by values or in the plane; empty for the full plane."""
    inputs = {axis: st.session_state.get(_axis_key(axis), _FULL) for axis in ("valence", "arousal")}
    chosen = {axis: limits for axis, limits in inputs.items() if tuple(limits) != _FULL}
    state: Any = st.session_state.get(_plane_key())
    return chosen or dict(state.selection.get(BRUSH, {}) if state else {})


def _take_from_plane() -> None:
    """Takes a clicked point as the selected face, and a rectangle instead of one by values."""
    selection: Any = st.session_state[_plane_key()].selection
    if selection.get(BRUSH):
        _count_up(_INPUTS)
    picked = [point["id"] for point in selection.get(PICK, [])]
    if picked != st.session_state.get(_LAST_PICK, []):
        st.session_state[_LAST_PICK] = picked
        if picked:
            select_face(picked[0])


def _plane_key() -> str:
    return f"plane {_version(_PLANE)}"


def _axis_key(axis: str) -> str:
    return f"{axis} {_version(_INPUTS)}"


def _key(name: str) -> str:
    return f"{name} {_version(_VERSION)}"


def _count_up(counter: str) -> None:
    st.session_state[counter] = _version(counter) + 1


def _version(counter: str) -> int:
    return int(st.session_state.get(counter, 0))
