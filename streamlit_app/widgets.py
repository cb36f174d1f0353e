"""Widgets that several places share, and the one place where an error becomes a message."""

from __future__ import annotations

import re
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import streamlit as st
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.scriptrunner import get_script_run_ctx

from emotion_core.errors import EmotionError
from emotion_core.imaging.palette import INK, WORDS
from emotion_core.models.card import Task
from emotion_core.models.local import is_path
from emotion_core.models.registry import CARDS, cards_for
from emotion_core.types import DEFAULT_MIN_FACE_PX, DEFAULT_MIN_SCORE, VaSource
from streamlit_app.photos.state import VisitorOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from altair.typing import ChartType
    from streamlit.delta_generator import DeltaGenerator
    from streamlit.runtime.uploaded_file_manager import UploadedFile

    from emotion_core.models.card import AnalyzerInfo
    from streamlit_app.settings import AppSettings

_CHART_TEXT = {"light": WORDS, "dark": "#B4BEBA"}  # 8 to 1 on white, 9 to 1 on the dark page
_EDGES = {"light": INK, "dark": "#E7ECEA"}
_MARKDOWN = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~$:&])")


def plain(text: str) -> str:
    """Escape text that is not ours, such as a file's name, for places that read Markdown."""
    return _MARKDOWN.sub(r"\\\1", text)


def to_the_letter(text: str) -> str:
    """A name as Markdown that shows it as it is, as code.

    Of other text, escaped or not, Streamlit makes icons, links, dashes and arrows.
    """
    fence = "`" * (1 + max(map(len, re.findall("`+", text)), default=0))
    return f"{fence} {text} {fence}"


def shortened(name: str) -> str:
    """A name with its middle left out where it is too long to show."""
    return name if len(name) <= 60 else f"{name[:40]}…{name[-19:]}"


@contextmanager
def errors_as_messages(title: str) -> Iterator[None]:
    """Show an ``EmotionError`` as a message with a way to try again, and end the page there."""
    try:
        yield
    except EmotionError as error:
        st.error(plain(str(error)), title=title, icon=":material/error:")
        st.button("Try again", icon=":material/refresh:")
        st.stop()


def sidebar(settings: AppSettings) -> VisitorOptions:
    """Let the visitor choose, for all pages; everything has a default that needs no choice."""
    with st.sidebar:
        st.header("Settings")
        emotion = detector = ""
        if not settings.server.url:  # which has its own networks
            emotion = _choose("Emotion network", Task.EMOTION, settings.model)
            detector = _choose("Face detector", Task.DETECTION, "")
        min_score = st.slider(
            "Least face confidence",
            0.3,
            0.95,
            DEFAULT_MIN_SCORE,
            0.05,
            key="min_score",
            help="Faces that the detector is less sure of are left out.",
            persist_state="session",
        )
        min_face_px = st.slider(
            "Smallest face",
            8,
            200,
            DEFAULT_MIN_FACE_PX,
            2,
            "%d px",
            key="min_face_px",
            help="Faces whose shorter side has fewer pixels are left out. A larger value is faster "
            "on large photos, which are then not searched for small faces.",
            persist_state="session",
        )
        blur = st.toggle(
            "Blur faces",
            key="blur",
            help="Makes every face unrecognisable in what is shown and downloaded.",
            persist_state="session",
        )
    return VisitorOptions(emotion, detector, min_score, min_face_px, blur)


def sidebar_info(info: AnalyzerInfo, on_retry: Callable[[], None]) -> None:
    """Tell what is at work, where it runs and where it came from.

    Args:
        info: Of the core in use.
        on_retry: Called when the visitor wants another try at what could not be had.
    """
    device = "graphics card (CUDA)" if info.device == "cuda" else "processor (CPU)"
    with st.sidebar:
        for notice in info.notices:  # what stands in does all, so that it is no warning
            st.info(plain(notice), icon=":material/cloud_off:")
        if info.notices:
            st.button("Try again", on_click=on_retry, icon=":material/refresh:")
        st.header("At work")
        st.caption(f"Running on the {device}.")
        for origin in info.origins:
            st.caption(plain(origin))
        if info.emotion.note:
            st.caption(plain(info.emotion.note))
        st.caption(va_sentence(info.emotion.va_source))


def invitation(photo: bytes, *, alt: str, title: str, words: str) -> bool:
    """What an empty page offers; tells whether the sample was asked for.

    Args:
        photo: The sample, or what it is made of.
        alt: What the photo shows.
        title: Of the offer.
        words: What there is to see.
    """
    with st.container(border=True), st.container(horizontal=True, gap="large"):
        st.image(photo, width=180, alt=alt)
        with st.container(width="stretch"):
            st.header(title, anchor=False)
            st.markdown(words)
            is_wanted = st.button("Try the sample", type="primary", icon=":material/play_arrow:")
            st.caption("Eileen Collins, photo: NASA, public domain.")
    return is_wanted


def side_by_side() -> tuple[DeltaGenerator, DeltaGenerator]:
    """Two places of equal width, the second below the first where there is no room for both."""
    grid = st.grid(2, min_column_width=320, gap="medium")
    return grid.cell(), grid.cell()


def chart_config() -> dict[str, Any]:
    """What makes a chart readable, also for a screen reader.

    Streamlit's grey has less than 4.5 to 1; what is read out is the description, not every mark.
    """
    colour = _CHART_TEXT.get(st.context.theme.type or "")
    if colour is None:
        return {"aria": False}
    words = {"labelColor": colour, "titleColor": colour}
    parts = dict.fromkeys(("axis", "legend", "header"), words)
    return {"aria": False, "text": {"color": colour}, **parts}


def edge_colour() -> str:
    """Of the shapes in a chart, so that they stand out from the page and from each other."""
    return _EDGES.get(st.context.theme.type or "", INK)


def readable(chart: ChartType) -> ChartType:
    """A chart as a page shows it, see ``chart_config``."""
    shown: ChartType = chart.configure(**chart_config())
    return shown


def download(label: str, data: Callable[[], bytes | str], file_name: str, mime: str) -> None:
    """Offer a file that is made when its button is pressed."""
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
    """Take an upload out of where Streamlit keeps it in memory until the visitor leaves.

    Whoever takes it has the only copy, and shows an upload field of another key from now on.

    Args:
        upload: What the upload field gave.
        key: Of the upload field.
    """
    context = get_script_run_ctx()
    if context and isinstance(context.uploaded_file_mgr, MemoryUploadedFileManager):
        context.uploaded_file_mgr.remove_file(context.session_id, upload.file_id)
    del st.session_state[key]  # of its own accord it goes only after a run without st.stop
    return upload


def va_sentence(source: VaSource) -> str:
    """Say how valence and arousal were come by."""
    if source is VaSource.HEAD:
        return "Valence and arousal come from the network's own outputs."
    return (
        "Valence and arousal are expected values: published coordinates of each emotion word, "
        "weighted by the network's probabilities."
    )


def _choose(label: str, task: Task, preset: str) -> str:
    """Offer the catalog's models of one task; empty means the project's choice."""
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
        help="Automatic takes the best that is at hand. Others are downloaded when first used.",
    )
    return chosen if chosen in options else ""  # Streamlit compares what is shown: file names


def _describe(name: str) -> str:
    if not name:
        return "Automatic"
    if is_path(name):
        return Path(name).name
    card = CARDS.get(name)
    if card is None or card.is_local or not card.weights.size_bytes:
        return name
    return f"{name} ({card.weights.size_bytes / 1e6:.1f} MB)"
