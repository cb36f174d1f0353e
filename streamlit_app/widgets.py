"""Widgets that pages share, and the one place where an error becomes a message."""

from __future__ import annotations

import re
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import streamlit as st
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.scriptrunner import get_script_run_ctx

from emotion_core.analyzer import to_region
from emotion_core.errors import EmotionError
from emotion_core.imaging.palette import INK, WORDS
from emotion_core.models.card import Task
from emotion_core.models.local import is_path
from emotion_core.models.registry import CARDS, cards_for
from emotion_core.photos.tables import Decimal, table_to_csv
from emotion_core.types import DEFAULT_MIN_FACE_PX, DEFAULT_MIN_SCORE, VaSource
from streamlit_app.photos.state import VisitorOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import pandas as pd
    from altair.typing import ChartType
    from streamlit.delta_generator import DeltaGenerator
    from streamlit.runtime.uploaded_file_manager import UploadedFile

    from emotion_core.models.card import AnalyzerInfo
    from emotion_core.types import Region
    from streamlit_app.settings import AppSettings

_CHART_TEXT = {"light": WORDS, "dark": "#B4BEBA"}  # 8 to 1 on white, 9 to 1 on the dark page
_DECIMALS: dict[str, Decimal] = {"1.5": ".", "1,5": ","}
_EDGES = {"light": INK, "dark": "#E7ECEA"}
_MARKDOWN = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~$:&])")


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


@contextmanager
def errors_as_messages(title: str) -> Iterator[None]:
    """Shows an ``EmotionError`` as a message with a button to try again, and ends the page."""
    try:
        yield
    except EmotionError as error:
        st.error(escape(str(error)), title=title, icon=":material/error:")
        st.button("Try again", icon=":material/refresh:")
        st.stop()


def sidebar(settings: AppSettings) -> VisitorOptions:
    """The options for all pages."""
    with st.sidebar:
        st.header("Analysis settings")
        emotion = detector = ""
        if not settings.server.url:  # which has its own models
            emotion = _choose("Emotion model", Task.EMOTION, settings.model)
            detector = _choose("Face detector", Task.DETECTION, "")
        min_score = st.slider(
            "Minimum detection confidence",
            0.3,
            0.95,
            DEFAULT_MIN_SCORE,
            0.05,
            key="min_score",
            help="Faces that the detector is less sure of are left out.",
            persist_state="session",
        )
        min_face_px = st.slider(
            "Minimum face size",
            8,
            200,
            DEFAULT_MIN_FACE_PX,
            2,
            "%d px",
            key="min_face_px",
            help="Faces with fewer pixels on their shorter side are left out. A larger value is "
            "faster on large photos, which are then not searched for small faces.",
            persist_state="session",
        )
        blur = st.toggle(
            "Blur faces",
            key="blur",
            help="Makes every face unrecognisable on the page and in downloads.",
            persist_state="session",
        )
        with st.expander("More settings"):
            largest_only = st.toggle(
                "Largest face only",
                key="largest_only",
                help="Of each photo or frame, only the largest face counts.",
                persist_state="session",
            )
            region = _choose_region()
            choose_decimal()
    return VisitorOptions(emotion, detector, min_score, min_face_px, blur, largest_only, region)


def _choose_region() -> Region | None:
    text = st.text_input(
        "Region",
        key="region",
        placeholder="x,y,width,height",
        help="Only this part of photos and frames is searched, in pixels from the upper left "
        "corner, such as 0,0,640,720.",
        persist_state="session",
    )
    if not text:
        return None
    try:
        return to_region(text)
    except EmotionError as error:
        st.warning(escape(str(error)))
        return None


def sidebar_info(info: AnalyzerInfo, on_retry: Callable[[], None]) -> None:
    """The models in use, where they run and came from, and a retry of failed downloads."""
    device = "graphics card (CUDA)" if info.device == "cuda" else "processor (CPU)"
    with st.sidebar:
        for notice in info.notices:  # not a warning, since the fallback does everything
            st.info(escape(notice), icon=":material/cloud_off:")
        if info.notices:
            st.button("Retry download", on_click=on_retry, icon=":material/refresh:")
        st.header("Models in use")
        st.caption(f"Running on the {device}.")
        for origin in info.origins:
            st.caption(escape(origin))
        if info.emotion.note:
            st.caption(escape(info.emotion.note))
        st.caption(va_sentence(info.emotion.va_source))


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


def to_csv(table: pd.DataFrame) -> Callable[[], bytes]:
    """Makes a table's CSV file when called, with the decimal sign chosen now."""
    return partial(table_to_csv, table, _DECIMALS[st.session_state.get("decimal", "1.5")])


def show_metrics(values: Mapping[str, str | int]) -> None:
    """Tiles of labels and values."""
    with st.grid(min_column_width=115):
        for label, value in values.items():
            st.metric(label, value, border=True)


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
    if colour is None:
        return {"aria": False}
    words = {"labelColor": colour, "titleColor": colour}
    parts = dict.fromkeys(("axis", "legend", "header"), words)
    return {"aria": False, "text": {"color": colour}, **parts}


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


def take_upload(upload: UploadedFile, key: str) -> UploadedFile:
    """Removes an upload from Streamlit's memory, which would keep it until the visitor leaves.

    The caller has the only copy then, and must use an upload field with another key.
    """
    context = get_script_run_ctx()
    if context and isinstance(context.uploaded_file_mgr, MemoryUploadedFileManager):
        context.uploaded_file_mgr.remove_file(context.session_id, upload.file_id)
    del st.session_state[key]  # otherwise it is only removed by a run without st.stop
    return upload


def va_sentence(source: VaSource) -> str:
    """Explains where valence and arousal come from."""
    if source is VaSource.HEAD:
        return "Valence and arousal are outputs of the model."
    return (
        "Valence and arousal are expected values: published coordinates of each emotion word, "
        "weighted by the model's probabilities."
    )


def _choose(label: str, task: Task, preset: str) -> str:
    """A choice of the registered models of one task; empty means the default."""
    names = [card.name for card in cards_for(task)]
    if preset and preset not in names:
        names.insert(0, preset)
    options = ["", *names]
    chosen = st.selectbox(
        label,
        options,
        index=options.index(preset),
        format_func=_describe,
        key=f"{task} network",
        persist_state="session",
        help="Automatic uses the best model installed. Others are downloaded when first used.",
    )
    return chosen if chosen in options else ""  # Streamlit compares displayed file names


def _describe(name: str) -> str:
    if not name:
        return "Automatic"
    if is_path(name):
        return Path(name).name
    card = CARDS.get(name)
    if card is None or card.is_local or not card.weights.size_bytes:
        return name
    return f"{name} ({card.weights.size_bytes / 1e6:.1f} MB)"
