"""Photos: upload, annotated faces, statistics, the valence-arousal plane."""

from dataclasses import replace

import streamlit as st

from emotion_core.errors import EmotionError
from emotion_core.files import archive
from emotion_core.imaging.codec import ACCEPTED, MAX_BYTES, SUFFIXES
from emotion_core.photos.pipeline import iter_photos
from streamlit_app.folder_paths import keep_folder_paths
from streamlit_app.photos.state import Photo, PhotosState
from streamlit_app.photos.views import (
    PER_PAGE,
    clear_selection,
    show_kept,
    show_overview,
    show_photo,
    show_photo_downloads,
)
from streamlit_app.resources import (
    SAMPLE,
    explain_link,
    page_analyzer,
    sample_photo,
    update_link,
    visit_state,
)
from streamlit_app.settings import load_settings
from streamlit_app.sidebar import sidebar
from streamlit_app.widgets import escape, invitation

UPLOADS = "uploads"

st.set_page_config(page_title="Photos · Emoscope")
settings = load_settings()
state = visit_state(PhotosState)
options = sidebar(settings)

st.title("Photos", anchor=False)
st.caption("What do these faces show?")
keep_folder_paths()
is_back = UPLOADS not in st.session_state
uploads = st.file_uploader(
    "Photos",
    type=[*SUFFIXES, archive.SUFFIX],
    accept_multiple_files=True,
    max_upload_size=max(MAX_BYTES // 2**20, int(st.get_option("server.maxUploadSize"))),
    key=UPLOADS,
    help=f"{ACCEPTED}, or a folder or ZIP archive of them, which keep the names of folders. Photos "
    "stay in this server's memory and are deleted ten minutes after you leave.",
)
photos = state.merge_uploads(uploads, is_back=is_back)
for remark in state.remarks:
    st.warning(escape(remark), icon=":material/folder_zip:")
if state.kept:
    show_kept(state)
if len(photos) > settings.max_photos:
    st.warning(
        f"Only the first {settings.max_photos} of {len(photos)} photos are analysed; remove some, "
        "or use the command line for large collections."
    )
    photos = photos[: settings.max_photos]
if not photos and state.sample:
    photos = [Photo(SAMPLE.name, sample_photo, "sample")]
    st.button("Remove sample", on_click=state.hide_sample, icon=":material/close:")

if not photos and invitation(
    sample_photo(),
    alt="Portrait of the astronaut Eileen Collins, smiling, in an orange suit",
    title="No photo at hand?",
    words="Try this portrait, or drop your own photos above: each face gets its emotion with "
    "a probability, and its position between unpleasant and pleasant, calm and excited. "
    "You can download tables, images and charts.",
):
    state.sample = True
    st.rerun()

analyzer = page_analyzer(options, settings.device)
if not photos:
    clear_selection()
    st.stop()

update_link()
info = analyzer.info
in_use = replace(options, emotion=info.emotion.name, detector=info.detector.name)
waiting = state.begin(photos, in_use)
# Without results, what was shown before is removed at once: it may show faces that must be blurred.
make_slot = st.container if state.results else st.empty
progress, summary = st.empty(), make_slot()
pages = -(-len(photos) // PER_PAGE)
page = 1
if pages > 1:
    page = st.pagination(pages, key="page")
shown = photos[(page - 1) * PER_PAGE : page * PER_PAGE]
slots = {photo.key: make_slot() for photo in shown}
for photo in shown:
    if photo.key in state.results:
        with slots[photo.key].container():
            show_photo(photo, state.results[photo.key], may_show_original=not options.blur)

if waiting and not state.is_stopped:
    done = len(photos) - len(waiting)
    with progress.container(horizontal=True, vertical_alignment="center"):
        bar = st.progress(done / len(photos), f"Photo {done + 1} of {len(photos)}")
        st.button("Stop", on_click=state.stop, icon=":material/stop:")
    results = iter_photos(analyzer, waiting, options.analyze_options, blur=options.blur)
    try:
        for photo, result in zip(waiting, results, strict=True):
            state.results[photo.key] = result
            done += 1
            bar.progress(done / len(photos), f"{done} of {len(photos)} photos analysed")
            if photo.key in slots:
                with slots[photo.key].container():
                    show_photo(photo, result, may_show_original=not options.blur)
    except EmotionError as error:
        state.fail(str(error))
    st.rerun()
if waiting:
    with progress.container(horizontal=True, vertical_alignment="center"):
        if state.failure:
            st.error(escape(state.failure), icon=":material/error:")
        else:
            st.info(f"Stopped: {len(state.results)} of {len(photos)} photos are analysed.")
        st.button("Resume", on_click=state.resume, type="primary", icon=":material/play_arrow:")

finished = [state.results[photo.key] for photo in photos if photo.key in state.results]
if finished:
    with summary.container():
        show_overview(finished)
        show_photo_downloads(finished)
        explain_link()
