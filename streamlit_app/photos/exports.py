"""Everything on the Photos page as files, made when a button is pressed."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

import streamlit as st

from emotion_core.files.archive import pack
from emotion_core.photos.tables import photos_table, safe_stems
from emotion_core.reporting.photo_bundle import PhotoRun, write_bundle
from emotion_core.reporting.photo_charts import to_html, to_png, valence_arousal_chart
from streamlit_app.photos.faces import to_public
from streamlit_app.resources import explain_link
from streamlit_app.widgets import chosen_decimal, download, plural, to_csv

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

    from emotion_core.models.card import AnalyzerInfo
    from emotion_core.photos.tables import Decimal, PhotoRecord
    from streamlit_app.photos.faces import SelectedPhotos
    from streamlit_app.photos.state import Photo, PhotosState
    from streamlit_app.visitor_options import VisitorOptions


def show_exports(
    state: PhotosState,
    selected: SelectedPhotos,
    options: VisitorOptions,
    info: AnalyzerInfo,
    shown: pd.DataFrame,
) -> None:
    """A menu of downloads.

    Args:
        state: Draws the photos.
        selected: The photos and all faces that count.
        options: Which faces count, and whether they are blurred.
        info: The models in use.
        shown: The chosen faces.
    """
    records, readable, is_all = selected.records, selected.readable, selected.all_faces
    n = len(selected.faces)
    is_part = len(shown) < n
    charted = to_public(selected.to_counted(shown))
    annotated = partial(_iter_annotated, state, readable, options, all_faces=is_all)
    with st.popover("Export", icon=":material/download:"):
        make = partial(_to_bundle, records, options, info, selected.photos, annotated)
        chosen = to_public(shown) if is_part else None
        bundle = partial(make, is_all=is_all, chosen=chosen, decimal=chosen_decimal())
        download("Everything (ZIP)", bundle, "emoscope_photos.zip", "application/zip")
        st.caption("Tables, charts, annotated photos, settings, versions, hashes, methods.")
        download("Faces (CSV)", to_csv(lambda: to_public(shown)), "faces.csv", "text/csv")
        if is_part:
            st.caption(f"Only the {plural(len(shown), 'face')} shown of {n}.")
        download(
            "Photos (CSV)",
            to_csv(lambda: photos_table(records, all_faces=is_all)),
            "photos.csv",
            "text/csv",
        )
        if readable:
            zipped = partial(_to_zip, annotated, [photo.name for photo in readable])
            download("Annotated photos (ZIP)", zipped, "photos.zip", "application/zip")
        if len(charted):
            page = partial(_make_chart_page, charted)
            download("Chart (HTML)", page, "valence_arousal.html", "text/html")
            image = partial(_make_chart_image, charted)
            download("Chart (PNG)", image, "valence_arousal.png", "image/png")
        explain_link()


def _make_chart_page(faces: pd.DataFrame) -> str:
    return to_html(valence_arousal_chart(faces), title="Valence and arousal")


def _make_chart_image(faces: pd.DataFrame) -> bytes:
    return to_png(valence_arousal_chart(faces))


def _iter_annotated(
    state: PhotosState, photos: list[Photo], options: VisitorOptions, *, all_faces: bool
) -> Iterator[tuple[str, bytes]]:
    """Names and annotated photos, of which one is in memory at a time."""
    for photo in photos:
        yield photo.name, state.annotated(photo, options, all_faces=all_faces)


def _to_bundle(  # noqa: PLR0913 - bound one after the other
    records: list[PhotoRecord],
    options: VisitorOptions,
    info: AnalyzerInfo,
    photos: list[Photo],
    annotated: partial[Iterator[tuple[str, bytes]]],
    *,
    is_all: bool,
    chosen: pd.DataFrame | None,
    decimal: Decimal,
) -> bytes:
    hashes = {photo.name: photo.sha256 for photo in photos}
    now = datetime.now(UTC)
    choice = replace(options.analyze_options, all_faces=is_all)
    run = PhotoRun(records, info, choice, options.blur, now, hashes)
    return write_bundle(run, annotated(), shown=chosen, decimal=decimal)


def _to_zip(annotated: partial[Iterator[tuple[str, bytes]]], names: list[str]) -> bytes:
    """The annotated photos as a ZIP."""
    photos = zip(annotated(), safe_stems(names), strict=True)
    return pack((f"annotated/{stem}.jpg", jpeg) for (_, jpeg), stem in photos)
