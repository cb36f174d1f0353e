"""The sidebar of all pages: options of the analysis.

The entry draws it, so that it stays as it is when the visitor goes to another page.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import streamlit as st

from emotion_core.analyzer import to_region
from emotion_core.errors import EmotionError
from emotion_core.models.material import MATERIALS
from emotion_core.types import DEFAULT_MIN_FACE_PX, DEFAULT_MIN_SCORE
from streamlit_app.model_choice import OWN, choose_detector, choose_emotion_model
from streamlit_app.own_model import OwnModel, upload_own
from streamlit_app.resources import visit_state
from streamlit_app.visitor_options import VisitorOptions
from streamlit_app.widgets import choose_decimal, escape

if TYPE_CHECKING:
    from emotion_core.models.material import Material
    from emotion_core.types import Region
    from streamlit_app.settings import AppSettings


_CHOSEN = "visitor options"


def visitor_options() -> VisitorOptions:
    """What is chosen in the sidebar."""
    return cast("VisitorOptions", st.session_state[_CHOSEN])


def sidebar(settings: AppSettings) -> None:
    """Shows the options for all pages, which ``visitor_options`` gives."""
    with st.sidebar:
        st.header("Analysis settings")
        emotion = detector = ""
        material: Material = "everyday"
        if not settings.server.url:  # which has its own models
            own = visit_state(OwnModel)
            emotion = choose_emotion_model(settings.model, own.name)
            upload_own(own, settings.device)
            detector = choose_detector()
            if emotion != OWN:  # which only reads as it learned
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
    st.session_state[_CHOSEN] = VisitorOptions(
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
