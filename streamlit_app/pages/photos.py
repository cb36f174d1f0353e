"""Photos: upload, annotated faces, statistics, the valence-arousal plane."""

from dataclasses import replace
from functools import partial

import streamlit as st

from emotion_core.errors import EmotionError
from emotion_core.imaging.codec import ACCEPTED, MAX_BYTES, SUFFIXES
from emotion_core.photos.pipeline import iter_photos
from streamlit_app.photos.state import Photo
from streamlit_app.photos.views import (
    PER_PAGE,
    forget_choice,
    show_kept,
    show_overview,
    show_photo,
    show_photo_downloads,
)
from streamlit_app.resources import SAMPLE, forget_analyzer, get_analyzer, sample_photo
from streamlit_app.session_state import photo_batch
from streamlit_app.settings import load_settings
from streamlit_app.widgets import (
    errors_as_messages,
    invitation,
    plain,
    sidebar,
    sidebar_info,
)

UPLOADS = "uploads"

st.set_page_config(page_title="Photos · Emoscope")
settings = load_settings()
batch = photo_batch()
options = sidebar(settings)

st.title("What do these faces show?", anchor=False)
is_back = UPLOADS not in st.session_state
uploads = st.file_uploader(
    "Photos",
    type=list(SUFFIXES),
    accept_multiple_files=True,
    max_upload_size=MAX_BYTES // 2**20,
    key=UPLOADS,
    help=f"{ACCEPTED}. Photos stay in this server's memory and are gone when you leave.",
)
photos = batch.merge_uploads(uploads, is_back=is_back)
if batch.kept:
    show_kept(batch)
if len(photos) > settings.max_photos:
    st.warning(
        f"Only the first {settings.max_photos} of {len(photos)} photos are analysed; take some "
        "away, or use the command line for large collections."
    )
    photos = photos[: settings.max_photos]
if not photos and batch.sample:
    photos = [Photo("sample", SAMPLE.name, sample_photo)]
    st.button("Take the sample away", on_click=batch.hide_sample, icon=":material/close:")

if not photos and invitation(
    sample_photo(),
    alt="Portrait of the astronaut Eileen Collins, smiling, in an orange suit",
    title="No photo at hand?",
    words="Try this portrait, or drop your own photos above: each face gets its emotion with "
    "a probability, and its place between unpleasant and pleasant, calm and excited. "
    "Tables, pictures and charts can be downloaded.",
):
    batch.show_sample()
    st.rerun()

choice = (options.emotion, options.detector, settings.device)
with errors_as_messages("The networks could not be loaded"):
    analyzer = get_analyzer(*choice)
sidebar_info(analyzer.info, partial(forget_analyzer, *choice))
if not photos:
    forget_choice()
    st.stop()

info = analyzer.info
at_work = replace(options, emotion=info.emotion.name, detector=info.detector.name)
waiting = batch.begin(photos, at_work)
# Where nothing is analysed yet, what was shown before goes at once: it may show faces that are to
# be blurred.
place = st.container if batch.results else st.empty
progress, summary = st.empty(), place()
pages = -(-len(photos) // PER_PAGE)
page = 1
if pages > 1:
    page = st.pagination(pages, key="page")
shown = photos[(page - 1) * PER_PAGE : page * PER_PAGE]
slots = {photo.key: place() for photo in shown}
for photo in shown:
    if photo.key in batch.results:
        with slots[photo.key].container():
            show_photo(photo, batch.results[photo.key], may_show_original=not options.blur)

if waiting and not batch.is_stopped:
    done = len(photos) - len(waiting)
    with progress.container(horizontal=True, vertical_alignment="center"):
        bar = st.progress(done / len(photos), f"Photo {done + 1} of {len(photos)}")
        st.button("Stop", on_click=batch.stop, icon=":material/stop:")
    results = iter_photos(
        analyzer,
        [photo.to_source() for photo in waiting],
        options.analyze_options,
        blur=options.blur,
    )
    try:
        for photo, result in zip(waiting, results, strict=True):
            batch.results[photo.key] = result
            done += 1
            bar.progress(done / len(photos), f"{done} of {len(photos)} photos analysed")
            if photo.key in slots:
                with slots[photo.key].container():
                    show_photo(photo, result, may_show_original=not options.blur)
    except EmotionError as error:
        batch.fail(str(error))
    st.rerun()
if waiting:
    with progress.container(horizontal=True, vertical_alignment="center"):
        if batch.failure:
            st.error(plain(batch.failure), icon=":material/error:")
        else:
            st.info(f"Stopped: {len(batch.results)} of {len(photos)} photos are analysed.")
        st.button("Go on", on_click=batch.resume, type="primary", icon=":material/play_arrow:")

finished = [batch.results[photo.key] for photo in photos if photo.key in batch.results]
if finished:
    with summary.container():
        show_overview(finished)
        show_photo_downloads(finished)
