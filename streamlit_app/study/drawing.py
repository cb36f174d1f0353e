"""The annotated video of a study: drawn when it is its turn among all visitors, kept as a file."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import streamlit as st

from emotion_core.errors import EmotionError
from emotion_core.photos.tables import safe_stems
from emotion_core.study.annotated import write_annotated
from streamlit_app.video.job_queue import FileJob, JobState
from streamlit_app.video.views import describe_progress
from streamlit_app.widgets import download, escape

if TYPE_CHECKING:
    from collections.abc import Hashable

    from streamlit_app.study.clips import StudyClip
    from streamlit_app.study.state import StudyState
    from streamlit_app.video.job_queue import JobQueue


class AnnotationJob(FileJob[None]):
    """Draws a video of a study with its edits in the labels.

    Attributes:
        clip: The video.

    Raises:
        EmotionError: It is in no table, is no longer here, or the system cannot start another
            thread.
    """

    def __init__(self, state: StudyState, clip: StudyClip, queue: JobQueue) -> None:
        study = state.study()
        found = [record for record in study.records if record.video.file == clip.name]
        if not found or clip.file is None:
            raise EmotionError(f"It is not known who is in {clip.name}, or it is not here.")
        self.clip, self._made_of = clip, _parts(state, clip)
        super().__init__(clip.file, queue, partial(write_annotated, study, found[0]))

    def is_current(self, state: StudyState) -> bool:
        """Whether nothing that it shows has changed since it began."""
        return self._made_of == _parts(state, self.clip)


def _parts(state: StudyState, clip: StudyClip) -> Hashable:
    settings = state.settings
    return state.edits.of(clip.name), settings.smoothing_s, settings.all_faces


def offer_annotated(state: StudyState, clip: StudyClip, queue: JobQueue) -> None:
    """A button that has a video drawn, then its progress, and at last the file.

    Args:
        state: Keeps the video that was drawn last.
        clip: A video that is still here.
        queue: Of the jobs of all visitors.
    """
    job = state.drawing if state.drawing and state.drawing.clip is clip else None
    if job and not job.is_current(state):
        state.draw(None)
        job = None
    if job and job.state in (JobState.WAITING, JobState.RUNNING):
        _show_progress(state, job)
    elif job and job.state is JobState.DONE:
        name = f"{safe_stems([clip.name])[0]}_annotated.mp4"
        download("Annotated video (MP4)", job.video.read, name, "video/mp4")
    else:
        try:
            if job and job.state is JobState.FAILED:
                job.result()
            if st.button("Draw annotated video", icon=":material/movie_edit:"):
                state.draw(AnnotationJob(state, clip, queue))
                st.rerun()
        except EmotionError as error:
            st.error(escape(str(error)), icon=":material/error:")
    st.caption("With people merged, named and left out as here.")


@st.fragment(run_every=0.5)
def _show_progress(state: StudyState, job: AnnotationJob) -> None:
    if state.drawing is not job or job.state not in (JobState.WAITING, JobState.RUNNING):
        st.rerun()
    with st.container(horizontal=True, vertical_alignment="center"):
        st.progress(*describe_progress(job))
        st.button("Cancel", on_click=job.cancel, icon=":material/stop:", key="cancel drawing")
