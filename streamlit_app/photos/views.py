"""Views of photos and their faces."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Literal

import streamlit as st

from emotion_core.errors import EmotionError
from emotion_core.face import format_confidence
from emotion_core.quality import usable_faces
from emotion_core.reporting.photo_charts import count_emotions
from emotion_core.types import VaSource
from streamlit_app.photos.exports import show_exports
from streamlit_app.photos.faces import make_table, sort_faces
from streamlit_app.photos.filters import (
    ORDER,
    counts_key,
    current_filter,
    show_filters,
    show_plane,
)
from streamlit_app.photos.sheet import (
    OpenPhoto,
    emotion_counts,
    faces_sheet,
    image_url,
    selected_face,
)
from streamlit_app.widgets import as_code, choose_counted, escape, plural, shorten, va_sentence

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from emotion_core.models.card import AnalyzerInfo
    from emotion_core.photos.cropped import CroppedPhoto
    from streamlit_app.photos.state import Photo, PhotosState, VisitorOptions

_SHEET = "faces sheet"
COUNT_ALL = "count all faces"
"""Key of the choice whether faces count that are hard to read."""

_MANY = 8
"""Faces of a single photo from which on they can be filtered."""


def show_kept(state: PhotosState) -> None:
    """The number of photos kept from before, and a button that removes them."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{plural(len(state.kept), 'photo')}** uploaded before", width="content")
        st.button("Remove", on_click=state.discard_kept, icon=":material/close:")


def show_headline(results: Sequence[CroppedPhoto], faces: pd.DataFrame) -> None:
    """How many photos and faces there are, as the page's title."""
    n = sum(result.record.analysis is not None for result in results)
    words = f"{plural(n, 'photo')}, {plural(len(faces), 'face')}"
    if n == 0:
        words = "No photo could be read" if results else "Photos"
    st.title(words, anchor=False)


def show_findings(
    results: Sequence[CroppedPhoto],
    faces: pd.DataFrame,
    info: AnalyzerInfo,
    options: VisitorOptions,
) -> None:
    """What the faces show in two sentences, the models, and what went wrong, folded."""
    choice = f"faces from {options.min_score:.0%} confidence and {options.min_face_px} px"
    models = f"{escape(info.emotion.version)}, faces by {escape(info.detector.name)}; {choice}"
    failed = [result.record for result in results if result.record.analysis is None]
    if len(failed) < len(results):
        st.markdown(f"{_to_sentences(count_usable(faces))}  \n:small[Model: {models}.]")
    if failed:
        with st.expander(
            f"{plural(len(failed), 'file')} could not be read", icon=":material/error:"
        ):
            for record in failed:
                st.markdown(f"**{as_code(shorten(record.source))}**: {escape(record.error)}")
    notes = [(r.record.source, r.record.warnings) for r in results if r.record.warnings]
    analyses = [(r.record.source, r.record.analysis) for r in results]
    empty = [name for name, found in analyses if found is not None and not len(found)]
    if notes or (empty and len(results) > 1):
        n = len({*(name for name, _ in notes), *empty})
        with st.expander(f"Notes on {plural(n, 'photo')}", icon=":material/info:"):
            for name, warnings in notes:
                st.markdown(f"**{as_code(shorten(name))}**: {escape(' '.join(warnings))}")
            for name in empty:
                st.markdown(f"**{as_code(shorten(name))}**: No face was found.")


def select_results(
    state: PhotosState, photos: Sequence[Photo], options: VisitorOptions
) -> tuple[list[CroppedPhoto], pd.DataFrame]:
    """The results with the faces that count, and the table of these faces."""
    results = [state.crops(photo, options) for photo in photos]
    return results, make_table(photos, results)


def count_usable(faces: pd.DataFrame) -> pd.DataFrame:
    """The faces that count in findings, tiles and charts: usable ones, or all by choice."""
    return faces if st.session_state.get(COUNT_ALL) else usable_faces(faces)


def show_results(
    state: PhotosState, photos: list[Photo], options: VisitorOptions, info: AnalyzerInfo
) -> None:
    """Plane, counts, filters, and the contact sheet; of one photo the photo first.

    Args:
        state: With the results.
        photos: Those with a result.
        options: Which faces count, and whether they are blurred.
        info: The models in use.
    """
    results, faces = select_results(state, photos, options)
    counted = count_usable(faces)
    crops = [crop for result in results for crop in result.crops]
    images = {i: image_url(crop, i) for i, crop in zip(faces["id"], crops, strict=True)}
    filters = current_filter()
    shown = filters.choose(faces)
    readable = [p for p, r in zip(photos, results, strict=True) if r.record.analysis is not None]
    is_single = len(readable) == 1
    export = partial(show_exports, state, photos, options, info, shown)
    show_sheet = partial(_show_sheet, state, readable, options, faces, images)
    if is_single:
        show_sheet(shown, layout="photo")
        with st.container(horizontal=True, vertical_alignment="bottom"):
            if len(faces) >= _MANY:
                show_filters(faces, filters)
            export()
        choose_counted(faces, "face")
        if len(counted) > 1:
            _show_overview(counted, shown, images)
    elif faces.empty:
        export()
    else:
        with st.container(key="overview"):
            choose_counted(faces, "face")
            if len(counted):
                _show_overview(counted, shown, images)
        with st.container(horizontal=True, vertical_alignment="bottom", key="filters"):
            show_filters(faces, filters)
            export()
        show_sheet(shown, layout="sheet")


def _show_overview(faces: pd.DataFrame, shown: pd.DataFrame, images: Mapping[str, str]) -> None:
    """Plane and emotion counts side by side, with the numbers of the faces shown."""
    filters = current_filter()
    shown = shown[shown.index.isin(faces.index)]
    left, right = st.columns([1, 2], gap="medium")
    with left:
        show_plane(faces, images, filters)
    with right:
        _show_tiles(faces, shown)
        but_emotions = replace(filters, emotions=()).choose(faces)
        emotion_counts(faces, but_emotions, counts_key())
        st.caption(
            "Drag a rectangle over points, or press emotions, to see only their faces. "
            + va_sentence(VaSource(faces["va_source"].iloc[0]))
        )


def _show_tiles(faces: pd.DataFrame, shown: pd.DataFrame) -> None:
    n = len(shown)
    tiles = {"Faces": f"{n}" if n == len(faces) else f"{n} of {len(faces)}"}
    if n:
        tiles["Most frequent"] = shown["emotion"].mode()[0]
        tiles["Mean valence"] = f"{shown['valence'].mean():+.2f}"
        tiles["Mean arousal"] = f"{shown['arousal'].mean():+.2f}"
    with st.container(key="tiles"), st.grid(len(tiles), min_column_width=120):
        for label, value in tiles.items():
            st.metric(label, value, border=True)


def _show_sheet(  # noqa: PLR0913 - bound one after the other
    state: PhotosState,
    photos: Sequence[Photo],
    options: VisitorOptions,
    faces: pd.DataFrame,
    images: Mapping[str, str],
    shown: pd.DataFrame,
    *,
    layout: Literal["sheet", "photo"],
) -> None:
    """The contact sheet with the detail of the selected face."""
    ordered = sort_faces(shown, st.session_state.get(ORDER, "Photo"))
    selected = selected_face(_SHEET)
    if selected not in set(faces["id"]):
        selected = None
        if layout == "photo" and len(ordered):  # the largest face is what a photo is about
            selected = str(ordered["id"].iloc[int(ordered["size_px"].argmax())])
    photo = photos[0] if layout == "photo" else None
    if selected is not None:
        photo = next(p for p in photos if p.key == selected.rpartition("#")[0])
    opened = _open_photo(state, photo, options, faces) if photo else None
    if ordered.empty and len(faces):
        st.caption("No face passes these filters.")
    faces_sheet(ordered, images, opened, selected=selected, layout=layout, key=_SHEET)
    if layout == "photo" and faces.empty:
        st.info("No face was found.", icon=":material/face_retouching_off:")


def _open_photo(
    state: PhotosState, photo: Photo, options: VisitorOptions, faces: pd.DataFrame
) -> OpenPhoto | None:
    analysis = state.crops(photo, options).record.analysis
    if analysis is None:
        return None
    try:
        jpeg = state.preview(photo, options)
    except EmotionError as error:
        st.error(escape(str(error)), icon=":material/broken_image:")
        return None
    src = image_url(jpeg, f"photo {photo.key}")
    return OpenPhoto(photo.name, src, analysis, faces[faces["source"] == photo.name])


def _to_sentences(faces: pd.DataFrame) -> str:
    """What most faces show, and how many readings are doubtful."""
    if faces.empty:
        return "No face was found that can be read."
    counts = sorted(count_emotions(faces).items(), key=lambda pair: -pair[1])
    leading = [(word, n) for word, n in counts[:2] if n]
    if len(faces) == 1:
        face = faces.iloc[0]
        share = format_confidence(face["confidence"])
        said = f"**{face['emotion'].capitalize()}**, {share}"
        va = f"valence {face['valence']:+.2f}, arousal {face['arousal']:+.2f}"
    else:
        (first, n), *others = leading
        rest = ""
        if others and others[0][1] == n:
            first = f"{first} and {others[0][0]}"
        elif others:
            rest = ", then {} ({})".format(*others[0])
        each = " each" if others and not rest else ""
        said = f"**Mostly {first}** ({n} of {len(faces)}{each}){rest}"
        va = f"mean valence {faces['valence'].mean():+.2f}, arousal {faces['arousal'].mean():+.2f}"
    return f"{said}; {va}."
