"""Takes videos, archives of videos and projects into a study."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import streamlit as st

from emotion_core.errors import EmotionError, ImageDecodeError
from emotion_core.files import archive
from emotion_core.files.archive import MediaArchive, has_suffix
from emotion_core.imaging import codec
from emotion_core.photos.tables import unique_names
from emotion_core.study.project import PROJECT_SUFFIX
from emotion_core.study.store import hash_file
from emotion_core.video.io import animation
from emotion_core.video.io.demuxer import ACCEPTED, SUFFIXES
from emotion_core.video.io.still import is_photo, photo_to_video
from streamlit_app.shared_file import SharedTempFile
from streamlit_app.study.clips import StudyClip
from streamlit_app.widgets import plural, take_upload, take_uploads

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path
    from typing import BinaryIO

    from streamlit.runtime.uploaded_file_manager import UploadedFile

    from streamlit_app.settings import AppSettings
    from streamlit_app.study.state import StudyState

MAX_CLIPS = 300
"""Videos of a study on the page; each is an open file. The command line takes any number."""

_PROJECT = PROJECT_SUFFIX.removeprefix(".")


def choose_files(settings: AppSettings, state: StudyState) -> None:
    """The upload field; takes what is uploaded, and starts the page again."""
    key = f"study files {state.uploads}"
    uploads = st.file_uploader(
        "Videos, photos, or a project",
        type=[
            *dict.fromkeys([*SUFFIXES, *codec.SUFFIXES, *animation.SUFFIXES]),
            archive.SUFFIX,
            _PROJECT,
        ],
        accept_multiple_files=True,
        max_upload_size=min(settings.max_video_mb, int(st.get_option("server.maxUploadSize"))),
        key=key,
        help=f"{ACCEPTED} and what camcorders write; photos ({codec.ACCEPTED}), each a still of "
        f"one second; a folder or ZIP archives of them; or a project ({PROJECT_SUFFIX}) that was "
        "saved here or by the command line.",
    )
    if uploads:
        state.uploads += 1
        state.remarks = []
        take_files(state, take_uploads(uploads, key))
        st.rerun()


def choose_table(label: str, key: str, words: str) -> tuple[str, bytes] | None:
    """An upload field for a CSV file; gives its name and content once."""
    count = st.session_state.setdefault(f"{key} count", 0)
    upload = st.file_uploader(label, type="csv", key=f"{key} {count}", help=words)
    if upload is None:
        return None
    st.session_state[f"{key} count"] = count + 1
    return upload.name, take_upload(upload, f"{key} {count}").getvalue()


def take_files(state: StudyState, uploads: Sequence[UploadedFile]) -> None:
    """Adds uploaded videos to a study, or opens an uploaded project in its place.

    What is wrong with a file is a remark, and the others are taken.
    """
    projects = [upload for upload in uploads if has_suffix(upload.name, (_PROJECT,))]
    others = [upload for upload in uploads if upload not in projects]
    if projects:
        try:
            state.open_project(projects[0].name, projects[0].getvalue())
        except EmotionError as error:
            state.remarks.append(str(error))
        if others or len(projects) > 1:
            state.remarks.append("A project is opened alone: the other files were passed over.")
    elif state.is_project:
        state.remarks.append(
            "A project takes no more videos, since they might be analysed otherwise. Close it "
            "first, or start with all videos."
        )
    else:
        _take_videos(state, others)


def _take_videos(state: StudyState, uploads: Sequence[UploadedFile]) -> None:
    found: list[tuple[str, SharedTempFile, str]] = []
    room = MAX_CLIPS - len(state.clips)
    try:
        for name, write in _iter_videos(state, uploads):
            if len(found) >= room:
                state.remarks.append(
                    f"A study has up to {MAX_CLIPS} videos on this page; the others were passed "
                    "over. The command `study` takes any number."
                )
                break
            file = _store(write)
            try:
                found.append((name, file, _make_still(file, name)))
            except ImageDecodeError as error:
                file.close()
                state.remarks.append(f"{name}: {error}")
    except (EmotionError, OSError) as error:
        reason = error.strerror or error if isinstance(error, OSError) else error
        state.remarks.append(f"Not all videos could be stored on the server: {reason}")
    names = unique_names([*(clip.name for clip in state.clips), *(name for name, *_ in found)])
    new = names[len(state.clips) :]
    state.add(
        StudyClip(name, file, photo_sha256)
        for name, (_, file, photo_sha256) in zip(new, found, strict=True)
    )


def _make_still(file: SharedTempFile, name: str) -> str:
    """Makes a video of a photo in its place, and gives the photo's hash; empty for a video."""
    with file.in_use() as path:
        if not is_photo(path, name):
            return ""
        sha256 = hash_file(path)
        path.write_bytes(photo_to_video(path.read_bytes()))
    return sha256


def _iter_videos(
    state: StudyState, uploads: Sequence[UploadedFile]
) -> Iterator[tuple[str, Callable[[Path], None]]]:
    """Names of videos, those of archives, too, and what writes each to a path."""
    for upload in uploads:
        if not has_suffix(upload.name, (archive.SUFFIX,)):
            yield upload.name, lambda path, source=upload: _copy(source, path)  # type: ignore[misc]
            continue
        with MediaArchive(upload, SUFFIXES + codec.SUFFIXES) as opened:
            for name in opened.names:
                yield name, lambda path, name=name: opened.unpack(name, path)  # type: ignore[misc]
            if n_other := len(opened.passed_over):
                state.remarks.append(f"{upload.name}: {plural(n_other, 'other file')} passed over.")


def _copy(source: BinaryIO, path: Path) -> None:
    with path.open("wb") as copy:
        shutil.copyfileobj(source, copy, 2**20)


def _store(write: Callable[[Path], None]) -> SharedTempFile:
    file = SharedTempFile()
    try:
        with file.in_use() as path:
            write(path)
    except BaseException:
        file.close()
        raise
    return file
