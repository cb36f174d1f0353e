"""Views of photos and their faces."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Literal

import streamlit as st

from emotion_core.errors import EmotionError
from emotion_core.face import format_confidence, format_signed, format_va
from emotion_core.local_analyzer import LocalAnalyzer
from emotion_core.reporting.photo_charts import count_emotions
from emotion_core.types import VaSource
from streamlit_app.photos.comparing import show_comparison
from streamlit_app.photos.exports import show_exports
from streamlit_app.photos.faces import SelectedPhotos, sheet_table, sort_faces
from streamlit_app.photos.filters import (
    ORDER,
    counts_key,
    current_filter,
    show_filters,
    show_plane,
)
from streamlit_app.photos.labelling import show_labelling, to_sheet_labels
from streamlit_app.photos.sheet import (
    OpenPhoto,
    emotion_counts,
    faces_sheet,
    selected_face,
    wished_map,
)
from streamlit_app.widgets import as_code, escape, media_url, plural, shorten, va_sentence

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from emotion_core.analyzer import Analyzer
    from emotion_core.models.card import AnalyzerInfo
    from streamlit_app.photos.comparing import ComparisonTask
    from streamlit_app.photos.face_labels import LabellingTask
    from streamlit_app.photos.faces import SheetFilter
    from streamlit_app.photos.sheet import SheetLabels
    from streamlit_app.photos.state import Photo, PhotosState
    from streamlit_app.visitor_options import VisitorOptions

_MANY = 8
"""Faces of a single photo from which on they can be filtered."""


def show_kept(state: PhotosState) -> None:
    """The number of photos kept from before, and a button that removes them."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{plural(len(state.kept), 'photo')}** uploaded before", width="content")
        st.button("Remove", on_click=state.discard_kept, icon=":material/close:")


def show_headline(selected: SelectedPhotos) -> None:
    """How many photos and faces there are, as the page's title."""
    n = len(selected.readable)
    words = f"{plural(n, 'photo')}, {plural(len(selected.faces), 'face')}"
    if n == 0:
        words = "No photo could be read" if selected.photos else "Photos"
    st.title(words, anchor=False)


def show_findings(selected: SelectedPhotos, info: AnalyzerInfo, options: VisitorOptions) -> None:
    """What the faces show in two sentences, the models, and what went wrong, folded."""
    choice = f"faces from {options.min_score:.0%} confidence and {options.min_face_px} px"
    models = f"{escape(info.emotion.version)}, faces by {escape(info.detector.name)}; {choice}"
    records = selected.records
    failed = [record for record in records if record.analysis is None]
    if len(failed) < len(records):
        counted = selected.to_counted(selected.faces)
        st.markdown(f"{_to_sentences(counted)}  \n:small[Model: {models}.]")
    if failed:
        with st.expander(
            f"{plural(len(failed), 'file')} could not be read", icon=":material/error:"
        ):
            for record in failed:
                st.markdown(f"**{as_code(shorten(record.source))}**: {escape(record.error)}")
    notes = [(record.source, record.warnings) for record in records if record.warnings]
    analyses = [(record.source, record.analysis) for record in records]
    empty = [name for name, found in analyses if found is not None and not len(found)]
    if notes or (empty and len(records) > 1):
        n = len({*(name for name, _ in notes), *empty})
        with st.expander(f"Notes on {plural(n, 'photo')}", icon=":material/info:"):
            for name, warnings in notes:
                st.markdown(f"**{as_code(shorten(name))}**: {escape(' '.join(warnings))}")
            for name in empty:
                st.markdown(f"**{as_code(shorten(name))}**: No face was found.")


def select_photos(
    state: PhotosState, photos: list[Photo], options: VisitorOptions
) -> SelectedPhotos:
    """The results of photos with the faces that count by the options."""
    results = [state.crops(photo, options) for photo in photos]
    return SelectedPhotos(photos, results, sheet_table(photos, results))


def show_results(
    state: PhotosState,
    selected: SelectedPhotos,
    options: VisitorOptions,
    analyzer: Analyzer,
    comparison: ComparisonTask | None = None,
    labelling: LabellingTask | None = None,
) -> None:
    """Plane, counts, filters, and the contact sheet; of one photo the photo first.

    Args:
        state: Draws the photos.
        selected: What to show.
        options: Which faces count, and whether they are blurred.
        analyzer: In use; explains readings.
        comparison: What another model may read, if that is offered.
        labelling: What may be labelled, measured and adapted, if that is offered.
    """
    faces = selected.faces
    counted = selected.to_counted(faces)
    crops = [crop for result in selected.results for crop in result.crops]
    images = {
        i: media_url(crop, "image/jpeg", i) for i, crop in zip(faces["id"], crops, strict=True)
    }
    filters = current_filter()
    shown = filters.choose(faces)
    export = partial(show_exports, state, selected, options, analyzer.info, shown)
    labels = to_sheet_labels(labelling) if labelling else None
    show_sheet = partial(_show_sheet, state, selected, options, analyzer, images, labels)
    if len(selected.readable) == 1:
        face = show_sheet(shown, layout="photo")
        with st.container(horizontal=True, vertical_alignment="bottom"):
            if len(faces) >= _MANY:
                show_filters(faces, filters)
            export()
        if len(counted) > 1:
            _show_overview(counted, shown, images, filters)
    elif faces.empty:
        face = None
        export()
    else:
        with st.container(key="overview"):
            if len(counted):
                _show_overview(counted, shown, images, filters)
        with st.container(horizontal=True, vertical_alignment="bottom", key="filters"):
            show_filters(faces, filters)
            export()
        face = show_sheet(shown, layout="sheet")
    if comparison:
        show_comparison(comparison, face)
    if labelling:
        show_labelling(labelling)


def _show_overview(
    faces: pd.DataFrame, shown: pd.DataFrame, images: Mapping[str, str], filters: SheetFilter
) -> None:
    """Plane and emotion counts side by side, with the numbers of the faces shown."""
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
        tiles["Mean valence"] = f"{format_signed(shown['valence'].mean())}"
        tiles["Mean arousal"] = f"{format_signed(shown['arousal'].mean())}"
    with st.container(key="tiles"), st.grid(len(tiles), min_column_width=120):
        for label, value in tiles.items():
            st.metric(label, value, border=True)


def _show_sheet(  # noqa: PLR0913 - bound one after the other
    state: PhotosState,
    selected: SelectedPhotos,
    options: VisitorOptions,
    analyzer: Analyzer,
    images: Mapping[str, str],
    labels: SheetLabels | None,
    shown: pd.DataFrame,
    *,
    layout: Literal["sheet", "photo"],
) -> str | None:
    """The contact sheet with the detail of the selected face; returns its id."""
    faces, photos = selected.faces, selected.readable
    ordered = sort_faces(shown, st.session_state.get(ORDER, "Photo"))
    face = selected_face()
    if face not in set(faces["id"]):
        face = None
        if layout == "photo" and len(ordered):  # the largest face is what a photo is about
            face = str(ordered["id"].iloc[int(ordered["size_px"].argmax())])
    photo = photos[0] if layout == "photo" else None
    if face is not None:
        photo = next(p for p in photos if p.key == face.rpartition("#")[0])
    opened = _open_photo(state, selected, photo, options) if photo else None
    wish = wished_map()
    if opened and photo and face and isinstance(analyzer, LocalAnalyzer):
        explained = None
        if wish is not None:
            found, blur = opened.analysis.faces, options.blur
            explained = state.explainer.explain(analyzer, photo, found, face, wish, blur=blur)
        opened = replace(opened, explained=explained, explains=True)
    with st.container():  # always there, so that what follows is not made anew
        if ordered.empty and len(faces):
            st.caption("No face passes these filters.")
    faces_sheet(ordered, images, opened, labels, selected=face, layout=layout)
    if layout == "photo" and faces.empty:
        st.info("No face was found.", icon=":material/face_retouching_off:")
    return face


def _open_photo(
    state: PhotosState, selected: SelectedPhotos, photo: Photo, options: VisitorOptions
) -> OpenPhoto | None:
    analysis = selected.result_of(photo).record.analysis
    if analysis is None:
        return None
    try:
        jpeg = state.preview(photo, options)
    except EmotionError as error:
        st.error(escape(str(error)), icon=":material/broken_image:")
        return None
    src = media_url(jpeg, "image/jpeg", f"photo {photo.key}")
    faces = selected.faces
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
        va = format_va(face["valence"], face["arousal"])
    else:
        (first, n), *others = leading
        rest = ""
        if others and others[0][1] == n:
            first = f"{first} and {others[0][0]}"
        elif others:
            rest = ", then {} ({})".format(*others[0])
        each = " each" if others and not rest else ""
        said = f"**Mostly {first}** ({n} of {len(faces)}{each}){rest}"
        va = f"mean {format_va(faces['valence'].mean(), faces['arousal'].mean())}"
    return f"{said}; {va}."
