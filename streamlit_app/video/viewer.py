"""The viewer: player, timelines, plane and bars with one cursor, as a component of the page."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import streamlit as st

from emotion_core.reporting.html_page import vega_script
from streamlit_app.widgets import chart_config, media_url

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from emotion_core.reporting.cursor_charts import CursorCharts

_FILES = Path(__file__).parent / "component"

_mount = st.components.v2.component(
    "emoscope_viewer",
    html=(_FILES / "index.html").read_text("utf-8"),
    css=(_FILES / "style.css").read_text("utf-8"),
    js=(_FILES / "index.js").read_text("utf-8"),
)


@dataclass(frozen=True, slots=True)
class PlayedVideo:
    """A video to play in the viewer.

    Attributes:
        data: Content of an MP4.
        alt: What it shows, for screen readers.
        size_wh: Width and height in pixels.
        offset_s: Time in the charts at which it begins.
    """

    data: bytes
    alt: str
    size_wh: tuple[int, int]
    offset_s: float = 0.0


@dataclass(frozen=True, slots=True)
class ViewerCursor:
    """Where the cursor is sent, and what is selected.

    Attributes:
        step_s: Time from one frame to the next.
        seek: A number that counts and a time: with each new number the cursor goes there.
        span_s: Span to shade.
        is_followed: Whether the viewer tells where the cursor comes to rest.
        mark: Words of a button that marks the time at the cursor, as the key M does, and what is
            called then: the time is ``mark`` in the widget's session state. ``None`` for no marks.
    """

    step_s: float
    seek: tuple[int, float] | None = None
    span_s: tuple[float, float] | None = None
    is_followed: bool = False
    mark: tuple[str, Callable[[], None]] | None = None


def _do_nothing() -> None:
    """Takes what the viewer tells where nobody asked."""


def show_viewer(  # noqa: PLR0913 - a viewer has that many parts
    key: str,
    shown: CursorCharts,
    alts: Mapping[str, str],
    video: PlayedVideo | None,
    cursor: ViewerCursor,
    on_span: Callable[[], None],
    on_cursor: Callable[[], None] = _do_nothing,
) -> None:
    """Shows the viewer.

    Args:
        key: Key of the widget; its ``span`` in the session state is the last span selected there,
            its ``cursor`` where the cursor came to rest.
        shown: The charts.
        alts: What some of them show, for screen readers, by name.
        video: The video to play; ``None`` for charts alone.
        cursor: Where the cursor is sent.
        on_span: Called when a span was selected in the charts.
        on_cursor: Called when the cursor has come to rest, if it is followed.
    """
    colours = chart_config()
    charts = {
        name: {
            "spec": {**spec, "config": {**spec.get("config", {}), **colours}},
            "alt": alts.get(name, ""),
        }
        for name, spec in shown.specs.items()
    }
    data: dict[str, Any] = {
        "charts": charts,
        "rows": shown.rows,
        "start_s": shown.span_s[0],
        "end_s": shown.span_s[1],
        "step_s": cursor.step_s,
        "offset_s": video.offset_s if video else 0.0,
        "mark": cursor.mark and cursor.mark[0],
        "span": cursor.span_s,
        "seek": cursor.seek,
        "follows": cursor.is_followed,
        "vega": media_url(vega_script().encode(), "text/javascript", "vega"),
        "video": video
        and {
            "url": media_url(video.data, "video/mp4", key),
            "alt": video.alt,
            "ratio": "{} / {}".format(*video.size_wh),
        },
    }
    _mount(
        key=key,
        data=data,
        on_span_change=on_span,
        on_cursor_change=on_cursor,
        on_mark_change=cursor.mark[1] if cursor.mark else _do_nothing,
    )
