"""Views of photos and their faces."""

from __future__ import annotations

import io
import zipfile
from functools import partial
from typing import TYPE_CHECKING, Any

import streamlit as st

from emotion_core.face import format_confidence
from emotion_core.imaging.codec import decode_image
from emotion_core.photos.pipeline import make_preview
from emotion_core.photos.tables import faces_table, photos_table, safe_stems
from emotion_core.quality import usable_faces
from emotion_core.reporting.photo_charts import (
    BRUSH,
    distribution_chart,
    probabilities_chart,
    select_faces,
    to_html,
    to_png,
    valence_arousal_chart,
)
from emotion_core.types import VaSource
from streamlit_app.widgets import (
    as_code,
    choose_counted,
    download,
    edge_colour,
    escape,
    readable,
    shorten,
    side_by_side,
    to_csv,
    va_sentence,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from emotion_core.photos.pipeline import PhotoResult
    from streamlit_app.photos.state import Photo, PhotosState

_PLANE, _INPUTS = "plane version", "inputs version"
"""Keys of counters in the keys of widgets; counting up clears the selection in them."""

PER_PAGE = 8
"""Photos per page."""

_GALLERY, _GALLERY_SELECTED = 12, 48
_TABLE_COLUMNS = {
    "face": st.column_config.NumberColumn("Face", width=38),
    "emotion": st.column_config.TextColumn("Emotion", width=78),
    "confidence": st.column_config.TextColumn("Confidence", width=72),
    "valence": st.column_config.NumberColumn("Valence", format="%+.2f", width=54),
    "arousal": st.column_config.NumberColumn("Arousal", format="%+.2f", width=54),
    "flags": st.column_config.TextColumn("Hard to read", width=90),
}


def show_kept(state: PhotosState) -> None:
    """The number of photos kept from before, and a button that removes them."""
    n = len(state.kept)
    words = "1 photo" if n == 1 else f"{n} photos"
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{words}** uploaded before", width="content")
        st.button("Remove", on_click=state.discard_kept, icon=":material/close:")


def show_overview(results: Sequence[PhotoResult]) -> None:
    """Totals, the valence-arousal plane, the distribution, and the selected faces."""
    everyone = faces_table(result.record for result in results)
    is_all = choose_counted(everyone, "face")
    faces = everyone if is_all else usable_faces(everyone)
    _show_totals(results, everyone, faces)
    if faces.empty:
        return
    left, right = side_by_side()
    with left:
        st.header("Valence and arousal", anchor=False)
        event: Any = st.altair_chart(
            readable(valence_arousal_chart(faces, edge=edge_colour())),
            width="stretch",
            on_select=partial(_reset, _INPUTS),  # the last selection counts
            selection_mode=[BRUSH],
            key=f"plane {_version(_PLANE)}",
            alt=f"{_count_faces(len(faces))} in the valence-arousal plane; mean valence "
            f"{faces['valence'].mean():+.2f}, mean arousal {faces['arousal'].mean():+.2f}",
        )
        st.caption(
            "Drag a rectangle over points to select their faces. "
            + va_sentence(VaSource(faces["va_source"].iloc[0]))
        )
        ranges = _select_by_values() or event.selection.get(BRUSH, {})
        icon = ":material/zoom_out_map:"
        st.button("Clear selection", on_click=clear_selection, icon=icon, disabled=not ranges)
    chosen = select_faces(faces, ranges)
    with right:
        st.header("Emotions", anchor=False)
        counts = ", ".join(f"{word} {n}" for word, n in faces["emotion"].value_counts().items())
        st.altair_chart(readable(distribution_chart(faces)), alt=f"Faces per emotion: {counts}")
        _show_gallery(results, chosen, is_selection=len(chosen) < len(faces))


def clear_selection() -> None:
    """Clears the selection in the chart and by values."""
    _reset(_PLANE)
    _reset(_INPUTS)


def _select_by_values() -> dict[str, tuple[float, float]]:
    """A rectangle in the plane without a mouse; empty for the full plane."""
    limits = (-1.0, 1.0)
    with st.expander("Select by values", icon=":material/keyboard:"):
        ranges = {
            axis: st.slider(
                axis.capitalize(),
                *limits,
                limits,
                0.05,
                "%+.2f",
                key=f"{axis} {_version(_INPUTS)}",
                on_change=partial(_reset, _PLANE),
            )
            for axis in ("valence", "arousal")
        }
    return {axis: chosen for axis, chosen in ranges.items() if chosen != limits}


def _reset(counter: str) -> None:
    st.session_state[counter] = _version(counter) + 1


def _version(counter: str) -> int:
    return int(st.session_state.get(counter, 0))


def show_photo_downloads(results: Sequence[PhotoResult]) -> None:
    """Everything as files, made when a button is pressed."""
    records = [result.record for result in results]
    faces = faces_table(records)
    with st.container(horizontal=True):
        download("Faces (CSV)", to_csv(lambda: faces), "faces.csv", "text/csv")
        download("Photos (CSV)", to_csv(lambda: photos_table(records)), "photos.csv", "text/csv")
        if any(result.annotated for result in results):
            zipped = partial(_to_zip, results)
            download("Annotated photos (ZIP)", zipped, "photos.zip", "application/zip")
        if not faces.empty:
            chart = valence_arousal_chart(usable_faces(faces))
            page = partial(to_html, chart, title="Valence and arousal")
            download("Chart (HTML)", page, "valence_arousal.html", "text/html")
            download("Chart (PNG)", partial(to_png, chart), "valence_arousal.png", "image/png")


def show_photo(photo: Photo, result: PhotoResult, *, may_show_original: bool) -> None:
    """One photo: the annotated image, its faces, and the original on request."""
    record, analysis = result.record, result.record.analysis
    with st.container(border=True):
        st.markdown(f"**{as_code(shorten(record.source))}**")
        if analysis is None:
            st.error(escape(record.error), icon=":material/broken_image:")
            return
        for warning in record.warnings:
            st.warning(escape(warning), icon=":material/warning:")
        width, height = analysis.size_wh
        n = _count_faces(len(analysis))
        st.caption(f"{width} by {height} px, {n}, {analysis.time_s * 1000:.0f} ms")
        shows_original = may_show_original and st.toggle("Show original", key=photo.key)
        left, right = side_by_side()
        with left:
            words = ", ".join(str(emotion) for emotion in analysis.predictions.top)
            found = f" with its faces marked: {words}" if words else ", no face found"
            st.image(result.preview, alt=f"{record.source}{found}", width="stretch")
        if shows_original:
            original = make_preview(decode_image(photo.read()).pixels)
            with right:
                st.image(original, alt=f"{record.source} as it was uploaded", width="stretch")
            right = st.container()
        with right:
            if len(analysis):
                _show_faces(result)
            else:
                st.info("No face was found.", icon=":material/face_retouching_off:")


def _show_totals(
    results: Sequence[PhotoResult], everyone: pd.DataFrame, faces: pd.DataFrame
) -> None:
    failed = sum(result.record.analysis is None for result in results)
    with st.grid(3 if failed else "auto", min_column_width=150):  # six stand in two full rows
        st.metric("Photos", len(results) - failed, border=True)
        st.metric("Faces", len(everyone), border=True)
        if failed:
            st.metric("Failed", failed, border=True)
        if not faces.empty:
            st.metric("Most frequent", faces["emotion"].mode()[0], border=True)
            st.metric("Mean valence", f"{faces['valence'].mean():+.2f}", border=True)
            st.metric("Mean arousal", f"{faces['arousal'].mean():+.2f}", border=True)


def _show_gallery(
    results: Sequence[PhotoResult], chosen: pd.DataFrame, *, is_selection: bool
) -> None:
    st.header(f"Selected faces ({len(chosen)})" if is_selection else "Faces", anchor=False)
    if chosen.empty:
        st.caption("No face is in this range.")
    thumbnails = {result.record.source: result.thumbnails for result in results}
    limit = _GALLERY_SELECTED if is_selection else _GALLERY
    with st.container(horizontal=True, gap="small", key="gallery"):
        for row in chosen.head(limit).itertuples():
            words = f"{row.emotion}, face {row.face} of {row.source}"
            face = thumbnails[str(row.source)][int(row.face) - 1]  # type: ignore[arg-type]
            st.image(face, caption=str(row.emotion), alt=words, width=88)
    if len(chosen) > limit:
        st.caption(f"and {len(chosen) - limit} more")


def _show_faces(result: PhotoResult) -> None:
    faces = faces_table([result.record])
    name = result.record.source
    st.dataframe(
        faces.assign(confidence=faces["confidence"].map(format_confidence)),
        column_order=[
            name for name in _TABLE_COLUMNS if name != "flags" or not faces["is_usable"].all()
        ],
        column_config=_TABLE_COLUMNS,
        hide_index=True,
        height=min(36 * (len(faces) + 1) + 2, 300),
        alt=f"Faces of {name} with emotion, confidence, valence and arousal",
    )
    st.altair_chart(
        readable(probabilities_chart(faces)),
        key=f"bars {name}",
        alt=f"Probability of each emotion for the faces of {name}",
    )


def _to_zip(results: Sequence[PhotoResult]) -> bytes:
    """The annotated photos as a ZIP, uncompressed since JPEG does not shrink further."""
    done = [result for result in results if result.annotated]
    stems = safe_stems([result.record.source for result in done])
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for result, stem in zip(done, stems, strict=True):
            archive.writestr(f"annotated/{stem}.jpg", result.annotated)
    return buffer.getvalue()


def _count_faces(n: int) -> str:
    return {0: "no face", 1: "1 face"}.get(n, f"{n} faces")
