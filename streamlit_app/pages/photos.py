"""Photos: upload, contact sheet of all faces, statistics, the valence-arousal plane."""

from __future__ import annotations

import time
from dataclasses import replace

import streamlit as st

from emotion_core.errors import EmotionError
from emotion_core.files import archive
from emotion_core.imaging.codec import ACCEPTED, MAX_BYTES, SUFFIXES
from streamlit_app.folder_paths import keep_folder_paths
from streamlit_app.model_choice import OWN
from streamlit_app.own_model import OwnModel, show_way_back
from streamlit_app.photos.comparing import ComparisonTask
from streamlit_app.photos.face_labels import LabellingTask, list_faces
from streamlit_app.photos.filters import clear_filters
from streamlit_app.photos.state import Photo, PhotosState
from streamlit_app.photos.views import (
    select_photos,
    show_findings,
    show_headline,
    show_kept,
    show_results,
)
from streamlit_app.resources import (
    SAMPLE,
    page_analyzer,
    sample_photo,
    update_link,
    visit_state,
)
from streamlit_app.settings import load_settings
from streamlit_app.sidebar import visitor_options
from streamlit_app.widgets import choose_counted, escape, invitation

UPLOADS = "uploads"
SLICE_S = 2.0  # seconds of analysis after which the page shows what there is; more if that is slow

began_s = time.monotonic()
st.set_page_config(page_title="Photos · Emoscope")
settings = load_settings()
state = visit_state(PhotosState)
options = visitor_options()

keep_folder_paths()
is_back = UPLOADS not in st.session_state
has_photos = state.has_photos or bool(st.session_state.get(UPLOADS))
with st.container(horizontal=True, key="head"):
    headline = st.container(width="stretch")
    if has_photos:  # not a popover, which ends uploads when it closes
        box = st.expander("Add or remove photos", icon=":material/add:", width=300)
if not has_photos:
    with headline:
        st.title("Photos", anchor=False)
    st.caption("What do these faces show?")
with box if has_photos else st.container():
    uploads = st.file_uploader(
        "Photos",
        type=[*SUFFIXES, archive.SUFFIX],
        accept_multiple_files=True,
        max_upload_size=max(MAX_BYTES // 2**20, int(st.get_option("server.maxUploadSize"))),
        key=UPLOADS,
        help=f"{ACCEPTED}, or a folder or ZIP archive of them, which keep the names of folders. "
        "Photos stay in this server's memory and are deleted ten minutes after you leave.",
    )
    had_photos = state.has_photos
    photos = state.merge_uploads(uploads, is_back=is_back)
    if state.kept:
        show_kept(state)
    if not photos and state.sample:
        photos = [Photo(SAMPLE.name, sample_photo, "sample")]
        st.button("Remove sample", on_click=state.hide_sample, icon=":material/close:")
if bool(photos) != has_photos and state.has_photos != had_photos:
    st.rerun()  # the page with photos looks otherwise
if has_photos and not photos:  # an upload without a photo in it
    with headline:
        st.title("Photos", anchor=False)
for remark in state.remarks:
    st.warning(escape(remark), icon=":material/folder_zip:")
if len(photos) > settings.max_photos:
    st.warning(
        f"Only the first {settings.max_photos} of {len(photos)} photos are analysed; remove some, "
        "or use the command line for large collections."
    )
    photos = photos[: settings.max_photos]

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
    clear_filters()
    st.stop()

update_link()
info, own = analyzer.info, visit_state(OwnModel)
waiting = state.begin(photos, (info.emotion.version, info.detector.version), blur=options.blur)
unfinished = {photo.key for photo in waiting}
finished = [photo for photo in photos if photo.key not in unfinished]
is_working = bool(waiting) and not state.is_stopped
progress = st.empty()
if is_working:
    with progress.container(horizontal=True, vertical_alignment="center"):
        done = len(photos) - len(waiting)
        bar = st.progress(done / len(photos), f"{done} of {len(photos)} photos analysed")
        st.button("Stop", on_click=state.stop, icon=":material/stop:")
elif waiting:
    with progress.container(horizontal=True, vertical_alignment="center"):
        if state.failure:
            st.error(escape(state.failure), icon=":material/error:")
        else:
            st.info(f"Stopped: {len(finished)} of {len(photos)} photos are analysed.")
        st.button("Resume", on_click=state.resume, type="primary", icon=":material/play_arrow:")

selected = select_photos(state, finished, options)
with headline:
    show_headline(selected)
    findings = st.container()
if finished:
    selected = replace(selected, all_faces=choose_counted(selected.faces, "face"))
    with findings:
        show_findings(selected, info, options)
        if options.emotion == OWN:
            show_way_back(own)
    # while the analysis runs, what a visitor does starts the whole page again
    show = show_results if is_working else st.fragment(show_results)
    comparison = labelling = None
    if not is_working:
        comparison = ComparisonTask(
            state.second,
            state.results,
            selected,
            options,
            analyzer,
            settings.model,
            settings.device,
        )
        is_own = options.emotion == OWN
        chosen = own.base_name if is_own else options.emotion or info.emotion.name
        labelling = LabellingTask(
            state.labels,
            selected,
            list_faces(selected),
            analyzer,
            options,
            own,
            None if settings.server.url else chosen,
            settings.device,
            state.second,
            state.results,
        )
    show(state, selected, options, analyzer, comparison, labelling)

if is_working:
    now_s = time.monotonic()
    end_s = now_s + max(SLICE_S, 4 * (now_s - began_s))
    try:
        for photo, result in state.iter_results(analyzer, waiting, blur=options.blur):
            state.add(photo, result)
            done += 1
            bar.progress(done / len(photos), f"{done} of {len(photos)} photos analysed")
            if time.monotonic() > end_s:
                break
    except EmotionError as error:
        state.fail(str(error))
    st.rerun()
