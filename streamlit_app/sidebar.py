"""The sidebar of all pages: options of the analysis, and the models in use."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from emotion_core.analyzer import to_region
from emotion_core.errors import EmotionError
from emotion_core.models.material import MATERIALS
from emotion_core.types import DEFAULT_MIN_FACE_PX, DEFAULT_MIN_SCORE
from streamlit_app.model_choice import choose_models
from streamlit_app.visitor_options import VisitorOptions
from streamlit_app.widgets import choose_decimal, escape, va_sentence

if TYPE_CHECKING:
    from collections.abc import Callable

    from emotion_core.models.card import AnalyzerInfo
    from emotion_core.models.material import Material
    from emotion_core.types import Region
    from streamlit_app.settings import AppSettings


def sidebar(settings: AppSettings) -> VisitorOptions:
    """The options for all pages."""
    with st.sidebar:
        st.header("Analysis settings")
        emotion = detector = ""
        material: Material = "everyday"
        if not settings.server.url:  # which has its own models
            emotion, detector = choose_models(settings.model)
            material = _choose_material()
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
            help="Faces with fewer pixels on their shorter side are left out.",
            persist_state="session",
        )
        blur = st.toggle(
            "Blur faces",
            key="blur",
            help="Makes every face that is found unrecognisable on the page and in downloads. "
            "Photos that were analysed before are searched again, for more faces to hide.",
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
            actions = st.toggle(
                "Action features",
                key="actions",
                help="Adds movements of brows, eyes, nose and mouth (51 columns, 0 to 1) to tables "
                "of faces and frames, and the strongest to the detail of a face, if the model has "
                "them. A video is analysed again.",
                persist_state="session",
            )
            choose_decimal()
    return VisitorOptions(
        emotion, detector, min_score, min_face_px, blur, largest_only, region, actions, material
    )


def _choose_material() -> Material:
    chosen = st.segmented_control(
        "Kind of material",
        MATERIALS,
        default="everyday",
        required=True,
        format_func={"everyday": "Everyday", "posed": "Posed, balanced"}.__getitem__,
        key="material",
        help="In everyday photos and videos most faces are neutral or happy, as where the model "
        "learned. Where people pose all emotions about equally often, rare ones are read more "
        "often. Everything is analysed again.",
        persist_state="session",
    )
    return chosen or "everyday"


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
        if info.notices:  # not a warning, since the fallback does everything
            with st.expander("Offline: built-in models are used", icon=":material/cloud_off:"):
                for notice in info.notices:
                    st.markdown(escape(notice))
                st.button("Retry download", on_click=on_retry, icon=":material/refresh:")
        st.header("Models in use")
        st.caption(f"Running on the {device}.")
        for origin in info.origins:
            st.caption(escape(origin))
        if info.emotion.note:
            st.caption(escape(info.emotion.note))
        st.caption(va_sentence(info.emotion.va_source))
