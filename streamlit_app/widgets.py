"""Widgets that pages share, and the one place where an error becomes a message."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import streamlit as st
from streamlit import runtime
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.scriptrunner import get_script_run_ctx

from emotion_core.clock import parse_time
from emotion_core.errors import EmotionError
from emotion_core.imaging.palette import INK, WORDS
from emotion_core.photos.tables import Decimal, table_to_csv
from emotion_core.quality import describe_left_out
from emotion_core.types import VaSource

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import pandas as pd
    from altair.typing import ChartType
    from streamlit.delta_generator import DeltaGenerator
    from streamlit.runtime.uploaded_file_manager import UploadedFile


_CHART_TEXT = {"light": WORDS, "dark": "#B4BEBA"}  # 8 to 1 on white, 9 to 1 on the dark page
_DECIMALS: dict[str, Decimal] = {"1.5": ".", "1,5": ","}
_EDGES = {"light": INK, "dark": "#E7ECEA"}
_MARKDOWN = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~$:&])")

_ROW_PX = 35  # of a table, by default


def escape(text: str) -> str:
    """Escapes foreign text, such as a file's name, for Markdown."""
    return _MARKDOWN.sub(r"\\\1", text)


def as_code(text: str) -> str:
    """A name as Markdown code, which is shown literally.

    In other text, escaped or not, Streamlit inserts icons, links, dashes and arrows.
    """
    fence = "`" * (1 + max(map(len, re.findall("`+", text)), default=0))
    return f"{fence} {text} {fence}"


def shorten(name: str) -> str:
    """A name without its middle if it is too long."""
    return name if len(name) <= 60 else f"{name[:40]}…{name[-19:]}"


def plural(n: int, word: str) -> str:
    """A number with its word: "no face", "1 face", "2 faces"."""
    return {0: f"no {word}", 1: f"1 {word}"}.get(n, f"{n} {word}s")


@contextmanager
def errors_as_messages(title: str) -> Iterator[None]:
    """Shows an ``EmotionError`` as a message with a button to try again, and ends the page."""
    try:
        yield
    except EmotionError as error:
        st.error(escape(str(error)), title=title, icon=":material/error:")
        st.button("Try again", icon=":material/refresh:")
        st.stop()


def invitation(photo: bytes, *, alt: str, title: str, words: str) -> bool:
    """The sample offered on an empty page, with its photo; returns whether it was requested."""
    with st.container(border=True), st.container(horizontal=True, gap="large"):
        st.image(photo, width=180, alt=alt)
        with st.container(width="stretch"):
            st.header(title, anchor=False)
            st.markdown(words)
            label, icon = "Start with a sample", ":material/play_arrow:"
            is_requested = st.button(label, type="primary", icon=icon)
            st.caption("Eileen Collins, photo: NASA, public domain.")
    return is_requested


def choose_smoothing(default_s: float, key: str, explanation: str) -> float:
    """A slider for the time constant of the smoothing in seconds."""
    return st.slider(
        "Smoothing",
        0.0,
        2.0,
        default_s,
        0.1,
        "%.1f s",
        key=key,
        persist_state="session",
        help=explanation,
    )


def choose_decimal() -> None:
    """Lets the visitor choose the decimal sign of CSV files, which ``to_csv`` uses."""
    st.selectbox(
        "Decimal sign in CSV files",
        list(_DECIMALS),
        key="decimal",
        persist_state="session",
        help="With a decimal comma, semicolons separate cells, as spreadsheets expect in many "
        "countries.",
    )


def to_csv(make_table: Callable[[], pd.DataFrame]) -> Callable[[], bytes]:
    """Makes a table and its CSV file only when called, with the decimal sign chosen now."""
    decimal = chosen_decimal()
    return lambda: table_to_csv(make_table(), decimal)


def chosen_decimal() -> Decimal:
    """The decimal sign of CSV files that the visitor chose."""
    return _DECIMALS[st.session_state.get("decimal", "1.5")]


def side_by_side() -> tuple[DeltaGenerator, DeltaGenerator]:
    """Two columns of equal width, below each other if the page is narrow."""
    grid = st.grid(2, min_column_width=320, gap="medium")
    return grid.cell(), grid.cell()


def chart_config() -> dict[str, Any]:
    """Configuration that makes a chart readable, also by screen readers.

    Streamlit's grey has a contrast below 4.5 to 1; screen readers read the description instead of
    every mark.
    """
    colour = _CHART_TEXT.get(st.context.theme.type or "")
    hidden = {"aria": False, "mark": {"aria": False}}
    if colour is None:
        return hidden
    words = {"labelColor": colour, "titleColor": colour}
    parts = dict.fromkeys(("axis", "legend", "header"), words)
    return {**hidden, "text": {"color": colour}, **parts}


def edge_colour() -> str:
    """Edge colour of shapes in a chart, distinct from the page and from each other."""
    return _EDGES.get(st.context.theme.type or "", INK)


def readable(chart: ChartType) -> ChartType:
    """A chart with ``chart_config``."""
    shown: ChartType = chart.configure(**chart_config())
    return shown


def download(label: str, data: Callable[[], bytes | str], file_name: str, mime: str) -> None:
    """A download button whose file is made when it is pressed."""
    st.download_button(
        label,
        data,
        file_name=file_name,
        mime=mime,
        on_click="ignore",
        icon=":material/download:",
        key=f"download {label}",
    )


def table_height(table: pd.DataFrame, max_rows: int = 8) -> int:
    """Height of a shown table in pixels; one with more rows scrolls."""
    return _ROW_PX * (1 + min(len(table), max_rows)) + 3


TIME_HELP = "Time in the video, such as 90, 1:30 or 0:01:30.5."
"""Stands beside fields for times."""


def typed_time(text: str) -> float | None:
    """The time in a video that was typed, in seconds; ``None`` if nothing was.

    Raises:
        EmotionError: It is no time.
    """
    return parse_time(text) if text.strip() else None


def take_upload(upload: UploadedFile, key: str) -> UploadedFile:
    """Removes an upload from Streamlit's memory, which would keep it until the visitor leaves.

    The caller has the only copy then, and must use an upload field with another key.
    """
    return take_uploads([upload], key)[0]


def take_uploads(uploads: Sequence[UploadedFile], key: str) -> list[UploadedFile]:
    """Does the same as ``take_upload`` with all uploads of a field for several."""
    context = get_script_run_ctx()
    if context and isinstance(context.uploaded_file_mgr, MemoryUploadedFileManager):
        for upload in uploads:
            context.uploaded_file_mgr.remove_file(context.session_id, upload.file_id)
    del st.session_state[key]  # otherwise it is only removed by a run without st.stop
    return list(uploads)


def choose_counted(table: pd.DataFrame, noun: str) -> bool:
    """Tells how many faces are too hard to read; returns whether they count nevertheless.

    Args:
        table: One row per face.
        noun: What a row is, in the singular.
    """
    words = describe_left_out(table, noun)
    if not words:
        return False
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(words, width="stretch")
        return st.toggle("Count all", key=f"count all {noun}s", help=COUNT_ALL)


COUNT_ALL = (
    "Means, shares and charts leave out faces that are too small, blurred, turned, cut off or "
    "covered: their readings are often wrong. The tables have them, marked."
)


def media_url(data: bytes, mime: str, place: str) -> str:
    """Hands a file to Streamlit until the next run of the page.

    Args:
        data: Content of the file.
        mime: Its type.
        place: What it is for; a later file for the same place takes its place.

    Returns:
        Its address, relative to that of the page, so that it holds behind a proxy, too.
    """
    return str(runtime.get_instance().media_file_mgr.add(data, mime, place)).lstrip("/")


def va_sentence(source: VaSource) -> str:
    """Explains where valence and arousal come from."""
    if source is VaSource.HEAD:
        return "Valence and arousal are outputs of the model."
    return (
        "Valence and arousal are expected values: published coordinates of each emotion word, "
        "weighted by the model's probabilities."
    )
